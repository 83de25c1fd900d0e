"""Images and curves of the report. Images are float32 (n, channels, height, width) in 0..1."""

import base64
import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline import pictures
from pipeline.systems import Model

EXAMPLES = 10  # images per class in the sample grids
WIDTH, HEIGHT = 264, 168
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 34


@dataclass(frozen=True)
class Picture:
    """An image as a data URI; alt: what it shows; marked: set off from its neighbours."""

    uri: str
    alt: str
    marked: bool = False


@dataclass(frozen=True)
class Line:
    """A row of pictures under a head."""

    head: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Grid:
    """Pictures in rows; caption: what they are; columns: heads above them, or none."""

    title: str
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def first_of_each(labels: Tensor, values: int) -> Tensor:
    """The index of the first example of every value that occurs: (n,) -> (at most values,)."""
    return torch.stack([(labels == value).nonzero()[0, 0] for value in range(values) if (labels == value).any()])


def others_of_each(labels: Tensor, values: int, seed: int) -> Tensor:
    """For every value, EXAMPLES random indices of examples with another label: (n,) -> (values, EXAMPLES).

    Where there are fewer such examples, they come again.
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    others = (shuffled[labels[shuffled] != value] for value in range(values))
    return torch.stack([each[torch.arange(EXAMPLES) % len(each)] for each in others])


def all_edits(model: Model, images: Tensor) -> Tensor:
    """Every image (n, ...) edited to every value: (n, values, ...)."""
    count = len(model.config["values"])
    targets = torch.arange(count).repeat(len(images))
    return model.edit(images.repeat_interleave(count, 0), targets).reshape(len(images), count, *images.shape[1:])


def edit_grid(name: str, originals: Tensor, edits: Tensor, labels: Tensor, values: tuple[str, ...]) -> Grid:
    """Originals (n, ...) with labels (n,), and beside them their edits (n, values, ...) to every value."""

    def line(original: Tensor, edited: Tensor, label: int) -> Line:
        cells = (
            picture(image, f"{values[label]} edited to {values[value]}", value == label)
            for value, image in enumerate(edited)
        )
        return Line(values[label], (picture(original, f"original {values[label]}"), *cells))

    lines = (line(*each) for each in zip(originals, edits, labels.tolist(), strict=True))
    return Grid(name, "", ("s", *values), tuple(lines))


def class_grid(title: str, caption: str, images: Tensor, values: tuple[str, ...], what: str) -> Grid:
    """Images (values, n, ...): a row per value."""
    lines = (
        Line(value, tuple(picture(image, f"{what} {value}") for image in row))
        for value, row in zip(values, images, strict=True)
    )
    return Grid(title, caption, (), tuple(lines))


def picture(image: Tensor, alt: str, marked: bool = False) -> Picture:
    """One image (channels, height, width)."""
    content = base64.b64encode(pictures.png(pictures.grid(image[None], 1)))
    return Picture(f"data:image/png;base64,{content.decode()}", alt, marked)


@dataclass(frozen=True)
class Curve:
    """The loss of an equation at training steps, where it was computed."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in pixels, and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A curve in a box of WIDTH x HEIGHT; path: SVG path data; last: the final loss; log: whether the y axis is."""

    name: str
    path: str
    end: tuple[float, float]
    last: str
    log: bool
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]


def read_curves(path: Path) -> list[Curve]:
    """The curves of a model: one per equation. None if there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    names = [name for name in (rows[0] if rows else {}) if name != "step"]
    curves = (Curve(name, tuple(_points(rows, name))) for name in names)
    return [curve for curve in curves if curve.points]


def _points(rows: list[dict[str, str]], name: str) -> Iterable[tuple[int, float]]:
    """The finite points of a column; empty cells are phases without the equation."""
    for row in rows:
        if row[name] and math.isfinite(float(row[name])):
            yield int(row["step"]), float(row[name])


def chart(curve: Curve, steps: int | None = None) -> Chart:
    """The curve drawn: a logarithmic y axis where all losses are positive. steps: the end of the x axis."""
    losses = [loss for _, loss in curve.points]
    log = min(losses) > 0
    low, high = _padded(min(losses), max(losses), log)
    right = steps or curve.points[-1][0]

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / right, 1)

    def y(loss: float) -> float:
        share = math.log(loss / low) / math.log(high / low) if log else (loss - low) / (high - low)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    places = [(x(step), y(loss)) for step, loss in curve.points]
    return Chart(
        name=curve.name,
        path="M" + "L".join(f"{across:g} {down:g}" for across, down in places),
        end=places[-1],
        last=f"{losses[-1]:.3g}",
        log=log,
        x=tuple(Tick(x(step), f"{step:,.0f}") for step in linear_ticks(0, right)),
        y=tuple(Tick(y(loss), f"{loss:g}") for loss in (log_ticks if log else linear_ticks)(low, high)),
    )


def _padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """The range with a margin, never empty."""
    if log:
        margin = max((high / low) ** 0.06, 1.05)
        return low / margin, high * margin
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def linear_ticks(low: float, high: float) -> list[float]:
    """Two to six round numbers in the range, evenly spaced."""
    size = 10.0 ** math.floor(math.log10(high - low))
    step = next((step for step in (size / 5, size / 2, size) if (high - low) / step <= 5), size * 2)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten in the range; where they are fewer than two, other round numbers too."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        ticks = [float(f"{digit}e{decade}") for decade in decades for digit in digits]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= 2:
            return inside[:: -(-len(inside) // 5)]
    return linear_ticks(low, high)
