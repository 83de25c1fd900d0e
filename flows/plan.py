"""What there is to do, found out before anything expensive is started: DVC's graph, what is stale, where tasks run."""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import UserError

Plan = dict[str, list[str]]

# Task runners by name, with the module and the class that each needs.
RUNNERS = {
    "thread": ("prefect.task_runners", "ThreadPoolTaskRunner"),
    "dask": ("prefect_dask", "DaskTaskRunner"),
    "ray": ("prefect_ray", "RayTaskRunner"),
}


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the workspace: raises UserError if another reproduce has it. May be entered again by the same thread."""
    Path("runs").mkdir(exist_ok=True)
    try:
        with FileLock(Path("runs/reproduce.lock").absolute(), timeout=0, is_singleton=True):
            yield
    except Timeout:
        raise UserError("another reproduce is running in this workspace: wait for it, then run this again") from None


def plan(targets: list[str] | None, force: bool) -> Plan:
    """The stages to run, in topological order, each with those of its parents that run too.

    A stage runs if it is stale, or if something before it runs (DVC skips it if that changed nothing). Targets are
    stages (`train@mnist-judge_1`), groups of them (`train`) or files (`studies/NAME/dvc.yaml`); without any, all of
    ./dvc.yaml, as for `dvc repro`. What the targets depend on counts too. Raises UserError for an unknown target or a
    graph that DVC refuses.
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
    # An edge of DVC's graph points from a stage to what it depends on.
    chosen = {name for target in targets or ["dvc.yaml"] for name in _matching(target, list(graph))}
    wanted = chosen.union(*(networkx.descendants(graph, name) for name in chosen))
    runs: Plan = {}
    for name in networkx.lexicographical_topological_sort(graph.reverse()):
        parents = sorted(parent for parent in graph.successors(name) if parent in runs)
        if name in wanted and not name.endswith(".dvc") and (name in stale or parents):
            runs[name] = parents
    return runs


def _matching(target: str, names: list[str]) -> list[str]:
    """The stages that a target means. Raises UserError if there are none."""
    if target == "dvc.yaml":
        return [name for name in names if ":" not in name and not name.endswith(".dvc")]
    found = [name for name in names if name == target or name.startswith((f"{target}@", f"{target}:"))]
    if not found:
        raise UserError(f"unknown stage `{target}`: `dvc stage list --all` shows them")
    return found


def ancestors(name: str, stages: Plan) -> set[str]:
    """All that has to run before a stage."""
    return set(stages[name]).union(*(ancestors(parent, stages) for parent in stages[name]))


def followers(name: str, stages: Plan) -> int:
    """How many stages wait for this one, directly or not."""
    return sum(name in ancestors(other, stages) for other in stages)


def check(runner: str, concurrency: int | None) -> None:
    """Raises UserError for a runner that is unknown or not installed, and for a concurrency below one."""
    if runner not in RUNNERS:
        raise UserError(f"unknown runner `{runner}`: expected one of {', '.join(RUNNERS)}")
    package = RUNNERS[runner][0].split(".")[0]
    if importlib.util.find_spec(package) is None:
        raise UserError(f"runner {runner}: install {package.replace('_', '-')} first")
    if concurrency is not None and concurrency < 1:
        raise UserError(f"concurrency: expected at least 1 (got {concurrency})")
