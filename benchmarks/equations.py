"""What each equation of manipulation does: puts that were trained without one of them, side by side.

    python -m benchmarks.equations FOLDER [--steps 1000] [--root .]

Writes FOLDER/equations.png and FOLDER/equations.md: the same put, classifier, examples and steps, on MNIST, seed 0; test
digits, read by judge_2. `dvc repro` makes the classifier and the judges.
"""

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pipeline import data, systems
from pipeline.files import write_text
from pipeline.language import Phase, Task, task
from pipeline.metrics import evaluation
from pipeline.params import Params, load
from pipeline.systems import classifier, manipulator
from pipeline.systems.base import Inputs, Recipe, System
from pipeline.training import Run, prepare_device, take_weights

DATA = "mnist"
KEYS = ("write_accuracy", "collusion_gap", "getput_mse", "undo_mse", "putput_mse", "style_slant", "style_stroke")
SHOWN = 10  # digits in the picture


@dataclass(frozen=True)
class Variant:
    """name: of the row; without: the equations that are left out; plain: get learns by `classify` alone."""

    name: str
    without: tuple[str, ...] = ()
    plain: bool = False


VARIANTS = (
    Variant("all four"),
    Variant("without putget", ("putget",)),
    Variant("without getput", ("getput",)),
    Variant("without undo", ("undo",)),
    Variant("without both", ("getput", "undo")),
    Variant("a plain get", plain=True),
)


def left(whole: Task, names: Iterable[str]) -> Task:
    """The task without some of its equations."""
    return task(**{name: each for name, each in whole.equations.items() if name not in names})


def fitted(system: System, settings: Recipe, title: str) -> System:
    """The system, trained with the seed 0."""
    with tempfile.TemporaryDirectory() as folder:
        Run(system, settings, 0, torch.device("cpu"), Path(folder, "checkpoint.pt")).train(title)
    return system


def plain_classifier(inputs: Inputs, steps: int) -> System:
    """The same net, trained by `classify` alone: nothing makes it robust or careful."""
    settings = classifier.Settings(steps=steps, batch_size=64)
    system = classifier.build(settings, inputs, None)
    only = left(system.task, ("robust", "unsure"))
    return fitted(replace(system, phases=(Phase("fit", only, steps),)), settings, "a plain classifier")


def editor(variant: Variant, inputs: Inputs, given: System, steps: int) -> System:
    settings = manipulator.Settings(steps=steps, batch_size=64)
    whole = manipulator.build(settings, inputs, given)
    take_weights(whole, given)
    phase = replace(whole.phases[0], task=left(whole.phases[0].task, variant.without))
    return fitted(replace(whole, phases=(phase,)), settings, variant.name)


def measured(system: System, params: Params, root: Path) -> dict[str, float | str]:
    asked = evaluation.panel("test", DATA, params, root)
    model = systems.model({"shape": asked.examples.images.shape[1:], "values": range(asked.examples.values)}, system)
    return asked.editing(model) | asked.laws(model)


def row(name: str, found: dict[str, float | str]) -> str:
    return f"| {name} | " + " | ".join(f"{found[key]:.4g}" for key in KEYS) + " |"


def shown(system: System, images: Tensor, values: Tensor) -> Tensor:
    with torch.inference_mode():
        return system.edit(images, values)


def draw(rows: Tensor, names: list[str], values: list[int], folder: Path) -> None:
    """Digits (rows, columns, 1, height, width), a name before each row, above each column the value to be written."""
    figure = Figure((len(values) * 0.6 + 1.4, len(names) * 0.6 + 0.3), layout="constrained")
    for row, (name, axes) in enumerate(zip(names, figure.subplots(len(names), len(values)), strict=True)):
        for column, axis in enumerate(axes):
            axis.imshow(rows[row, column, 0], cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            if row == 0:
                axis.set_title(f"to {values[column]}", fontsize=8)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    figure.savefig(folder / "equations.png", dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--root", type=Path, default=Path())
    arguments = parser.parse_args()
    params, root, folder = load(arguments.root / "params.yaml"), arguments.root, arguments.folder
    params = params.model_copy(
        update={"metrics": params.metrics.model_copy(update={"bootstrap": 50, "edits": 2000, "permutations": 19})}
    )
    prepare_device(params.threads)

    prepared = root / "data" / "prepared" / DATA
    split, held = data.load(prepared, "train"), data.load(prepared, "test")
    info = data.info(prepared)
    inputs = Inputs(info.shape, info.values).bound(split.images, split.labels)
    given = systems.load(root / "models" / DATA / "classifier").system
    plain = plain_classifier(inputs, arguments.steps)

    digits = evaluation.as_floats(held.images[:SHOWN])
    values = torch.nn.functional.one_hot((held.labels[:SHOWN] + 1 + torch.arange(SHOWN)) % 10, 10).float()
    lines, pictures = [], [digits]
    for variant in VARIANTS:
        system = editor(variant, inputs, plain if variant.plain else given, arguments.steps)
        lines.append(row(variant.name, measured(system, params, root)))
        pictures.append(shown(system, digits, values))
    header = f"| equations | {' | '.join(KEYS)} |\n|{'---|' * (len(KEYS) + 1)}\n"
    write_text(folder / "equations.md", header + "\n".join(lines) + "\n")
    draw(torch.stack(pictures), ["source", *(each.name for each in VARIANTS)], values.argmax(1).tolist(), folder)


if __name__ == "__main__":
    main()
