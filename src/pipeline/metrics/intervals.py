"""Estimates with 95% intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

NORMAL_95 = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Estimate:
    """A metric's value with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def entries(self, key: str) -> dict[str, float]:
        """As they are written: key, key_low, key_high."""
        return {key: self.value, f"{key}_low": self.low, f"{key}_high": self.high}


def by_standard_error(value: float, error: float, least: float = -math.inf, most: float = math.inf) -> Estimate:
    """value +- 1.96 standard errors, cut at the least and the most that the metric can be."""
    low, high = value - NORMAL_95 * error, value + NORMAL_95 * error
    return Estimate(value, max(least, low), min(most, high))


def mean(values: Tensor, resamples: int, seed: int) -> Estimate:
    """The mean of per-example values (n,) with a percentile bootstrap interval over the examples.

    Of truth values it is a share, with Wilson's interval (see `share`).
    """
    if values.dtype == torch.bool:
        return share(values)
    column = values.double().numpy()
    value = float(column.mean())
    if np.ptp(column) == 0:
        return Estimate(value, value, value)
    interval = stats.bootstrap(
        (column,), np.mean, n_resamples=resamples, batch=50, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def mean_with_interval(key: str, values: Tensor, resamples: int, seed: int) -> dict[str, float]:
    """`mean` as it is written: key, key_low, key_high."""
    return mean(values, resamples, seed).entries(key)


def uniform_other(labels: Tensor, values: int, seed: int) -> Tensor:
    """For each label another one, uniform over the `values - 1` others: (n,) int64."""
    generator = torch.Generator().manual_seed(seed)
    return (labels + torch.randint(1, values, labels.shape, generator=generator)) % values


def share(hits: Tensor) -> Estimate:
    """The share of hits among n examples, (n,) bool, with Wilson's interval: one of 0 or 1 has a width too."""
    test = stats.binomtest(int(hits.sum()), len(hits))
    interval = test.proportion_ci(method="wilson")
    return Estimate(float(test.statistic), float(interval.low), float(interval.high))


def resampled(
    value: float,
    again: Callable[[np.random.Generator], float],
    resamples: int,
    seed: int,
    least: float = -math.inf,
    most: float = math.inf,
) -> Estimate:
    """Any statistic with the basic bootstrap interval; `again` computes it on one resample of its examples.

    The ends are 2 value - q with q the 97.5% and the 2.5% quantiles of the resamples (Davison and Hinkley 1997, 5.2):
    a statistic that sampling noise pushes up, as it does entropies' and distances' of histograms, is pushed up twice in
    a resample, and the reflection takes that back. Cut at least and most, and widened to hold the value.
    """
    random = np.random.default_rng(seed)
    low, high = np.quantile([again(random) for _ in range(resamples)], (0.025, 0.975))
    ends = np.clip((2 * value - high, 2 * value - low), least, most)
    return Estimate(value, min(value, float(ends[0])), max(value, float(ends[1])))


def over_examples(
    statistic: Callable[[np.ndarray | slice], float],
    count: int,
    resamples: int,
    seed: int,
    least: float = -math.inf,
    most: float = math.inf,
) -> Estimate:
    """`resampled` for a statistic of the examples at some rows, `count` in all: rows (an index or a slice) -> value."""

    def again(random: np.random.Generator) -> float:
        return statistic(random.integers(count, size=count))

    return resampled(statistic(slice(None)), again, resamples, seed, least, most)
