"""Several lenses on the same images: two champions that edit different attributes, one after the other, in either order.

    python -m benchmarks.lenses docs/manipulators

Writes FOLDER/lenses.md and FOLDER/lenses_NAME.png for every pair below. Test images, every attribute to another value than
it has; what the results show is read by the renderer itself (`pipeline.data.renderers.Reader`), which no editor has met.
Takes some minutes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.variants import draw, table
from pipeline import data, systems
from pipeline.data.renderers import Reader, Rendering
from pipeline.data.renderers.rendering import SEED
from pipeline.data.renderers.truth import edits
from pipeline.files import write_text
from pipeline.systems import Model

CHAMPIONS = Path("studies", "manipulators", "champions")
COUNT = 2000  # images that are edited
SHOWN = 10
ROUNDS = 4  # of edits in turn, in the last row
# Pairs of data sets that have the same images, by what they show.
PAIRS = {"sprites": ("sprites_shape", "sprites_colour")}


@dataclass(frozen=True)
class Lens:
    """An editor of an attribute of rendered images."""

    model: Model
    rendering: Rendering

    @property
    def name(self) -> str:
        return self.rendering.factor

    def others(self, values: Tensor, seed: int) -> Tensor:
        """For each of the values (n,) another one: (n,)."""
        count = len(set(self.rendering.labels))
        step = torch.randint(1, count, (len(values),), generator=torch.Generator().manual_seed(seed))
        return (values + step) % count

    def turns(self, last: Tensor, seed: int) -> list[Tensor]:
        """ROUNDS times values (n,), each unlike those before, the last of them as given."""
        values = [last]
        for number in range(ROUNDS - 1):
            values.insert(0, self.others(values[0], seed + number))
        return values

    def written(self, rows: Tensor, values: Tensor) -> Tensor:
        """Whether the values (n,) are what pictures of rows show: (n,)."""
        return self.rendering.label(rows) == values


def lens(dataset: str) -> Lens:
    source = data.find(dataset).DATASET.source
    assert isinstance(source, Rendering)
    return Lens(systems.load(CHAMPIONS / dataset / "sampling_manipulator"), source)


def right(rows: Tensor, lenses: Sequence[Lens], values: Sequence[Tensor]) -> Tensor:
    """The factors (n, m, k) of all right results of writing the values of all lenses into pictures of rows (n, k)."""
    found = rows.unsqueeze(1)
    for each, wanted in zip(lenses, values, strict=True):
        count = found.shape[1]
        found = edits(each.rendering, found.flatten(0, 1), wanted.repeat_interleave(count)).unflatten(0, (-1, count))
        found = found.flatten(1, 2)
    return found


def off(images: Tensor, truths: Tensor, rendering: Rendering) -> Tensor:
    """The mean squared difference (n,) from the nearest of the right pictures (n, m, k)."""
    size = images.shape[-1]
    errors = [
        (images - rendering.renderer.render(truths[:, which], size) / 255).square().flatten(1).mean(1)
        for which in range(truths.shape[1])
    ]
    return torch.stack(errors).amin(0)


@dataclass(frozen=True)
class Outcome:
    """What a sequence of lenses has made of the images."""

    name: str
    images: Tensor
    lenses: tuple[Lens, ...]


def outcomes(first: Lens, second: Lens, images: Tensor, a: Tensor, b: Tensor) -> list[Outcome]:
    """The two alone, both orders, and many edits in turn of which the last are to the values a and b (n,)."""
    turns = images
    for x, y in zip(first.turns(a, 10), second.turns(b, 20), strict=True):
        turns = second.model.edit(first.model.edit(turns, x), y)
    one, other = first.model.edit(images, a), second.model.edit(images, b)
    return [
        Outcome(first.name, one, (first,)),
        Outcome(second.name, other, (second,)),
        Outcome(f"{first.name}, {second.name}", second.model.edit(one, b), (first, second)),
        Outcome(f"{second.name}, {first.name}", first.model.edit(other, a), (first, second)),
        Outcome(f"{2 * ROUNDS} in turn", turns, (first, second)),
    ]


def measured(pair: str, drawn: Path) -> list[list[str]]:
    """The rows of a pair's table; its first images go into a picture."""
    first, second = map(lens, PAIRS[pair])
    rendering = first.rendering
    rows = rendering.renderer.sample(rendering.training + rendering.test, SEED)[rendering.training :][:COUNT]
    images, reader = rendering.renderer.render(rows, 32) / 255, Reader(rendering.renderer)
    a, b = (each.others(each.rendering.label(rows), seed) for seed, each in enumerate((first, second), 1))
    wanted = {first.name: a, second.name: b}
    found, lines = outcomes(first, second, images, a, b), []
    columns = [rendering.renderer.column(each.name) for each in (first, second)]
    rest = [number for number in range(rows.shape[1]) if number not in columns]
    for each in found:
        seen = reader(each.images).rows
        written = torch.stack([one.written(seen, wanted[one.name]) for one in each.lenses]).all(0)
        kept = (seen == rows)[:, rest].float().mean()
        truths = right(rows, each.lenses, [wanted[one.name] for one in each.lenses])
        error = off(each.images, truths, rendering).mean()
        lines.append([pair, each.name, f"{written.float().mean():.4f}", f"{kept:.4f}", f"{error:.4f}", ""])
    apart = (found[2].images - found[3].images).square().mean()
    lines[3][-1] = f"{apart:.5f}"
    truth = rendering.renderer.render(right(rows, (first, second), (a, b))[:SHOWN, 0], 32) / 255
    shown = torch.stack([images[:SHOWN], *(each.images[:SHOWN] for each in found), truth])
    names = ["source", *(each.name for each in found), "the renderer"]
    draw(shown, names, named(first, second, a, b), drawn / f"lenses_{pair}.png")
    return lines


def named(first: Lens, second: Lens, a: Tensor, b: Tensor) -> list[str]:
    """What the first images are to show, as it is called."""
    ours, theirs = first.model.config["values"], second.model.config["values"]
    return [f"{ours[x]}\n{theirs[y]}" for x, y in zip(a[:SHOWN].tolist(), b[:SHOWN].tolist(), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    header = [
        "images",
        "edits",
        "all written",
        "factors of neither kept",
        "mse from the right picture",
        "orders apart (mse)",
    ]
    lines = [line for pair in PAIRS for line in measured(pair, arguments.folder)]
    write_text(arguments.folder / "lenses.md", table(header, lines))


if __name__ == "__main__":
    main()
