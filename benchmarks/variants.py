"""What each equation of manipulation does, and what goes wrong without care: variants of an editor, side by side.

    python -m benchmarks.variants FOLDER [--sheet equations] [--steps 1000] [--root studies/manipulators]

Writes FOLDER/SHEET.md for every sheet, and FOLDER/SHEET.png where it is of images:

    equations   the same put, trained without one of the equations (MNIST)
    failures    recipes that are known to fail, each in its own way (MNIST)
    levers      what one more equation gives (MNIST)
    sentences   the editor of sentences, trained without one of the equations (sentences_subject)

The same examples and steps; test examples, read by judge_2, and in columns called validation_ those of validation, read by
judge_1. Seed 0; a finalist is trained with seeds 0, 1 and 2, and has their mean with the least and the greatest. The
classifier and the judges are those that DVC makes in the root. On one CPU core an editor of digits takes about two minutes for 600 steps with
what measures it, so `levers`, which trains 19 of them, takes most of an hour.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from pipeline import data, systems, texts
from pipeline.files import write_text
from pipeline.language import (
    Divergence,
    Equation,
    Fixed,
    Learner,
    Source,
    Task,
    Term,
    Type,
    equation,
    mmd,
    mse,
    noise,
    pair,
    sliced_wasserstein,
    smoothed_cross_entropy,
    unbiased_mmd,
)
from pipeline.metrics import evaluation
from pipeline.params import Params, load
from pipeline.systems import classifier, latent_shift
from pipeline.systems.base import Recipe, System
from pipeline.training import Run, prepare_device, take_weights

SHOWN = 10  # digits in the picture
LAW = 20.0  # the weight of laws that are compared

# Equations of a system that is built on a bench, by name.
Lever = Callable[["Bench", System], dict[str, Equation]]


def written(system: System) -> tuple[Term, Source, Learner]:
    """put(s, a) of a manipulator, the source of a, and put."""
    put, sources = system.boxes["put"], {source.name: source for source in system.task.sources}
    s, _ = sources["x"]
    return put(s, sources["a"]), sources["a"], put


def second_get(bench: "Bench", system: System) -> dict[str, Equation]:
    """What is written can be read by another classifier too."""
    edit, a, put = written(system)
    other = bench.second.boxes["get"]
    read = Fixed("second", (bench.inputs.S,), bench.inputs.V, body=lambda images: other.apply(images))
    reading = smoothed_cross_entropy(0.1)
    return {"putget_second": equation(read(noise(0.03)(edit)), a, reading, trains=put)}


def laws_in(divergence: Divergence, inner: bool = False, weight: float = LAW) -> Lever:
    """The law of edits to a in the features of get, or in those of its first layer, is that of real images of a."""

    def lever(bench: "Bench", system: System) -> dict[str, Equation]:
        edit, a, put = written(system)
        features = first_layer(bench, system) if inner else system.boxes["get"].parts[0]
        real, label = bench.inputs.x.again()
        both = pair if divergence.name.endswith("mmd") else joined(features.cod, bench.inputs.V)
        law = equation(both(features(edit), a), both(features(real), label), divergence, trains=put, weight=weight)
        return {"law_inner" if inner else "law": law}

    return lever


def manifold(bench: "Bench", system: System) -> dict[str, Equation]:
    """An autoencoder of the data, trained on them alone, gives back what is written."""
    edit, _, put = written(system)
    enc, dec = bench.autoencoder.boxes["enc"], bench.autoencoder.boxes["dec"]
    again = Fixed("again", (bench.inputs.S,), bench.inputs.S, body=lambda images: dec.apply(enc.apply(images)))
    return {"manifold": equation(again(edit), edit, mse, trains=put, weight=20.0)}


def first_layer(bench: "Bench", system: System) -> Fixed:
    """What get's first convolution finds, its mean in 4 by 4 parts of the image."""
    layers = system.boxes["get"].parts[0].module.layers[:2]

    def means(images: Tensor) -> Tensor:
        return adaptive_avg_pool2d(layers(images), 4).flatten(1)

    return Fixed("first", (bench.inputs.S,), Type("I", (32 * 4 * 4,)), body=means)


def joined(features: Type, value: Type) -> Fixed:
    """Features and a value in one vector, for divergences that know no pairs; the features weigh as much as the value."""
    (width,), (count,) = features.shape, value.shape

    def both(found: Tensor, chosen: Tensor) -> Tensor:
        return torch.cat((found / width**0.5, chosen), 1)

    return Fixed("joined", (features, value), Type("J", (width + count,)), body=both)


@dataclass(frozen=True)
class Variant:
    """name: of the row; without: the equations that are left out; get_without: those that get is trained without, none
    for the classifier as it is; settings: of the system that are not its own; weights: of equations, from the first
    step to the last; system: other than the sheet's; levers: equations besides, or instead of its own; finalist: trained
    with several seeds."""

    name: str
    without: tuple[str, ...] = ()
    get_without: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    system: str = ""
    levers: tuple[Lever, ...] = ()
    finalist: bool = False

    @property
    def seeds(self) -> range:
        return range(3 if self.finalist else 1)


@dataclass(frozen=True)
class Sheet:
    """keys: the metrics that tell its variants apart; given: the classifier that they start from."""

    data: str
    variants: tuple[Variant, ...]
    keys: tuple[str, ...]
    system: str = "manipulator"
    given: str = "classifier"


def leaving_out(*names: str) -> tuple[Variant, ...]:
    return tuple(Variant(f"without {name}", (name,)) for name in names)


CLEAN = ("robust", "unsure")
SHEETS = {
    "equations": Sheet(
        "mnist",
        (
            Variant("all four"),
            *leaving_out("putget", "getput", "undo"),
            Variant("without both", ("getput", "undo")),
            Variant("a plain get", get_without=CLEAN),
        ),
        ("write_accuracy", "collusion_gap", "getput_mse", "undo_mse", "putput_mse", "style_slant", "style_stroke"),
    ),
    "failures": Sheet(
        "mnist",
        (
            Variant("as it should be"),
            Variant("get of clean images", get_without=CLEAN),
            Variant("get never unsure", get_without=("unsure",)),
            Variant("reconstruction 0.2", settings={"reconstruction": 0.2}),
            Variant("reconstruction 5,000", settings={"reconstruction": 5000.0}),
            Variant("a code of 2 numbers", settings={"latent": 2}),
            Variant("independent at once", system="sampling_manipulator", weights={"independent": 200.0}),
        ),
        ("write_accuracy", "collusion_gap", "precision_edit", "coverage_edit", "getput_mse", "undo_mse", "style_slant"),
    ),
    "levers": Sheet(
        "mnist",
        (
            Variant("four equations", finalist=True),
            Variant("get trained too", system="cotrained_manipulator"),
            Variant("get trained too, not by putget", system="cotrained_manipulator", settings={"trains": "mixed"}),
            Variant("putput", system="strong_manipulator"),
            Variant("two gets", levers=(second_get,)),
            Variant("an autoencoder as manifold", levers=(manifold,)),
            Variant("law (MMD)", levers=(laws_in(mmd),), finalist=True),
            Variant("law (unbiased MMD)", levers=(laws_in(unbiased_mmd),)),
            Variant("law (sliced Wasserstein)", levers=(laws_in(sliced_wasserstein(64), weight=100.0),)),
            Variant("law, in two layers", levers=(laws_in(mmd), laws_in(mmd, inner=True))),
            Variant("law, two gets", levers=(laws_in(mmd), second_get)),
            Variant("complement", system="complement_manipulator"),
            Variant("complement, law, independent", system="sampling_manipulator", finalist=True),
        ),
        (
            "validation_write_accuracy",
            "validation_fid_edit",
            "write_accuracy",
            "collusion_gap",
            "fid_edit",
            "coverage_edit",
            "getput_mse",
        ),
    ),
    "sentences": Sheet(
        "sentences_subject",
        (Variant("all"), *leaving_out("putget", "getput", "undo", "repair", "law", "typical")),
        (
            "write_accuracy",
            "collusion_gap",
            "preservation_other_accuracy",
            "grammatical_edit",
            "perplexity_ratio",
            "undo_word_error",
        ),
        system="sentence_manipulator",
        given="sentence_classifier",
    ),
}


class Bench:
    """The data and the classifier of a sheet, and what is trained and measured with them."""

    def __init__(self, sheet: Sheet, params: Params, root: Path, steps: int) -> None:
        self.sheet, self.steps = sheet, steps
        prepared = root / "data" / "prepared" / sheet.data
        info, split = data.info(prepared), data.load(prepared, "train")
        self.config = {"data": sheet.data, **info.config}
        self.inputs = systems.inputs_of(self.config).bound(split.images, split.labels)
        self.held = data.load(prepared, "test")
        self.given = systems.load(root / "models" / sheet.data / sheet.given).system
        panels = {"": "test"} | ({"validation_": "validation"} if any(map(of_validation, sheet.keys)) else {})
        self.panels = {prefix: evaluation.panel(name, sheet.data, params, root) for prefix, name in panels.items()}

    @cached_property
    def second(self) -> System:
        """Another classifier, as careful as the given one, from other weights."""
        return self.classifier((), seed=1)

    @cached_property
    def autoencoder(self) -> System:
        """An autoencoder of the data, by a code that is half as wide as put's."""
        settings = latent_shift.Settings(steps=self.steps, batch_size=64, latent=16)
        torch.manual_seed(0)
        return fitted(latent_shift.build(settings, self.inputs, self.given), settings, "an autoencoder")

    def classifier(self, without: tuple[str, ...], seed: int) -> System:
        """The net of the classifier, trained without some of its equations."""
        settings = classifier.Settings(steps=self.steps, batch_size=64)
        torch.manual_seed(seed)
        system = altered(classifier.build(settings, self.inputs, None), without, {}, {})
        return fitted(system, settings, f"a classifier without {', '.join(without) or 'nothing'}", seed)

    def editor(self, variant: Variant, seed: int) -> systems.Model:
        """The variant's system, trained."""
        given = self.classifier(variant.get_without, seed=0) if variant.get_without else self.given
        name = variant.system or self.sheet.system
        settings = systems.settings(name, {"steps": self.steps, "batch_size": 64, **variant.settings})
        torch.manual_seed(seed)
        whole = systems.find(name).build(settings, self.inputs, given)
        take_weights(whole, given)
        more = {name: each for lever in variant.levers for name, each in lever(self, whole).items()}
        system = altered(whole, variant.without, variant.weights, more)
        return systems.model(self.config, fitted(system, settings, f"{variant.name}, seed {seed}", seed))

    def measured(self, model: systems.Model) -> dict[str, float | str]:
        return {
            prefix + key: value
            for prefix, panel in self.panels.items()
            for key, value in (panel.editing(model) | panel.laws(model)).items()
        }

    def targets(self, count: int) -> Tensor:
        """A value for each of the first test examples, never its own."""
        labels, values = self.held.labels[:count], len(self.config["values"])
        others: Tensor = (labels + 1 + torch.arange(count) % (values - 1)) % values
        return others


def altered(
    system: System, without: tuple[str, ...], weights: Mapping[str, float], more: Mapping[str, Equation]
) -> System:
    """The system, fitted without some of its equations, others weighed anew, and with more, or in the place of its own."""

    def changed(whole: Task) -> Task:
        kept = {name: each for name, each in whole.equations.items() if name not in without}
        weighed = {name: replace(each, weight=weights.get(name, each.weight)) for name, each in kept.items()}
        return replace(whole, equations={**weighed, **more})

    return replace(system, phases=tuple(replace(phase, task=changed(phase.task)) for phase in system.phases))


def fitted(system: System, settings: Recipe, title: str, seed: int = 0) -> System:
    """The system, trained."""
    with tempfile.TemporaryDirectory() as folder:
        Run(system, settings, seed, torch.device("cpu"), Path(folder, "checkpoint.pt")).train(title)
    return system


def draw(rows: Tensor, names: list[str], titles: list[str], path: Path) -> None:
    """Images (rows, columns, channels, height, width) in 0..1, a name before each row, above each column its title."""
    figure = Figure((len(titles) * 0.6 + 1.4, len(names) * 0.6 + 0.3), layout="constrained")
    for row, (name, axes) in enumerate(zip(names, figure.subplots(len(names), len(titles)), strict=True)):
        for column, axis in enumerate(axes):
            axis.imshow(rows[row, column].permute(1, 2, 0).squeeze(2), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            if row == 0:
                axis.set_title(titles[column], fontsize=8)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.savefig(path, dpi=100)


def of_validation(key: str) -> bool:
    return key.startswith("validation_")


def spread(found: list[float]) -> str:
    """The mean, and how far apart several are."""
    mean = f"{statistics.mean(found):.4g}"
    return mean if len(found) == 1 else f"{mean} ({min(found):.4g} to {max(found):.4g})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(name: str, bench: Bench, folder: Path) -> None:
    """The sheet's table, with what each variant makes of the first test examples."""
    sheet, rows = bench.sheet, []
    targets, source, words = bench.targets(SHOWN), bench.held.inputs[:SHOWN], bench.config.get("words")
    edits = [source]
    for variant in sheet.variants:
        models = [bench.editor(variant, seed) for seed in variant.seeds]
        found = [bench.measured(model) for model in models]
        rows.append([variant.name, *(spread([float(each[key]) for each in found]) for key in sheet.keys)])
        edits.append(models[0].edit(source, targets))
    header = ["equations" if name != "failures" else "recipe", *sheet.keys]
    if words:
        known = texts.vocabulary(words, bench.config["shape"][0])
        said = [" ".join(known.decode(edit[:1])[0]) for edit in edits]
        header.append(f'"{said[0]}", to {bench.config["values"][targets[0]]}')
        rows = [[*row, edit] for row, edit in zip(rows, said[1:], strict=True)]
    else:
        names = ["source", *(each.name for each in sheet.variants)]
        titles = [f"to {value}" for value in targets.tolist()]
        draw(torch.stack(edits), names, titles, folder / f"{name}.png")
    write_text(folder / f"{name}.md", table(header, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", choices=SHEETS, action="append", help="only this one (all if absent)")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--root", type=Path, default=Path("studies", "manipulators"))
    arguments = parser.parse_args()
    params = load(arguments.root / "params.yaml")
    fewer = params.metrics.model_copy(update={"bootstrap": 50, "edits": 2000, "permutations": 19})
    params = params.model_copy(update={"metrics": fewer})
    prepare_device(params.threads)
    for name in arguments.sheet or SHEETS:
        write(name, Bench(SHEETS[name], params, arguments.root, arguments.steps), arguments.folder)


if __name__ == "__main__":
    main()
