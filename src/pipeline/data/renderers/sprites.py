"""Sprites: one coloured figure on black ground. All figures of one scale have the same area and are centred on it."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from pipeline.data.renderers.drawing import normal, placed, polygon, regular
from pipeline.data.renderers.scene import GRID, Factor, Renderer, Row

COLOURS = {
    "red": (225, 30, 40),
    "orange": (245, 140, 20),
    "yellow": (245, 235, 50),
    "green": (30, 170, 60),
    "cyan": (40, 215, 225),
    "blue": (40, 70, 235),
    "magenta": (220, 60, 220),
    "white": (240, 240, 240),
}

CROSS = [(-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)]
DISC = regular(72)
HOLE = [(x / 2, y / 2) for x, y in reversed(DISC)]

SHAPES = {
    "triangle": normal(regular(3)),
    "square": normal([(-1, -1), (1, -1), (1, 1), (-1, 1)]),
    "circle": normal(DISC),
    "star": normal(regular(5, inner=0.45)),
    "cross": normal(CROSS),
    "ring": normal(DISC, HOLE),
}


def _heart() -> list[tuple[float, float]]:
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    across = 16 * np.sin(turn) ** 3
    up = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    return list(zip(across.tolist(), (-up).tolist(), strict=True))


# Each looks the same after no turn but a whole one.
TURNABLE = {
    "heart": normal(_heart()),
    "arrow": normal([(0, -4), (4, 0.5), (1.5, 0.5), (1.5, 4), (-1.5, 4), (-1.5, 0.5), (-4, 0.5)]),
    "ell": normal([(-2, -3), (0, -3), (0, 1), (3, 1), (3, 3), (-2, 3)]),
}
FIGURES = SHAPES | TURNABLE


def _fractions(*points: int) -> tuple[float, ...]:
    return tuple(point / GRID for point in points)


@cache
def _figure(shape: str, side: float, angle: float) -> np.ndarray:
    """In the middle of the grid. Centres lie between sample points: a quarter turn turns the points."""
    return polygon(*placed(FIGURES[shape], GRID / 2, GRID / 2, side * GRID, angle))


def sprites(name: str, factors: tuple[Factor, ...]) -> Renderer:
    """A renderer with the factors shape, colour, x, y and scale, and angle or not, in this order."""
    values = {factor.name: factor.values for factor in factors}
    arranging = tuple(factor for factor in values if factor != "colour")
    palette = torch.tensor([COLOURS[colour] for colour in values["colour"]])
    colour = list(values).index("colour")

    def materials(row: Row) -> np.ndarray:
        chosen = {factor: values[factor][number] for factor, number in zip(arranging, row, strict=True)}
        figure = _figure(chosen["shape"], chosen["scale"], chosen.get("angle", 0))
        # By whole points, so that moving a figure changes nothing else. No figure reaches the border.
        right, down = (round((chosen[axis] - 0.5) * GRID) for axis in ("x", "y"))
        return np.roll(figure, (down, right), (0, 1)).astype(np.uint8)

    def colours(rows: Tensor) -> Tensor:
        figure = palette[rows[:, colour]]
        return torch.stack([torch.zeros_like(figure), figure], 1)

    return Renderer(name, factors, arranging, materials, colours)


# x, y: of the centre; scale: side of the square of equal area; both as shares of the picture's side.
PLACES = _fractions(*range(83, 174, 10))
SPRITES = sprites(
    "sprites",
    (
        Factor("shape", tuple(SHAPES)),
        Factor("colour", tuple(COLOURS)),
        Factor("x", PLACES),
        Factor("y", PLACES),
        Factor("scale", _fractions(52, 60, 68, 76, 84, 92)),
    ),
)

FEWER = _fractions(*range(83, 174, 18))
TURNED_SPRITES = sprites(
    "turned sprites",
    (
        Factor("shape", tuple(TURNABLE)),
        Factor("colour", tuple(COLOURS)),
        Factor("x", FEWER),
        Factor("y", FEWER),
        Factor("scale", _fractions(56, 64, 72, 80)),
        Factor("angle", (0, 45, 90, 135, 180, 225, 270, 315)),
    ),
)
