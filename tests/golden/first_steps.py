"""The first losses of every system from a fixed seed: what tells a change of numbers from a change of code.

python -m tests.golden.first_steps      writes losses.json anew
"""

import json
import tempfile
from pathlib import Path

import torch

from pipeline import systems
from pipeline.data import idx
from pipeline.systems.base import Inputs
from pipeline.training import Run
from tests.conftest import REPOSITORY

FILE = Path(__file__).with_name("losses.json")
EXAMPLES, STEPS, BATCH, SHAPE = 64, 3, 16, (1, 28, 28)
VALUES = tuple("0123456789")


def first_losses(system: str, raw: Path) -> list[dict[str, float]]:
    """The loss of each equation in the first steps, on the first images of MNIST: a row per step."""
    torch.set_num_threads(1)
    images, labels = idx.read_pair(raw, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    inputs = Inputs(SHAPE, VALUES).bound(images[:EXAMPLES], labels[:EXAMPLES])
    common = {
        "shape": list(SHAPE),
        "values": list(VALUES),
        "seed": 0,
        "settings": {"steps": STEPS, "batch_size": BATCH},
    }
    given = {**common, "system": "classifier", "given": None}
    built = systems.build({**common, "system": system, "given": given}, inputs)
    recipe = systems.settings(system, common["settings"])
    with tempfile.TemporaryDirectory() as place:
        rows = Run(built, recipe, 0, torch.device("cpu"), Path(place) / "checkpoint").train(system)
    return [{name: value for name, value in row.items() if name != "step"} for row in rows]


if __name__ == "__main__":
    folder = REPOSITORY / ".cache" / "mnist"
    found = {name: first_losses(name, folder) for name in systems.names()}
    FILE.write_text(json.dumps(found, indent=1) + "\n")
