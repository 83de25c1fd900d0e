"""Run DVC's own stage graph as a Prefect flow: what is stale, in order, independent stages in parallel.

    python -m flows.reproduce [--target STAGE]... [--force] [--runner thread|dask|ray] [--concurrency N] [--no-sync]

DVC decides what is stale and runs each stage; Prefect decides when. If nothing is stale no server is started.
At the end models and metrics are synchronised with MLflow and the results are printed.
"""

import argparse
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from flows import api, summary

os.environ.update(api.QUIET)

import prefect
from prefect.states import Completed, Failed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from pipeline import errors
from pipeline.errors import UserError

RUNNERS = {"dask": ("prefect_dask", "DaskTaskRunner"), "ray": ("prefect_ray", "RayTaskRunner")}
RETRIES = {"fetch": 2}

_children: set[subprocess.Popen[str]] = set()
_printing = threading.Lock()


def plan(targets: list[str] | None, force: bool) -> dict[str, list[str]]:
    """The stages to run, in topological order, each with those of its parents that run too.

    A stage runs if it is stale, or if something before it runs (DVC skips it if that changed nothing). With targets,
    only they and what they depend on count. Raises UserError for an unknown target or a graph that DVC refuses.
    """
    import networkx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            graph = networkx.relabel_nodes(repo.index.graph, lambda stage: stage.addressing)
            stale = set(graph if force else repo.status())
    except DvcException as error:
        raise UserError(f"DVC: {error}") from None
    unknown = [target for target in targets or [] if target not in graph]
    if unknown:
        raise UserError(f"unknown stage `{unknown[0]}`: `dvc stage list` shows them")
    wanted = set(graph)
    if targets:
        wanted = set(targets).union(*(networkx.descendants(graph, target) for target in targets))
    runs: dict[str, list[str]] = {}
    # An edge of DVC's graph points from a stage to what it depends on.
    for name in networkx.lexicographical_topological_sort(graph.reverse()):
        parents = sorted(parent for parent in graph.successors(name) if parent in runs)
        if name in wanted and not name.endswith(".dvc") and (name in stale or parents):
            runs[name] = parents
    return runs


@prefect.flow(name="reproduce", log_prints=False)
def reproduce(
    targets: list[str] | None = None, force: bool = False, runner: str = "thread", concurrency: int | None = None
) -> State:
    """Bring the workspace up to date, then synchronise with MLflow.

    targets: stages to bring up to date (all if none); force: run them even if nothing changed; runner: where tasks run
    (thread, dask, ray); concurrency: stages at a time (the number of CPUs if none). Fails, after all that could run
    has run, if a stage failed.
    """
    stages = plan(targets, force)
    failed = run_graph.with_options(task_runner=task_runner(runner, concurrency))(stages, force) if stages else []
    summary.finish(Path(), failed)
    return Failed(message=f"failed or not run: {', '.join(failed)}") if failed else Completed()


@prefect.flow(name="stages", log_prints=False)
def run_graph(stages: dict[str, list[str]], force: bool) -> list[str]:
    """Run each stage as soon as its parents have; the names of those that failed or could not run.

    Stages are submitted when they are ready, those that most others wait for first: a task that only waits would hold
    a place that another could use.
    """
    waiting, done = dict(stages), queue.SimpleQueue[tuple[str, Any]]()
    failed: list[str] = []
    running = 0
    while waiting or running:
        for name in sorted((name for name in waiting if not waiting[name]), key=lambda name: -followers(name, stages)):
            del waiting[name]
            running += 1
            submit(name, force).add_done_callback(lambda future, name=name: done.put((name, future)))
        name, future = done.get()
        running -= 1
        future.wait()
        if future.state.is_completed():
            waiting = {other: [p for p in parents if p != name] for other, parents in waiting.items()}
        else:
            lost = [name, *(other for other in waiting if name in ancestors(other, stages))]
            failed += lost
            waiting = {other: parents for other, parents in waiting.items() if other not in lost}
    return failed


def submit(name: str, force: bool) -> Any:
    """The future of one stage's task."""
    retries = RETRIES.get(name.split("@")[0], 0)
    return run_stage.with_options(name=name, task_run_name=name, retries=retries, retry_delay_seconds=5).submit(
        name, force
    )


def ancestors(name: str, stages: dict[str, list[str]]) -> set[str]:
    """All that has to run before a stage."""
    return set(stages[name]).union(*(ancestors(parent, stages) for parent in stages[name]))


def followers(name: str, stages: dict[str, list[str]]) -> int:
    """How many stages wait for this one, directly or not."""
    return sum(name in ancestors(other, stages) for other in stages)


@prefect.task(persist_result=False)
def run_stage(name: str, force: bool) -> None:
    """Let DVC run one stage, its output prefixed line by line and kept in runs/logs/. Raises RuntimeError."""
    log = Path("runs") / "logs" / f"{name.replace('/', '_')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", *["--force"] * force, name]
    started = time.monotonic()
    say(name, "started")
    # A session of its own, so that the stage and all it started can be stopped together.
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | api.QUIET,
    )
    _children.add(child)
    with open(log, "w", encoding="utf-8") as handle:
        for line in child.stdout or ():
            handle.write(line)
            if worth_saying(line):
                say(name, line.rstrip())
    code = child.wait()
    _children.discard(child)
    if code:
        say(name, f"failed with exit code {code}: see {log}")
        raise RuntimeError(f"stage {name} failed with exit code {code}: see {log}")
    say(name, f"done in {time.monotonic() - started:.1f} s")


CHATTER = (
    "Running stage",
    "> ",
    "Updating lock file",
    "To track the changes",
    "To enable auto staging",
    "Use `dvc push`",
    "\tgit add",
    "\tdvc config",
    "WARNING: no file hash info",
    "Generating lock file",
)


def worth_saying(line: str) -> bool:
    """Whether a line of the stage's output is more than DVC's own routine."""
    return bool(line.strip()) and not line.startswith(CHATTER)


def say(name: str, text: str) -> None:
    with _printing:
        print(f"[{name}] {text}", flush=True)


def task_runner(name: str, concurrency: int | None) -> TaskRunner[Any]:
    """The Prefect task runner of that name. Raises UserError if it is unknown or not installed."""
    count = concurrency or os.cpu_count() or 1
    if name == "thread":
        return ThreadPoolTaskRunner(max_workers=count)
    if name not in RUNNERS:
        raise UserError(f"unknown runner `{name}`: expected thread, {', '.join(RUNNERS)}")
    module, runner = RUNNERS[name]
    try:
        made = getattr(import_module(module), runner)
    except ImportError:
        raise UserError(f"runner {name}: install {module.replace('_', '-')} first") from None
    return made(cluster_kwargs={"n_workers": count, "threads_per_worker": 1}) if name == "dask" else made()


def stop_children(number: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
    """Stop all running stages, then leave: what they did is kept, and the next run goes on from there."""
    for child in list(_children):
        try:
            os.killpg(child.pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    if frame is not None:
        errors.fail("stopped; the same command goes on where it was", 128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m flows.reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--target",
        "--targets",
        dest="targets",
        nargs="+",
        action="extend",
        metavar="STAGE",
        help="bring only these stages, and what they need, up to date",
    )
    parser.add_argument("--force", action="store_true", help="run the stages even if nothing changed")
    parser.add_argument("--runner", default="thread", help="where tasks run: thread (default), dask or ray")
    parser.add_argument("--concurrency", type=int, help="stages at a time (default: the number of CPUs)")
    parser.add_argument("--no-sync", action="store_true", help="leave MLflow alone")
    arguments = parser.parse_args()
    errors.guarded(lambda: locally(arguments))


def locally(arguments: argparse.Namespace) -> None:
    """Run the flow on this machine, on a Prefect API of its own unless PREFECT_API_URL names one."""
    Path("runs").mkdir(exist_ok=True)
    started = time.monotonic()
    os.environ[summary.NO_SYNC] = "1" if arguments.no_sync else ""
    task_runner(arguments.runner, arguments.concurrency)
    try:
        with FileLock("runs/reproduce.lock", timeout=0):
            stages = plan(arguments.targets, arguments.force)
            if not stages:
                print("nothing is stale: data, models and metrics agree with dvc.lock")
                summary.finish(Path(), [])
                return
            print(f"{len(stages)} stages to run: {', '.join(stages)}", flush=True)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop_children)
            failed = in_flow(arguments)
    except Timeout:
        raise UserError("another reproduce is running in this workspace: wait for it, then run this again") from None
    print(f"whole run: {time.monotonic() - started:.0f} s")
    if failed:
        errors.fail(str(failed), 1)


def in_flow(arguments: argparse.Namespace) -> str | None:
    """Run the flow; what went wrong, if something did."""
    with api.available():
        state = reproduce(
            arguments.targets, arguments.force, arguments.runner, arguments.concurrency, return_state=True
        )
    return None if state.is_completed() else state.message


if __name__ == "__main__":
    main()
