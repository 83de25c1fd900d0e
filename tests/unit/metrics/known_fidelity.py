"""Known answers of `pipeline.metrics.fidelity`."""

import math

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

from pipeline.metrics.fidelity import (
    Moments,
    Neighbourhoods,
    frechet,
    frechet_distance,
    frechet_infinity,
    kid,
    neighbourhoods,
)
from tests import reference
from tests.unit.metrics.known import Known


def normal(count: int, width: int, seed: int) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def law(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(torch.tensor(mean).double(), torch.tensor(covariance).double(), 2)


A, B = [[2.0, 1.0], [1.0, 3.0]], [[1.0, -0.5], [-0.5, 4.0]]
WITH_ROOT = 1 + np.trace(A) + np.trace(B) - 2 * np.trace(linalg.sqrtm(np.array(A) @ np.array(B)).real)

# Correlated, skewed features, as those behind a ReLU are.
REAL = (normal(1000, 24, 0) @ normal(24, 24, 1)).relu()
FAKE = (normal(800, 24, 2) @ normal(24, 24, 1) * 1.1 + 0.3).relu()
PRECISION, RECALL = reference.precision_recall(REAL, FAKE, 5)

# The Frechet distance of N(0, 1) from N(m, 4) in 8 dimensions, m of length 1.
SHIFTED = torch.cat((torch.ones(1), torch.zeros(7)))


def drawn(seed: int) -> tuple[Tensor, Tensor]:
    return normal(2000, 8, seed), 2 * normal(1500, 8, seed + 1) + SHIFTED


def cubic_under_loops(x: list[float], y: list[float]) -> float:
    """KID in one dimension, by its definition."""

    def mean(pairs: list[tuple[float, float]]) -> float:
        return sum((a * b + 1) ** 3 for a, b in pairs) / len(pairs)

    within = [[(a, b) for i, a in enumerate(each) for j, b in enumerate(each) if i != j] for each in (x, y)]
    return mean(within[0]) + mean(within[1]) - 2 * mean([(a, b) for a in x for b in y])


X, Y = [0.0, 1.0, 3.0], [-1.0, 0.5, 2.0, 2.5]


def column(points: list[float]) -> Tensor:
    return torch.tensor(points)[:, None]


def skewed_kid() -> float:
    """Mean over draws, since one is noisy."""
    draws = [kid(normal(1000, 1, seed), normal(1000, 1, seed + 400) + 0.5).value for seed in range(400)]
    return sum(draws) / len(draws)


def under_one_law(measure: str) -> float:
    """Mean over draws of 300 and 200 examples of one law."""

    def value(seed: int) -> float:
        found: Neighbourhoods = neighbourhoods(normal(300, 3, seed), normal(200, 3, seed + 100))
        return getattr(found, measure).value

    return sum(map(value, range(60))) / 60


LINE, OTHERS = column([0.0, 1.0, 2.0, 3.0, 10.0]), column([0.5, 0.6, 2.5, 8.0, 30.0])

CASES = [
    Known(
        "frechet",
        "two normal laws with commuting covariances: 1 + 4 + (1 - 2)^2 + (3 - 0.5)^2",
        12.25,
        lambda: frechet(law([0, 0], [[1, 0], [0, 9]]), law([1, -2], [[4, 0], [0, 0.25]])),
        1e-9,
    ),
    Known(
        "frechet",
        "two normal laws with covariances that do not commute: scipy's matrix root",
        float(WITH_ROOT),
        lambda: frechet(law([0, 0], A), law([0, 1], B)),
        1e-9,
    ),
    Known("frechet_distance", "a sample and itself", 0.0, lambda: frechet_distance(REAL, REAL).value, 1e-9),
    Known(
        "frechet_distance",
        "torch-fidelity on the same features, 1,000 and 800 of 24 dimensions",
        reference.fid(REAL, FAKE),
        lambda: frechet_distance(REAL, FAKE).value,
        1e-4 * reference.fid(REAL, FAKE),
    ),
    Known(
        "frechet_infinity",
        "N(0, 1) from N(m, 4) in 8 dimensions, |m| = 1: 1 + 8 (2 - 1)^2, from 2,000 and 1,500 examples",
        9.0,
        lambda: sum(frechet_infinity(*drawn(seed), seed).value for seed in range(20)) / 20,
        0.1,
    ),
    Known(
        "frechet_infinity",
        "two samples of one law, where the distance itself is 0.05",
        0.0,
        lambda: sum(frechet_infinity(normal(1000, 8, n), normal(1000, 8, n + 50), n).value for n in range(20)) / 20,
        0.004,
    ),
    Known(
        "kid",
        "3 and 4 points, all pairs by hand",
        cubic_under_loops(X, Y),
        lambda: kid(column(X), column(Y)).value,
        1e-4,
    ),
    Known(
        "kid",
        "torch-fidelity on the same 800 and 800 features, one subset of all",
        reference.kid(REAL[:800], FAKE, kid_subsets=1, kid_subset_size=800),
        lambda: kid(REAL[:800], FAKE).value,
        1e-4 * abs(reference.kid(REAL[:800], FAKE, kid_subsets=1, kid_subset_size=800)),
    ),
    Known(
        "kid",
        "N(0, 1) from N(1/2, 1): 3 (1/2)^2 + 3 (1/4)^2 + (1/8 + 3/2)^2, differences of moments",
        0.75 + 3 / 16 + 1.625**2,
        skewed_kid,
        0.15,
    ),
    Known("kid", "two samples of one law", 0.0, lambda: kid(normal(4000, 8, 5), normal(4000, 8, 6)).value, 0.002),
    Known(
        "precision", "torch-fidelity, 5 neighbours", PRECISION, lambda: neighbourhoods(REAL, FAKE).precision.value, 1e-6
    ),
    Known("recall", "torch-fidelity, 5 neighbours", RECALL, lambda: neighbourhoods(REAL, FAKE).recall.value, 1e-6),
    Known(
        "precision",
        "5 points on a line, 1 neighbour: 4 of 5",
        0.8,
        lambda: neighbourhoods(LINE, OTHERS, 1).precision.value,
        1e-9,
    ),
    Known(
        "recall",
        "5 points on a line, 1 neighbour: 4 of 5",
        0.8,
        lambda: neighbourhoods(LINE, OTHERS, 1).recall.value,
        1e-9,
    ),
    Known(
        "density",
        "5 points on a line, 1 neighbour: 2 + 2 + 2 + 1 of 5",
        1.4,
        lambda: neighbourhoods(LINE, OTHERS, 1).density.value,
        1e-9,
    ),
    Known(
        "coverage",
        "5 points on a line, 1 neighbour: all",
        1.0,
        lambda: neighbourhoods(LINE, OTHERS, 1).coverage.value,
        1e-9,
    ),
    Known(
        "density", "expected of two samples of one law (Naeem et al. 2020)", 1.0, lambda: under_one_law("density"), 0.02
    ),
    Known(
        "coverage",
        "expected of 300 and 200 examples of one law: 1 - (299 ... 295) / (499 ... 495)",
        1 - math.prod(range(295, 300)) / math.prod(range(495, 500)),
        lambda: under_one_law("coverage"),
        0.01,
    ),
    Known("precision", "two samples far apart", 0.0, lambda: neighbourhoods(REAL, FAKE + 100).precision.value, 0),
    Known("coverage", "a sample and itself", 1.0, lambda: neighbourhoods(REAL, REAL.clone()).coverage.value, 0),
]
