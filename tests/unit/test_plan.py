"""What there is to do, asked of real DVC in a small repository."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from flows.plan import ancestors, check, followers, plan
from pipeline.errors import UserError

GRAPH = """
stages:
  fetch:
    cmd: cp start.txt fetch.out
    deps: [start.txt]
    outs: [fetch.out]
  side:
    foreach: [left, right]
    do:
      cmd: cat ${item}.txt fetch.out > ${item}.out
      deps: ["${item}.txt", fetch.out]
      outs: ["${item}.out"]
  join:
    cmd: cat left.out right.out > join.out
    deps: [left.out, right.out]
    outs: [join.out]
"""
STUDY = "stages:\n  long:\n    cmd: cp ../../join.out long.out\n    deps: [../../join.out]\n    outs: [long.out]\n"
ALL = {
    "fetch": [],
    "side@left": ["fetch"],
    "side@right": ["fetch"],
    "join": ["side@left", "side@right"],
}


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("start", "left", "right"):
        (tmp_path / f"{name}.txt").write_text(name)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "studies" / "one").mkdir(parents=True)
    (tmp_path / "studies" / "one" / "dvc.yaml").write_text(STUDY)
    dvc("init", "-q", "--no-scm")
    return tmp_path


def test_a_fresh_repository_needs_every_stage_in_order_and_no_study(folder: Path) -> None:
    found = plan(None, force=False)
    assert found == ALL
    names = list(found)
    assert all(names.index(parent) < names.index(name) for name, parents in found.items() for parent in parents)


def test_only_what_is_stale_and_what_follows_runs(folder: Path) -> None:
    dvc("repro", "dvc.yaml")
    assert plan(None, force=False) == {}
    (folder / "left.txt").write_text("changed")
    assert plan(None, force=False) == {"side@left": [], "join": ["side@left"]}
    assert plan(["side@right"], force=False) == {}
    assert plan(None, force=True) == ALL


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("side@left", {"fetch", "side@left"}),
        ("side", {"fetch", "side@left", "side@right"}),
        ("dvc.yaml", set(ALL)),
        ("studies/one/dvc.yaml", {*ALL, "studies/one/dvc.yaml:long"}),
        ("studies/one/dvc.yaml:long", {*ALL, "studies/one/dvc.yaml:long"}),
    ],
)
def test_targets_are_stages_groups_and_files(folder: Path, target: str, expected: set[str]) -> None:
    assert set(plan([target], force=False)) == expected


def test_what_is_wrong_is_named(folder: Path) -> None:
    with pytest.raises(UserError, match="unknown stage `sid`"):
        plan(["sid"], force=False)
    (folder / "dvc.yaml").write_text("stages:\n  one:\n    outs: [a]\n")
    with pytest.raises(UserError, match=r"dvc\.yaml"):
        plan(None, force=False)


def test_ancestors_and_followers_go_all_the_way() -> None:
    assert ancestors("join", ALL) == {"fetch", "side@left", "side@right"}
    assert [followers(name, ALL) for name in ALL] == [3, 1, 1, 0]


def test_runners_are_checked() -> None:
    check("thread", 1)
    with pytest.raises(UserError, match="unknown runner `abacus`: expected one of thread, dask, ray"):
        check("abacus", None)
    with pytest.raises(UserError, match="concurrency: expected at least 1"):
        check("thread", 0)


@pytest.mark.skipif(importlib.util.find_spec("prefect_dask") is not None, reason="prefect-dask is installed")
def test_a_runner_that_is_not_installed_is_named() -> None:
    with pytest.raises(UserError, match="runner dask: install prefect-dask first"):
        check("dask", None)
