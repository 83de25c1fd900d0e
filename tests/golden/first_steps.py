"""The first losses of every system from a fixed seed: what tells a change of numbers from a change of code.

python -m tests.golden.first_steps      writes losses.json anew
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline import data, systems
from pipeline.data import idx
from pipeline.training import Run
from tests.conftest import REPOSITORY

FILE = Path(__file__).with_name("losses.json")
EXAMPLES, STEPS, BATCH, SHAPE = 64, 3, 16, (1, 28, 28)
VALUES = tuple("0123456789")
SENTENCES = "sentences_tense"


def first_losses(system: str, raw: Path) -> list[dict[str, float]]:
    """The loss of each equation in the first steps, on the first images of MNIST, or on sentences where the system reads
    these alone: a row per step."""
    torch.set_num_threads(1)
    examples, about, classifier = pictures(raw) if systems.IMAGES in systems.kinds(system) else sentences()
    common = {**about, "seed": 0, "settings": {"steps": STEPS, "batch_size": BATCH}}
    given = {**common, "system": classifier, "given": None}
    inputs = systems.inputs_of(common).bound(*examples)
    built = systems.build({**common, "system": system, "given": given}, inputs)
    recipe = systems.settings(system, common["settings"])
    with tempfile.TemporaryDirectory() as place:
        rows = Run(built, recipe, 0, torch.device("cpu"), Path(place) / "checkpoint").train(system)
    return [{name: value for name, value in row.items() if name != "step"} for row in rows]


def pictures(raw: Path) -> tuple[tuple[Tensor, Tensor], dict[str, Any], str]:
    """Examples, what a config says of them, and the classifier that systems start from."""
    images, labels = idx.read_pair(raw, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    return (images[:EXAMPLES], labels[:EXAMPLES]), {"shape": list(SHAPE), "values": list(VALUES)}, "classifier"


def sentences() -> tuple[tuple[Tensor, Tensor], dict[str, Any], str]:
    """The same of the grammar."""
    dataset = data.find(SENTENCES).DATASET
    tokens, labels, _ = dataset.source.examples(dataset.source.renderer.sample(EXAMPLES, 0))
    about = {"shape": list(dataset.shape), "values": list(dataset.values), "words": list(dataset.words)}
    return (tokens, labels), about, "sentence_classifier"


if __name__ == "__main__":
    folder = REPOSITORY / ".cache" / "mnist"
    found = {name: first_losses(name, folder) for name in systems.names()}
    FILE.write_text(json.dumps(found, indent=1) + "\n")
