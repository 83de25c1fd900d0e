"""Known answers of `pipeline.metrics.representation`."""

import math
from functools import cache

import torch
from scipy import stats
from torch import Tensor

from pipeline.metrics import representation
from pipeline.metrics.representation import Dci
from tests.unit.metrics.known import Known

SIZES = (6, 4, 5)


def every(*sizes: int, times: int = 1) -> Tensor:
    """All combinations of factors with that many values, each as often: the exact law of independent factors."""
    return torch.cartesian_prod(*map(torch.arange, sizes)).repeat(times, 1)


def drawn(count: int) -> Tensor:
    """Independent factors with SIZES values."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randint(size, (count,), generator=generator) for size in SIZES], 1)


def normal(count: int, width: int, seed: int) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def labelled(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Features that say nothing of their labels, 1 for that share."""
    draws = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    return draws[:, :2], (draws[:, 2] < share).long()


def two_classes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Gaussians of deviation 1 around -1 and 1 in the first feature."""
    labels = torch.arange(count) % 2
    features = normal(count, 3, seed)
    features[:, 0] += 2.0 * labels - 1
    return features, labels


def noisy() -> tuple[Tensor, Tensor]:
    """A fair bit, its copy through a channel that flips 1 of 10, and an independent bit."""
    bits = every(2, 10, 2)
    return torch.stack((bits[:, 0] ^ (bits[:, 1] == 0), bits[:, 2]), 1).double(), bits[:, :1]


def overlapping() -> tuple[Tensor, Tensor]:
    """A fair bit, the bit plus a number uniform in 0..2, and an independent number."""
    draws = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    bit = (draws[:, :1] < 0.5).long()
    return torch.cat((bit + 2 * draws[:, 1:2], draws[:, 2:]), 1), bit


@cache
def forest_of_factors() -> Dci:
    factors = every(*SIZES, times=20)
    return representation.dci(torch.cat((factors, normal(len(factors), 2, 0)), 1), factors)


@cache
def forest_of_noise() -> Dci:
    factors = every(*SIZES, times=20)
    return representation.dci(normal(len(factors), 4, 0), factors)


def bits(share: float) -> float:
    return float(stats.entropy((share, 1 - share), base=2))


FACTORS = every(*SIZES)
TWICE = torch.cat((FACTORS, FACTORS), 1).double()
SQUARE = every(4, 4)
ROTATED = torch.stack((SQUARE[:, 0] + SQUARE[:, 1], SQUARE[:, 0] - SQUARE[:, 1]), 1).double()
STAIR = torch.tensor([[0.0, 0, 0, 1, 1, 1]])

CASES = [
    Known(
        "knn_accuracy",
        "labels of 1/5 and 4/5 that features say nothing of: 1 - 2 (1/5) (4/5) (Cover and Hart 1967)",
        0.68,
        lambda: representation.knn_accuracy(*labelled(20_000, 0.2, 0), *labelled(20_000, 0.2, 1), 2).value,
        0.01,
    ),
    Known(
        "probe_accuracy",
        "two Gaussians, means 2 deviations apart: Phi(1)",
        float(stats.norm.cdf(1)),
        lambda: representation.probe_accuracy(*two_classes(20_000, 0), *two_classes(20_000, 1), 2).value,
        8e-3,
    ),
    Known(
        "traversal_monotonicity",
        "a reading that grows ever faster",
        1,
        lambda: representation.traversal_monotonicity(torch.arange(9.0).exp().expand(2, -1)).value,
        1e-12,
    ),
    Known(
        "traversal_monotonicity",
        "0, 0, 0, 1, 1, 1: sqrt(13.5/17.5)",
        math.sqrt(13.5 / 17.5),
        lambda: representation.traversal_monotonicity(STAIR).value,
        1e-12,
    ),
    Known(
        "mutual_information",
        "a fair bit through a channel that flips 1 of 10, in bits: 1 - h(0.1)",
        1 - bits(0.1),
        lambda: float(representation.mutual_information(noisy()[0].long(), noisy()[1])[0, 0]) / math.log(2),
        1e-12,
    ),
    Known(
        "mig",
        "codes are the factors",
        1,
        lambda: representation.mutual_information_gap(FACTORS.double(), FACTORS).value,
        1e-12,
    ),
    Known(
        "mig",
        "each factor in two codes",
        0,
        lambda: representation.mutual_information_gap(TWICE, FACTORS).value,
        1e-12,
    ),
    Known(
        "mig",
        "sum and difference of two factors",
        0,
        lambda: representation.mutual_information_gap(ROTATED, SQUARE).value,
        1e-12,
    ),
    Known(
        "mig",
        "a fair bit through a channel that flips 1 of 10, and an independent code: 1 - h(0.1)",
        1 - bits(0.1),
        lambda: representation.mutual_information_gap(*noisy()).value,
        1e-12,
    ),
    Known(
        "mig",
        "codes that are noise, 40,000 examples",
        0,
        lambda: representation.mutual_information_gap(normal(40_000, 4, 0), drawn(40_000)).value,
        2e-3,
    ),
    Known(
        "sap",
        "codes are factors of 6, 4, 5 values: 1 - mean(1/6, 1/4, 1/5)",
        1 - (1 / 6 + 1 / 4 + 1 / 5) / 3,
        lambda: representation.separated_attribute_predictability(drawn(20_000) * 1.0, drawn(20_000)).value,
        0.01,
    ),
    Known(
        "sap",
        "each factor in two codes",
        0,
        lambda: representation.separated_attribute_predictability(TWICE.repeat(9, 1), FACTORS.repeat(9, 1)).value,
        1e-12,
    ),
    Known(
        "sap",
        "a fair bit plus noise uniform in 0..2, read right at 3/4, and a code that is noise",
        0.25,
        lambda: representation.separated_attribute_predictability(*overlapping()).value,
        0.015,
    ),
    Known(
        "dci_disentanglement",
        "codes are the factors, and two of noise",
        1,
        lambda: forest_of_factors().disentanglement,
        1e-9,
    ),
    Known("dci_completeness", "the same", 1, lambda: forest_of_factors().completeness, 1e-9),
    Known("dci_informativeness", "the same", 1, lambda: forest_of_factors().informativeness.value, 1e-9),
    Known("dci_disentanglement", "codes that are noise", 0, lambda: forest_of_noise().disentanglement, 0.01),
    Known("dci_completeness", "the same", 0, lambda: forest_of_noise().completeness, 0.01),
    Known(
        "dci_informativeness",
        "the same: chance, mean(1/6, 1/4, 1/5)",
        (1 / 6 + 1 / 4 + 1 / 5) / 3,
        lambda: forest_of_noise().informativeness.value,
        0.03,
    ),
    Known(
        "disentanglement",
        "importance ((0.9, 0.1), (0.1, 0.9)): 1 - h(0.1)",
        1 - bits(0.1),
        lambda: representation.disentanglement(torch.tensor([[0.9, 0.1], [0.1, 0.9]])),
        1e-6,
    ),
    Known(
        "completeness",
        "each of two factors half in each of two codes of four: 1 - log 2 / log 4",
        0.5,
        lambda: representation.completeness(torch.tensor([[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]])),
        1e-6,
    ),
]
