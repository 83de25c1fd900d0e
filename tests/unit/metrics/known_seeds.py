"""Known answers of `pipeline.metrics.seeds` and `pipeline.metrics.paired`."""

import math

import numpy as np

from pipeline.metrics import paired, seeds
from tests.unit.metrics.known import Known

# Student's sleep data: hours of sleep gained by ten patients with each of two drugs.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def coverage() -> float:
    """The share of intervals that hold the mean 0, of 4,000 samples of five normal values."""
    samples = np.random.default_rng(0).standard_normal((4000, 5))
    intervals = [seeds.over_seeds(sample.tolist()) for sample in samples]
    return sum(each.low <= 0 <= each.high for each in intervals) / len(intervals)


def two_seeds() -> float:
    combined = seeds.combine([{"accuracy": 0.9}, {"accuracy": 0.92}], [3, 5])
    return float(combined["accuracy_high"])


CASES = [
    Known(
        "seeds.over_seeds",
        "low end for 1, 2, 3, 4, 5: 3 - t(0.975, 4) sqrt(1/2), t = 2.776445",
        3 - 2.7764451052 * math.sqrt(0.5),
        lambda: seeds.over_seeds([1, 2, 3, 4, 5]).low,
        1e-9,
    ),
    Known("seeds.over_seeds", "share of intervals over 5 normal values that hold the mean", 0.95, coverage, 0.012),
    Known(
        "seeds.combine",
        "high end for 0.90 and 0.92: 0.91 + 0.01 tan(0.475 pi), since t with 1 degree is Cauchy",
        0.91 + 0.01 * math.tan(0.475 * math.pi),
        two_seeds,
        1e-9,
    ),
    Known(
        "paired_test",
        "p of Student's sleep data, t = 4.0621 with 9 degrees",
        0.0028328900,
        lambda: paired.paired_test(FIRST, SECOND).p or 0.0,
        1e-8,
    ),
    Known(
        "paired_test",
        "upper end of the mean difference of Student's sleep data, as R's t.test gives it",
        -0.7001142,
        lambda: paired.paired_test(FIRST, SECOND).difference.high,
        1e-6,
    ),
    Known(
        "holm",
        "the second of 0.01, 0.02, 0.03, 0.05: 3 x 0.02",
        0.06,
        lambda: paired.holm([0.01, 0.02, 0.03, 0.05])[1],
        1e-12,
    ),
    Known(
        "holm",
        "the last of 0.01, 0.02, 0.03, 0.05 is raised to the third's 2 x 0.03",
        0.06,
        lambda: paired.holm([0.01, 0.02, 0.03, 0.05])[3],
        1e-12,
    ),
]
