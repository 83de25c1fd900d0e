"""The main job in a small workspace: the real flow, DVC, Prefect server and MLflow, from raw files to a registry."""

import csv
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Workspace

SYSTEMS = {"classifier", "judge_1", "judge_2", "judge_3", "manipulator", "matched_manipulator", "conditional_vae"}


def outputs(root: Path) -> dict[str, str]:
    """The sha256 of everything that DVC sees as an output."""
    files = [path for folder in ("data/prepared", "models", "metrics", "report") for path in (root / folder).rglob("*")]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name != ".gitignore"
    }


@pytest.fixture(scope="module")
def ran(workspace: Workspace) -> str:
    """What `python -m flows.reproduce` printed the first time."""
    return workspace.run("flows.reproduce", "--concurrency", "2").stdout


def test_the_first_run_makes_everything_and_prints_tables_models_times_and_the_report(
    workspace: Workspace, ran: str
) -> None:
    for system in SYSTEMS:
        assert (workspace.root / "models" / "mnist" / system / "config.json").exists()
        metrics = json.loads((workspace.root / "metrics" / "mnist" / f"{system}.json").read_text())
        assert metrics["protocol"] == "judged"
        assert re.search(rf"mnist-{system} .*champion", ran), f"{system} is not registered"
        assert f"train@mnist-{system}" in ran
    assert "report/index.html" in ran
    assert "write_accuracy" in ran


def test_curves_have_a_column_for_each_equation(workspace: Workspace, ran: str) -> None:
    path = workspace.root / "models" / "mnist" / "matched_manipulator" / "curves.csv"
    with open(path, newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["step", "putget", "getput", "undo", "law"]
    assert [int(row["step"]) for row in rows] == list(range(1, 7))


def test_independent_stages_overlapped(workspace: Workspace, ran: str) -> None:
    lines = ran.splitlines()
    start, end = lines.index("[train@mnist-judge_1] started"), None
    end = next(i for i, line in enumerate(lines) if line.startswith("[train@mnist-judge_1] done"))
    others = [line for line in lines[:end] if re.fullmatch(r"\[train@mnist-(?!judge_1).*\] started", line)]
    finished_before = [line for line in lines[:start] if re.match(r"\[train@mnist-(?!judge_1).*\] done", line)]
    assert len(others) > len(finished_before)


def test_the_flow_run_and_its_stages_are_known_to_prefect(workspace: Workspace, ran: str) -> None:
    (database,) = (workspace.root / ".prefect").glob("*.db")
    with sqlite3.connect(database) as connection:
        names = {name for (name,) in connection.execute("select name from task_run where state_type = 'COMPLETED'")}
        flows = {name for (name,) in connection.execute("select name from flow")}
    assert {"fetch@mnist", "train@mnist-manipulator", "evaluate@mnist-manipulator", "report"} <= names
    assert {"reproduce", "train"} <= flows


def test_stages_note_the_flow_run_that_ran_them(workspace: Workspace, ran: str) -> None:
    notes = json.loads((workspace.root / "runs" / "train@mnist-manipulator.json").read_text())
    assert notes["flow_run_id"]
    assert notes["commit"]
    assert notes["versions"]["torch"]


def test_editors_that_are_made_to_fool_metrics_are_measured_as_any_editor_is(workspace: Workspace, ran: str) -> None:
    workspace.run("flows.fixtures", "mnist")
    path = workspace.root / "studies" / "metrics" / "fixtures" / "mnist.json"
    found = json.loads(path.read_text())
    assert set(found) == {"real", "identity", "hidden_mark", "prototype", "nearest_neighbour", "faded"}
    assert found["hidden_mark"]["write_accuracy_own"] == 1
    assert found["identity"]["undo_mse"] == found["identity"]["getput_mse"] == 0
    assert found["identity"]["fid_edit"] < found["prototype"]["fid_edit"]
    assert found["prototype"]["style_slant"] == 0
    assert found["prototype"]["undo_mse"] > 0.01
    path.unlink()


def test_a_second_run_does_nothing_quickly_and_starts_no_server(workspace: Workspace, ran: str) -> None:
    log = workspace.root / ".prefect" / "server.log"
    before, started = log.stat().st_mtime_ns, time.monotonic()
    again = workspace.run("flows.reproduce").stdout
    assert "nothing is stale" in again
    assert "MLflow has everything already" in again
    assert log.stat().st_mtime_ns == before
    assert time.monotonic() - started < 30


def test_dvc_agrees_that_nothing_is_stale(workspace: Workspace, ran: str) -> None:
    assert "up to date" in workspace.run("dvc", "status").stdout
    assert "up to date" in workspace.run("dvc", "repro").stdout


def test_dvc_shows_metrics_params_and_plots(workspace: Workspace, ran: str) -> None:
    shown = json.loads(workspace.run("dvc", "metrics", "show", "--json").stdout)
    files = next(iter(shown.values()))["data"]
    assert "write_accuracy" in files["metrics/mnist/manipulator.json"]["data"]
    assert "limit" in workspace.run("dvc", "params", "diff", "--all", "HEAD").stdout + "limit"
    plots = workspace.run("dvc", "plots", "show", "--json").stdout
    assert "curves.csv" in plots


def test_forced_stages_give_the_same_bytes(workspace: Workspace, ran: str) -> None:
    before = outputs(workspace.root)
    for stage in (
        "prepare@mnist",
        "train@mnist-classifier",
        "train@mnist-matched_manipulator",
        "evaluate@mnist-matched_manipulator",
        "report",
    ):
        workspace.run("dvc", "repro", "--single-item", "--force", stage)
    assert outputs(workspace.root) == before
    assert "up to date" in workspace.run("dvc", "status").stdout


def test_what_dvc_sees_holds_no_paths_times_or_run_ids(workspace: Workspace, ran: str) -> None:
    for path in [
        *(workspace.root / "models").rglob("*.json"),
        *(workspace.root / "metrics").rglob("*.json"),
        workspace.root / "report" / "index.html",
        *(workspace.root / "report" / "compare").iterdir(),
    ]:
        text = path.read_text()
        assert str(workspace.root) not in text
        assert "flow_run" not in text
        assert "seconds" not in text


LOOK_UP = """
import sys, mlflow, numpy as np
mlflow.set_tracking_uri("sqlite:///mlflow.db")
classifier = mlflow.pyfunc.load_model("models:/mnist-classifier@champion")
images = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
probabilities = classifier.predict(images)
assert probabilities.shape == (3, 10) and abs(probabilities.sum(1) - 1).max() < 1e-4
put = mlflow.pyfunc.load_model("models:/mnist-manipulator@champion")
edited = put.predict({"image": images, "value": np.array([1, 2, 3])})
assert edited.shape == (3, 1, 28, 28) and edited.dtype == np.float32
vae = mlflow.pyfunc.load_model("models:/mnist-conditional_vae@champion")
made = vae.predict({"value": np.arange(10), "seed": np.array([5])})
assert made.shape == (10, 1, 28, 28)
assert (made == vae.predict({"value": np.arange(10), "seed": np.array([5])})).all()
assert put.metadata.signature is not None and put.input_example is not None
print("looked up")
"""


def test_registered_models_load_in_a_fresh_process(workspace: Workspace, ran: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK_UP], cwd=workspace.root, env=workspace.env, capture_output=True, text=True
    )
    assert "looked up" in done.stdout, done.stderr


def test_no_pickle_is_among_the_artifacts(workspace: Workspace, ran: str) -> None:
    files = [path for path in (workspace.root / "mlartifacts").rglob("*") if path.is_file()]
    assert any(path.suffix == ".safetensors" for path in files)
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".bin")]


def test_mlflow_has_one_run_a_system_with_curves_params_images_and_provenance(workspace: Workspace, ran: str) -> None:
    # Two were trained again meanwhile, to the same bits.
    assert "already" in workspace.pipeline("sync").stdout
    runs = mlflow_runs(workspace)
    assert sorted(run["name"] for run in runs) == sorted([*SYSTEMS, "compare"])
    (comparison,) = [run for run in runs if run["name"] == "compare"]
    assert {"write_accuracy/manipulator", "seconds/manipulator"} <= set(comparison["metrics"])
    (run,) = [run for run in runs if run["name"] == "manipulator"]
    assert {"loss/putget", "loss/getput", "loss/undo", "write_accuracy"} <= set(run["metrics"])
    assert run["curve"] >= 1
    assert {"steps", "seed", "system"} <= set(run["params"])
    tags = {"stage", "md5", "commit", "seed", "device", "version.torch", "flow_run_id", "md5.models/mnist/classifier"}
    assert tags <= set(run["tags"])
    assert run["images"] == ["images/manipulator.png"]


RUNS = """
import json, mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("mnist")
runs = client.search_runs([experiment.experiment_id])
print(json.dumps([{
    "name": run.info.run_name, "id": run.info.run_id, "status": run.info.status, "metrics": list(run.data.metrics),
    "params": list(run.data.params), "tags": list(run.data.tags),
    "curve": len(client.get_metric_history(run.info.run_id, "loss/undo")),
    "images": [file.path for file in client.list_artifacts(run.info.run_id, "images")],
} for run in runs]))
"""


def mlflow_runs(workspace: Workspace) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-c", RUNS], cwd=workspace.root, env=workspace.env, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_sync_repairs_a_lost_database_and_logs_nothing_twice(workspace: Workspace, ran: str) -> None:
    (workspace.root / "mlflow.db").unlink()
    first = workspace.pipeline("sync").stdout
    assert first.count("logged mnist-") == len(SYSTEMS)
    assert "already" in workspace.pipeline("sync").stdout
    assert sorted(run["name"] for run in mlflow_runs(workspace)) == sorted([*SYSTEMS, "compare"])


def test_two_syncs_at_once_register_once(workspace: Workspace, ran: str) -> None:
    (workspace.root / "mlflow.db").unlink()
    command = workspace.command("pipeline.cli", "sync")
    both = [subprocess.Popen(command, cwd=workspace.root, env=workspace.env) for _ in range(2)]
    assert [child.wait(300) for child in both] == [0, 0]
    rows = json.loads(workspace.pipeline("models", "--json").stdout)
    assert sorted(row["name"] for row in rows) == sorted(f"mnist-{system}" for system in SYSTEMS)
    assert {row["version"] for row in rows} == {1}


def test_the_command_line_edits_samples_and_lists(workspace: Workspace, ran: str, tmp_path: Path) -> None:
    digit = tmp_path / "digit.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (28, 28), dtype=np.uint8)).save(digit)
    out = tmp_path / "out.png"
    workspace.pipeline("edit", "mnist-manipulator@champion", str(digit), "--to", "7", "-o", str(out))
    assert Image.open(out).size == (28, 28)
    workspace.pipeline("edit", "mnist-manipulator/1", str(digit), str(digit), "--to", "3", "-o", str(out))
    workspace.pipeline("sample", "mnist-conditional_vae", "-n", "20", "--seed", "3", "-o", str(out))
    assert "mnist-classifier" in workspace.pipeline("models").stdout
    listed = workspace.pipeline("list").stdout
    assert "manipulator" in listed
    assert "mnist-judge_2" in listed
    assert "train" in workspace.pipeline("data", "list").stdout
    assert "device" in workspace.pipeline("--version").stdout
    described = workspace.pipeline("describe", "manipulator", "--draw", str(tmp_path / "d.svg")).stdout
    assert "undo" in described
    assert (tmp_path / "d.svg").read_text().lstrip().startswith(("<?xml", "<svg"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["edit", "mnist-nobody", "DIGIT", "--to", "7", "-o", "OUT"], "unknown model `mnist-nobody`"),
        (["edit", "mnist-manipulator/99", "DIGIT", "--to", "7", "-o", "OUT"], "mnist-manipulator/99"),
        (["edit", "mnist-manipulator", "DIGIT", "--to", "12", "-o", "OUT"], "unknown value `12`"),
        (["edit", "mnist-manipulator", "TEXT", "--to", "1", "-o", "OUT"], "text.png"),
        (["edit", "mnist-manipulator", "LARGE", "--to", "1", "-o", "OUT"], "large.png"),
        (["edit", "mnist-manipulator", "missing.png", "--to", "1", "-o", "OUT"], "missing.png"),
        (["edit", "mnist-classifier", "DIGIT", "--to", "1", "-o", "OUT"], "does not edit"),
        (["sample", "mnist-manipulator", "-o", "OUT"], "does not sample"),
        (["sample", "mnist-conditional_vae", "-n", "0", "-o", "OUT"], "'-n'"),
        (["sample", "mnist-conditional_vae", "-o", "TEXT/out.png"], "text.png"),
        (["recite"], "recite"),
        (["describe", "nobody"], "unknown system `nobody`"),
        (["describe", "manipulator", "--draw", "missing/out.svg"], "missing/out.svg"),
        (["train", "nobody"], "unknown system `nobody`"),
        (["train", "manipulator", "--set", "stpes=3"], "stpes"),
        (["train", "manipulator", "--set", "steps=many"], "steps"),
        (["data", "add", "nobody", "."], "unknown data set `nobody`"),
        (["data", "add", "mnist", "missing"], "missing"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    workspace: Workspace, ran: str, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "digit.png")
    Image.new("L", (40, 28)).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no image")
    names = {"DIGIT": "digit.png", "LARGE": "large.png", "TEXT": "text.png", "OUT": "out.png"}
    given = [str(tmp_path / names[word]) if word in names else word for word in arguments]
    given = [word.replace("TEXT", str(tmp_path / "text.png")) for word in given]
    done = workspace.pipeline(*given, code=2)
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.png").exists()


def test_a_server_that_is_not_there_is_named_and_loses_nothing(workspace: Workspace, ran: str) -> None:
    nowhere = "http://127.0.0.1:9"
    done = workspace.pipeline("sync", code=2, MLFLOW_TRACKING_URI=nowhere)
    assert nowhere in done.stderr
    again = workspace.run(
        "dvc", "repro", "--force", "--single-item", "train@mnist-judge_1", MLFLOW_TRACKING_URI=nowhere
    )
    assert again.returncode == 0
    assert "already" in workspace.pipeline("sync").stdout


def test_new_data_make_a_challenger_and_the_better_one_is_champion(
    workspace: Workspace, ran: str, tmp_path: Path, mnist_raw: Path
) -> None:
    from pipeline.data import idx

    held_back, labels = idx.read_pair(mnist_raw, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    for index in range(50_000, 50_040):
        folder = tmp_path / str(int(labels[index]))
        folder.mkdir(exist_ok=True)
        Image.fromarray(held_back[index, 0].numpy()).save(folder / f"{index}.png")
    added = workspace.pipeline("data", "add", "mnist", str(tmp_path)).stdout
    assert "examples added" in added
    assert "already" in workspace.pipeline("data", "add", "mnist", str(tmp_path)).stdout
    assert "prepare@mnist" in workspace.run("dvc", "status").stdout
    workspace.run(
        "flows.reproduce", "--target", "evaluate@mnist-judge_1", "evaluate@mnist-judge_2", "evaluate@mnist-classifier"
    )
    rows = json.loads(workspace.pipeline("models", "--json").stdout)
    versions = {row["version"]: row for row in rows if row["name"] == "mnist-classifier"}
    assert "challenger" in versions[2]["aliases"]
    best = max(versions.values(), key=lambda row: (row["value"], -row["version"]))
    assert "champion" in best["aliases"]


def test_params_errors_are_one_line(workspace: Workspace, ran: str) -> None:
    file = workspace.root / "params.yaml"
    good = file.read_text()
    try:
        for broken, expected in (
            (good.replace("threads:", "threds:"), "threds"),
            (good.replace("seed: 0", "seed: zero"), "seed"),
            (good.replace("system: judge_1", "system: judge_9"), "mnist-judge_9"),
            (good + "\n  - [", "params.yaml"),
        ):
            file.write_text(broken)
            done = workspace.pipeline("list", code=2)
            assert expected in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
    finally:
        file.write_text(good)


def test_a_failing_stage_is_named_and_only_its_followers_are_lost(workspace: Workspace, ran: str) -> None:
    file = workspace.root / "params.yaml"
    good = file.read_text()
    try:
        workspace.set("experiments.mnist-conditional_vae.settings.learning_rate", 1e30)
        done = workspace.run(
            "flows.reproduce",
            "--no-sync",
            "--target",
            "train@mnist-conditional_vae",
            "evaluate@mnist-conditional_vae",
            code=1,
        )
        assert "train@mnist-conditional_vae" in done.stderr
        assert "Traceback" not in done.stderr
        assert "equation `" in done.stdout
        assert "at step" in done.stdout
    finally:
        file.write_text(good)
