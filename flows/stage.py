"""What all stages share: arguments, errors in one line, a record of the run, and a Prefect flow where there is an API.

A stage is a list of named steps. Under an orchestrator (PREFECT_API_URL names one that answers) it runs as a Prefect
flow whose tasks are the steps; otherwise plainly. No stage starts a server.
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
from typing import Any

from flows import api
from pipeline import errors, params
from pipeline.files import write_json
from pipeline.params import Params

Step = Callable[[], object]
Steps = Callable[[str, Params, Path], dict[str, Step]]


class Record(dict[str, Any]):
    """What a step returns if it has something to add to the record of the run, such as an MLflow run id."""


PACKAGES = ("torch", "dvc", "prefect", "mlflow", "numpy", "scikit-learn")


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
        errors.guarded(lambda: _run_in_project(stage, key, steps))
    except KeyboardInterrupt:
        errors.fail(f"{stage} {key} interrupted; the same command goes on where it was", 130)


def _run_in_project(stage: str, key: str, steps: Steps) -> None:
    settings = params.load()
    made = steps(key, settings, Path())
    # The number of threads changes the last bits of what is computed.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(settings.threads)
    run(f"{stage}@{key}" if key else stage, made, Path())


def _terminated(number: int, frame: FrameType | None) -> None:
    errors.fail("terminated; the same command goes on where it was", 128 + number)


def run(name: str, steps: dict[str, Step], root: Path) -> None:
    """Run the steps, as a Prefect flow if there is an API, and write runs/<name>.json when all is done.

    A stage that fails leaves no record, an earlier one neither.
    """
    path = root / "runs" / f"{name}.json"
    path.unlink(missing_ok=True)
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    found: dict[str, Any] = {"flow_run_id": None, "mlflow_run_id": None}
    if _orchestrated():
        _under_prefect(name, steps, found)
    else:
        _plainly(steps, found)
    notes = {
        "stage": name,
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(time.monotonic() - clock, 2),
        "commit": commit(root),
        "device": _device(),
        "versions": {package: version(package) for package in PACKAGES},
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **found,
    }
    write_json(path, notes)


def _orchestrated() -> bool:
    """Whether a Prefect API is named and answers; one that does not costs a line, not the stage."""
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        return False
    if not api.answers(address):
        print(f"warning: no Prefect API answers at {address}; running without", file=sys.stderr, flush=True)
        return False
    return True


def _plainly(steps: dict[str, Step], found: dict[str, Any]) -> None:
    for step in steps.values():
        result = step()
        if isinstance(result, Record):
            found.update(result)


def _under_prefect(name: str, steps: dict[str, Step], found: dict[str, Any]) -> None:
    """Run the steps as tasks of one flow run. If the API is lost on the way, what the steps did stays done."""
    os.environ.update(api.QUIET)
    import prefect
    from prefect.runtime import flow_run

    left = dict(steps)

    @prefect.flow(name=name.split("@")[0], flow_run_name=name)
    def stage() -> None:
        found["flow_run_id"] = str(flow_run.id)
        for title in steps:
            # Results pass through the closure: tensors are not for Prefect to keep.
            prefect.task(name=title, persist_result=False, log_prints=False)(run_step)(title)

    def run_step(title: str) -> None:
        _plainly({title: steps[title]}, found)
        del left[title]

    try:
        stage()
    except Exception as error:
        if left:
            raise
        print(f"warning: Prefect was not told that {name} is done: {error!r}", file=sys.stderr, flush=True)


def commit(root: Path) -> str | None:
    """The commit that is checked out, with `+` if the work tree differs from it; None outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True).stdout.strip()

    head = git("rev-parse", "HEAD")
    return f"{head}{'+' if git('status', '--porcelain', '--untracked-files=no') else ''}" if head else None


def _device() -> str:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "cpu"
