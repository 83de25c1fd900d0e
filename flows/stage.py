"""What all stages share: arguments, errors in one line, a record of the run, and a Prefect flow where there is an API.

A stage is a list of named steps. Under an orchestrator (PREFECT_API_URL is set) it runs as a Prefect flow whose tasks
are the steps; otherwise plainly. No stage starts a server.
"""

import argparse
import datetime
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from pipeline import errors, params
from pipeline.files import write_json
from pipeline.params import Params

Step = Callable[[], object]
Steps = Callable[[str, Params, Path], dict[str, Step]]

PACKAGES = ("torch", "dvc", "prefect", "mlflow", "numpy", "torchmetrics")


def main(stage: str, steps: Steps, what: str = "") -> None:
    """Run a stage from the command line: `python -m flows.<stage> [WHAT]`.

    steps: from the argument, the params and the root, the stage's steps in order, by name; they may hand values on
    through the closure. what: the argument's description; none is taken if it is empty.
    """
    parser = argparse.ArgumentParser(prog=f"python -m flows.{stage}", description=sys.modules["__main__"].__doc__)
    if what:
        parser.add_argument("key", help=what)
    key = getattr(parser.parse_args(), "key", "")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        errors.guarded(lambda: run(f"{stage}@{key}" if key else stage, steps(key, params.load(), Path()), Path()))
    except KeyboardInterrupt:
        errors.fail(f"{stage} {key} interrupted; the same command goes on where it was", 130)


def _terminated(number: int, frame: FrameType | None) -> None:
    errors.fail("terminated; the same command goes on where it was", 128 + number)


def run(name: str, steps: dict[str, Step], root: Path) -> None:
    """Run the steps, as a Prefect flow if there is an API, and write runs/<name>.json when all is done."""
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    flow_run_id = _under_prefect(name, steps) if os.environ.get("PREFECT_API_URL") else _plainly(steps)
    path = root / "runs" / f"{name}.json"
    notes = {
        "stage": name,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 2),
        "commit": commit(root),
        "device": _device(),
        "versions": {package: version(package) for package in PACKAGES},
        "flow_run_id": flow_run_id,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    write_json(path, notes)


def _plainly(steps: dict[str, Step]) -> None:
    for step in steps.values():
        step()


def _under_prefect(name: str, steps: dict[str, Step]) -> str:
    """Run the steps as tasks of one flow run; its id."""
    import prefect
    from prefect.runtime import flow_run

    found: list[str] = []

    @prefect.flow(name=name.split("@")[0], flow_run_name=name)
    def stage() -> None:
        found.append(str(flow_run.id))
        for title, step in steps.items():
            # Results pass through the closure: tensors are not for Prefect to keep.
            prefect.task(name=title, persist_result=False, log_prints=False)(_without_result(step))()

    stage()
    return found[0]


def _without_result(step: Step) -> Callable[[], None]:
    def run_step() -> None:
        step()

    return run_step


def commit(root: Path) -> str | None:
    """The commit that is checked out, with `+` if the work tree differs from it; None outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True).stdout.strip()

    head = git("rev-parse", "HEAD")
    return f"{head}{'+' if git('status', '--porcelain', '--untracked-files=no') else ''}" if head else None


def _device() -> str:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "cpu"
