"""Where the parts of a string diagram go on paper, read from left to right.

Parts stand in columns, as far to the right as what reads them allows. A wire that passes a column is a part of it, so
that nothing lies on anything else. Within a column the order is one with few crossings, and the heights are those
with the straightest wires that keep the order and the distances: a convex problem, solved column by column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Literal

from pipeline.language.wiring import Port, Wiring

PORT = 20.0  # between the wires of a box, or of a source
BEND = 24.0  # what a wire needs to change its height
STEP = 10.0  # what it needs to go straight on
STIFF = 100.0  # how much more a bend costs where it does not belong
SWEEPS = 1000  # over all columns; the heights settle long before

Size = tuple[float, float]


@dataclass(eq=False)
class Part:
    """Something that stands in a column.

    node: which node of the wiring it draws, or -1; width: its own, and half: half the height that it keeps clear;
    untidy: whether one of its wires is discarded, beside it; column: counted from the right; rank: a first guess of its
    place from above; x: its left edge; y: its middle.
    """

    kind: Literal["box", "source", "constant", "copy", "discard", "wire", "end"]
    inputs: int = 1
    outputs: int = 1
    node: int = -1
    width: float = 0.0
    half: float = 10.0
    untidy: bool = False
    column: int = 0
    rank: float = 0.0
    x: float = 0.0
    y: float = 0.0


@dataclass(eq=False)
class Link:
    """A wire, or its stretch from one column to the next, which changes height between the two x of `bend`.

    port: whose value it carries; labelled: whether it is the beginning of that wire; rank: as a part's; stiffness:
    what it costs to bend it.
    """

    start: Part
    output: int
    end: Part
    input: int
    port: Port
    labelled: bool
    rank: float = 0.0
    stiffness: float = 1.0
    bend: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def offsets(self) -> tuple[float, float]:
        """Where it leaves and enters, relative to the middles of the parts."""
        leaves, enters = (self.start.outputs - 1) / 2, (self.end.inputs - 1) / 2
        return (self.output - leaves) * PORT, (self.input - enters) * PORT

    @property
    def heights(self) -> tuple[float, float]:
        return self.start.y + self.offsets[0], self.end.y + self.offsets[1]

    @property
    def bends(self) -> bool:
        """Whether one would see that its ends differ in height."""
        return abs(self.heights[0] - self.heights[1]) > 0.6


@dataclass
class Layout:
    """Parts and the links between them, in place: x from 0 to `width`, and y = 0 in the middle of the ends."""

    parts: list[Part]
    links: list[Link]
    width: float

    @property
    def extent(self) -> tuple[float, float]:
        """The least and the greatest y."""
        return min(part.y - part.half for part in self.parts), max(part.y + part.half for part in self.parts)

    @property
    def crossings(self) -> int:
        return sum(_cross(*pair) for pair in combinations(self.links, 2))


def layout(wiring: Wiring, sizes: list[Size], labels: dict[Port, float]) -> Layout:
    """sizes: width and height of each node; labels: the width of the label of each port's wire."""
    wires = _connect(wiring, sizes)
    _rank(wires)
    _choose_columns(wires)
    links = [link for wire in wires for link in _split(wire)]
    parts = list(dict.fromkeys(part for link in links for part in (link.start, link.end)))
    columns = [[part for part in parts if part.column == column] for column in range(max(p.column for p in parts) + 1)]
    _order(columns, links)
    _place_heights(columns, links)
    return Layout(parts, links, _place_across(columns, links, labels))


def _connect(wiring: Wiring, sizes: list[Size]) -> list[Link]:
    """One part for each node, copy, discard and end, and the wires between them."""
    parts = []
    for place, (node, (width, height)) in enumerate(zip(wiring.nodes, sizes, strict=True)):
        kind: Literal["box", "source", "constant"] = "constant" if node.constant else "source" if node.source else "box"
        parts.append(Part(kind, len(node.inputs), len(node.outputs), place, width, height / 2 + 6))
    ends = [Part("end", outputs=0, rank=rank) for rank, _ in enumerate(wiring.outputs)]
    wires = []
    for port, readers in wiring.uses().items():
        start, output = parts[port[0]], port[1]
        if len(readers) != 1:
            knot = Part("copy", width=6) if readers else Part("discard", width=8, outputs=0)
            wires.append(Link(start, output, knot, 0, port, True))
            start.untidy = start.untidy or not readers
            start, output = knot, 0
        for reader, slot in readers:
            end, slot = (ends[slot], 0) if reader < 0 else (parts[reader], slot)
            wires.append(Link(start, output, end, slot, port, start.kind != "copy"))
    return wires


def _rank(wires: list[Link]) -> None:
    """Number the mentions of sources in the order in which they are written; the rest is in between."""
    into = {(wire.end, wire.input): wire for wire in wires}
    seen: set[Part] = set()
    mentions = 0

    def visit(part: Part) -> float:
        nonlocal mentions
        if part in seen or not part.inputs:
            mentions += 1
            return mentions
        seen.add(part)
        arriving = [into[part, slot] for slot in range(part.inputs)]
        for wire in arriving:
            wire.rank = visit(wire.start)
        return sum(wire.rank for wire in arriving) / len(arriving)

    for wire in sorted((wire for wire in wires if wire.end.kind == "end"), key=lambda wire: wire.end.rank):
        wire.rank = visit(wire.start)
    for wire in wires:
        if wire.end.kind == "discard":
            beside = [other.rank + (wire.output - other.output) / 100 for other in wires if other.start is wire.start]
            wire.rank = wire.end.rank = max(rank for rank in beside if rank > 0.5)
    for part in {wire.start: None for wire in wires}:
        leaving = [wire.rank for wire in wires if wire.start is part]
        part.rank = sum(leaving) / len(leaving)


def _choose_columns(wires: list[Link]) -> None:
    """As far to the right as the readers allow; copies and discards get the room that keeps their wires apart."""
    known: dict[Part, int] = {}

    def column(part: Part) -> int:
        if part not in known:
            step = 2 if part.kind == "copy" or part.untidy else 1
            readers = [wire.end for wire in wires if wire.start is part and wire.end.kind != "discard"]
            known[part] = max((column(reader) + step for reader in readers), default=0)
        return known[part]

    for wire in wires:
        wire.start.column = column(wire.start)
    for wire in wires:
        if wire.end.kind == "discard":
            wire.end.column = wire.start.column - 1


def _split(wire: Link) -> list[Link]:
    """The wire's stretches from column to column, with a part in each column that it passes.

    It is to bend in one stretch, the first that is not beside a discarded wire, and to be straight in the others.
    """
    between = range(wire.start.column - 1, wire.end.column, -1)
    stops = [wire.start, *(Part("wire", column=column, rank=wire.rank) for column in between), wire.end]
    stretches = [
        Link(start, 0, end, 0, wire.port, False, stiffness=1.0 if number == wire.start.untidy else STIFF)
        for number, (start, end) in enumerate(pairwise(stops))
    ]
    stretches[0].output, stretches[0].labelled = wire.output, wire.labelled
    stretches[-1].input = wire.input
    return stretches


def _cross(one: Link, two: Link) -> bool:
    """Whether two stretches between the same columns cross, as their columns are ranked now."""
    if one.start.column != two.start.column:
        return False
    left = (one.start.rank, one.output) < (two.start.rank, two.output)
    right = (one.end.rank, one.input) < (two.end.rank, two.input)
    same = one.start is two.start and one.output == two.output
    return left != right and not same


def _order(columns: list[list[Part]], links: list[Link]) -> None:
    """Sort the columns; then exchange neighbours as long as that makes for fewer crossings."""
    for column in columns:
        column.sort(key=lambda part: part.rank)
        for rank, part in enumerate(column):
            part.rank = rank

    def crossings() -> int:
        return sum(_cross(*pair) for pair in combinations(links, 2))

    fewest, improved = crossings(), True
    while fewest and improved:
        improved = False
        for column in columns[1:]:
            for above, below in combinations(column, 2):
                above.rank, below.rank = below.rank, above.rank
                found = crossings()
                if found < fewest:
                    fewest, improved = found, True
                else:
                    above.rank, below.rank = below.rank, above.rank
            column.sort(key=lambda part: part.rank)


def _place_heights(columns: list[list[Part]], links: list[Link]) -> None:
    """Minimise the sum of stiffness * (change of height)^2, subject to order and distances within each column."""
    pulls: dict[Part, list[tuple[Part, float, float]]] = {part: [] for column in columns for part in column}
    for link in links:
        shift = link.offsets[0] - link.offsets[1]
        pulls[link.start].append((link.end, -shift, link.stiffness))
        pulls[link.end].append((link.start, shift, link.stiffness))
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 else reversed(columns):
            _settle(column, pulls)
    ends = [part.y for part in columns[0]]
    middle = (min(ends) + max(ends)) / 2
    for part in pulls:
        part.y = round(part.y - middle, 1)


def _settle(column: list[Part], pulls: dict[Part, list[tuple[Part, float, float]]]) -> None:
    """The best heights of one column while all others stay: isotonic regression, by pooling adjacent violators."""
    blocks: list[tuple[float, float, int]] = []  # mean wish, weight, how many parts
    spaces, top = [], 0.0
    for part, before in zip(column, [None, *column], strict=False):
        top += before.half + part.half if before else 0.0
        spaces.append(top)
        weight = sum(stiffness for _, _, stiffness in pulls[part])
        wish = sum((other.y + shift) * stiffness for other, shift, stiffness in pulls[part]) / weight - top
        count = 1
        while blocks and blocks[-1][0] > wish:
            mean, mass, size = blocks.pop()
            wish, weight, count = (mean * mass + wish * weight) / (mass + weight), mass + weight, count + size
        blocks.append((wish, weight, count))
    heights = [mean for mean, _, size in blocks for _ in range(size)]
    for part, height, space in zip(column, heights, spaces, strict=True):
        part.y = height + space


def _place_across(columns: list[list[Part]], links: list[Link], labels: dict[Port, float]) -> float:
    """Set each part's x and each link's bend; the width of it all."""
    x = 0.0
    for number in reversed(range(len(columns))):
        width = max(part.width for part in columns[number])
        for part in columns[number]:
            spare = 0.0 if part.kind == "wire" else width - part.width
            part.x = x + {"source": 1.0, "constant": 1.0, "discard": 0.0}.get(part.kind, 0.5) * spare
            part.width = width if part.kind == "wire" else part.width
        x += width
        leaving = [link for link in links if link.start.column == number]
        label = max((labels[link.port] for link in leaving if link.labelled), default=0.0)
        turn = BEND if any(link.bends for link in leaving) else STEP
        for link in leaving:
            link.bend = (x + label, x + label + turn)
            if link.start.kind == "copy":
                link.start.x = x + label - link.start.width
        x += label + turn if leaving else 0.0
    return x
