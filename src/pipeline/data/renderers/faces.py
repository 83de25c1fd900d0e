"""Faces, seen from the front or turned a little.

A mouth smiles or frowns, and `curve` says how much; glasses are none, or of one of four styles. Nothing that one factor
decides is ever hidden by what another one does.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from pipeline.data.renderers.drawing import X, Y, box, ellipse, polygon
from pipeline.data.renderers.scene import FULL, GRID, Factor, Renderer, Row

BACKGROUND, SHIRT, SKIN, SHADE, HAIR, WHITE, DARK, LIPS, FRAME, LENS = range(10)

SKINS = {"pale": (250, 218, 190), "tan": (226, 172, 124), "brown": (164, 106, 66), "dark": (98, 62, 44)}
HAIRS = {"black": (26, 22, 26), "blond": (236, 200, 84), "red": (186, 70, 22), "grey": (164, 164, 172)}
FRAMES = {
    "none": (0, 0, 0),
    "round": (20, 20, 24),
    "square": (24, 60, 190),
    "half": (0, 176, 160),
    "shades": (16, 16, 20),
}
ALWAYS = {
    BACKGROUND: (150, 196, 214),
    SHIRT: (70, 110, 84),
    WHITE: (250, 250, 250),
    DARK: (24, 20, 24),
    LIPS: (206, 40, 62),
    LENS: (44, 44, 58),
}
LIGHTS = {"left": (FULL, 144), "front": (224, 224), "right": (144, FULL)}

FACTORS = (
    Factor("mouth", ("frown", "smile")),
    Factor("curve", ("slight", "clear", "strong")),
    Factor("glasses", tuple(FRAMES)),
    Factor("hair_style", ("short", "long", "curly", "spiky")),
    Factor("hair_colour", tuple(HAIRS)),
    Factor("skin", tuple(SKINS)),
    Factor("pose", (-2, -1, 0, 1, 2)),
    Factor("light", tuple(LIGHTS)),
)
VALUES = {factor.name: factor.values for factor in FACTORS}
COLUMNS = {name: column for column, name in enumerate(VALUES)}
ARRANGING = ("mouth", "curve", "glasses", "hair_style", "pose")

# In sample points.
MIDDLE, EYES, MOUTH = GRID / 2, 124, 190
APART = 32  # of each eye from the middle of the face
DEPTHS = {"slight": 10, "clear": 22, "strong": 34}  # from the middle of the lips to their corners
HEAD_MOVES, FACE_MOVES = 6, 16  # with each step of the pose: what is in front moves more, so the head seems to turn

Layer = tuple[np.ndarray, int]  # an area, and the material that covers it


def _head(pose: int) -> float:
    """The x of the middle of the head."""
    return MIDDLE + HEAD_MOVES * pose


def _face(pose: int) -> float:
    """The x of the middle between the eyes."""
    return MIDDLE + FACE_MOVES * pose


@cache
def _mouth(kind: str, curve: str, pose: int) -> list[Layer]:
    across = (X - _face(pose)) / 38
    depth = DEPTHS[curve] if kind == "smile" else -DEPTHS[curve]
    lips = abs(Y - MOUTH - depth * (0.5 - across**2)) < 8 - 3 * across**2
    return [(lips & (abs(across) < 1), LIPS)]


@cache
def _glasses(style: str, pose: int) -> list[Layer]:
    if style == "none":
        return []
    head, left, right = _head(pose), _face(pose) - APART, _face(pose) + APART
    arms = box(head - 76, EYES - 8, left - 24, EYES) | box(right + 24, EYES - 8, head + 76, EYES)
    bridge = box(left + 20, EYES - 6, right - 20, EYES + 2)
    if style == "round":
        rims = _two(ellipse, left, right, 29, 29) & ~_two(ellipse, left, right, 20, 20)
    elif style == "square":
        rims = _two(_block, left, right, 30, 25) & ~_two(_block, left, right, 20, 15)
    elif style == "half":
        rims = _two(ellipse, left, right, 30, 30) & ~_two(ellipse, left, right, 21, 21) & (Y > EYES)
        bridge = box(left + 20, EYES, right - 20, EYES + 8)
    else:
        lenses = _two(_drop, left, right, 30, 34)
        return [(lenses, LENS), (arms | bridge, FRAME)]
    return [(arms | bridge | rims, FRAME)]


def _two(area: Callable[..., np.ndarray], left: float, right: float, width: float, height: float) -> np.ndarray:
    """The same around each eye."""
    return area(left, EYES, width, height) | area(right, EYES, width, height)


def _block(x: float, y: float, width: float, height: float) -> np.ndarray:
    return box(x - width, y - height, x + width, y + height)


def _drop(x: float, y: float, width: float, height: float) -> np.ndarray:
    """An ellipse that is cut off above."""
    return ellipse(x, y - 8, width, height) & (y - 16 < Y)


def _hair(style: str, pose: int) -> tuple[np.ndarray, np.ndarray]:
    """Behind the head, and in front of it."""
    head, face = _head(pose), _face(pose)
    front = ellipse(head, 132, 84, 100) & ~ellipse(face, 176, 92, 96) & (Y < 132)
    if style == "short":
        return ellipse(head, 126, 82, 92) & (Y < 130), front
    if style == "long":
        whole = ellipse(head, 150, 104, 122) & (Y > 60) | ellipse(head, 124, 92, 100)
        return whole, whole & (Y < 214) & ~ellipse(face, 180, 68, 110)
    if style == "curly":
        turns = [1.75 * step / 4 for step in range(-4, 5)]
        curls = [ellipse(head + 88 * math.sin(turn), 112 - 84 * math.cos(turn), 32, 32) for turn in turns]
        return np.logical_or.reduce(curls), front
    feet = [(step, head + 26 * step, 90 + 3 * step**2) for step in range(-3, 4)]
    spikes = [polygon([(x - 22, foot), (x + 6 * step, foot - 86), (x + 22, foot)]) for step, x, foot in feet]
    return np.logical_or.reduce(spikes), front


@cache
def _rest(style: str, pose: int) -> np.ndarray:
    """All but mouth and glasses, as materials."""
    head, face = _head(pose), _face(pose)
    behind, front = _hair(style, pose)
    layers = [
        (behind, HAIR),
        (ellipse(MIDDLE, 290, 104, 58), SHIRT),
        (box(MIDDLE - 30, 200, MIDDLE + 30, 244), SHADE),
        (ellipse(head - 76, 138, 14, 20) | ellipse(head + 76, 138, 14, 20), SKIN),
        (ellipse(head, 136, 76, 94), SKIN),
        (ellipse(2 * face - head, 152, 10, 13), SHADE),
        (front, HAIR),
    ]
    for x in (face - APART, face + APART):
        layers += [
            (box(x - 17, EYES - 34, x + 17, EYES - 26), HAIR),
            (ellipse(x, EYES, 16, 12), WHITE),
            (ellipse(x + (face - head) / 8, EYES, 8, 9), DARK),
        ]
    return _painted(np.full((GRID, GRID), BACKGROUND, np.uint8), layers)


def _painted(ground: np.ndarray, layers: Sequence[Layer]) -> np.ndarray:
    canvas = ground.copy()
    for area, material in layers:
        canvas[area] = material
    return canvas


def _materials(row: Row) -> np.ndarray:
    mouth, curve, glasses, style, pose = (VALUES[name][value] for name, value in zip(ARRANGING, row, strict=True))
    return _painted(_rest(style, pose), [*_mouth(mouth, curve, pose), *_glasses(glasses, pose)])


def _colours(rows: Tensor) -> Tensor:
    palette = torch.zeros(len(rows), 10, 3, dtype=torch.int64)
    for material, colour in ALWAYS.items():
        palette[:, material] = torch.tensor(colour)
    for material, factor, table in ((SKIN, "skin", SKINS), (HAIR, "hair_colour", HAIRS), (FRAME, "glasses", FRAMES)):
        palette[:, material] = torch.tensor(list(table.values()))[rows[:, COLUMNS[factor]]]
    palette[:, SHADE] = palette[:, SKIN] * 3 // 4
    return palette


def _light(rows: Tensor) -> Tensor:
    return torch.tensor(list(LIGHTS.values()))[rows[:, COLUMNS["light"]]]


FACES = Renderer("faces", FACTORS, ARRANGING, _materials, _colours, _light)
