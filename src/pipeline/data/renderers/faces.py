"""Faces, seen from the front or turned a little. Mouth and glasses are each a factor of their own.

A mouth is a smile or a frown, and `curve` says how much of one. Glasses are none, or of one of four styles.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from pipeline.data.renderers.drawing import X, Y, box, ellipse, polygon, regular
from pipeline.data.renderers.scene import FULL, GRID, Factor, Renderer, Row

BACKGROUND, SHIRT, SKIN, SHADE, HAIR, WHITE, DARK, LIPS, FRAME, LENS = range(10)

SKINS = {"pale": (250, 218, 190), "tan": (226, 172, 124), "brown": (164, 106, 66), "dark": (98, 62, 44)}
HAIRS = {"black": (26, 22, 26), "blond": (236, 200, 84), "red": (186, 70, 22), "grey": (164, 164, 172)}
FRAMES = {"none": (0, 0, 0), "round": (20, 20, 24), "square": (24, 60, 190), "half": (0, 176, 160), "shades": (16, 16, 20)}
FIXED = {BACKGROUND: (150, 196, 214), SHIRT: (70, 110, 84), WHITE: (250, 250, 250), DARK: (24, 20, 24), LIPS: (206, 40, 62)}
LENSES = (44, 44, 58)
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
ARRANGING = ("mouth", "curve", "glasses", "hair_style", "pose")
VALUES = {factor.name: factor.values for factor in FACTORS}

MIDDLE, EYES, MOUTH = GRID / 2, 124, 190
APART = 32  # of each eye from the middle of the face
DEPTHS = {"slight": 10, "clear": 22, "strong": 34}  # from the middle of the lips to their corners


def _head(pose: int) -> float:
    """The x of the head's middle: it moves less than what is in front of it, so that it seems to turn."""
    return MIDDLE + 6 * pose


def _front(pose: int) -> float:
    return MIDDLE + 16 * pose


def _mouth(kind: str, curve: str, x: float) -> np.ndarray:
    across = (X - x) / 38
    depth = DEPTHS[curve] * (1 if kind == "smile" else -1)
    thickness = 8 - 3 * across**2
    return (abs(across) < 1) & (abs(Y - MOUTH - depth * (0.5 - across**2)) < thickness)


def _glasses(style: str, x: float, head: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the frame is, and where dark lenses are."""
    none = np.zeros((GRID, GRID), bool)
    if style == "none":
        return none, none
    left, right = x - APART, x + APART
    arms = box(head - 76, EYES - 8, left - 24, EYES) | box(right + 24, EYES - 8, head + 76, EYES)
    bridge = box(left + 20, EYES - 6, right - 20, EYES + 2)
    if style == "round":
        outer, inner = (ellipse(left, EYES, r, r) | ellipse(right, EYES, r, r) for r in (29, 20))
        return arms | bridge | (outer & ~inner), none
    if style == "square":
        outer, inner = (
            box(left - w, EYES - h, left + w, EYES + h) | box(right - w, EYES - h, right + w, EYES + h)
            for w, h in ((30, 25), (20, 15))
        )
        return arms | bridge | (outer & ~inner), none
    lower = Y > EYES
    if style == "half":
        outer, inner = (ellipse(left, EYES, w, h) | ellipse(right, EYES, w, h) for w, h in ((30, 30), (21, 21)))
        return arms | (outer & ~inner & lower) | box(left + 20, EYES, right - 20, EYES + 8), none
    lenses = ellipse(left, EYES - 8, 30, 34) | ellipse(right, EYES - 8, 30, 34)
    return arms | bridge, lenses & (Y > EYES - 16)


def _hair(style: str, head: float, front: float) -> tuple[np.ndarray, np.ndarray]:
    """Behind the head, and in front of it."""
    crown = ellipse(head, 132, 84, 100) & ~ellipse(front, 176, 92, 96)
    cap = crown & (Y < 132)
    if style == "short":
        return ellipse(head, 126, 82, 92) & (Y < 130), cap
    if style == "long":
        sides = ellipse(head, 150, 104, 122) & (Y > 60)
        whole = sides | ellipse(head, 124, 92, 100)
        return whole, whole & (Y < 214) & ~ellipse(front, 180, 68, 110)
    if style == "curly":
        curls = [(head + 88 * np.sin(a), 112 - 84 * np.cos(a)) for a in np.linspace(-1.75, 1.75, 9)]
        return np.logical_or.reduce([ellipse(x, y, 32, 32) for x, y in curls]), cap
    spikes = [(head + 26 * k, 66 + 3 * k * k) for k in range(-3, 4)]
    points = [[(x - 22, y + 24), (x + 6 * (x - head) / 26, y - 62), (x + 22, y + 24)] for x, y in spikes]
    return np.logical_or.reduce([polygon(each) for each in points]), cap


@cache
def _background(style: str, pose: int) -> np.ndarray:
    """All but mouth and glasses, as materials."""
    head, front = _head(pose), _front(pose)
    behind, before = _hair(style, head, front)
    eyes = [front - APART, front + APART]
    layers = [
        (behind, HAIR),
        (ellipse(MIDDLE, 290, 104, 58), SHIRT),
        (box(MIDDLE - 30, 200, MIDDLE + 30, 244), SHADE),
        (ellipse(head - 76, 138, 14, 20) | ellipse(head + 76, 138, 14, 20), SKIN),
        (ellipse(head, 136, 76, 94), SKIN),
        (ellipse(front + (front - head), 152, 10, 13), SHADE),
        (before, HAIR),
    ]
    for x in eyes:
        layers += [
            (box(x - 17, EYES - 34, x + 17, EYES - 26), HAIR),
            (ellipse(x, EYES, 16, 12), WHITE),
            (ellipse(x + (front - head) / 8, EYES, 8, 9), DARK),
        ]
    return _painted(np.full((GRID, GRID), BACKGROUND, np.uint8), layers)


def _painted(ground: np.ndarray, layers: list[tuple[np.ndarray, int]]) -> np.ndarray:
    canvas = ground.copy()
    for area, material in layers:
        canvas[area] = material
    return canvas


_mouth_area, _glasses_areas = cache(_mouth), cache(_glasses)


def materials(row: Row) -> np.ndarray:
    mouth, curve, glasses, style, pose = (VALUES[name][value] for name, value in zip(ARRANGING, row, strict=True))
    head, front = _head(pose), _front(pose)
    frame, lenses = _glasses_areas(glasses, front, head)
    layers = [(_mouth_area(mouth, curve, front), LIPS), (lenses, LENS), (frame, FRAME)]
    return _painted(_background(style, pose), layers)


def colours(rows: Tensor) -> Tensor:
    def of(factor: str, table: dict[str, tuple[int, int, int]]) -> Tensor:
        column = [each.name for each in FACTORS].index(factor)
        return torch.tensor(list(table.values()))[rows[:, column]]

    palette = torch.zeros(len(rows), 10, 3, dtype=torch.int64)
    for material, colour in {**FIXED, LENS: LENSES}.items():
        palette[:, material] = torch.tensor(colour)
    palette[:, SKIN], palette[:, HAIR], palette[:, FRAME] = of("skin", SKINS), of("hair_colour", HAIRS), of("glasses", FRAMES)
    palette[:, SHADE] = palette[:, SKIN] * 3 // 4
    return palette


def light(rows: Tensor) -> Tensor:
    return torch.tensor(list(LIGHTS.values()))[rows[:, -1]]


FACES = Renderer("faces", FACTORS, ARRANGING, materials, colours, light)
