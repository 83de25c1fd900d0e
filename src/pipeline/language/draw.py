"""Tasks as string diagrams on paper, in the manner of Rodatz et al. (2024), read from left to right.

Boxes are learners (coloured: strongly where the equation trains them) and fixed functions (plain); a name before a
double bar is a source; a small dot copies a wire, a large one discards it; a pointed box is a constant. Opposite
harpoons are the equation, its divergence above and what it trains beneath; a brace binds a compound task.

Pictures are functions of the task alone, the same bytes every time. SVGs use `currentColor`, so that they suit light
and dark pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from pipeline.language.layout import PORT, Layout, Link, Part, layout
from pipeline.language.task import Equation, Task, TaskError
from pipeline.language.terms import Learner, Term
from pipeline.language.wiring import Node, Port, Wiring, diagram, wiring

__all__ = ["diagram", "draw", "equation_svg"]

HUES = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#06b6d4")
FAINT, STRONG = 0.12, 0.4  # how much of its hue a learner's box shows, as it is or as it is trained
INK = "#1c1d20"  # of PNGs
TEXT, SMALL = 13.0, 10.0  # font sizes
BARS = 3.5  # between the two bars of a source
MARGIN, ROWS = 12.0, 26.0  # round the picture; between rows
SIGN = 34.0  # the length of the harpoons

Point = tuple[float, float]
Hues = Mapping[str, str]


@dataclass(frozen=True)
class Stroke:
    """Lines and cubic curves, each step its letter (M, L, C or Z, as in SVG) and its points; perhaps filled."""

    steps: tuple[tuple[str, tuple[Point, ...]], ...]
    width: float = 1.2
    fill: str = ""
    strength: float = 0.0


@dataclass(frozen=True)
class Dot:
    centre: Point
    radius: float


@dataclass(frozen=True)
class Label:
    """A text; `anchor` says which of its points is `at`: the start, middle or end of its baseline."""

    text: str
    at: Point
    size: float = TEXT
    anchor: str = "middle"
    faint: bool = False


Mark = Stroke | Dot | Label


@dataclass(frozen=True)
class Sheet:
    """A picture, y downwards from 0 to `height`; `title` says in words what it shows."""

    title: str
    marks: tuple[Mark, ...]
    width: float
    height: float


def draw(task: Task, path: Path) -> None:
    """Draw all equations of a task, one a row, into an SVG or PNG file.

    Raises TaskError for another suffix, or if there are no equations.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise TaskError(f"{path}: diagrams are written as .svg or .png")
    if not task.equations:
        raise TaskError(f"{path}: the task has no equations to draw")
    sheet = _sheet(task.equations, _hues(task.equations.values()))
    if path.suffix.lower() == ".svg":
        path.write_text(_svg(sheet), encoding="utf-8")
    else:
        _write_png(sheet, path)


def equation_svg(name: str, equation: Equation, among: Iterable[Equation] = ()) -> str:
    """One equation as SVG. among: all equations of its task, so that a learner has one colour in all their pictures."""
    return _svg(_sheet({name: equation}, _hues([*among, equation])))


# ------------------------------------------------------------------------------------------------------------- sides


def _hues(equations: Iterable[Equation]) -> dict[str, str]:
    """The colours of learners and composites, by name, in order of mention; a composite has that of its first part."""
    nodes = [node for each in equations for side in (each.lhs, each.rhs) for node in wiring(side).nodes]
    first = list(dict.fromkeys(node.learners[0].name for node in nodes if node.learners))
    hues = {}
    for node in nodes:
        if node.learners:
            hue = HUES[first.index(node.learners[0].name) % len(HUES)]
            hues.update({learner.name: hue for learner in node.learners if learner.name not in first})
            hues[node.learners[0].name] = hues[node.name] = hue
    return hues


@dataclass(frozen=True)
class Side:
    """One side of an equation: what is drawn, and where."""

    wiring: Wiring
    layout: Layout

    @classmethod
    def of(cls, term: Term) -> Side:
        found = wiring(term)
        labels = {port: _text_width(_wire_label(found, port), SMALL) + 8 for port in found.uses()}
        return cls(found, layout(found, [_size(node) for node in found.nodes], labels))

    def marks(self, trained: set[Learner], hues: Hues) -> Iterator[Mark]:
        """At the layout's own place."""
        for link in self.layout.links:
            yield from _wire(link, _wire_label(self.wiring, link.port))
        for part in self.layout.parts:
            if part.node >= 0:
                node = self.wiring.nodes[part.node]
                if node.source is None:
                    yield from _box(part, node, hues, not trained.isdisjoint(node.learners))
                else:
                    yield from (_constant if node.constant else _source)(part, node)
            elif part.kind == "wire":
                yield _line((part.x, part.y), (part.x + part.width, part.y))
            elif part.kind in ("copy", "discard"):
                yield Dot((part.x + part.width / 2, part.y), part.width / 2)


def _wire_label(found: Wiring, port: Port) -> str:
    name, type = found.nodes[port[0]].outputs[port[1]]
    return f"{name} : {type.name}" if name else type.name


def _size(node: Node) -> tuple[float, float]:
    ports = PORT * max(len(node.inputs), len(node.outputs))
    if node.constant:
        return _text_width(node.name) + 22, 24
    if node.source:
        return _text_width(node.name) + 6 + BARS, ports
    return max(_text_width(node.name), _text_width(node.note, SMALL)) + 18, max(ports, 38 if node.note else 26)


def _wire(link: Link, label: str) -> Iterator[Mark]:
    """Straight on, then over to its new height between the columns, then straight on."""
    (x, end), (y, z) = (link.start.x + link.start.width, link.end.x), link.heights
    left, right = link.bend
    middle = (left + right) / 2
    curve = ("C", ((middle, y), (middle, z), (right, z)))
    path = (("L", ((left, y),)), curve, ("L", ((end, z),))) if link.bends else (("L", ((end, z),)),)
    yield Stroke((("M", ((x, y),)), *path))
    if link.labelled:
        yield Label(label, (x + 4, y - 4), SMALL, "start", faint=True)


def _box(part: Part, node: Node, hues: Hues, trained: bool) -> Iterator[Mark]:
    half = _size(node)[1] / 2
    corners = ((part.x, part.y - half), (part.x + part.width, part.y + half))
    strength = STRONG if trained else FAINT
    yield _polygon(
        _corners(*corners), hues.get(node.name, ""), strength if node.learners else 0.0, 1.6 if trained else 1.2
    )
    middle = part.x + part.width / 2
    yield Label(node.name, (middle, part.y - 2 if node.note else part.y + 4.5))
    if node.note:
        yield Label(node.note, (middle, part.y + 12), SMALL, faint=True)


def _source(part: Part, node: Node) -> Iterator[Mark]:
    """The name and a double bar, from which the wires come."""
    half, right = PORT * part.outputs / 2 - 1, part.x + part.width
    yield Label(node.name, (right - BARS - 5, part.y + 4.5), anchor="end")
    for x in (right - BARS, right):
        yield _line((x, part.y - half), (x, part.y + half))


def _constant(part: Part, node: Node) -> Iterator[Mark]:
    left, right = part.x, part.x + part.width
    shoulder, top, bottom = right - 9, part.y - 12, part.y + 12
    yield _polygon([(left, top), (shoulder, top), (right, part.y), (shoulder, bottom), (left, bottom)])
    yield Label(node.name, ((left + shoulder) / 2 + 1, part.y + 4.5))


# ------------------------------------------------------------------------------------------------------------- rows


@dataclass(frozen=True)
class Row:
    """An equation: its sides, and what stands above and beneath the sign."""

    name: str
    equation: Equation
    lhs: Side
    rhs: Side

    @property
    def above(self) -> str:
        weight = self.equation.weight
        shown = f"{weight:g}" if isinstance(weight, float | int) else str(weight)
        return f"{self.equation.divergence}" + ("" if shown == "1" else f" × {shown}")

    @property
    def trained(self) -> list[str]:
        return self.equation.shown.split(", ")

    @property
    def sign_width(self) -> float:
        chips = sum(_text_width(name) + 14 for name in self.trained) - 4
        return max(SIGN, _text_width(self.above, SMALL), chips)

    @property
    def reach(self) -> tuple[float, float]:
        """How far it goes up and down from the height of the sign."""
        tops, bottoms = zip(self.lhs.layout.extent, self.rhs.layout.extent, strict=True)
        return max(24.0, -min(tops)), max(34.0, *bottoms)


def _sheet(equations: Mapping[str, Equation], hues: Hues) -> Sheet:
    """Equations below each other, their signs aligned; a brace if there are several."""
    rows = [Row(name, each, Side.of(each.lhs), Side.of(each.rhs)) for name, each in equations.items()]
    names = MARGIN + (22.0 if len(rows) > 1 else 0.0)
    left = names + max(_text_width(row.name) for row in rows) + 22 + max(row.lhs.layout.width for row in rows)
    sign = left + 14 + max(row.sign_width for row in rows) / 2
    right = 2 * sign - left
    marks: list[Mark] = []
    y = MARGIN
    for row in rows:
        up, down = row.reach
        y += up
        marks.append(Label(row.name, (names, y + 4.5), anchor="start"))
        trained = set(row.equation.trains)
        marks += [_moved(m, left - row.lhs.layout.width, y) for m in row.lhs.marks(trained, hues)]
        marks += [_moved(m, right, y) for m in row.rhs.marks(trained, hues)]
        marks += _sign(row, hues, sign, y)
        y += down + ROWS
    height = y - ROWS + MARGIN
    if len(rows) > 1:
        marks.append(_brace(MARGIN + 4, MARGIN, height - MARGIN))
    width = right + max(row.rhs.layout.width for row in rows) + MARGIN
    return Sheet("\n".join(f"{row.name} : {row.equation}" for row in rows), tuple(marks), width, height)


def _sign(row: Row, hues: Hues, x: float, y: float) -> Iterator[Mark]:
    """Opposite harpoons, the divergence above them and the trained learners beneath, in their colours."""
    a, b = x - SIGN / 2, x + SIGN / 2
    yield Stroke((("M", ((a, y - 2.5),)), ("L", ((b, y - 2.5),)), ("L", ((b - 8, y - 7.5),))))
    yield Stroke((("M", ((b, y + 2.5),)), ("L", ((a, y + 2.5),)), ("L", ((a + 8, y + 7.5),))))
    yield Label(row.above, (x, y - 14), SMALL, faint=True)
    chips = [_text_width(name) + 10 for name in row.trained]
    at = x - (sum(chips) + 4 * (len(chips) - 1)) / 2
    for name, width in zip(row.trained, chips, strict=True):
        yield _polygon(_corners((at, y + 14), (at + width, y + 32)), hues.get(name, ""), STRONG, 0.0)
        yield Label(name, (at + width / 2, y + 27.5))
        at += width + 4


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


# ------------------------------------------------------------------------------------------------------------- marks


def _line(*points: Point) -> Stroke:
    return Stroke((("M", points[:1]), *(("L", (point,)) for point in points[1:])))


def _polygon(points: Sequence[Point], fill: str = "", strength: float = 0.0, width: float = 1.2) -> Stroke:
    return replace(_line(*points), steps=(*_line(*points).steps, ("Z", ())), fill=fill, strength=strength, width=width)


def _corners(one: Point, two: Point) -> list[Point]:
    (a, b), (c, d) = one, two
    return [(a, b), (c, b), (c, d), (a, d)]


def _moved(mark: Mark, x: float, y: float) -> Mark:
    if isinstance(mark, Stroke):
        return replace(mark, steps=tuple((k, tuple((a + x, b + y) for a, b in points)) for k, points in mark.steps))
    if isinstance(mark, Dot):
        return replace(mark, centre=(mark.centre[0] + x, mark.centre[1] + y))
    return replace(mark, at=(mark.at[0] + x, mark.at[1] + y))


def _text_width(text: str, size: float = TEXT) -> float:
    """About the width of a text, in a wide sans-serif face."""
    narrow, broad = "fijlrt()[]|.,:;'!I ", "mwMWQO@%×"
    return size * sum(0.38 if c in narrow else 0.92 if c in broad else 0.64 for c in text)


# ----------------------------------------------------------------------------------------------------------- writers


def _svg(sheet: Sheet) -> str:
    width, height = _number(sheet.width), _number(sheet.height)
    body = "\n".join(_element(mark) for mark in sheet.marks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" font-family="system-ui, sans-serif" stroke="currentColor" fill="none" stroke-linecap="round" '
        f'stroke-linejoin="round">\n<title>{escape(sheet.title)}</title>\n{body}\n</svg>\n'
    )


def _element(mark: Mark) -> str:
    if isinstance(mark, Stroke):
        path = " ".join(
            " ".join([kind, *(f"{_number(a)},{_number(b)}" for a, b in points)]) for kind, points in mark.steps
        )
        fill = f' fill="{mark.fill}" fill-opacity="{mark.strength:g}"' if mark.fill else ""
        stroke = f'stroke-width="{mark.width:g}"' if mark.width else 'stroke="none"'
        return f'<path d="{path}" {stroke}{fill}/>'
    if isinstance(mark, Dot):
        x, y = map(_number, mark.centre)
        return f'<circle cx="{x}" cy="{y}" r="{mark.radius:g}" fill="currentColor" stroke="none"/>'
    x, y = map(_number, mark.at)
    faint = ' opacity="0.7"' if mark.faint else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{mark.size:g}" text-anchor="{mark.anchor}" fill="currentColor" '
        f'stroke="none"{faint}>{escape(mark.text)}</text>'
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _write_png(sheet: Sheet, path: Path) -> None:
    """Dark on white, two pixels a unit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(sheet.width / 72, sheet.height / 72), dpi=144)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, sheet.width), ylim=(sheet.height, 0))
    axes.set_axis_off()
    for mark in sheet.marks:
        _paint(axes, mark)
    figure.savefig(path, metadata={"Software": None})


def _paint(axes: Any, mark: Mark) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Circle, PathPatch
    from matplotlib.path import Path as Curve

    if isinstance(mark, Stroke):
        codes = {"M": Curve.MOVETO, "L": Curve.LINETO, "C": Curve.CURVE4, "Z": Curve.CLOSEPOLY}
        points = [(point, codes[kind]) for kind, each in mark.steps for point in each or ((0.0, 0.0),)]
        fill = to_rgba(mark.fill, mark.strength) if mark.fill else "none"
        edge = INK if mark.width else "none"
        curve = Curve([point for point, _ in points], [code for _, code in points])
        axes.add_patch(PathPatch(curve, facecolor=fill, edgecolor=edge, linewidth=mark.width, capstyle="round"))
    elif isinstance(mark, Dot):
        axes.add_patch(Circle(mark.centre, mark.radius, color=INK, linewidth=0))
    else:
        align = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        alpha = 0.7 if mark.faint else 1.0
        axes.text(
            *mark.at, mark.text, size=mark.size, ha=align, va="baseline", color=INK, alpha=alpha, parse_math=False
        )
