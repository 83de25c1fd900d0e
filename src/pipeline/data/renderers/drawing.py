"""Areas of sample points: (GRID, GRID) bool. Lengths are in sample points, the origin is the upper left corner."""

import math
from collections.abc import Sequence

import numpy as np

from pipeline.data.renderers.scene import GRID

MIDDLES = np.arange(GRID) + 0.5
X, Y = MIDDLES[None, :], MIDDLES[:, None]

Point = tuple[float, float]
Contour = Sequence[Point]


def ellipse(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Around (x, y), with these half-axes."""
    return ((X - x) / width) ** 2 + ((Y - y) / height) ** 2 < 1


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return (left < X) & (right > X) & (top < Y) & (bottom > Y)


def polygon(*contours: Contour) -> np.ndarray:
    """Inside an odd number of the contours; each is closed."""
    inside = np.zeros((GRID, GRID), bool)
    for contour in contours:
        for (x0, y0), (x1, y1) in zip(contour, [*contour[1:], contour[0]], strict=True):
            if y0 != y1:
                inside ^= ((y0 < Y) != (y1 < Y)) & ((x1 - x0) * (Y - y0) / (y1 - y0) + x0 > X)
    return inside


def regular(corners: int, inner: float = 1.0) -> list[Point]:
    """A regular polygon of radius 1, one corner up; with `inner` below 1 a star whose notches are at that radius."""
    count = corners if inner == 1 else 2 * corners
    radii = [1.0 if inner == 1 or corner % 2 == 0 else inner for corner in range(count)]
    angles = [2 * math.pi * corner / count for corner in range(count)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for radius, angle in zip(radii, angles, strict=True)]


def moments(contours: Sequence[Contour]) -> tuple[float, float, float]:
    """The area inside contours (those of holes run the other way round), and the x and y of its centre."""
    area = x = y = 0.0
    for contour in contours:
        for (x0, y0), (x1, y1) in zip(contour, [*contour[1:], contour[0]], strict=True):
            cross = x0 * y1 - x1 * y0
            area, x, y = area + cross / 2, x + (x0 + x1) * cross / 6, y + (y0 + y1) * cross / 6
    return area, x / area, y / area


def normal(*contours: Contour) -> list[list[Point]]:
    """The same figure with area 1 and its centre at the origin."""
    area, x, y = moments(contours)
    side = math.sqrt(abs(area))
    return [[((px - x) / side, (py - y) / side) for px, py in contour] for contour in contours]


def placed(contours: Sequence[Contour], x: float, y: float, side: float, angle: float = 0.0) -> list[list[Point]]:
    """A normal figure with its centre at (x, y), the area of a square of that side, turned clockwise by degrees."""
    cosine, sine = side * math.cos(math.radians(angle)), side * math.sin(math.radians(angle))
    return [[(x + cosine * px - sine * py, y + sine * px + cosine * py) for px, py in contour] for contour in contours]
