"""Known answers of `pipeline.metrics.two_sample` and `pipeline.metrics.mmd`."""

import math

import torch
from scipy import stats
from torch import Tensor

from pipeline.metrics.mmd import gaussian, mmd
from pipeline.metrics.two_sample import classifier_test, mmd_test, relative_mmd_test
from tests.unit.metrics.known import Known

WIDTH, BANDWIDTH = 3, 1.5


def normal(count: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    drawn = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed)).double() * scale
    return drawn + shift * torch.eye(WIDTH)[0]


def met(shift: float, one: float, other: float) -> float:
    """E exp(-|x - y|^2 / (2 s^2)) of normal x, y of these deviations and this far apart."""
    spread = BANDWIDTH**2 + one**2 + other**2
    return (BANDWIDTH**2 / spread) ** (WIDTH / 2) * math.exp(-(shift**2) / (2 * spread))


def distance(shift: float, scale: float) -> float:
    """Squared MMD of N(0, 1) and N(shift, scale^2)."""
    return met(0, 1, 1) + met(0, scale, scale) - 2 * met(shift, 1, scale)


def by_loops(x: Tensor, y: Tensor) -> float:
    def mean(pairs: list[tuple[Tensor, Tensor]]) -> float:
        return sum(math.exp(-float((a - b).square().sum()) / (2 * BANDWIDTH**2)) for a, b in pairs) / len(pairs)

    within = [[(a, b) for i, a in enumerate(each) for j, b in enumerate(each) if i != j] for each in (x, y)]
    return mean(within[0]) + mean(within[1]) - 2 * mean([(a, b) for a in x for b in y])


PAIRS = torch.tensor([[0.0], [0.1]]), torch.tensor([[5.0], [5.1]])

CASES = [
    Known(
        "mmd",
        "12 and 9 points, all pairs one by one",
        by_loops(normal(12, 0), normal(9, 1, 0.5)),
        lambda: mmd(normal(12, 0), normal(9, 1, 0.5), gaussian(BANDWIDTH)).value,
        1e-12,
    ),
    Known(
        "mmd",
        "N(0, 1) and N(m, 4) in 3 dimensions, |m| = 1, Gaussian kernel: closed form",
        distance(1, 2),
        lambda: mmd(normal(4000, 0), normal(4000, 1, 1, 2), gaussian(BANDWIDTH)).value,
        0.008,
    ),
    Known(
        "mmd",
        "two samples of one law",
        0.0,
        lambda: mmd(normal(4000, 2), normal(4000, 3), gaussian(BANDWIDTH)).value,
        3e-4,
    ),
    Known(
        "mmd_test",
        "p-value of two and two points apart: 2 of the 6 ways to part them",
        1 / 3,
        lambda: mmd_test(*PAIRS, permutations=4000).p_value,
        0.03,
    ),
    Known(
        "classifier_test",
        "accuracy on N(0, 1) and N(m, 1), |m| = 1: at best Phi(1/2)",
        float(stats.norm.cdf(0.5)),
        lambda: classifier_test(normal(8000, 4), normal(8000, 5, 1)).estimate.value,
        0.02,
    ),
    Known(
        "relative_mmd_test",
        "of N(0, 1), N(m, 1) with |m| = 1 less N(0, 4): closed form",
        distance(1, 1) - distance(0, 2),
        lambda: (
            relative_mmd_test(normal(3000, 6), normal(3000, 7, 1), normal(3000, 8, 0, 2), (BANDWIDTH,)).estimate.value
        ),
        0.01,
    ),
]
