"""Paired tests: two systems, each measured once for every seed that they share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from pipeline.errors import UserError
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.seeds import over_seeds

LEAST = 3  # pairs for which a p-value is worth having


@dataclass(frozen=True)
class Paired:
    """difference: mean of first - second, with a 95% interval by Student's t; p: two-sided, None for fewer than three
    pairs; pairs: how many."""

    difference: Estimate
    p: float | None
    pairs: int


def paired_test(first: Sequence[float], second: Sequence[float]) -> Paired:
    """Student's paired t-test of values that belong together in order (scipy.stats.ttest_rel).

    Where all differences are equal up to rounding, p is its limit: 1 if they are 0, otherwise 0. Raises UserError for
    fewer than two pairs, different lengths, or a value that is not finite.
    """
    if len(first) != len(second):
        raise UserError(f"paired test: {len(first)} values beside {len(second)}; each needs its partner")
    differences = [one - other for one, other in zip(first, second, strict=True)]
    difference = over_seeds(differences)
    if len(differences) < LEAST:
        return Paired(difference, None, len(differences))
    rounding = 1e-12 * max(map(abs, (*first, *second)))
    if max(differences) - min(differences) <= rounding:
        return Paired(difference, float(abs(difference.value) <= rounding), len(differences))
    return Paired(difference, float(stats.ttest_rel(first, second).pvalue), len(differences))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for how many there are, in their order: compared with 0.05 they err anywhere with 5% at most.

    The k-th smallest of m becomes the greatest of (m - j + 1) p_(j) over j <= k, at most 1 (Holm 1979, A simple
    sequentially rejective multiple test procedure). Raises UserError for what is no probability.
    """
    wrong = [p for p in p_values if not (math.isfinite(p) and 0 <= p <= 1)]
    if wrong:
        raise UserError(f"p-values: {wrong[0]} is not in 0..1")
    corrected, greatest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        greatest = max(greatest, (len(p_values) - rank) * p_values[place])
        corrected[place] = min(1.0, greatest)
    return corrected
