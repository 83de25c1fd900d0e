"""Which measures apply to a trained system, and on which data: the judged protocol of docs/metrics.md."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import data, systems
from pipeline.data.renderers import Reader, Rendering
from pipeline.language import ProjectedGradient
from pipeline.metrics import accuracy, fixtures, manipulation
from pipeline.metrics.accuracy import attacked, correct, readings, sure
from pipeline.metrics.degradations import blur, noise
from pipeline.metrics.fidelity import class_balanced, fidelity, frechet_distance
from pipeline.metrics.inputs import check_images
from pipeline.metrics.intervals import mean_with_interval, uniform_other
from pipeline.metrics.two_sample import inversion, per_class
from pipeline.params import Metrics, Params
from pipeline.progress import progress
from pipeline.systems import Model

Results = dict[str, float | str]

# What nobody should be sure of: a fifth of the contrast, blur by 7% of the height, noise of 0.3.
DEGRADED: dict[str, Callable[[Tensor, int], Tensor]] = {
    "faded": lambda images, seed: 0.2 * images,
    "blurred": lambda images, seed: blur(images, 0.07 * images.shape[2]),
    "noisy": lambda images, seed: noise(images, 0.3, seed),
}


@dataclass(frozen=True)
class Judges:
    """Who reads a split, and whose features give the second opinion."""

    judge: str
    other: str


# A judge never trains or chooses what it reports on: judge_2 and test data take no part in any choice.
JUDGES = {"test": Judges("judge_2", "judge_1"), "validation": Judges("judge_1", "judge_3")}


@dataclass(frozen=True)
class Examples:
    """Held-out images (n, *shape) in 0..1 with labels (n,); training: class-balanced images that they are held
    against; values: how many there are; factors (n, k), and what renders them: of rendered images."""

    images: Tensor
    labels: Tensor
    training: Tensor
    values: int
    factors: Tensor | None = None
    rendering: Rendering | None = None


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
    experiment = params.experiment(key)
    return evaluate_model(root / "models" / experiment.data / experiment.system, experiment.data, params, root)


def evaluate_model(folder: Path, dataset: str, params: Params, root: Path) -> Results:
    """The same of the trained model in a folder, wherever it is."""
    torch.set_num_threads(params.threads)
    model = systems.load(folder)
    test = measure(model, "test", dataset, params, root)
    validation = validation_metrics(model, dataset, params, root)
    return {"protocol": "judged", "parameters": model.parameters, **test, **validation}


def validation_metrics(model: Model, dataset: str, params: Params, root: Path) -> dict[str, float]:
    """The `validation_` metrics of a model under the present judge_1: what champions are chosen by."""
    found = measure(model, "validation", dataset, params, root)
    return {f"validation_{name}": value for name, value in found.items()}


def measure(model: Model, split: str, dataset: str, params: Params, root: Path) -> dict[str, float]:
    """All measures that apply to what the model does, on the `test` or `validation` split of a prepared data set."""
    return measured(f"{model.config['system']} on {split}", applicable(model, panel(split, dataset, params, root)))


def fixture_metrics(dataset: str, params: Params, root: Path) -> dict[str, dict[str, float]]:
    """The test metrics of every fixture (see `fixtures`) on a data set, by its name; `real`: those of real images.

    Their get is judge_1, which does not report on test. Raises UserError if judges or data are not there.
    """
    torch.set_num_threads(params.threads)
    asked, train = panel("test", dataset, params, root), data.load(root / "data" / "prepared" / dataset, "train")
    examples = asked.examples
    real = fixtures.Real(as_floats(train.images), train.labels, examples.values)
    reader = asked.reader if examples.rendering else None
    _, get = asked.both
    found = {"real": measured(f"real images of {dataset}", [asked.floor])}
    for name, fixture in fixtures.all_of(get.classify, real, examples.rendering, reader).items():
        model = fixtures.as_model(name, fixture, examples.values)
        found[name] = measured(
            f"{name} on {dataset}", [lambda m=model: asked.editing(m), lambda m=model: asked.laws(m)]
        )
    return found


def panel(split: str, dataset: str, params: Params, root: Path) -> "Panel":
    """The judges of a split, and its examples. The judges are read when they are first asked."""
    models, names = root / "models" / dataset, JUDGES[split]
    examples = held_out(dataset, split, params, root)
    return Panel(
        lambda: (systems.load(models / names.judge), systems.load(models / names.other)),
        examples,
        Scale(params.metrics, params.seed),
    )


def held_out(dataset: str, split: str, params: Params, root: Path) -> Examples:
    """A split, and as many training images as are edited, equally many of each value."""
    prepared = root / "data" / "prepared" / dataset
    held, train = data.load(prepared, split), data.load(prepared, "train")
    values = len(data.info(prepared).values)
    balanced = class_balanced(train.labels, values, params.metrics.edits // values)
    rendering = None if held.factors is None else data.find(dataset).DATASET.source
    return Examples(
        as_floats(held.images), held.labels, as_floats(train.images[balanced]), values, held.factors, rendering
    )


def as_floats(images: Tensor) -> Tensor:
    """Bytes to floats in 0..1."""
    return images.float() / 255


def measured(title: str, measures: list[Callable[[], dict[str, float]]]) -> dict[str, float]:
    """What the measures find, one after another, with progress."""
    found: dict[str, float] = {}
    with progress(title, len(measures)) as advance:
        for each in measures:
            found.update(each())
            advance(1, "")
    return found


def applicable(model: Model, panel: "Panel") -> list[Callable[[], dict[str, float]]]:
    """The measures of what the model does."""
    measures: list[Callable[[], dict[str, float]]] = []
    if model.classify:
        measures.append(lambda: panel.reading(model))
    if model.classify and not model.edit:
        measures.append(lambda: panel.robustness(model))
    if model.edit:
        measures += [lambda: panel.editing(model), lambda: panel.laws(model)]
    if model.sample:
        measures.append(lambda: panel.sampling(model))
    if model.edit or model.sample:
        measures.append(panel.floor)
    return measures


@dataclass(frozen=True)
class Panel:
    """Two judges, and the examples that they compare with: whatever they have seen of these, they have seen once."""

    judges: Callable[[], tuple[Model, Model]]
    examples: Examples
    scale: Scale

    @cached_property
    def both(self) -> tuple[Model, Model]:
        return self.judges()

    @cached_property
    def held(self) -> tuple[Tensor, Tensor]:
        """The images that are edited, and their labels."""
        return self.examples.images[: self.scale.settings.edits], self.examples.labels[: self.scale.settings.edits]

    @cached_property
    def real(self) -> tuple[Tensor, Tensor]:
        """Features of the training images, as either judge has them."""
        judge, other = self.both
        return judge.features(self.examples.training), other.features(self.examples.training)

    @cached_property
    def reader(self) -> Reader:
        """Reads the factors of rendered images."""
        return Reader(self.examples.rendering.renderer)

    @cached_property
    def held_features(self) -> tuple[Tensor, Tensor]:
        judge, other = self.both
        return judge.features(self.held[0]), other.features(self.held[0])

    # ------------------------------------------------------------------------------------------------------- reading

    def reading(self, model: Model) -> dict[str, float]:
        """How well the system classifies, and how well it knows when it does."""
        images, labels = self.examples.images, self.examples.labels
        probabilities, mean = model.classify(images), self.scale.mean
        found = mean("accuracy", correct(probabilities, labels)) | mean("accuracy_sure", sure(probabilities, labels))
        found |= mean("label_nll", accuracy.label_nll(probabilities, labels))
        return found | accuracy.calibration_error(probabilities, labels, seed=self.scale.seed).entries(
            "calibration_error"
        )

    def robustness(self, model: Model) -> dict[str, float]:
        """Accuracy under attack, and what it still reads of degraded images."""
        settings, mean, read = self.scale.settings, self.scale.mean, model.system.classify
        images, labels = (
            each[: settings.adversarial_examples] for each in (self.examples.images, self.examples.labels)
        )
        balls = {"": ("L2", settings.adversarial_radius), "_linf": ("Linf", settings.adversarial_radius_linf)}
        found: dict[str, float] = {}
        for suffix, (norm, radius) in balls.items():
            attack = ProjectedGradient(radius, settings.adversarial_steps, norm=norm)
            worst = attacked(read, images, labels, attack, settings.adversarial_restarts, self.scale.seed)
            found |= mean(f"accuracy_adversarial{suffix}", correct(model.classify(worst), labels))
        # Gradients that were masked would make the system's own attack weaker than one on another classifier.
        attack = ProjectedGradient(settings.adversarial_radius, settings.adversarial_steps)
        other = next(each for each in self.both if each.config["system"] != model.config["system"])
        transferred = attacked(other.system.classify, images, labels, attack)
        found |= mean("accuracy_transfer", correct(model.classify(transferred), labels))
        for name, degrade in DEGRADED.items():
            poor = model.classify(degrade(self.held[0], self.scale.seed))
            found |= mean(f"sure_{name}", (readings(poor) != accuracy.NONE).double())
        return found

    # ------------------------------------------------------------------------------------------- editing and sampling

    def targets(self, shift: int = 0) -> Tensor:
        """A value to write into each held image, other than its own."""
        return uniform_other(self.held[1], self.examples.values, self.scale.seed + shift)

    def editing(self, model: Model) -> dict[str, float]:
        """What edits to another value look like to independent judges, and what they keep."""
        (images, labels), targets, seed = self.held, self.targets(), self.scale.seed
        edits = model.edit(images, targets)
        check_images("edits", edits, tuple(images.shape[1:]))
        judge, other = self.both
        own = model.classify(edits) if model.classify else None
        found = manipulation.written(judge.classify(edits), other.classify(edits), own, targets, self.scale.mean)
        if rendering := self.examples.rendering:
            rows = self.examples.factors[: len(edits)]
            found |= manipulation.truth_kept(rendering, self.reader, edits, rows, targets, self.scale.mean)
        else:
            found |= manipulation.style_kept(images, edits, labels, targets, seed)
        features = judge.features(edits)
        found |= self.likeness("edit", features, other.features(edits))
        return found | self.inversion(features, targets)

    def inversion(self, edits: Tensor, targets: Tensor) -> dict[str, float]:
        """Whether put(s, a) has the law of real images of value a: tests per value, in features (n, d).

        Empty where some value has no more examples than there are features: the tests would say nothing.
        """
        real, labels, values = self.held_features[0], self.held[1], self.examples.values
        least = min(int(torch.bincount(each, minlength=values).min()) for each in (labels, targets))
        if least <= real.shape[1]:
            return {}
        permutations, seed = self.scale.settings.permutations, self.scale.seed
        return inversion(per_class(real, labels, edits, targets, values, permutations, seed)).entries()

    def laws(self, model: Model) -> dict[str, float]:
        """How far GetPut, Undoability and PutPut are from holding. A system without a get is told the labels."""
        images, labels = self.held
        own = model.classify(images) if model.classify else F.one_hot(labels, self.examples.values).float()
        return manipulation.laws(model.edit, images, own, self.targets(), self.targets(1), self.scale.mean)

    def sampling(self, model: Model) -> dict[str, float]:
        """How near samples of all values, equally many, are to the training images."""
        values = torch.arange(self.scale.settings.edits) % self.examples.values
        samples = model.sample(values, self.scale.seed)
        check_images("samples", samples, tuple(self.examples.images.shape[1:]))
        judge, other = self.both
        read = judge.classify(samples)
        found = self.scale.mean("sample_accuracy", sure(read, values))
        found |= self.scale.mean("accepted_sample", (readings(read) != accuracy.NONE).double())
        return found | self.likeness("sample", judge.features(samples), other.features(samples))

    def floor(self) -> dict[str, float]:
        """The same of real held-out images: what no editor can be expected to better."""
        judge, other = self.both
        images, _ = self.held
        found = self.likeness("reference", *self.held_features)
        read = judge.classify(images)
        found |= self.scale.mean("accepted_reference", (readings(read) != accuracy.NONE).double())
        agree = readings(read) == readings(other.classify(images))
        return found | self.scale.mean("judge_agreement_reference", agree.double())

    def likeness(self, of: str, features: Tensor, other: Tensor) -> dict[str, float]:
        """Distances to the training images in the judge's features, and one in the other judge's."""
        settings, (real, real_other) = self.scale.settings, self.real
        found = fidelity(real, features, settings.neighbours, self.scale.seed).entries(of)
        return found | frechet_distance(real_other, other).entries(f"fid_{of}_other")
