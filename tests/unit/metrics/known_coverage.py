"""Known answers of `pipeline.metrics.coverage`."""

import math

import torch
from torch import Tensor

from pipeline.metrics import coverage, intervals
from tests.unit.metrics.known import Known

CENTRES = coverage.grid_centres()
DEVIATION = 0.05


def mixture(count: int, spread: float = 1.0, modes: int = 25, seed: int = 0) -> Tensor:
    """Samples of the first `modes` Gaussians of the grid, their deviation `spread` times the true one."""
    generator = torch.Generator().manual_seed(seed)
    chosen = CENTRES[torch.randint(modes, (count,), generator=generator)]
    return chosen + spread * DEVIATION * torch.randn(count, 2, generator=generator)


def mean_covered(count: int, runs: int) -> float:
    found = [coverage.modes_covered(mixture(count, seed=seed), CENTRES, count=count) for seed in range(runs)]
    return sum(found) / runs


def chance_variation(count: int, runs: int) -> float:
    law = torch.full((25,), 1 / 25)
    drawn = [coverage.mode_counts(mixture(count, seed=seed), CENTRES) for seed in range(runs)]
    return sum(coverage.total_variation(counts, law, resamples=1).value for counts in drawn) / runs


def of(*counts: int) -> Tensor:
    return torch.tensor(counts)


EIGHT = torch.tensor([1250] * 8 + [0] * 17)
# From the heaviest: 8 bins that are true, 2 that are not, 2 that are; 3 never filled.
RANKED = of(*[1000] * 8, *[800] * 2, *[500] * 2, 0, 0, 0)
TRUE = (RANKED == 1000) | (RANKED == 500)

CASES = [
    Known(
        "intervals.share",
        "high end for 0 hits of 10: z^2/(10 + z^2)",
        0.2775328,
        lambda: intervals.share(torch.zeros(10)).high,
        1e-6,
    ),
    Known(
        "modes_covered",
        "10,000 samples of 13 of 25 Gaussians",
        13,
        lambda: coverage.modes_covered(mixture(10_000, modes=13), CENTRES),
        0,
    ),
    Known(
        "modes_covered",
        "20 samples of 25 equal modes, mean of 400 runs: 25 (1 - (24/25)^20)",
        25 * (1 - 0.96**20),
        lambda: mean_covered(20, 400),
        0.25,
    ),
    Known(
        "modes_covered",
        "samples four deviations from every centre, asked for within three",
        0,
        lambda: coverage.modes_covered((CENTRES + torch.tensor([0.0, 0.2])).repeat(400, 1), CENTRES, within=0.15),
        0,
    ),
    Known(
        "high_quality_share",
        "40,000 samples of the 25 Gaussians themselves: 1 - exp(-9/2)",
        1 - math.exp(-4.5),
        lambda: coverage.high_quality_share(mixture(40_000), CENTRES, DEVIATION).value,
        2e-3,
    ),
    Known(
        "high_quality_share",
        "40,000 samples twice as wide: 1 - exp(-9/8)",
        1 - math.exp(-9 / 8),
        lambda: coverage.high_quality_share(mixture(40_000, 2.0), CENTRES, DEVIATION).value,
        8e-3,
    ),
    Known(
        "spread_discrepancy",
        "samples twice as wide: 4^(-1/3) - 4^(-4/3)",
        4 ** (-1 / 3) - 4 ** (-4 / 3),
        lambda: coverage.spread_discrepancy(mixture(40_000, 2.0), CENTRES, DEVIATION),
        8e-3,
    ),
    Known(
        "spread_discrepancy",
        "samples shrunk to the centres, whose high-quality share is 1",
        1,
        lambda: coverage.spread_discrepancy(mixture(1000, 0.0), CENTRES, DEVIATION),
        1e-12,
    ),
    Known("effective_modes", "8 of 25 modes alike", 8, lambda: coverage.effective_modes(EIGHT).value, 1e-9),
    Known(
        "mode_divergence",
        "8 of 25 modes alike: log(25/8)",
        math.log(25 / 8),
        lambda: coverage.mode_divergence(EIGHT).value,
        1e-9,
    ),
    Known(
        "mode_jensen_shannon",
        "one of two modes: 3/4 log(4/3)",
        0.75 * math.log(4 / 3),
        lambda: coverage.mode_jensen_shannon(of(7, 0)).value,
        1e-9,
    ),
    Known(
        "total_variation",
        "(1/2, 1/2) and (3/4, 1/4)",
        0.25,
        lambda: coverage.total_variation(of(5, 5), of(9, 3)).value,
        1e-12,
    ),
    Known(
        "total_variation",
        "chance alone, 500 samples of 25 equal modes, mean of 100 runs: 25 sqrt(0.04 * 0.96 / (1000 pi))",
        25 * math.sqrt(0.04 * 0.96 / (1000 * math.pi)),
        lambda: chance_variation(500, 100),
        2e-3,
    ),
    Known(
        "support_iou",
        "bins {0, 1, 2} and {2, 3}",
        0.25,
        lambda: coverage.support_iou(of(5, 3, 2, 0), of(0, 0, 4, 6)),
        1e-12,
    ),
    Known(
        "support_iou",
        "the same, the 80% that are heaviest: {0, 1} and {2, 3}",
        0,
        lambda: coverage.support_iou(of(5, 3, 2, 0), of(0, 0, 4, 6), mass=0.8),
        1e-12,
    ),
    Known(
        "precision_at_recall",
        "ranks: 8 true, 2 false, 2 true; 10 true in all",
        10 / 12,
        lambda: coverage.precision_at_recall(TRUE, RANKED),
        1e-12,
    ),
    Known("recall_at_precision", "the same ranks", 0.8, lambda: coverage.recall_at_precision(TRUE, RANKED), 1e-12),
]
