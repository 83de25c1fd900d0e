"""Which measures apply to a trained system, and on which data: the judged protocol of docs/metrics.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import data, systems
from pipeline.language import ProjectedGradient
from pipeline.metrics import style
from pipeline.metrics.accuracy import attacked, correct
from pipeline.metrics.fidelity import class_balanced, frechet_distance
from pipeline.metrics.intervals import mean_with_interval, uniform_other
from pipeline.params import Metrics, Params
from pipeline.progress import progress
from pipeline.systems import Model

Results = dict[str, float | str]


@dataclass(frozen=True)
class Examples:
    """Images (n, *shape) in 0..1 with labels (n,); training: class-balanced images that they are held against."""

    images: Tensor
    labels: Tensor
    training: Tensor
    values: int


@dataclass(frozen=True)
class Scale:
    """How much to measure: see `params.Metrics`; seed: of everything random in it."""

    settings: Metrics
    seed: int

    def mean(self, key: str, values: Tensor) -> dict[str, float]:
        return mean_with_interval(key, values, self.settings.bootstrap, self.seed)


def evaluate(key: str, params: Params, root: Path) -> Results:
    """The metrics of a trained experiment: test data with judge_2, and with `validation_`, validation with judge_1.

    Raises UserError if its model, the judges or the data are not there.
    """
    torch.set_num_threads(params.threads)
    experiment = params.experiment(key)
    model = systems.load(root / "models" / experiment.data / experiment.system)
    test = _measure(model, "test", "judge_2", "judge_1", experiment.data, params, root)
    validation = validation_metrics(model, experiment.data, params, root)
    return {"protocol": "judged", "parameters": model.parameters, **test, **validation}


def validation_metrics(model: Model, dataset: str, params: Params, root: Path) -> dict[str, float]:
    """The `validation_` metrics of a model under the present judge_1: what champions are chosen by."""
    found = _measure(model, "validation", "judge_1", "judge_2", dataset, params, root)
    return {f"validation_{name}": value for name, value in found.items()}


def _measure(
    model: Model, split: str, judge: str, other: str, dataset: str, params: Params, root: Path
) -> dict[str, float]:
    prepared = root / "data" / "prepared" / dataset
    held, train = data.load(prepared, split), data.load(prepared, "train")
    values = len(data.info(prepared).values)
    balanced = train.images[class_balanced(train.labels, values)]
    examples = Examples(as_floats(held.images), held.labels, as_floats(balanced), values)
    scale = Scale(params.metrics, params.seed)
    measures: list[Callable[[], dict[str, float]]] = []
    if model.classify:
        measures.append(lambda: reading(model, examples, scale))
    if model.edit or model.sample:
        judges = [systems.load(root / "models" / dataset / name) for name in (judge, other)]
        if model.edit:
            measures += [
                lambda: writing(model, judges[0], judges[1], examples, scale),
                lambda: laws(model, examples, scale),
            ]
        if model.sample:
            measures.append(lambda: sampling(model, judges[0], examples, scale))
    found: dict[str, float] = {}
    with progress(f"{model.config['system']} on {split}", len(measures)) as advance:
        for measure in measures:
            found.update(measure())
            advance(1, "")
    return found


def as_floats(images: Tensor) -> Tensor:
    """Bytes to floats in 0..1."""
    return images.float() / 255


def reading(model: Model, examples: Examples, scale: Scale) -> dict[str, float]:
    """How well the system classifies; under attack where that is all it does."""
    found = scale.mean("accuracy", correct(model.classify(examples.images), examples.labels))
    if model.edit is None:
        settings, count = scale.settings, scale.settings.adversarial_examples
        images, labels = examples.images[:count], examples.labels[:count]
        attack = ProjectedGradient(settings.adversarial_radius, settings.adversarial_steps)
        worst = attacked(model.system.classify, images, labels, attack)
        found |= scale.mean("accuracy_adversarial", correct(model.classify(worst), labels))
    return found


def writing(model: Model, judge: Model, other: Model, examples: Examples, scale: Scale) -> dict[str, float]:
    """What edits to another value look like to an independent judge."""
    count = scale.settings.edits
    images, labels = examples.images[:count], examples.labels[:count]
    targets = uniform_other(labels, examples.values, scale.seed)
    edits = model.edit(images, targets)
    read = judge.classify(edits)
    judged = correct(read, targets)
    found = scale.mean("write_accuracy", judged)
    found |= scale.mean("judge_agreement", correct(other.classify(edits), read.argmax(1)))
    if model.classify:
        own = correct(model.classify(edits), targets)
        found |= scale.mean("write_accuracy_own", own)
        found["collusion_gap"] = float(own.mean() - judged.mean())
    training = judge.features(examples.training)
    found["fid_edit"] = frechet_distance(training, judge.features(edits)).value
    found["fid_reference"] = frechet_distance(training, judge.features(images)).value
    for name, probe in style.PROBES.items():
        found[name] = style.preserved(probe(images), probe(edits), labels, targets)
    return found


def laws(model: Model, examples: Examples, scale: Scale) -> dict[str, float]:
    """How far GetPut, Undoability and PutPut are from holding. A system without a get is told the labels."""
    count = scale.settings.edits
    images, labels = examples.images[:count], examples.labels[:count]
    own = model.classify(images) if model.classify else F.one_hot(labels, examples.values).float()
    targets = uniform_other(labels, examples.values, scale.seed)
    again = uniform_other(labels, examples.values, scale.seed + 1)
    edits, put = model.edit(images, targets), model.edit
    return (
        scale.mean("getput_mse", squared_error(put(images, own), images))
        | scale.mean("undo_mse", squared_error(put(edits, own), images))
        | scale.mean("putput_mse", squared_error(put(edits, again), put(images, again)))
    )


def sampling(model: Model, judge: Model, examples: Examples, scale: Scale) -> dict[str, float]:
    """How near samples of all values, equally many, are to the training images."""
    values = torch.arange(scale.settings.edits) % examples.values
    samples = model.sample(values, scale.seed)
    training, made = judge.features(examples.training), judge.features(samples)
    return {"fid_sample": frechet_distance(training, made).value}


def squared_error(images: Tensor, targets: Tensor) -> Tensor:
    """Mean over pixels: (n, *shape), (n, *shape) -> (n,)."""
    return (images - targets).square().flatten(1).mean(1)
