"""Means with 95% intervals."""

import numpy as np
import torch
from scipy import stats
from torch import Tensor


def mean_with_interval(key: str, values: Tensor, resamples: int, seed: int) -> dict[str, float]:
    """The mean of per-example values (n,) with a 95% percentile bootstrap interval: key, key_low, key_high."""
    column = values.double().numpy()
    mean = float(column.mean())
    if np.ptp(column) == 0:
        return {key: mean, f"{key}_low": mean, f"{key}_high": mean}
    interval = stats.bootstrap(
        (column,), np.mean, n_resamples=resamples, batch=50, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return {key: mean, f"{key}_low": float(interval.low), f"{key}_high": float(interval.high)}


def uniform_other(labels: Tensor, values: int, seed: int) -> Tensor:
    """For each label another one, uniform over the `values - 1` others: (n,) int64."""
    generator = torch.Generator().manual_seed(seed)
    return (labels + torch.randint(1, values, labels.shape, generator=generator)) % values
