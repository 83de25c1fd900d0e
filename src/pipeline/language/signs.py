"""What the boxes and states of a diagram look like, and the wires of each type."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.language.binding import Derivative
from pipeline.language.boxes import StopGradient
from pipeline.language.layout import PORT, Part, Size
from pipeline.language.marks import (
    SMALL,
    Dot,
    Mark,
    Point,
    Step,
    Stroke,
    capsule,
    label,
    line,
    polygon,
    rectangle,
    shortened,
    text_width,
)
from pipeline.language.terms import Arithmetic, Learner, Scaling, Type
from pipeline.language.wiring import Node

HUES = (
    "#3b82f6",
    "#f59e0b",
    "#10b981",
    "#a855f7",
    "#ef4444",
    "#06b6d4",
    "#ec4899",
    "#84cc16",
    "#8b5e34",
    "#64748b",
)
FAINT, STRONG = 0.12, 0.4  # how much of its hue a learner's box shows, as it is or as it is trained
BARS = 3.5  # between the two bars of a source, or the two strokes of a stopped gradient
NOISE = 8.0  # the height of the little source on a random box
RADIUS, FEET = 10.0, 10.0  # of the circle of a sum; between its two wires
THICKER = 1.5  # how much wider pens become when they are used again
HOLE = (5.0, 3.0)  # the outline of a box that something stands for


@dataclass(frozen=True)
class Pen:
    """How wires of a type are drawn."""

    colour: str
    dash: tuple[float, ...] = ()
    width: float = 1.5

    def line(self, *points: Point) -> Stroke:
        return line(*points, width=self.width, colour=self.colour, dash=self.dash)

    def path(self, steps: Sequence[Step]) -> Stroke:
        """Without the lines that go nowhere."""
        kept = (two for one, two in pairwise(steps) if two[0] != "L" or one[1][-1] != two[1][-1])
        return Stroke((steps[0], *kept), self.width, self.colour, self.dash)

    def copied(self, at: Point) -> Dot:
        return Dot(at, 3.0, self.colour)

    def discarded(self, at: Point) -> Dot:
        return Dot(at, 4.0, self.colour)


# Neither light nor dark, to be seen on white and on black; in grey, dashes and widths tell them apart.
PENS = (
    Pen(""),
    Pen("#d6336c", (), 2.4),
    Pen("#1c7ed6", (6.0, 2.5)),
    Pen("#2b8a3e", (2.0, 2.0), 2.0),
    Pen("#d9480f", (9.0, 2.5, 2.0, 2.5)),
    Pen("#a34bd6", (13.0, 3.0)),
    Pen("#0c8599", (8.0, 2.0, 2.0, 2.0, 2.0, 2.0)),
    Pen("#9c7a00", (5.0, 2.0, 1.5, 2.0), 1.8),
)


def nth_pen(place: int) -> Pen:
    """The pen of a type, by its place among the types: thicker ones when there are no others left."""
    again, first = divmod(place, len(PENS))
    return replace(PENS[first], width=PENS[first].width + THICKER * again)


@dataclass(frozen=True)
class Look:
    """hues: the colours of learners and composites, by name; pens: of the wires of each type."""

    hues: Mapping[str, str]
    pens: Mapping[Type, Pen]

    def filling(self, node: Node, trained: Collection[Learner]) -> tuple[str, float, float]:
        """Colour and strength of a box, and the width of its outline."""
        strong = any(learner in trained for learner in node.learners)
        hue = self.hues.get(node.learners[0].name, "") if node.learners else ""
        return hue, STRONG if strong else FAINT, 1.6 if strong else 1.2


@dataclass(frozen=True)
class Placed:
    """A box or state at its place on paper; hole: whether something else stands for it."""

    node: Node
    part: Part
    look: Look
    trained: Collection[Learner]
    hole: bool = False

    @property
    def right(self) -> float:
        return self.part.x + self.part.width

    @property
    def middle(self) -> float:
        return self.part.x + self.part.width / 2

    def marks(self) -> Iterator[Mark]:
        return _sign(self.node)[1](self)


def size(node: Node) -> Size:
    return _sign(node)[0](node)


# -------------------------------------------------------------------------------------------------------------- boxes


def _title(node: Node) -> str:
    return "∂" if isinstance(node.op, Derivative) else node.name


def _height(node: Node) -> float:
    return max(PORT * max(len(node.inputs), len(node.outputs)), 38 if node.note else 26)


def _box_size(node: Node) -> Size:
    texts = text_width(shortened(_title(node))), text_width(shortened(node.note), SMALL)
    return Size(max(texts) + 18, _height(node))


def _box(placed: Placed) -> Iterator[Mark]:
    """Its name, what it is about, and a little source on top if it has noise of its own."""
    node, y, half = placed.node, placed.part.y, _height(placed.node) / 2
    fill, strength, width = placed.look.filling(node, placed.trained)
    outline = rectangle(placed.part.x, y - half, placed.right, y + half)
    yield polygon(outline, fill, strength, width, HOLE if placed.hole else ())
    yield label(_title(node), (placed.middle, y - 2 if node.note else y + 4.5))
    if node.note:
        yield label(node.note, (placed.middle, y + 12), SMALL, faint=True)
    if node.random:
        top = y - half - NOISE + 0.5
        yield line((placed.middle, y - half), (placed.middle, top))
        for height in (top, top + 2.5):
            yield line((placed.middle - 5, height), (placed.middle + 5, height))


def _sum_size(node: Node) -> Size:
    return Size(2 * RADIUS, 2 * RADIUS, FEET, RADIUS - math.sqrt(RADIUS**2 - (FEET / 2) ** 2))


def _sum(placed: Placed) -> Iterator[Mark]:
    """A circle; the sign is drawn, since the faces' own have different heights."""
    x, y, arm = placed.middle, placed.part.y, 4.5
    yield capsule(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)
    if placed.node.name == "*":
        yield line((x - 3.2, y - 3.2), (x + 3.2, y + 3.2))
        yield line((x - 3.2, y + 3.2), (x + 3.2, y - 3.2))
    else:
        yield line((x - arm, y), (x + arm, y))
    if placed.node.name == "+":
        yield line((x, y - arm), (x, y + arm))


def _factor(node: Node) -> str:
    return node.name.replace("-", "−")


def _scaling_size(node: Node) -> Size:
    return Size(text_width(_factor(node), SMALL) + 16, 2 * RADIUS)


def _scaling(placed: Placed) -> Iterator[Mark]:
    yield capsule(placed.part.x, placed.part.y - RADIUS, placed.right, placed.part.y + RADIUS)
    yield label(_factor(placed.node), (placed.middle, placed.part.y + 3.6), SMALL)


def _stop_size(node: Node) -> Size:
    return Size(text_width("stop", SMALL) + 4, max(PORT * len(node.outputs), 26) + 12)


def _stop(placed: Placed) -> Iterator[Mark]:
    """Two strokes across the wires, which go on."""
    for place, (_, type) in enumerate(placed.node.outputs):
        y = placed.part.y + placed.part.offset(place, len(placed.node.outputs))
        yield placed.look.pens[type].line((placed.part.x, y), (placed.right, y))
    half = PORT * len(placed.node.outputs) / 2 - 2
    for x in (placed.middle - BARS / 2, placed.middle + BARS / 2):
        yield line((x - 3, placed.part.y + half), (x + 3, placed.part.y - half), width=1.6)
    yield label("stop", (placed.middle, placed.part.y + half + 11), SMALL, faint=True)


# ------------------------------------------------------------------------------------------------------------- states


def _source_size(node: Node) -> Size:
    return Size(text_width(shortened(node.name)) + 6 + BARS, max(PORT * len(node.outputs), 26))


def _source(placed: Placed) -> Iterator[Mark]:
    """The name and a double bar, from which the wires come."""
    half = PORT * len(placed.node.outputs) / 2 - 1
    yield label(placed.node.name, (placed.right - BARS - 5, placed.part.y + 4.5), anchor="end")
    for x in (placed.right - BARS, placed.right):
        yield line((x, placed.part.y - half), (x, placed.part.y + half))


def _constant_size(node: Node) -> Size:
    return Size(text_width(shortened(node.name)) + 22, max(24, PORT * len(node.outputs)))


def _constant(placed: Placed) -> Iterator[Mark]:
    """A pointed box; coloured if it is learned."""
    left, half = placed.part.x, _constant_size(placed.node).height / 2
    shoulder, top, bottom = placed.right - 9, placed.part.y - half, placed.part.y + half
    fill, strength, width = placed.look.filling(placed.node, placed.trained)
    corners = [(left, top), (shoulder, top), (placed.right, placed.part.y), (shoulder, bottom), (left, bottom)]
    yield polygon(corners, fill, strength, width, HOLE if placed.hole else ())
    yield label(placed.node.name.replace("-", "−"), ((left + shoulder) / 2 + 1, placed.part.y + 4.5))


def _open_size(node: Node) -> Size:
    return Size(0.0, PORT)


def _open(placed: Placed) -> Iterator[Mark]:
    yield from ()


Sign = tuple[Callable[[Node], Size], Callable[[Placed], Iterator[Mark]]]
_STATES: dict[str, Sign] = {
    "source": (_source_size, _source),
    "constant": (_constant_size, _constant),
    "open": (_open_size, _open),
}
_BOXES: dict[type, Sign] = {
    Arithmetic: (_sum_size, _sum),
    Scaling: (_scaling_size, _scaling),
    StopGradient: (_stop_size, _stop),
}


def _sign(node: Node) -> Sign:
    return _STATES.get(node.kind) or _BOXES.get(type(node.op), (_box_size, _box))
