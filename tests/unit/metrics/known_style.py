"""Known answers of `pipeline.metrics.style`."""

import math

import torch
from torch import Tensor

from pipeline.metrics import style
from tests.unit.metrics.known import Known

CORRELATION = 0.8


def pairs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 20_000, generator=generator).double()
    return first, CORRELATION * first + math.sqrt(1 - CORRELATION**2) * second


def kept() -> float:
    """Two classes with other means and scales, in which the probe keeps the correlation."""
    before, after = pairs()
    classes = torch.arange(len(before)) % 2
    return style.preserved(before * (1 + classes) + 9 * classes, 3 * after - 5 * classes, classes, 1 - classes).value


def told() -> float:
    before, after = pairs()
    same = torch.zeros(len(before), dtype=torch.int64)
    return style.information(before, after, same, same, 0)


def box(height: int, width: int) -> Tensor:
    image = torch.zeros(1, 1, 40, 40)
    image[:, :, 5 : 5 + height, 8 : 8 + width] = 1
    return image


def bar(shift: float, width: int) -> Tensor:
    image = torch.zeros(1, 1, 28, 28)
    for row in range(4, 24):
        start = round(12 + shift * (14 - row))
        image[0, 0, row, start : start + width] = 1
    return image


CASES = [
    Known("style_slant", "a bar that leans by half a pixel a row", 0.5, lambda: float(style.slant(bar(0.5, 3))), 0.03),
    Known(
        "style_stroke",
        "a bar 20 long and 4 wide: twice the area over the outline, but for its corners",
        2 * 80 / 48,
        lambda: float(style.stroke(bar(0.0, 4))),
        0.1,
    ),
    Known(
        "style_aspect",
        "a box of 24 x 8: sqrt((24^2 - 1) / (8^2 - 1))",
        math.sqrt(575 / 63),
        lambda: float(style.aspect(box(24, 8))),
        1e-6,
    ),
    Known("style_ink", "a box of 24 x 8 in 40 x 40", 0.12, lambda: float(style.ink(box(24, 8))), 1e-6),
    Known("style_<probe>", "Gaussian pairs of correlation 0.8 within either class", 0.8, kept, 0.01),
    Known(
        "information_<probe>",
        "Gaussian pairs of correlation 0.8: -log(1 - 0.64) / 2 nats",
        -math.log(1 - CORRELATION**2) / 2,
        told,
        0.02,
    ),
]
