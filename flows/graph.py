"""The flow: DVC's stages as Prefect tasks, each as soon as its own parents are done."""

import os
import queue
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import prefect
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed, Failed, State
from prefect.task_runners import TaskRunner

from flows import api, board, leash, summary
from flows.plan import RUNNERS, Plan, alone, ancestors, check, followers, plan

RETRIES = {"fetch": 2}
RETRY_SECONDS = 5
FLUSH_SECONDS = 5.0

# The stages at work in this process.
running = leash.Group()

# Lines of DVC that say nothing about the stage; they are in its log.
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


@prefect.flow(name="reproduce", log_prints=False)
def reproduce(
    targets: list[str] | None = None,
    force: bool = False,
    runner: str = "thread",
    concurrency: int | None = None,
    sync: bool = True,
) -> State:
    """Bring the workspace up to date, then synchronise with MLflow.

    targets: stages to bring up to date (all if none); force: run them even if nothing changed; runner: where tasks run
    (thread, dask, ray); concurrency: stages at a time (the number of CPUs if none); sync: bring MLflow up to date too.
    Fails, after all that could run has run, if a stage failed.
    """
    check(runner, concurrency)
    with alone():
        stages = plan(targets, force)
        lost: list[str] = []
        if stages:
            with board.showing(len(stages)):
                lost = run_graph.with_options(task_runner=task_runner(runner, concurrency))(stages, force)
        summary.finish(Path(), sync)
    return Failed(message=explain(lost, stages)) if lost else Completed()


@prefect.flow(name="stages", log_prints=False)
def run_graph(stages: Plan, force: bool) -> list[str]:
    """Run each stage as soon as its parents have; the names of those that failed or could not run.

    Stages are submitted when they are ready, those that most others wait for first: a task that only waits would hold
    a place that another could use.
    """
    try:
        return _run_graph(stages, force)
    # Prefect, asked to stop, waits for its tasks: they have to end first.
    except BaseException:
        running.stop()
        raise


def _run_graph(stages: Plan, force: bool) -> list[str]:
    waiting, done = dict(stages), queue.SimpleQueue[tuple[str, Any]]()
    lost: list[str] = []
    at_work = 0
    while waiting or at_work:
        for name in sorted((name for name in waiting if not waiting[name]), key=lambda name: -followers(name, stages)):
            del waiting[name]
            at_work += 1
            submit(name, force).add_done_callback(lambda future, name=name: done.put((name, future)))
        name, future = done.get()
        at_work -= 1
        future.wait()
        if future.state.is_completed():
            waiting = {other: [p for p in parents if p != name] for other, parents in waiting.items()}
        else:
            lost += [name, *(other for other in waiting if name in ancestors(other, stages))]
            waiting = {other: parents for other, parents in waiting.items() if other not in lost}
    return lost


def submit(name: str, force: bool) -> Any:
    """The future of one stage's task."""
    options = {
        "name": name,
        "task_run_name": name,
        "retries": RETRIES.get(name.split("@")[0], 0),
        "retry_delay_seconds": RETRY_SECONDS,
        "retry_condition_fn": may_try_again,
    }
    return run_stage.with_options(**options).submit(name, force)


def may_try_again(*_: object) -> bool:
    """Not if it was this process that stopped the stage."""
    return not running.stopped


@prefect.task(persist_result=False)
def run_stage(name: str, force: bool) -> State:
    """Let DVC run one stage; its output is shown line by line and kept whole in runs/logs/."""
    path = log(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", *["--force"] * force, name]
    board.current.started(name)
    try:
        child = running.start(command, subprocess.PIPE, os.environ | api.QUIET)
    except leash.Stopped:
        board.current.ended(name, "not started: the run is being stopped")
        return Failed(message=f"stage {name}: the run was stopped")
    with open(path, "w", encoding="utf-8") as handle:
        for line in child.stdout or ():
            handle.write(line)
            handle.flush()
            if line.strip() and not line.startswith(CHATTER):
                board.current.said(name, line.rstrip())
    code = running.wait(child)
    failure = f"failed with exit code {code}: see {path}" if code else ""
    if code and running.stopped:
        failure = "stopped"
    board.current.ended(name, failure)
    # A state and not an exception: the stage has said what was wrong, a traceback of this function would not.
    return Failed(message=f"stage {name} {failure}") if failure else Completed()


def flush() -> None:
    """Send what Prefect has not told its server yet: it does so when Python ends, and a local server ends before."""
    EventsWorker.drain_all(timeout=FLUSH_SECONDS)
    APILogHandler().flush()


def log(name: str) -> Path:
    """Where the whole output of a stage is."""
    return Path("runs") / "logs" / f"{name.replace('/', '_').replace(':', '_')}.log"


def explain(lost: list[str], stages: Plan) -> str:
    """One line: which stages failed, where their logs are, and which could not run because of them."""
    failed = [name for name in lost if not ancestors(name, stages) & set(lost)]
    others = [name for name in lost if name not in failed]
    text = f"failed: {', '.join(f'{name} (see {log(name)})' for name in failed)}"
    return f"{text}; not run because of that: {', '.join(others)}" if others else text


def task_runner(name: str, concurrency: int | None) -> TaskRunner[Any]:
    """The Prefect task runner of that name, for so many stages at a time."""
    count = concurrency or os.cpu_count() or 1
    module, runner = RUNNERS[name]
    options: dict[str, dict[str, Any]] = {
        "thread": {"max_workers": count},
        "dask": {"cluster_kwargs": {"n_workers": count, "threads_per_worker": 1}},
        "ray": {"init_kwargs": {"num_cpus": count}},
    }
    return getattr(import_module(module), runner)(**options[name])
