"""Classifiers that manipulators are made from, wherever they come from: a registry, or a file of the user's own."""

import contextlib
import math
import re
import tempfile
from pathlib import Path

from pipeline import data, systems, tracking
from pipeline.errors import UserError
from pipeline.files import whole_folder
from pipeline.metrics.accuracy import correct
from pipeline.params import Params
from pipeline.systems import own
from pipeline.systems.base import Inputs

FOLDER = Path("runs", "classifiers")
REGISTERED = re.compile(r"models:/(?P<model>.+)")
IN_A_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^:]+)", re.DOTALL)


def adopted(text: str, prepared: Path, params: Params, root: Path) -> Path:
    """The folder of the trained classifier that models:/NAME@ALIAS or FILE.py:CALLABLE means.

    One of a file is kept in runs/classifiers/: a copy of the file, and its weights. How many validation images it reads
    right is printed, and a warning if it is never surer than sigmoids that are taken for logits could be. Raises UserError if there is no such classifier, it does not fit the prepared data, torch cannot
    differentiate it, or it cannot be loaded from its copy.
    """
    inputs = systems.inputs_of(data.info(prepared).config)
    if match := REGISTERED.fullmatch(text):
        folder = registered(match["model"], inputs, root)
    elif match := IN_A_FILE.fullmatch(text):
        folder = kept(Path(match["path"]), match["name"], inputs, params, root)
    else:
        raise UserError(f"--classifier {text}: models:/NAME@ALIAS or FILE.py:CALLABLE expected")
    held, model = data.load(prepared, "validation"), systems.load(folder)
    # Only what a user's file has made can be the user's fault.
    with own.blamed(folder / model.config.get("file", ""), anywhere="file" in model.config):
        found = model.classify(held.inputs)
    right = correct(found, held.labels).double().mean()
    print(f"classifier {text}: reads {100 * float(right):.1f}% of {len(held.labels):,} validation images right")
    if len(inputs.values) > 1 and float(found.max()) < surest_of_sigmoids(len(inputs.values)) + 1e-6:
        print(
            f"classifier {text}: is never surer than {float(found.max()):.2f} of what it reads, too little for an editor to "
            "learn from; if its outputs are sigmoids, or probabilities that do not sum to 1, let it give their logits"
        )
    return folder


def surest_of_sigmoids(values: int) -> float:
    """The greatest probability that can come of numbers in 0..1, as sigmoids are, which are taken for logits."""
    return math.e / (math.e + values - 1)


def registered(name: str, inputs: Inputs, root: Path) -> Path:
    """The folder of a registered model that classifies such data. Raises UserError if it does not."""
    folder = tracking.find(name, root)
    model = systems.load(folder)
    if model.classify is None or "get" not in model.system.boxes:
        raise UserError(f"models:/{name}: this model is no classifier that a manipulator can be made from")
    theirs, ours = ((each.shape, each.values) for each in (systems.inputs_of(model.config), inputs))
    if theirs != ours:
        said = ["images {} with the values {}".format(shape, ", ".join(values)) for shape, values in (theirs, ours)]
        raise UserError(f"models:/{name}: it reads {said[0]}, but the data have {said[1]}")
    return folder


def kept(path: Path, name: str, inputs: Inputs, params: Params, root: Path) -> Path:
    """The folder where the classifier of a user's file is kept, from which it has been loaded again, elsewhere."""
    if inputs.S.kind == "categorical":
        raise UserError(f"--classifier {path}:{name}: a file's classifier reads images, and the data are sentences")
    scores = own.classifier.scores_of(path, name, inputs)
    title = data.plain(f"{path.stem}-{name}")
    config = {
        "system": title,
        "file": path.name,
        "task": name,
        "scores": scores,
        "shape": list(inputs.shape),
        "values": list(inputs.values),
        "seed": params.seed,
        "given": None,
    }
    folder = (root / FOLDER / title).resolve()
    with whole_folder(folder) as place:
        (place / path.name).write_bytes(path.read_bytes())
        system = systems.build(config, inputs, path.parent)
        systems.save(place, config, system)
    # Where the model is loaded later, the user's folder is not the working directory.
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
        loaded = systems.load(folder).system
        with own.blamed(folder / path.name):
            own.classifier.check_steady(f"{path}:{name}", system, loaded, inputs)
    said = ", ".join(f"{place}: {value}" for place, value in enumerate(inputs.values))
    print(f"{path}:{name} gives {scores}; its outputs are taken to be {said}")
    return folder
