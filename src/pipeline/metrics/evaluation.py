"""Which measures apply to a trained system, and on which data: the judged protocol of docs/metrics.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline import data, systems
from pipeline.data.sentences import MARKS, Vocabulary
from pipeline.language import learners_of
from pipeline.metrics import fixtures
from pipeline.metrics.extractors import imagenet_features
from pipeline.metrics.fidelity import class_balanced
from pipeline.metrics.panel import Examples, Panel, Results, Scale
from pipeline.metrics.sentences import SentencePanel
from pipeline.params import Params
from pipeline.progress import progress
from pipeline.systems import Model

IMAGENET = Path("data", "raw", "imagenet_cnn")

Measure = Callable[[], Results]


@dataclass(frozen=True)
class Judges:
    """Who reads a split, and whose features give the second opinion."""

    judge: str
    other: str


# A judge never trains or chooses what it reports on: judge_2 and test data take no part in any choice.
JUDGES = {"test": Judges("judge_2", "judge_1"), "validation": Judges("judge_1", "judge_3")}


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
    # Words, such as the binarisation, are those of test.
    return {f"validation_{name}": value for name, value in found.items() if not isinstance(value, str)}


def measure(model: Model, split: str, dataset: str, params: Params, root: Path) -> Results:
    """All measures that apply to what the model does, on the `test` or `validation` split of a prepared data set."""
    # What checks a bound on test data chooses nothing on validation data.
    measures = applicable(model, panel(split, dataset, params, root), anneal=split == "test")
    return measured(f"{model.config['system']} on {split}", measures)


def fixture_metrics(dataset: str, params: Params, root: Path) -> dict[str, Results]:
    """The test metrics of every fixture (see `fixtures`) on a data set, by its name; `real`: those of real images.

    Their get is judge_1, which does not report on test, and what they show is of the examples that it learned from: none
    that edits are compared with. Raises UserError if judges, data, or the ImageNet CNN of colour images are not there.
    """
    torch.set_num_threads(params.threads)
    asked = panel("test", dataset, params, root, photographs=True)
    unseen = data.load(root / "data" / "prepared" / dataset, "judge_1")
    examples = asked.examples
    real = fixtures.Real(as_floats(unseen.images), unseen.labels, examples.values)
    reader = asked.reader if examples.rendering else None
    _, get = asked.both
    found = {"real": measured(f"real images of {dataset}", [asked.floor])}
    for name, fixture in fixtures.all_of(get.classify, real, examples.rendering, reader).items():
        model = fixtures.as_model(name, fixture, examples.values)
        found[name] = measured(
            f"{name} on {dataset}", [lambda m=model: asked.editing(m), lambda m=model: asked.laws(m)]
        )
    return found


def panel(split: str, dataset: str, params: Params, root: Path, photographs: bool = False) -> Panel:
    """The judges of a split, and its examples; photographs: colour images are seen by the ImageNet CNN too.

    Raises UserError if the weights of the latter are asked for and not there.
    """
    models, names = root / "models" / dataset, JUDGES[split]
    examples = held_out(dataset, split, params, root)
    prepared = root / "data" / "prepared" / dataset
    scale, words = Scale(params.metrics, params.seed), data.info(prepared).words

    def judges() -> tuple[Model, Model]:
        return systems.load(models / names.judge), systems.load(models / names.other)

    if words:
        vocabulary = Vocabulary(words[len(MARKS) :], examples.images.shape[1])
        corpus = data.load(prepared, names.judge).inputs
        return SentencePanel(judges, examples, scale, vocabulary=vocabulary, corpus=corpus)
    colour = photographs and examples.images.shape[1] == 3
    return Panel(judges, examples, scale, imagenet_features(root / IMAGENET) if colour else None)


def held_out(dataset: str, split: str, params: Params, root: Path) -> Examples:
    """A split, and as many training images as are edited, equally many of each value."""
    prepared = root / "data" / "prepared" / dataset
    held, train = data.load(prepared, split), data.load(prepared, "train")
    values = len(data.info(prepared).values)
    balanced = class_balanced(train.labels, values, params.metrics.edits // values)
    rendering = None if held.factors is None else data.find(dataset).DATASET.source
    return Examples(
        held.inputs,
        held.labels,
        train.inputs[balanced],
        train.labels[balanced],
        values,
        held.factors,
        rendering,
    )


def as_floats(images: Tensor) -> Tensor:
    """Bytes to floats in 0..1."""
    return images.float() / 255


def measured(title: str, measures: list[Measure]) -> Results:
    """What the measures find, one after another, with progress."""
    found: Results = {}
    with progress(title, len(measures)) as advance:
        for each in measures:
            found.update(each())
            advance(1, "")
    return found


def applicable(model: Model, asked: Panel, anneal: bool) -> list[Measure]:
    """The measures of what the model does; anneal: see `Panel.likelihood`.

    The get of an editor that starts from a classifier is read, and not attacked: the classifier's results have that.
    """
    measures: list[Measure] = []
    get = model.system.boxes.get("get")
    own = get is not None and any(learner in model.system.trained for learner in learners_of(get))
    if model.classify:
        measures.append(lambda: asked.reading(model))
    if model.classify and (own or not model.edit):
        measures.append(lambda: asked.robustness(model))
    if model.edit:
        measures += [lambda: asked.editing(model), lambda: asked.laws(model)]
    if model.sample:
        measures.append(lambda: asked.sampling(model))
    if model.density:
        measures.append(lambda: asked.likelihood(model, anneal))
    if model.edit or model.sample:
        measures.append(asked.floor)
    return measures
