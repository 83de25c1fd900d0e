"""Images made worse by a known degree: what a measure of fidelity must see, the more of it the more.

Each degradation takes images (n, c, h, w) in 0..1, their labels (n,) int64, a degree, how many images to give, and a
seed, and gives images (count, c, h, w). Those of single images degrade the first `count`; those of the mix of classes
choose `count` others. The same seed degrades the same way at every degree.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.nets.spoiling import blurred

Degrade = Callable[[Tensor, Tensor, float, int, int], Tensor]


def noise(images: Tensor, deviation: float, seed: int) -> Tensor:
    """With normal noise of that standard deviation added to each pixel, cut to 0..1."""
    added = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + deviation * added.to(images)).clamp(0, 1)


def occlusion(images: Tensor, side: float, seed: int) -> Tensor:
    """With a black rectangle of that share of the height and width, anywhere within the image."""
    height, width = images.shape[-2:]
    tall, wide = round(side * height), round(side * width)
    places = torch.rand(2, len(images), 1, 1, 1, generator=torch.Generator().manual_seed(seed)).to(images)
    top, left = ((places[i] * (size + 1)).floor() for i, size in enumerate((height - tall, width - wide)))
    y = torch.arange(height, device=images.device).view(-1, 1) - top
    x = torch.arange(width, device=images.device) - left
    return images.masked_fill((y >= 0) & (y < tall) & (x >= 0) & (x < wide), 0)


def imbalance(labels: Tensor, degree: float, count: int, seed: int) -> Tensor:
    """Indices (count,) with the first half of the classes of weight 1 + degree, the others of 1 - degree; 0..1."""
    values = int(labels.max()) + 1
    return _mixed(labels, [1 + degree if value < values / 2 else 1 - degree for value in range(values)], count, seed)


def dropping(labels: Tensor, classes: int, count: int, seed: int) -> Tensor:
    """Indices (count,) of examples of all but the first `classes` classes, equally many of each of these."""
    values = int(labels.max()) + 1
    return _mixed(labels, [float(value >= classes) for value in range(values)], count, seed)


def _mixed(labels: Tensor, weights: list[float], count: int, seed: int) -> Tensor:
    """Indices of `count` different examples, of the classes in proportion to the weights (the last takes the rest)."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    ends = [round(count * sum(weights[: value + 1]) / sum(weights)) for value in range(len(weights))]
    chosen = []
    for value, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        rows = order[labels[order] == value]
        if len(rows) < end - start:
            raise UserError(f"class {value}: {end - start} examples are asked for, and there are {len(rows)}")
        chosen.append(rows[: end - start])
    return torch.cat(chosen)


@dataclass(frozen=True)
class Series:
    """A degradation and the degrees that it is shown at, from none upwards; unit: what the degrees count."""

    unit: str
    degrees: tuple[float, ...]
    degrade: Degrade


SERIES: dict[str, Series] = {
    "blur": Series("standard deviation, pixels", (0, 0.6, 0.9, 1.2, 1.6), lambda x, _, d, n, seed: blurred(x[:n], d)),
    "noise": Series("standard deviation", (0, 0.1, 0.2, 0.3, 0.4), lambda x, _, d, n, seed: noise(x[:n], d, seed)),
    "occlusion": Series("share of a side", (0, 0.2, 0.3, 0.4, 0.5), lambda x, _, d, n, seed: occlusion(x[:n], d, seed)),
    "class imbalance": Series(
        "weight moved from half of the classes",
        (0, 0.2, 0.4, 0.6, 0.8),
        lambda x, labels, d, n, seed: x[imbalance(labels, d, n, seed)],
    ),
    "mode dropping": Series(
        "classes left out", (0, 1, 2, 3, 4), lambda x, labels, d, n, seed: x[dropping(labels, int(d), n, seed)]
    ),
}
