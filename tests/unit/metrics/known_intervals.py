"""Known answers of `pipeline.metrics.intervals`."""

import torch

from pipeline.metrics import intervals
from tests.unit.metrics.known import Known

COIN = (torch.arange(10_000) % 4 == 0).double()

CASES = [
    Known(
        "intervals.mean",
        "low end of a share of 1/4 among 10,000: 0.25 - 1.96 sqrt(0.1875 / 10,000)",
        0.2415131,
        lambda: intervals.mean(COIN, 2000, 0).low,
        5e-4,
    ),
]
