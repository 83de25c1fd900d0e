"""Marks on paper: lines, dots and texts, written as SVG or PNG.

SVGs use `currentColor`, so that they suit light and dark pages. Pictures are functions of their marks alone, the same
bytes every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

INK = "#1c1d20"  # of PNGs
TEXT, SMALL = 13.0, 10.0  # font sizes
LONG = 40  # letters in a text that is shown whole

Point = tuple[float, float]
Step = tuple[str, tuple[Point, ...]]  # M, L, C or Z, as in SVG, and its points
Bounds = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Stroke:
    """Lines and cubic curves, perhaps dashed or filled.

    colour: of the line (empty: that of the text); strength: how opaque the filling is.
    """

    steps: tuple[Step, ...]
    width: float = 1.2
    colour: str = ""
    dash: tuple[float, ...] = ()
    fill: str = ""
    strength: float = 0.0

    @property
    def bounds(self) -> Bounds:
        """Of all points; a curve is within its own."""
        across, down = zip(*(point for _, points in self.steps for point in points), strict=True)
        half = self.width / 2
        return min(across) - half, min(down) - half, max(across) + half, max(down) + half


@dataclass(frozen=True)
class Dot:
    centre: Point
    radius: float
    colour: str = ""

    @property
    def bounds(self) -> Bounds:
        (x, y), r = self.centre, self.radius
        return x - r, y - r, x + r, y + r


@dataclass(frozen=True)
class Label:
    """A text; `anchor` says which of its points is `at`: the start, middle or end of its baseline.

    full: the whole of a text that is shown shortened.
    """

    text: str
    at: Point
    size: float = TEXT
    anchor: str = "middle"
    faint: bool = False
    full: str = ""

    @property
    def bounds(self) -> Bounds:
        width = text_width(self.text, self.size)
        left = self.at[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        return left, self.at[1] - 0.8 * self.size, left + width, self.at[1] + 0.25 * self.size


Mark = Stroke | Dot | Label


@dataclass(frozen=True)
class Sheet:
    """A picture, y downwards from 0 to `height`; `title` says in words what it shows."""

    title: str
    marks: tuple[Mark, ...]
    width: float
    height: float


# -------------------------------------------------------------------------------------------------------------- texts

_WIDTHS = {
    **dict.fromkeys("'ijlIJ", 0.3),
    **dict.fromkeys(" ,.·/:;\\|f", 0.355),
    **dict.fromkeys("-()[]!rt", 0.415),
    **dict.fromkeys('"*_`?sz∂', 0.535),
    **dict.fromkeys("ckLFvxyPTYoae0123456789{}$hnuSbdgpq", 0.637),
    **dict.fromkeys("#+<=>^~×−wM&GDHNUOQ", 0.865),
    **dict.fromkeys("mW@%…", 1.0),
}


def text_width(text: str, size: float = TEXT) -> float:
    """The width of a text in a wide sans-serif face, or a little more."""
    return size * sum(_WIDTHS.get(letter, 0.7 if letter.isascii() else 1.0) for letter in text)


def shortened(text: str, most: int = LONG) -> str:
    """At most so many letters, the last an ellipsis if there were more."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def label(
    text: str, at: Point, size: float = TEXT, anchor: str = "middle", faint: bool = False, most: int = LONG
) -> Label:
    """A text, shortened if it is long."""
    shown = shortened(text, most)
    return Label(shown, at, size, anchor, faint, "" if shown == text else text)


# ------------------------------------------------------------------------------------------------------------- shapes


def line(*points: Point, width: float = 1.2, colour: str = "", dash: tuple[float, ...] = ()) -> Stroke:
    return Stroke((("M", points[:1]), *(("L", (point,)) for point in points[1:])), width, colour, dash)


def polygon(
    points: Sequence[Point], fill: str = "", strength: float = 0.0, width: float = 1.2, dash: tuple[float, ...] = ()
) -> Stroke:
    """width: of its outline; 0: none."""
    drawn = line(*points, width=width, dash=dash)
    return replace(drawn, steps=(*drawn.steps, ("Z", ())), fill=fill, strength=strength)


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def capsule(left: float, top: float, right: float, bottom: float) -> Stroke:
    """A rectangle with half circles for its left and right sides; a circle, if it is as wide as it is high."""
    r = (bottom - top) / 2
    k, middle = 0.5523 * r, (top + bottom) / 2
    return Stroke(
        (
            ("M", ((left + r, top),)),
            ("L", ((right - r, top),)),
            ("C", ((right - r + k, top), (right, middle - k), (right, middle))),
            ("C", ((right, middle + k), (right - r + k, bottom), (right - r, bottom))),
            ("L", ((left + r, bottom),)),
            ("C", ((left + r - k, bottom), (left, middle + k), (left, middle))),
            ("C", ((left, middle - k), (left + r - k, top), (left + r, top))),
            ("Z", ()),
        )
    )


def moved(mark: Mark, x: float, y: float) -> Mark:
    if isinstance(mark, Stroke):
        return replace(mark, steps=tuple((k, tuple((a + x, b + y) for a, b in points)) for k, points in mark.steps))
    if isinstance(mark, Dot):
        return replace(mark, centre=(mark.centre[0] + x, mark.centre[1] + y))
    return replace(mark, at=(mark.at[0] + x, mark.at[1] + y))


def around(marks: Iterable[Mark]) -> Bounds:
    """The bounds of all marks together."""
    lefts, tops, rights, bottoms = zip(*(mark.bounds for mark in marks), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


# ------------------------------------------------------------------------------------------------------------ writing


def write(sheet: Sheet, path: Path) -> None:
    """Write a picture as SVG or PNG, by the path's suffix."""
    if path.suffix.lower() == ".svg":
        path.write_text(svg(sheet), encoding="utf-8")
    else:
        _write_png(sheet, path)


def svg(sheet: Sheet) -> str:
    width, height = _number(sheet.width), _number(sheet.height)
    body = "\n".join(_element(mark) for mark in sheet.marks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" font-family="system-ui, sans-serif" stroke="currentColor" fill="none" stroke-linejoin="round">'
        f"\n<title>{escape(sheet.title)}</title>\n{body}\n</svg>\n"
    )


def _element(mark: Mark) -> str:
    if isinstance(mark, Stroke):
        path = " ".join(
            " ".join([kind, *(f"{_number(a)},{_number(b)}" for a, b in points)]) for kind, points in mark.steps
        )
        fill = f' fill="{mark.fill}" fill-opacity="{mark.strength:g}"' if mark.fill else ""
        colour = f' stroke="{mark.colour}"' if mark.colour else ""
        dash = f' stroke-dasharray="{" ".join(map(_number, mark.dash))}"' if mark.dash else ""
        stroke = f'stroke-width="{mark.width:g}"{colour}{dash}' if mark.width else 'stroke="none"'
        return f'<path d="{path}" {stroke}{fill}/>'
    if isinstance(mark, Dot):
        x, y = map(_number, mark.centre)
        return f'<circle cx="{x}" cy="{y}" r="{mark.radius:g}" fill="{mark.colour or "currentColor"}" stroke="none"/>'
    x, y = map(_number, mark.at)
    faint = ' opacity="0.7"' if mark.faint else ""
    full = f"<title>{escape(mark.full)}</title>" if mark.full else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{mark.size:g}" text-anchor="{mark.anchor}" fill="currentColor" '
        f'stroke="none"{faint}>{escape(mark.text)}{full}</text>'
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
    figure.savefig(path, metadata={"Software": None}, pil_kwargs={"compress_level": 3})


def _paint(axes: Any, mark: Mark) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Circle, PathPatch
    from matplotlib.path import Path as Curve

    if isinstance(mark, Stroke):
        codes = {"M": Curve.MOVETO, "L": Curve.LINETO, "C": Curve.CURVE4, "Z": Curve.CLOSEPOLY}
        points = [(point, codes[kind]) for kind, each in mark.steps for point in each or ((0.0, 0.0),)]
        fill = to_rgba(mark.fill, mark.strength) if mark.fill else "none"
        edge = (mark.colour or INK) if mark.width else "none"
        curve = Curve([point for point, _ in points], [code for _, code in points])
        patch = PathPatch(curve, facecolor=fill, edgecolor=edge, linewidth=mark.width, capstyle="butt")
        if mark.dash:
            patch.set_linestyle((0, [length / mark.width for length in mark.dash]))
        axes.add_artist(patch)
    elif isinstance(mark, Dot):
        axes.add_artist(Circle(mark.centre, mark.radius, color=mark.colour or INK, linewidth=0))
    else:
        align = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        alpha = 0.7 if mark.faint else 1.0
        axes.text(
            *mark.at, mark.text, size=mark.size, ha=align, va="baseline", color=INK, alpha=alpha, parse_math=False
        )
