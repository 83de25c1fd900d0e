"""Tasks as string diagrams on paper, in the manner of Rodatz et al. (2024), read from left to right.

Boxes are learners (coloured: strongly where the equation trains them) and fixed functions (plain); a name before a
double bar is a source; a small dot copies a wire, a large one discards it; a pointed box is a constant. Opposite
harpoons are the equation, its divergence above and what it trains beneath; a brace binds a compound task. Beneath are
the players, the refinements (a dashed box, an arrow with a bar, and what stands for the box) and the types of the
wires. `docs/language.md` has all signs.

Pictures are functions of the task alone, the same bytes every time. SVGs use `currentColor`, so that they suit light
and dark pages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.language.binding import Derivative
from pipeline.language.layout import Layout, Link, Part, layout
from pipeline.language.marks import (
    SMALL,
    Mark,
    Point,
    Sheet,
    Step,
    Stroke,
    around,
    label,
    line,
    moved,
    polygon,
    rectangle,
    shortened,
    svg,
    text_width,
    write,
)
from pipeline.language.notation import type_text
from pipeline.language.signs import HUES, STRONG, Look, Pen, Placed, nth_pen, size
from pipeline.language.sources import Source, Wire
from pipeline.language.task import Equation, Ramp, Refinement, Task, TaskError
from pipeline.language.terms import Learner, Term, number
from pipeline.language.wiring import Node, Port, Wiring, diagram, letters_of, wiring

__all__ = ["diagram", "draw", "equation_svg", "sheet"]

MARGIN, ROWS, BLOCKS = 12.0, 22.0, 34.0  # round the picture; between rows; between what is of different sorts
SIGN = 34.0  # the length of the harpoons
APART = 14.0  # between sides and sign
CHIPS = 190.0  # how wide a line of trained learners may be
WIRE = 24  # letters in the label of a wire
NOTE = 90  # letters in a line of text
RAGGED, PAGE = 1.25, 1000.0  # how much wider a picture may be so that signs stand beneath each other; and always

Row = list[Mark]
Leaving = dict[tuple[Part, int], list[Link]]


def draw(task: Task, path: Path) -> None:
    """Draw all equations of a task, one a row, its players and its refinements into an SVG or PNG file.

    Raises TaskError for another suffix, or if there are no equations.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise TaskError(f"{path}: diagrams are written as .svg or .png")
    if not task.equations:
        raise TaskError(f"{path}: the task has no equations to draw")
    write(sheet(task), path)


def equation_svg(name: str, equation: Equation, among: Iterable[Equation] = ()) -> str:
    """One equation as SVG. among: all equations of its task, so that a learner has one colour in all their pictures."""
    rows = _equations({name: equation}, _look([*among, equation]))
    return svg(_sheet(f"{name} : {equation}", rows))


def sheet(task: Task) -> Sheet:
    """The picture of a task."""
    look = _look(task.equations.values(), task.refinements)
    marks = _stacked(_equations(task.equations, look), ROWS)
    if len(task.equations) > 1:
        left, top, _, bottom = around(marks)
        marks.append(_brace(left - 22, top, bottom))
    blocks = [marks]
    if task.players:
        blocks.append(_players(task, look))
    if task.refinements:
        blocks.append(_stacked(_refinements(task.refinements, look), ROWS))
    blocks.append(_legend(look, max(around(block)[2] for block in blocks)))
    title = "\n".join([str(task), *(f"{each.kind} {each.text}" for each in task.refinements)])
    return _sheet(title, blocks, BLOCKS)


def _sheet(title: str, rows: Sequence[Row], gap: float = ROWS) -> Sheet:
    """Rows beneath each other on a sheet that they fit on."""
    marks = _stacked(rows, gap)
    left, top, right, bottom = around(marks)
    placed = tuple(moved(mark, MARGIN - left, MARGIN - top) for mark in marks)
    return Sheet(title, placed, right - left + 2 * MARGIN, bottom - top + 2 * MARGIN)


def _stacked(rows: Iterable[Row], gap: float) -> Row:
    """Rows beneath each other, their left sides as they are."""
    stacked: Row = []
    y = 0.0
    for row in rows:
        _, top, _, bottom = around(row)
        stacked += [moved(mark, 0.0, y - top) for mark in row]
        y += bottom - top + gap
    return stacked


# -------------------------------------------------------------------------------------------------------------- looks


def _look(equations: Iterable[Equation], refinements: Sequence[Refinement] = ()) -> Look:
    """The colours of learners and the pens of types, in order of mention."""
    sides = [side for each in equations for side in (each.lhs, each.rhs)]
    afters = [each.after for each in refinements if each.after is not None]
    befores = [each.before for each in refinements if each.before is not None]
    coloured = [node for term in (*sides, *afters) for node in wiring(term).nodes]
    nodes = [*coloured, *(node for term in befores for node in wiring(term).nodes)]
    types = dict.fromkeys(type for node in nodes for _, type in node.outputs)
    return Look(_hues(coloured), {type: nth_pen(place) for place, type in enumerate(types)})


def _hues(nodes: Sequence[Node]) -> dict[str, str]:
    """By name; a composite has the colour of its first part, and gives it to those that nothing else mentions."""
    learned = [node for node in nodes if node.learners]
    heads = [node.learners if isinstance(node.op, Derivative) else node.learners[:1] for node in learned]
    names = dict.fromkeys(learner.name for each in heads for learner in each)
    hues = {name: HUES[place % len(HUES)] for place, name in enumerate(names)}
    for node in learned:
        for name in (node.name, *(learner.name for learner in node.learners)):
            hues.setdefault(name, hues[node.learners[0].name])
    return hues


# ------------------------------------------------------------------------------------------------------------- sides


@dataclass(frozen=True)
class Side:
    """One side of an equation: what is drawn, and where."""

    wiring: Wiring
    layout: Layout

    @classmethod
    def of(cls, term: Term, letters: Mapping[Term, str] | None = None, border: Source | None = None) -> Side:
        found = wiring(term, letters=letters, border=border)
        labels = {port: _wire_width(_wire_label(found, port)) for port in found.uses()}
        return cls(found, layout(found, [size(node) for node in found.nodes], labels))

    def marks(self, look: Look, trained: Collection[Learner], hole: bool = False) -> Iterator[Mark]:
        """At the layout's own place. hole: whether the boxes are ones that something stands for."""
        yield from self.wires(look)
        for part in self.layout.parts:
            if part.node >= 0:
                yield from Placed(self.wiring.nodes[part.node], part, look, trained, hole).marks()

    def wires(self, look: Look) -> Iterator[Mark]:
        """With their labels and dots."""
        leaving = self.layout.leaving()
        for (part, output), links in leaving.items():
            port = (part.node, output) if part.node >= 0 else part.port
            pen = look.pens[self.wiring.nodes[port[0]].outputs[port[1]][1]]
            x, y = part.x + part.width, part.y + part.offset(output, part.outputs)
            stop = (self.layout.stops[part.column], y)
            if part.node >= 0:
                text = _wire_label(self.wiring, port)
                yield label(text, (x + 4, y - 4), SMALL, "start", faint=True, most=WIRE)
                if not links:
                    stop = (x + _wire_width(text), y)
                    yield pen.discarded(stop)
                elif len(links) == 1:
                    yield self._path((x, y), links[0], leaving, pen)
                if len(links) != 1:
                    yield pen.line((x, y), stop)
            if len(links) > 1:
                yield pen.copied(stop)
                for link in links:
                    yield self._path(stop, link, leaving, pen)

    def _path(self, start: Point, link: Link, leaving: Leaving, pen: Pen) -> Stroke:
        """A wire from where it begins or is copied to where it ends or is copied again."""
        steps: list[Step] = [("M", (start,))]
        forked = len(leaving[link.start, link.output]) > 1
        while True:
            steps += self._bend(link, forked)
            end = link.end
            if end.kind != "wire":
                steps.append(("L", ((end.x + end.size.inset, link.heights[1]),)))
                break
            steps.append(("L", ((self.layout.stops[end.column], link.heights[1]),)))
            if len(leaving[end, 0]) > 1:
                break
            (link,), forked = leaving[end, 0], False
        return pen.path(steps)

    def _bend(self, link: Link, forked: bool) -> Iterator[Step]:
        """To the next height: from a dot steeply, if no other wire is in the way."""
        (y, z), (left, right) = link.heights, link.bend
        yield "L", ((left, y),)
        if not link.bends:
            return
        if forked and not self._between(link):
            yield "C", ((left, y + 0.7 * (z - y)), (left + 0.3 * (right - left), z), (right, z))
        else:
            middle = (left + right) / 2
            yield "C", ((middle, y), (middle, z), (right, z))

    def _between(self, link: Link) -> bool:
        """Whether another wire begins at a height that this one passes beside it."""
        low, high = sorted(link.heights)
        own = link.start, link.output
        return any(
            low < part.y + part.offset(output, part.outputs) < high
            for part in self.layout.parts
            for output in range(part.outputs)
            if part.column == link.start.column and (part, output) != own
        )


def _wire_label(found: Wiring, port: Port) -> str:
    name, type = found.nodes[port[0]].outputs[port[1]]
    return f"{name} : {type.name}" if name else type.name


def _wire_width(text: str) -> float:
    """What the label takes of its wire."""
    return text_width(shortened(text, WIRE), SMALL) + 8


# --------------------------------------------------------------------------------------------------------- equations


def _equations(equations: Mapping[str, Equation], look: Look) -> list[Row]:
    """A row each: the name, the left side, the sign and the right side; y = 0 at the sign.

    The signs stand beneath each other, unless that makes the picture much wider than its widest row.
    """
    sides = [_sides(each) for each in equations.values()]
    signs = [list(_sign(each, look)) for each in equations.values()]
    halves = [max(-around(sign)[0], around(sign)[2]) + APART for sign in signs]
    widths = [(lhs.layout.width, rhs.layout.width) for lhs, rhs in sides]
    names = max(text_width(shortened(name)) for name in equations) + 22
    left, half, right = max(lhs for lhs, _ in widths), max(halves), max(rhs for _, rhs in widths)
    widest = max(lhs + rhs + 2 * each for (lhs, rhs), each in zip(widths, halves, strict=True))
    aligned = left + 2 * half + right <= max(PAGE, RAGGED * widest)
    rows = []
    for (name, each), (lhs, rhs), sign, own in zip(equations.items(), sides, signs, halves, strict=True):
        at = names + (left + half if aligned else lhs.layout.width + own)
        reach = half if aligned else own
        row: Row = [label(name, (0.0, 4.5), anchor="start")]
        row += [moved(mark, at - reach - lhs.layout.width, 0.0) for mark in lhs.marks(look, each.trains)]
        row += [moved(mark, at, 0.0) for mark in sign]
        row += [moved(mark, at + reach, 0.0) for mark in rhs.marks(look, each.trains)]
        rows.append(row)
    return rows


def _sides(equation: Equation) -> tuple[Side, Side]:
    letters = letters_of(equation.lhs, equation.rhs)
    return Side.of(equation.lhs, letters), Side.of(equation.rhs, letters)


def _sign(equation: Equation, look: Look) -> Iterator[Mark]:
    """Opposite harpoons, the divergence above them and the trained learners beneath, in their colours."""
    a, b = -SIGN / 2, SIGN / 2
    yield Stroke((("M", ((a, -2.5),)), ("L", ((b, -2.5),)), ("L", ((b - 8, -7.5),))))
    yield Stroke((("M", ((b, 2.5),)), ("L", ((a, 2.5),)), ("L", ((a + 8, 7.5),))))
    weight = equation.weight if isinstance(equation.weight, Ramp) else number(float(equation.weight))
    above = label(str(equation.divergence), (0.0, -14.0), SMALL, faint=True)
    yield above if equation.weight == 1 else replace(above, text=f"{above.text} × {weight}")
    y = 14.0
    for names in _lines(equation.shown.split(", ")):
        width = sum(_chip_width(name) + 4 for name in names) - 4
        yield from _chips(names, look, -width / 2, y)
        y += 22


def _lines(names: Sequence[str]) -> list[list[str]]:
    """Names in lines that are not too wide."""
    lines: list[list[str]] = []
    room = 0.0
    for name in names:
        room -= _chip_width(name) + 4
        if not lines or room < 0:
            lines.append([])
            room = CHIPS - _chip_width(name)
        lines[-1].append(name)
    return lines


def _chip_width(name: str) -> float:
    return text_width(shortened(name)) + 10


def _chips(names: Iterable[str], look: Look, x: float, y: float) -> Iterator[Mark]:
    """Names of learners from x on, their tops at y, in their colours."""
    for name in names:
        width = _chip_width(name)
        yield polygon(rectangle(x, y, x + width, y + 18), look.hues.get(name, ""), STRONG, 0.0)
        yield label(name, (x + width / 2, y + 13.5))
        x += width + 4


def _brace(x: float, top: float, bottom: float) -> Stroke:
    """A left curly brace, its point at x."""
    middle, stem, tips = (top + bottom) / 2, x + 7, x + 14
    return Stroke(
        (
            ("M", ((tips, top),)),
            ("C", ((stem, top), (stem, top + 6), (stem, top + 18))),
            ("L", ((stem, middle - 16),)),
            ("C", ((stem, middle - 6), (stem - 1, middle - 2), (x, middle))),
            ("C", ((stem - 1, middle + 2), (stem, middle + 6), (stem, middle + 16))),
            ("L", ((stem, bottom - 18),)),
            ("C", ((stem, bottom - 6), (stem, bottom), (tips, bottom))),
        )
    )


# ------------------------------------------------------------------------------------------------- beneath the equations


def _players(task: Task, look: Look) -> Row:
    """How they play, and for each player its learners and how often it moves."""
    row: Row = [
        label("players", (0.0, 13.5), anchor="start"),
        label(task.play, (0.0, 27.0), SMALL, "start", faint=True),
    ]
    names = text_width(task.play, SMALL) + 22
    chips = names + max(text_width(shortened(player.name)) for player in task.players) + 10
    y = 0.0
    for player in task.players:
        row.append(label(player.name, (names, y + 13.5), anchor="start"))
        learners = [learner.name for learner in player.learners]
        row += _chips(learners, look, chips, y)
        if player.steps > 1:
            x = chips + sum(_chip_width(name) + 4 for name in learners)
            row.append(label(f"{player.steps} steps", (x + 4, y + 13.5), SMALL, "start", faint=True))
        y += 24
    return row


def _refinements(refinements: Sequence[Refinement], look: Look) -> list[Row]:
    """A row each: what was done, and the box, an arrow and what stands for it; or words."""
    names = max(text_width(each.kind, SMALL) for each in refinements) + 22
    pairs = [_before_and_after(each) for each in refinements]
    left = max((before.layout.width for before, _ in filter(None, pairs)), default=0.0)
    rows = []
    for each, pair in zip(refinements, pairs, strict=True):
        row: Row = [label(each.kind, (0.0, 4.0), SMALL, "start", faint=True)]
        if pair is None:
            row.append(label(each.text, (names, 4.0), anchor="start", most=NOTE))
        else:
            before, after = pair
            row += [moved(mark, names + left - before.layout.width, 0.0) for mark in before.marks(look, (), hole=True)]
            row += [moved(mark, names + left + APART, 0.0) for mark in _maps_to()]
            row += [moved(mark, names + left + 2 * APART + SIGN, 0.0) for mark in after.marks(look, ())]
        rows.append(row)
    return rows


def _before_and_after(refinement: Refinement) -> tuple[Side, Side] | None:
    """The box and what stands for it, on the same wires from outside."""
    if refinement.before is None or refinement.after is None:
        return None
    wires = [below.op.source for below in refinement.before.inputs if isinstance(below.op, Wire)]
    border = wires[0] if wires else None
    return Side.of(refinement.before, border=border), Side.of(refinement.after, border=border)


def _maps_to() -> Iterator[Mark]:
    """An arrow with a bar."""
    yield line((0.0, -5.0), (0.0, 5.0))
    yield line((0.0, 0.0), (SIGN, 0.0))
    yield line((SIGN - 7, -5.0), (SIGN, 0.0), (SIGN - 7, 5.0))


def _legend(look: Look, right: float) -> Row:
    """The wires of each type, as wide as the picture."""
    row: Row = []
    x, y = 0.0, 0.0
    for type, pen in look.pens.items():
        text = type_text(type)
        width = 32 + text_width(shortened(text), SMALL) + 20
        if x and x + width > right:
            x, y = 0.0, y + 18
        row.append(pen.line((x, y), (x + 26, y)))
        row.append(label(text, (x + 32, y + 3.5), SMALL, "start", faint=True))
        x += width
    return row
