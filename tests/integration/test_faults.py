"""What may go wrong while people rely on it: the tracking server dies, the disk is full, two runs meet."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Workspace


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory, mnist_raw: Path) -> Workspace:
    """A workspace with prepared data and nothing but the judges."""
    made = Workspace(tmp_path_factory.mktemp("faults"), mnist_raw)
    made.shrink(limit=3000, steps=40, systems=("judge_1", "judge_2", "judge_3"))
    made.commit()
    made.run("dvc", "repro", "prepare@mnist")
    return made


class Server:
    """A real MLflow server on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
                   "--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--workers", "1",
                   "--artifacts-destination", str(self.folder / "artifacts")]  # fmt: skip
        log = open(self.folder / "server.log", "a")  # noqa: SIM115 - the child keeps it
        self.child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.3)
        pytest.fail((self.folder / "server.log").read_text())

    def kill(self) -> None:
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


def test_a_server_killed_during_training_costs_nothing_and_sync_completes_the_run(
    judges: Workspace, server: Server
) -> None:
    env = {**judges.env, "MLFLOW_TRACKING_URI": server.address}
    judges.set("experiments.mnist-judge_2.settings.steps", 200)
    training = subprocess.Popen(
        judges.command("dvc", "repro", "train@mnist-judge_2"), cwd=judges.root, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    note = judges.root / "runs" / "live" / "mnist-judge_2.json"
    while not note.exists() and training.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    server.kill()
    output, _ = training.communicate(timeout=300)
    assert training.returncode == 0, output
    live, model = json.loads(note.read_text())["run_id"], judges.root / "models" / "mnist" / "judge_2"
    server.start()
    judges.run("dvc", "repro", MLFLOW_TRACKING_URI=server.address)
    synced = judges.pipeline("sync", MLFLOW_TRACKING_URI=server.address).stdout
    assert f"mnist-judge_2: run {live}" in synced
    assert "already" in judges.pipeline("sync", MLFLOW_TRACKING_URI=server.address).stdout
    rows = json.loads(judges.pipeline("models", "--json", MLFLOW_TRACKING_URI=server.address).stdout)
    assert {(row["name"], row["version"]) for row in rows} == {(f"mnist-judge_{number}", 1) for number in (1, 2, 3)}
    steps = [int(line.split(",")[0]) for line in (model / "curves.csv").read_text().splitlines()[1:]]
    logged = subprocess.check_output(
        [sys.executable, "-c", HISTORY, server.address, live], env=judges.env, cwd=judges.root, text=True
    )
    assert sorted(json.loads(logged)) == steps


HISTORY = """
import json, sys, mlflow
points = mlflow.MlflowClient(sys.argv[1]).get_metric_history(sys.argv[2], "loss/classify")
print(json.dumps([point.step for point in points]))
"""


def test_a_model_that_is_not_measured_yet_is_not_registered_by_the_figures_of_the_last(judges: Workspace) -> None:
    judges.run("dvc", "repro")
    judges.pipeline("sync")
    judges.set("experiments.mnist-judge_1.settings.steps", 50)
    judges.run("dvc", "repro", "--single-item", "train@mnist-judge_1")
    assert "mnist-judge_1 is trained anew and not measured yet" in judges.pipeline("sync").stdout
    judges.run("dvc", "repro", "evaluate@mnist-judge_1")
    assert "mnist-judge_1: run" in judges.pipeline("sync").stdout
    rows = json.loads(judges.pipeline("models", "--json").stdout)
    (newest, *older) = [row for row in rows if row["name"] == "mnist-judge_1"]
    assert "challenger" in newest["aliases"]
    assert all("challenger" not in row["aliases"] for row in older)


def test_a_second_reproduce_is_refused_in_one_line(judges: Workspace) -> None:
    command = judges.command("flows.reproduce", "--no-sync", "--force", "--target", "prepare@mnist")
    first = subprocess.Popen(command, cwd=judges.root, env=judges.env, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    first.stdout.readline()
    second = judges.run("flows.reproduce", "--no-sync", code=2)
    assert "another reproduce is running" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    first.communicate(timeout=300)
    assert first.returncode == 0


def test_a_stopped_reproduce_stops_its_stages_and_the_next_one_completes(judges: Workspace) -> None:
    judges.set("experiments.mnist-judge_1.settings.steps", 300)
    command = judges.command("flows.reproduce", "--no-sync", "--target", "train@mnist-judge_1")
    first = subprocess.Popen(command, cwd=judges.root, env=judges.env, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    while "started" not in first.stdout.readline():
        pass
    time.sleep(8)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 128 + signal.SIGTERM
    time.sleep(1)
    left = subprocess.run(["pgrep", "-f", "flows.train mnist-judge_1"], capture_output=True, text=True).stdout
    assert not left
    assert "train@mnist-judge_1" in judges.run("flows.reproduce", "--no-sync", "--target", "train@mnist-judge_1").stdout


def test_a_full_disk_is_named_and_the_same_command_completes(judges: Workspace, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    models = judges.root / "models"
    try:
        shutil.rmtree(models)
        models.symlink_to(small)
        done = judges.run("flows.train", "mnist-judge_2", code=1)
        assert len(done.stderr.strip().splitlines()) == 1
        assert "No space left" in done.stderr
        assert not [path for path in small.rglob("*") if path.is_file()]
        models.unlink()
        models.mkdir()
        judges.run("flows.train", "mnist-judge_2")
        assert (models / "mnist" / "judge_2" / "config.json").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)
