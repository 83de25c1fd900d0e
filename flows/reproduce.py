"""Run DVC's own stage graph as a Prefect flow: what is stale, in order, independent stages in parallel.

DVC decides what is stale and runs each stage; Prefect decides when. If nothing is stale no server is started.
At the end models and metrics are synchronised with MLflow and the results are printed.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from flows import api, summary
from flows.plan import RUNNERS, alone, check, plan
from pipeline import errors


def __getattr__(name: str) -> Any:
    """`reproduce`, the flow that prefect.yaml names, when it is asked for: importing Prefect takes over a second, and
    most runs find nothing to do."""
    if name == "reproduce":
        from flows import graph

        return graph.reproduce
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m flows.reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--targets",
        "--target",
        nargs="+",
        action="extend",
        metavar="STAGE",
        help="bring only these stages, groups of stages or dvc.yaml files, and what they need, up to date",
    )
    parser.add_argument("--force", action="store_true", help="run the stages even if nothing changed")
    parser.add_argument(
        "--runner", default="thread", help=f"where tasks run: {', '.join(RUNNERS)} (default: %(default)s)"
    )
    parser.add_argument("--concurrency", type=int, metavar="N", help="stages at a time (default: the number of CPUs)")
    parser.add_argument("--no-sync", dest="sync", action="store_false", help="leave MLflow alone")
    arguments = parser.parse_args()
    errors.guarded(lambda: locally(**vars(arguments)))


def locally(targets: list[str] | None, force: bool, runner: str, concurrency: int | None, sync: bool) -> None:
    """Run the flow on this machine, on a Prefect API of its own unless PREFECT_API_URL names one."""
    check(runner, concurrency)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with alone():
        stages = plan(targets, force)
        if not stages:
            print("nothing is stale: data, models and metrics agree with dvc.lock")
            summary.finish(Path(), sync)
            return
        print(f"{len(stages)} stages to run: {', '.join(stages)}", flush=True)
        with api.available():
            from flows import graph

            try:
                state = graph.reproduce(targets, force, runner, concurrency, sync, return_state=True)
            finally:
                graph.flush()
    if not state.is_completed():
        errors.fail(str(state.message), 1)


def stop(number: int, _: object) -> None:
    """Leave, and the stages with it: what they did is kept, and the next run goes on from there."""
    errors.fail("stopped; the same command goes on where it was", 128 + number)


if __name__ == "__main__":
    os.environ.update(api.QUIET)
    sys.exit(main())
