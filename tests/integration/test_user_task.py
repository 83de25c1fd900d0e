"""A user's own task on a user's own images: checked, trained, killed and trained on, registered, and put to use."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pipeline import pictures, systems, trials
from pipeline.systems import own
from tests.conftest import REPOSITORY, Workspace
from tests.shapes import draw_folder

READER = '''
"""Reads shapes, noisy ones too."""

import os
import time

from torch import nn

import pipeline.language as language
from pipeline.language import Learner, cross_entropy, equation, noise

settings = {"steps": 200, "batch_size": 16, "warm_up": 1, "ema": 0.9}


class Net(nn.Sequential):
    def forward(self, images):
        time.sleep(float(os.environ.get("SECONDS_A_STEP", "0")))
        return super().forward(images)


def reader(inputs):
    pixels, count = inputs.S.shape[1] * inputs.S.shape[2], len(inputs.values)
    net = Net(nn.Flatten(), nn.Linear(pixels, 32), nn.ReLU(), nn.Linear(32, count))
    get = Learner("get", (inputs.S,), inputs.V, net)
    s, v = inputs.x
    return language.task(classify=equation(get(noise(0.05)(s)), v, cross_entropy, trains=get))
'''

LOOK_UP = """
import json, mlflow, numpy as np
from pathlib import Path
from pipeline import pictures
mlflow.set_tracking_uri("sqlite:///mlflow.db")
reader = mlflow.pyfunc.load_model("models:/shapes-reader@champion")
files = sorted(Path("shapes").glob("*/*.png"))
read = reader.predict(pictures.read_images(files, (1, 16, 16)).numpy())
names = np.array(["bar", "box", "dot"])[read.argmax(1)]
right = float(np.mean([name == file.parent.name for name, file in zip(names, files)]))
client = mlflow.MlflowClient()
(run,) = client.search_runs([client.get_experiment_by_name("shapes").experiment_id])
files = [file.path for file in client.list_artifacts(run.info.run_id, "equations")]
curve = len(client.get_metric_history(run.info.run_id, "loss/classify"))
found = {"right": right, "params": run.data.params, "metrics": run.data.metrics, "files": files, "curve": curve}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mnist_raw: Path) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("own"), mnist_raw)
    # Checkpoints at every row of the curves, so that a kill finds one.
    often = "import pipeline.training as t; t.SECONDS_BETWEEN_CHECKPOINTS = 0.0\n"
    (made.root / "sitecustomize.py").write_text(often)
    (made.root / "mine.py").write_text(READER)
    draw_folder(made.root / "shapes", 20)
    return made


TRAIN = ("train", "mine.py:reader", "--data", "shapes", "--set", "steps=30")


@pytest.fixture(scope="module")
def trained(place: Workspace) -> str:
    """What the training said that went on after one was killed."""
    child = subprocess.Popen(
        place.command("pipeline.cli", *TRAIN),
        cwd=place.root,
        env={**place.env, "SECONDS_A_STEP": "0.2"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while child.poll() is None and not list((place.root / "checkpoints").glob("*/*.pt")):
        time.sleep(0.05)
    assert child.poll() is None, "the training was over before it could be killed"
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return place.pipeline(*TRAIN).stdout


def sums(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_check_prints_the_equations_and_trains_nothing(place: Workspace) -> None:
    said = place.pipeline("check", "mine.py:reader", "--draw", "reader.svg").stdout
    assert said.startswith("classify : get(noise[0.05](s)) == v   [cross_entropy; trains get]")
    assert (place.root / "reader.svg").exists()
    assert not (place.root / "runs" / "models").exists()
    failed = place.pipeline("check", "mine.py", code=2)
    assert failed.stderr == "error: mine.py: there is no task called task in it; there is mine.py:reader\n"


def test_a_killed_training_goes_on_and_ends_with_the_same_bits(
    place: Workspace, trained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "going on from step" in trained
    assert "logged shapes-reader: run" in trained
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.chdir(place.root)
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    undisturbed = trials.train("mine.py:reader", "shapes", None, ["steps=30"], tmp_path)
    assert sums(place.root / "runs" / "models" / "shapes-reader") == sums(undisturbed)


def test_it_is_registered_with_all_that_tells_what_it_is_and_classifies(place: Workspace, trained: str) -> None:
    (row,) = json.loads(place.pipeline("models", "--json").stdout)
    assert (row["name"], row["version"], row["aliases"]) == ("shapes-reader", 1, ["challenger", "champion"])
    assert row["metric"] == "validation_accuracy"
    done = subprocess.run(
        [sys.executable, "-c", LOOK_UP], cwd=place.root, env=place.env, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["right"] > 0.9
    assert found["params"].items() >= {"steps": "30", "batch_size": "16", "data": "shapes", "system": "reader"}.items()
    assert {"validation_loss/classify", "validation_accuracy"} <= set(found["metrics"])
    assert sorted(found["files"]) == ["equations/equations.svg", "equations/equations.txt", "equations/mine.py"]
    assert found["curve"] == 30


OUTSIDE = '''
"""A classifier that was made without the pipeline."""

from pathlib import Path

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 16, 5, 2), nn.BatchNorm2d(16), nn.GELU(), nn.Dropout(0.3), nn.Flatten())
        self.head = nn.Linear(16 * 36, 3)

    def forward(self, images):
        return self.head(self.body(images + 0.1 * torch.randn_like(images) * self.training))


def trained():
    net = Net()
    if Path("net.pt").exists():
        net.load_state_dict(torch.load("net.pt", weights_only=True))
    return net


if __name__ == "__main__":
    import numpy as np
    from PIL import Image

    torch.manual_seed(0)
    files = sorted(Path("shapes").glob("*/*.png"))
    images = torch.stack([torch.from_numpy(np.array(Image.open(file))) for file in files])[:, None] / 255
    labels = torch.tensor([["bar", "box", "dot"].index(file.parent.name) for file in files])
    net, chosen = Net(), torch.randint(len(files), (150, 32))
    optimiser = torch.optim.AdamW(net.parameters(), 0.003)
    for batch in chosen:
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.save(net.state_dict(), "net.pt")
'''


@pytest.fixture(scope="module")
def edited(place: Workspace) -> str:
    """What was said when a manipulator was made from a classifier that the pipeline knows nothing of."""
    (place.root / "net.py").write_text(OUTSIDE)
    subprocess.run([sys.executable, "net.py"], cwd=place.root, env=place.env, check=True)
    changes = ("--set", "steps=300", "--set", "batch_size=16", "--set", "warm_up=20", "--set", "ema=0.9")
    said = place.pipeline("train", "manipulator", "--data", "shapes", "--classifier", "net.py:trained", *changes)
    return said.stdout


def test_a_classifier_from_elsewhere_becomes_a_registered_editor(place: Workspace, edited: str) -> None:
    assert "net.py:trained gives logits; its outputs are taken to be 0: bar, 1: box, 2: dot" in edited
    assert "reads 100.0% of 12 validation images right" in edited
    rows = {row["name"]: row for row in json.loads(place.pipeline("models", "--json").stdout)}
    assert "champion" in rows["shapes-manipulator"]["aliases"]


def test_the_editor_needs_neither_the_file_nor_the_weights_any_more(place: Workspace, edited: str) -> None:
    net = own.classifier.read(place.root / "net.py", "Net")
    net.load_state_dict(torch.load(place.root / "net.pt", weights_only=True))
    net.eval()
    for name in ("net.py", "net.pt"):
        (place.root / name).rename(place.root / f"{name}.away")
    images = [f"shapes/bar/{number}.png" for number in range(4)]
    place.pipeline("edit", "shapes-manipulator@champion", *images, "--to", "box", "-o", "boxes.png")
    assert (place.root / "boxes.png").exists()
    model = systems.load(place.root / "runs" / "models" / "shapes-manipulator")
    bars = pictures.read_images([place.root / image for image in images], (1, 16, 16))
    assert net(model.edit(bars, torch.ones(4, dtype=torch.int64))).argmax(1).tolist() == [1] * 4


def test_a_registered_classifier_of_other_values_is_refused(place: Workspace, trained: str) -> None:
    draw_folder(place.root / "two", 10)
    shutil.rmtree(place.root / "two" / "dot")
    arguments = ("manipulator", "--data", "two", "--classifier", "models:/shapes-reader@champion")
    said = place.pipeline("train", *arguments, code=2).stderr
    assert (
        "it reads images (1, 16, 16) with the values bar, box, dot, but the data have images (1, 16, 16) with" in said
    )


TWICE = """
from pathlib import Path
from pipeline import tracking
for _ in range(2):
    print("sync:", tracking.sync(Path()))
"""


def test_a_lost_database_is_made_whole_and_nothing_is_logged_twice(place: Workspace, trained: str) -> None:
    (place.root / "mlflow.db").unlink()
    said = subprocess.check_output([sys.executable, "-c", TWICE], cwd=place.root, env=place.env, text=True)
    _, first, second = said.split("sync:")
    assert "logged shapes-reader: run" in first
    assert "shapes-reader" not in second
