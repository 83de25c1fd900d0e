"""What every stage does besides its work. How it stops, and that it is a flow, is in integration/test_reproduce.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import stage
from pipeline.errors import UserError
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_steps_run_in_order_and_the_run_is_recorded(tmp_path: Path) -> None:
    done: list[str] = []
    stage.run(
        "train@mnist-x",
        {"fit": lambda: done.append("fit"), "log": lambda: stage.Record(mlflow_run_id="abc", fit=list(done))},
        tmp_path,
    )
    record = json.loads((tmp_path / "runs" / "train@mnist-x.json").read_text())
    assert record["fit"] == ["fit"]
    assert (record["stage"], record["mlflow_run_id"], record["flow_run_id"]) == ("train@mnist-x", "abc", None)
    assert set(record) >= {"started", "seconds", "commit", "device"}
    assert {"torch", "dvc", "prefect", "mlflow"} <= set(record["versions"])
    assert record["peak_memory_mib"] > 10


def test_a_stage_that_fails_leaves_no_record_an_earlier_one_neither(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UserError("no")

    stage.run("report", {"build": lambda: None}, tmp_path)
    assert (tmp_path / "runs" / "report.json").exists()
    with pytest.raises(UserError):
        stage.run("report", {"build": refuse}, tmp_path)
    assert not list((tmp_path / "runs").iterdir())


def test_the_commit_says_whether_the_work_tree_differs_from_it(tmp_path: Path) -> None:
    assert stage.commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    clean = stage.commit(tmp_path)
    assert clean is not None
    assert len(clean) == 40
    (tmp_path / "file").write_text("two")
    assert stage.commit(tmp_path) == f"{clean}+"


def run_module(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    (root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    env = os.environ | {"PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}"}
    return subprocess.run([sys.executable, *arguments], cwd=root, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["flows.train", "mnist-nobody"], "unknown experiment `mnist-nobody`: expected one of mnist-classifier"),
        (["flows.evaluate", "nobody"], "unknown experiment `nobody`"),
        (["flows.prepare", "nobody"], "unknown data set `nobody`"),
        (["flows.fetch", "nobody"], "unknown data set `nobody`"),
        (["flows.extractor", "nobody"], "unknown extractor `nobody`: expected imagenet_cnn"),
    ],
)
def test_an_unknown_key_is_one_line(tmp_path: Path, arguments: list[str], expected: str) -> None:
    done = run_module("-m", *arguments, root=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_stage_that_wants_a_key_says_which(tmp_path: Path) -> None:
    done = run_module("-m", "flows.train", root=tmp_path)
    assert done.returncode == 2
    assert "key" in done.stderr
    assert "mnist-manipulator" in run_module("-m", "flows.train", "--help", root=tmp_path).stdout


SCRIPT = """
import sys
from flows import stage
def steps(key, params, root):
    return {"look": lambda: print("prefect" in sys.modules, sys.modules["torch"].get_num_threads() == params.threads)}
stage.main("look", steps)
"""


def test_without_an_api_prefect_is_not_imported_and_torch_has_the_threads_of_the_params(tmp_path: Path) -> None:
    done = run_module("-c", SCRIPT, root=tmp_path)
    assert done.stdout == "False True\n", done.stderr
