"""Where the parts of a string diagram go on paper, read from left to right.

Parts stand in columns, as far to the right as what reads them allows. A wire that passes a column is a part of it, so
that nothing lies on anything else; a wire that is copied passes as one as long as it can. Within a column the order is
one with few crossings (Sugiyama et al. 1981), and the heights are those with the straightest wires that keep the order
and the distances: the least sum of the changes of height, a linear programme (Gansner et al. 1993, section 4).
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Literal

from pipeline.language.wiring import Port, Wiring

PORT = 20.0  # between the wires of a box, or of a source
STEP = 10.0  # what a wire needs to go straight on
BEND, SLOPE, LONGEST = 24.0, 0.3, 64.0  # to change its height: the least room, its growth with the change, the most
CLEAR = 6.0  # above and below a box
GRID = 10.0  # of what parts keep clear, so that bends are none or wide enough to be seen
STRAIGHT, STRAIGHTER, STRAIGHTEST = 2.0, 3.0, 8.0  # what bends cost: between boxes, to or from a long wire, along it
LONE = 2.0  # how much more they cost on a wire that is not copied, to a box that reads no other
EVEN = 0.5  # what it costs that a wire is not in the middle of its copies
DEEP, FIRST = 0.1, 0.05  # how much more a bend costs for each box before it, and into a box's first wire
CLOSE = 0.01  # what distances cost
OUTSIDE = ("open", "end")  # the kinds of parts whose order is given
STARTS, SWEEPS, PATIENCE = 5, 12, 3  # for the orders: starts, sweeps over all columns, sweeps without success


@dataclass(frozen=True)
class Size:
    """Of a node: its width and height, the distance between its wires, and how far into it they reach."""

    width: float
    height: float
    pitch: float = PORT
    inset: float = 0.0


TAIL = Size(6.0, 0.0, inset=6.0)  # of a wire that goes out


@dataclass(eq=False)
class Part:
    """Something that stands in a column.

    node: which node of the wiring it draws, or -1; half: half the height that it keeps clear; port: whose value a part
    of a wire carries; column: counted from the right; rank: its place from above; depth: how many parts there are
    before it; x: its left edge; y: its middle.
    """

    kind: Literal["box", "source", "constant", "open", "wire", "end"]
    inputs: int = 1
    outputs: int = 1
    node: int = -1
    size: Size = Size(0.0, 0.0)
    half: float = 10.0
    port: Port = (-1, 0)
    column: int = 0
    rank: float = 0.0
    depth: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    def offset(self, place: int, count: int) -> float:
        """Where a wire leaves or enters, relative to the middle."""
        return (place - (count - 1) / 2) * self.size.pitch


@dataclass(eq=False)
class Link:
    """A wire's stretch from one column to the next, which changes height between the two x of `bend`.

    port: whose value it carries; rank: as a part's, a first guess.
    """

    start: Part
    output: int
    end: Part
    input: int
    port: Port
    rank: float = 0.0
    bend: tuple[float, float] = (0.0, 0.0)

    @property
    def offsets(self) -> tuple[float, float]:
        """Where it leaves and enters, relative to the middles of the parts."""
        return self.start.offset(self.output, self.start.outputs), self.end.offset(self.input, self.end.inputs)

    @property
    def heights(self) -> tuple[float, float]:
        return self.start.y + self.offsets[0], self.end.y + self.offsets[1]

    @property
    def bends(self) -> bool:
        """Whether one would see that its ends differ in height."""
        return abs(self.heights[0] - self.heights[1]) > 0.2


@dataclass
class Layout:
    """Parts and the links between them, in place: x from 0 to `width`, and y = 0 in the middle of the ends.

    stops: for each column the x to which wires go straight on from it, with room for their labels.
    """

    parts: list[Part]
    links: list[Link]
    width: float = 0.0
    stops: list[float] = field(default_factory=list)

    @property
    def extent(self) -> tuple[float, float]:
        """The least and the greatest y."""
        return min(part.y - part.half for part in self.parts), max(part.y + part.half for part in self.parts)

    @property
    def crossings(self) -> int:
        return sum(map(_crossings, self.gaps()))

    def gaps(self) -> list[list[Link]]:
        """The links into each column."""
        found: list[list[Link]] = [[] for _ in self.columns()]
        for link in self.links:
            found[link.end.column].append(link)
        return found

    def columns(self) -> list[list[Part]]:
        found: list[list[Part]] = [[] for _ in range(1 + max(part.column for part in self.parts))]
        for part in self.parts:
            found[part.column].append(part)
        return [sorted(column, key=lambda part: part.rank) for column in found]

    def leaving(self) -> dict[tuple[Part, int], list[Link]]:
        """For each part and each of its outputs the links that begin there, from above."""
        found: dict[tuple[Part, int], list[Link]] = {
            (part, output): [] for part in self.parts for output in range(part.outputs)
        }
        for link in self.links:
            found[link.start, link.output].append(link)
        return {start: sorted(links, key=lambda link: link.heights[1]) for start, links in found.items()}


def layout(wiring: Wiring, sizes: Sequence[Size], labels: dict[Port, float]) -> Layout:
    """sizes: of each node; labels: the width of the label of each port's wire."""
    best = _drafted(wiring, sizes, frozenset())
    if best.crossings:
        best = _untangled(wiring, sizes)
    _place_heights(best)
    _place_across(best, labels)
    return best


def _untangled(wiring: Wiring, sizes: Sequence[Size]) -> Layout:
    """The draft with the fewest crossings, and of those one with few wires that are copied early."""

    def drafted(apart: frozenset[Port], starts: int = 1) -> tuple[int, int, frozenset[Port], Layout]:
        made = _drafted(wiring, sizes, apart, starts)
        return made.crossings, len(apart), apart, made

    copied = [port for port, readers in wiring.uses().items() if len(readers) > 1]
    best = min(drafted(frozenset(), STARTS), drafted(frozenset(copied), STARTS), key=lambda each: each[:2])
    for port in copied:
        best = min(best, drafted(best[2] ^ {port}), key=lambda each: each[:2])
    return best[3]


def _drafted(wiring: Wiring, sizes: Sequence[Size], apart: frozenset[Port], starts: int = 1) -> Layout:
    """Columns and orders. apart: the ports whose wires are copied early, one for each reader; starts: how many first
    guesses of the orders are tried."""
    parts = [
        Part(node.kind, len(node.inputs), len(node.outputs), place, size, _half(size), width=size.width)
        for place, (node, size) in enumerate(zip(wiring.nodes, sizes, strict=True))
    ]
    ends = [Part("end", outputs=0, rank=rank, size=TAIL, width=TAIL.width) for rank, _ in enumerate(wiring.outputs)]
    wires = [
        Link(parts[port[0]], port[1], ends[slot] if reader < 0 else parts[reader], 0 if reader < 0 else slot, port)
        for port, readers in wiring.uses().items()
        for reader, slot in readers
    ]
    _choose_columns([*parts, *ends], wires, {node for node, _ in apart})
    _guess_ranks(wires)
    links = _split(wires, apart)
    passing = dict.fromkeys(part for link in links for part in (link.start, link.end) if part.kind == "wire")
    made = Layout([*parts, *ends, *passing], links)
    _order(made, starts)
    return made


def _half(size: Size) -> float:
    return GRID * math.ceil((size.height / 2 + (CLEAR if size.width else 0.0)) / GRID)


def _choose_columns(parts: Sequence[Part], wires: Sequence[Link], early: Collection[int]) -> None:
    """As far to the right as the readers allow; what comes from outside in a column before all others. Nodes whose
    wires are copied early come one column earlier, and sources among them before all that is not from outside."""
    readers: dict[Part, list[Part]] = defaultdict(list)
    for wire in wires:
        readers[wire.start].append(wire.end)
        wire.end.depth = max(wire.end.depth, wire.start.depth + 1)  # wires come in the order of their starts
    ends_first = sorted(parts, key=lambda part: -part.node if part.node >= 0 else -len(parts))
    for part in ends_first:
        unread = 0 if part.kind == "end" else 1
        nearest = max((1 + reader.column for reader in readers[part]), default=unread)
        part.column = nearest + (part.node in early)
    for moved in (
        [part for part in parts if part.node in early and not part.inputs and part.kind != "open"],
        [part for part in parts if part.kind == "open"],
    ):
        first = 1 + max((part.column for part in parts if part not in moved and part.kind != "open"), default=0)
        for part in moved:
            part.column = first


def _guess_ranks(wires: Sequence[Link]) -> None:
    """Number the mentions of sources in the order in which they are written; the rest is in between."""
    into = {(wire.end, wire.input): wire for wire in wires}
    seen: set[Part] = set()
    mentions = 0
    outside = sorted((wire for wire in wires if wire.end.kind == "end"), key=lambda wire: -wire.end.rank)
    pending = [(wire, False) for wire in outside]
    while pending:
        wire, ready = pending.pop()
        arriving = [into[wire.start, slot] for slot in range(wire.start.inputs)]
        if ready:
            wire.rank = sum(each.rank for each in arriving) / len(arriving)
        elif arriving and wire.start not in seen:
            seen.add(wire.start)
            pending += [(wire, True), *((each, False) for each in reversed(arriving))]
        else:
            mentions += 1
            wire.rank = mentions
    leaving: dict[Part, list[float]] = defaultdict(list)
    for wire in wires:
        leaving[wire.start].append(wire.rank)
    for part, ranks in leaving.items():
        part.rank = sum(ranks) / len(ranks)


def _split(wires: Sequence[Link], apart: Collection[Port]) -> list[Link]:
    """The wires' stretches from column to column, with a part in each column that they pass."""
    bundles: dict[tuple[Port, int], list[Link]] = defaultdict(list)
    for number, wire in enumerate(wires):
        bundles[wire.port, number if wire.port in apart else -1].append(wire)
    return [link for bundle in bundles.values() for link in _stretches(bundle)]


def _stretches(bundle: Sequence[Link]) -> Iterable[Link]:
    """Those of wires that begin together."""
    start, output, port = bundle[0].start, bundle[0].output, bundle[0].port
    for column in range(start.column - 1, -1, -1):
        for wire in bundle:
            if wire.end.column == column:
                yield Link(start, output, wire.end, wire.input, port, wire.rank)
        further = [wire.rank for wire in bundle if wire.end.column < column]
        if not further:
            return
        passing = Part("wire", port=port, column=column, rank=sum(further) / len(further), depth=start.depth)
        yield Link(start, output, passing, 0, port, passing.rank)
        start, output = passing, 0


# ------------------------------------------------------------------------------------------------------------ orders


def _crossings(gap: Sequence[Link]) -> int:
    """How many pairs of links between the same columns cross, as the columns are ranked now."""
    ends = [
        ((link.start.rank, link.output), (link.end.rank, link.input))
        for link in sorted(gap, key=lambda link: (link.start.rank, link.output))
    ]
    return sum(left < other and right > beyond for (left, right), (other, beyond) in combinations(ends, 2))


@dataclass
class _Neighbours:
    """The ports that a part is linked to, with the columns' present ranks: those before it, and those after it."""

    before: dict[Part, list[tuple[Part, int]]] = field(default_factory=lambda: defaultdict(list))
    after: dict[Part, list[tuple[Part, int]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, links: Iterable[Link]) -> _Neighbours:
        found = cls()
        for link in links:
            found.before[link.end].append((link.start, link.output))
            found.after[link.start].append((link.end, link.input))
        return found

    def crossings(self, above: Part, below: Part) -> int:
        """Of the links of one part with those of another, if it stands above that."""
        return sum(
            (one.rank, slot) > (two.rank, other)
            for side in (self.before, self.after)
            for one, slot in side[above]
            for two, other in side[below]
        )


def _order(drafted: Layout, starts: int) -> None:
    """The best order of a few: as guessed, and from shuffled starts while wires cross."""
    for part in drafted.parts:
        if part.kind == "open":
            part.rank = part.node
    columns, gaps = drafted.columns(), drafted.gaps()
    neighbours = _Neighbours.of(drafted.links)
    inner = [column for column in columns if column[0].kind not in OUTSIDE]
    best: dict[Part, float] = {}
    fewest = -1
    for start in range(starts):
        if start:
            for column in inner:
                random.Random(start).shuffle(column)
        for column in columns:
            _number(column)
        ranks = _swept(inner, neighbours, gaps)
        for part in drafted.parts:
            part.rank = ranks.get(part, part.rank)
        found = drafted.crossings
        if not best or found < fewest:
            best, fewest = {part: part.rank for part in drafted.parts}, found
        if not fewest:
            break
    for part, rank in best.items():
        part.rank = rank


def _swept(columns: list[list[Part]], neighbours: _Neighbours, gaps: Sequence[Sequence[Link]]) -> dict[Part, float]:
    """The best ranks found by sorting columns by their neighbours' mean ranks, in sweeps to and fro, each order improved
    by exchanges."""
    best: dict[Part, float] = {}
    fewest = since = 0
    for sweep in range(SWEEPS):
        if sweep:
            _sort_by_neighbours(columns, neighbours.before if sweep % 2 else neighbours.after, forth=sweep % 2 == 1)
        _exchange(columns, neighbours, sideways=sweep % 4 > 1)
        found = sum(map(_crossings, gaps))
        if not best or found < fewest:
            best, fewest, since = {part: part.rank for column in columns for part in column}, found, sweep
        if not fewest or sweep - since > PATIENCE:
            break
    return best


def _number(column: Sequence[Part]) -> None:
    for rank, part in enumerate(column):
        part.rank = float(rank)


def _sort_by_neighbours(columns: list[list[Part]], beside: Mapping[Part, list[tuple[Part, int]]], forth: bool) -> None:
    """One sweep: each column by the mean rank of what is beside it, on the side that the sweep comes from."""
    for column in reversed(columns) if forth else columns:
        wishes = {}
        for part in column:
            found = [other.rank + (slot + 1) / 20 for other, slot in beside[part]]
            wishes[part] = sum(found) / len(found) if found else part.rank
        column.sort(key=lambda part: wishes[part])
        _number(column)


def _exchange(columns: list[list[Part]], neighbours: _Neighbours, sideways: bool) -> None:
    """Exchange what stands beneath each other as long as that makes for fewer crossings; first once, if `sideways`,
    where it makes for as many."""
    improved = True
    while improved:
        improved = False
        for column in columns:
            for place in range(len(column) - 1):
                above, below = column[place : place + 2]
                gain = neighbours.crossings(above, below) - neighbours.crossings(below, above)
                if gain > 0 or (sideways and gain == 0):
                    column[place : place + 2] = below, above
                    above.rank, below.rank = below.rank, above.rank
                    improved = improved or gain > 0
        sideways = False


# ----------------------------------------------------------------------------------------------------------- heights


@dataclass
class _Programme:
    """Heights with the least weighted sum of |changes|, subject to distances.

    costs: of each variable, first the parts' heights; rows: sums of coefficients times variables, and what they are
    at most.
    """

    places: dict[Part, int]
    costs: list[float]
    rows: list[tuple[dict[int, float], float]] = field(default_factory=list)

    def charge(self, coefficients: Mapping[Part, float], shift: float, weight: float) -> None:
        """Let weight * |sum of coefficient * height + shift| be a cost."""
        self.costs.append(weight)
        for sign in (1.0, -1.0):
            row = {self.places[part]: sign * each for part, each in coefficients.items()}
            self.rows.append(({**row, len(self.costs) - 1: -1.0}, -sign * shift))

    def keep_apart(self, above: Part, below: Part) -> None:
        self.rows.append(({self.places[above]: 1.0, self.places[below]: -1.0}, -above.half - below.half))
        self.costs[self.places[below]] += CLOSE
        self.costs[self.places[above]] -= CLOSE

    def heights(self, fixed: Part) -> dict[Part, float]:
        """One part is at 0."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_array

        entries = [
            (row, variable, value) for row, (sums, _) in enumerate(self.rows) for variable, value in sums.items()
        ]
        rows, variables, values = zip(*entries, strict=True)
        matrix = csr_array((values, (rows, variables)), shape=(len(self.rows), len(self.costs)))
        bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(self.places)
        bounds += [(0.0, None)] * (len(self.costs) - len(self.places))
        bounds[self.places[fixed]] = (0.0, 0.0)
        most = [bound for _, bound in self.rows]
        solved = linprog(self.costs, A_ub=matrix, b_ub=most, bounds=bounds, method="highs")
        return {part: float(solved.x[place]) for part, place in self.places.items()}


def _place_heights(drafted: Layout) -> None:
    """Set each part's y."""
    columns, leaving = drafted.columns(), drafted.leaving()
    programme = _Programme({part: place for place, part in enumerate(drafted.parts)}, [0.0] * len(drafted.parts))
    for link in drafted.links:
        leave, enter = link.offsets
        lone = len(leaving[link.start, link.output]) == 1 == link.end.inputs
        programme.charge({link.start: 1.0, link.end: -1.0}, leave - enter, _stiffness(link) + LONE * lone)
    for (part, output), links in leaving.items():
        if len(links) > 1:
            wishes: dict[Part, float] = defaultdict(float, {part: 1.0})
            for link in links:
                wishes[link.end] -= 1 / len(links)
            enter = sum(link.offsets[1] for link in links) / len(links)
            programme.charge(wishes, part.offset(output, part.outputs) - enter, EVEN)
    for column in columns:
        for above, below in pairwise(column):
            programme.keep_apart(above, below)
    heights = programme.heights(fixed=columns[0][0])
    middle = (heights[columns[0][0]] + heights[columns[0][-1]]) / 2
    for part, height in heights.items():
        part.y = round(height - middle, 1)


def _stiffness(link: Link) -> float:
    """What it costs to bend a link; more, the more comes before it, so that the main line is straight."""
    long = (link.start.kind == "wire") + (link.end.kind == "wire")
    return (STRAIGHT, STRAIGHTER, STRAIGHTEST)[long] + DEEP * min(link.start.depth, 20) + FIRST * (link.input == 0)


# ------------------------------------------------------------------------------------------------------------- across


def _place_across(drafted: Layout, labels: dict[Port, float]) -> None:
    """Set each part's x, each link's bend, and the width of it all."""
    x = 0.0
    columns, gaps = drafted.columns(), drafted.gaps()
    drafted.stops = [0.0] * len(columns)
    for number in reversed(range(len(columns))):
        width = max(part.size.width for part in columns[number])
        for part in columns[number]:
            spare = 0.0 if part.kind == "wire" else width - part.size.width
            part.x = x + {"source": 1.0, "constant": 1.0}.get(part.kind, 0.5) * spare
            part.width = width if part.kind == "wire" else part.size.width
        x += width
        starts = [(part.node, output) for part in columns[number] for output in range(part.outputs) if part.node >= 0]
        label = max((labels[port] for port in starts), default=0.0)
        drafted.stops[number] = x + label
        if number:
            changes = [abs(link.heights[0] - link.heights[1]) for link in gaps[number - 1] if link.bends]
            turn = min(LONGEST, BEND + SLOPE * max(changes)) if changes else STEP
            for link in gaps[number - 1]:
                link.bend = (x + label, x + label + turn)
            x += label + turn
    drafted.width = x
