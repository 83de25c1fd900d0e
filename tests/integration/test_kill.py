"""Killed at any moment under `dvc repro`, and started again: the same bits as if nothing had happened."""

import hashlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Workspace

STAGE = "train@mnist-judge_2"
OFTEN = "import pipeline.training as t; t.SECONDS_BETWEEN_CHECKPOINTS = 0.0"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, mnist_raw: Path) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("kill"), mnist_raw)
    made.shrink(limit=3000, steps=60, systems=("judge_2",))
    # Checkpoints at every row of the curves, so that a kill finds one.
    (made.root / "sitecustomize.py").write_text(OFTEN + "\n")
    made.commit()
    made.run("dvc", "repro", "prepare@mnist")
    return made


def weights(root: Path) -> dict[str, str]:
    folder = root / "models" / "mnist" / "judge_2"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def kill_when(small: Workspace, seconds: float) -> bool:
    """Start the stage under DVC and kill everything of it so long after its first checkpoint; False if it was done."""
    child = subprocess.Popen(
        small.command("dvc", "--wait-for-lock", "repro", "--single-item", STAGE),
        cwd=small.root,
        env=small.env,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = small.root / "checkpoints"
    while child.poll() is None and not list(folder.glob("*/*.pt")):
        time.sleep(0.005)
    time.sleep(seconds)
    killed = child.poll() is None
    if killed:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return killed


def test_killed_trainings_end_with_the_same_bits(small: Workspace) -> None:
    small.run("dvc", "repro", "--single-item", STAGE)
    expected = weights(small.root)
    assert {"config.json", "curves.csv", *(f"{name}.safetensors" for name in ("features", "head", "guard"))} == set(
        expected
    )
    assert not list((small.root / "checkpoints").glob("*/*"))
    chance, kills = random.Random(), 0
    for _ in range(2):
        lock = small.root / "dvc.lock"
        lock.write_text(lock.read_text().split(f"  {STAGE}:")[0])
        subprocess.run(
            ["rm", "-rf", str(small.root / "models" / "mnist"), str(small.root / ".dvc" / "cache" / "runs")], check=True
        )
        for _ in range(2):
            kills += kill_when(small, chance.uniform(0.0, 1.0))
        again = small.run("dvc", "repro", "--single-item", STAGE)
        assert weights(small.root) == expected, again.stdout
    assert kills, "no training was killed in time"


def test_a_damaged_checkpoint_is_named(small: Workspace) -> None:
    small.set("experiments.mnist-judge_2.settings.steps", 400)
    assert kill_when(small, 0.2)
    (file,) = (small.root / "checkpoints").glob("*/*.pt")
    file.write_bytes(file.read_bytes()[:1000])
    done = small.run("flows.train", "mnist-judge_2", code=2)
    assert str(file.name) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    file.unlink()
    small.set("experiments.mnist-judge_2.settings.steps", 60)


def test_other_settings_do_not_take_a_checkpoint(small: Workspace) -> None:
    small.set("experiments.mnist-judge_2.settings.steps", 400)
    assert kill_when(small, 0.2)
    small.set("experiments.mnist-judge_2.settings.steps", 60)
    done = small.run("flows.train", "mnist-judge_2")
    assert "going on" not in done.stdout
