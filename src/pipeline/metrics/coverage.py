"""Whether samples reach all of a law that is known: a mixture's modes, or the bins of a discrete feature."""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy import special, stats
from sklearn.metrics import precision_recall_curve
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.inputs import check_features, check_finite
from pipeline.metrics.intervals import Estimate

RULE_SAMPLES = 10_000


def grid_centres(side: int = 5, spacing: float = 2.0) -> Tensor:
    """Centres of the grid of side^2 Gaussians around 0 (Dumoulin et al. 2017, with side 5): (side^2, 2) float32."""
    line = (torch.arange(side) - (side - 1) / 2) * spacing
    return torch.cartesian_prod(line, line)


def nearest_centre(samples: Tensor, centres: Tensor, chunk: int = 10_000) -> tuple[Tensor, Tensor]:
    """The centre that each sample is nearest to, and how far: (n, d), (k, d) -> (n,) int64, (n,) float64.

    Raises UserError for other shapes, no samples, or numbers that are not finite.
    """
    check_features("centres", centres)
    check_features("samples", samples, centres.shape[1])
    # Without matrix products, whose rounding would give a sample at a centre a distance.
    mode = "donot_use_mm_for_euclid_dist"
    parts = [torch.cdist(part.double(), centres.double(), compute_mode=mode).min(1) for part in samples.split(chunk)]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])


def mode_counts(samples: Tensor, centres: Tensor, within: float = math.inf) -> Tensor:
    """How many samples are nearest to each centre, those farther than `within` left out: (n, d), (k, d) -> (k,)."""
    index, distance = nearest_centre(samples, centres)
    return torch.bincount(index[distance <= within], minlength=len(centres))


def modes_covered(samples: Tensor, centres: Tensor, within: float = math.inf, count: int = RULE_SAMPLES) -> int:
    """How many centres have a sample among the first `count` samples; up, at most k.

    A mode is dropped if none of 10,000 samples is assigned to it (Dumoulin et al. 2017). `within` = 3 standard
    deviations asks for a high-quality sample, as Srivastava et al. 2017 do: a smear that fills the plane covers every
    mode by the first rule. The number grows with that of the samples, so fewer than `count` raise UserError. Its
    noise is that of training: an interval is to be taken over seeds.
    """
    if len(samples) < count:
        raise UserError(f"samples: {len(samples)} given; modes are counted on {count}: draw more")
    return int((mode_counts(samples[:count], centres, within) > 0).sum())


def high_quality_share(samples: Tensor, centres: Tensor, deviation: float, deviations: float = 3.0) -> Estimate:
    """The share of samples within 3 standard deviations of the nearest centre (Srivastava et al. 2017, 4.1); up.

    samples (n, d), centres (k, d), deviation: that of each coordinate within a mode. Not 1 at best: samples of the
    mixture itself have P(chi2_d <= 9), 0.98889 in the plane, and a model that has shrunk its modes has more.
    """
    _check_deviation(deviation)
    _, distance = nearest_centre(samples, centres)
    return intervals.share(distance <= deviations * deviation)


def spread_discrepancy(samples: Tensor, centres: Tensor, deviation: float) -> float:
    """The high-quality share without its threshold, and two-sided: how far the spread of the modes is off, in 0..1; down.

    Kolmogorov-Smirnov statistic between the samples' distances to their nearest centre over `deviation` and the chi
    law with d degrees of freedom, which they follow where the modes of a mixture stand apart. Samples too wide and
    samples shrunk to the centres both tend to 1; samples of the mixture itself are about 0.87/sqrt(n).
    """
    _check_deviation(deviation)
    _, distance = nearest_centre(samples, centres)
    return float(stats.ks_1samp((distance / deviation).cpu().numpy(), stats.chi(samples.shape[1]).cdf).statistic)


def effective_modes(counts: Tensor, resamples: int = 1000, seed: int = 0) -> Estimate:
    """exp of the entropy of a histogram (k,): `modes_covered` without its threshold, in 1..k; up.

    Equal shares in m modes give m; a mode with a handful of samples adds next to nothing.
    """
    shares = _law("counts", counts)
    return _over_counts(_effective, resamples, seed, (1.0, len(shares)), counts)


def mode_divergence(counts: Tensor, law: Tensor | None = None, resamples: int = 1000, seed: int = 0) -> Estimate:
    """KL(histogram || law) in nats, the law uniform if none is given; down.

    counts (k,) of n samples, law (k,) of probabilities, all above 0. At most log k for the uniform law. Chance alone
    makes it about (k - 1)/(2n).
    """
    reference = _reference(counts, law)
    most = float(-np.log(reference.min()))
    return _over_counts(lambda shares: _kl(shares, reference), resamples, seed, (0.0, most), counts)


def mode_jensen_shannon(counts: Tensor, law: Tensor | None = None, resamples: int = 1000, seed: int = 0) -> Estimate:
    """Jensen-Shannon divergence of a histogram and a law in nats, in 0..log 2 (Lin 1991); down. As `mode_divergence`."""
    reference = _reference(counts, law)

    def divergence(shares: np.ndarray) -> float:
        middle = (shares + reference) / 2
        return (_kl(shares, middle) + _kl(reference, middle)) / 2

    return _over_counts(divergence, resamples, seed, (0.0, math.log(2)), counts)


def total_variation(first: Tensor, second: Tensor, resamples: int = 1000, seed: int = 0) -> Estimate:
    """Half the L1 distance of two histograms of a discrete feature, in 0..1; down.

    first, second (k,): integer counts are of samples, floats are laws known exactly. Chance alone makes it about
    sum_i sqrt(p_i (1 - p_i) / (2 pi n)) for n samples of the law p itself. By the triangle inequality it is off by no
    more than the samples' shares are from their laws, and that distance is bootstrapped: the interval holds the truth
    in 95 of 100 cases or more, at 0 too, where a plain bootstrap misses it in most.
    """
    _same_bins(first, second)
    pairs = [(histogram, _law("histogram", histogram)) for histogram in (first, second)]
    sampled = [pair for pair in pairs if not pair[0].is_floating_point()]
    random = np.random.default_rng(seed)
    moved = [sum(_variation(_redrawn(random, *pair), pair[1]) for pair in sampled) for _ in range(resamples)]
    value, width = _variation(pairs[0][1], pairs[1][1]), float(np.quantile(moved, 0.95))
    return Estimate(value, max(0.0, value - width), min(1.0, value + width))


def support_iou(first: Tensor, second: Tensor, mass: float = 1.0) -> float:
    """Intersection over union of the bins that two histograms (k,) occupy, in 0..1; up (Zhao et al. 2018).

    Each one's bins are the fewest that hold `mass` of it, heaviest first: below 1 a few misread samples do not count as
    bins occupied. Ties at the edge are all in.
    """
    _same_bins(first, second)
    if not 0 < mass <= 1:
        raise UserError(f"mass: a share above 0 and at most 1 expected, {mass} given")
    left, right = _support(_law("first", first), mass), _support(_law("second", second), mass)
    return float((left & right).sum() / (left | right).sum())


def precision_at_recall(support: Tensor, counts: Tensor, recall: float = 0.9, least: int = RULE_SAMPLES) -> float:
    """The best precision at which that recall is reached, in 0..1, 0 if it is not; up (Zhao et al. 2018).

    The model's bins, counts (k,) of at least 10,000 samples, are taken from the heaviest down. Of those taken, precision
    is the share in the true support (k,) bool; recall is the share of the true support that is taken. Bins that the
    model never fills are never taken.
    """
    precisions, recalls = _support_curve(support, counts, least)
    return float(precisions[recalls >= recall - 1e-12].max(initial=0.0))


def recall_at_precision(support: Tensor, counts: Tensor, precision: float = 0.9, least: int = RULE_SAMPLES) -> float:
    """The best recall at which that precision is kept, in 0..1, 0 if it is not; up. As `precision_at_recall`."""
    precisions, recalls = _support_curve(support, counts, least)
    return float(recalls[precisions >= precision - 1e-12].max(initial=0.0))


def _support_curve(support: Tensor, counts: Tensor, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at every threshold on the counts that takes only bins which the model fills."""
    _same_bins(support, counts)
    _law("counts", counts)
    if support.dtype != torch.bool or not support.any():
        raise UserError(f"support: booleans, at least one of them true, expected, {support.dtype} given")
    if counts.sum() < least:
        raise UserError(f"counts: {int(counts.sum())} samples binned; at least {least} are needed: draw more")
    precisions, recalls, thresholds = precision_recall_curve(support.cpu().numpy(), counts.cpu().numpy())
    filled = thresholds > 0
    return precisions[:-1][filled], recalls[:-1][filled]


def _support(shares: np.ndarray, mass: float) -> np.ndarray:
    heaviest = np.sort(shares)[::-1]
    # Rounding must not ask for one bin more than the mass needs, nor for an empty one.
    last = int(np.searchsorted(np.cumsum(heaviest), mass - 1e-12))
    return (shares >= heaviest[last]) & (shares > 0)


def _over_counts(
    statistic: Callable[[np.ndarray], float], resamples: int, seed: int, bounds: tuple[float, float], counts: Tensor
) -> Estimate:
    """A statistic of a histogram's shares, with an interval over the samples counted; for a law (floats) without."""
    shares = _law("counts", counts)

    def again(random: np.random.Generator) -> float:
        return statistic(shares if counts.is_floating_point() else _redrawn(random, counts, shares))

    return intervals.resampled(statistic(shares), again, resamples, seed, *bounds)


def _redrawn(random: np.random.Generator, counts: Tensor, shares: np.ndarray) -> np.ndarray:
    total = int(counts.sum())
    return random.multinomial(total, shares) / total


def _variation(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).sum() / 2)


def _effective(shares: np.ndarray) -> float:
    return float(np.exp(special.entr(shares).sum()))


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    return max(0.0, float(special.rel_entr(p, q).sum()))


def _law(name: str, histogram: Tensor) -> np.ndarray:
    """The shares of a histogram (k,). Raises UserError if it is none."""
    check_finite(name, histogram)
    if histogram.dim() != 1 or histogram.min() < 0 or histogram.sum() <= 0:
        raise UserError(
            f"{name}: a histogram (k,) of numbers from 0 up, not all 0, expected, {_shape(histogram)} given"
        )
    values = histogram.double().cpu().numpy()
    return values / values.sum()


def _reference(counts: Tensor, law: Tensor | None) -> np.ndarray:
    reference = torch.ones(len(counts)) if law is None else law
    _same_bins(counts, reference)
    shares = _law("law", reference)
    if shares.min() == 0:
        raise UserError("law: a mode of probability 0; leave it out of the centres")
    return shares


def _same_bins(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise UserError(f"histograms: the same bins expected, {_shape(first)} and {_shape(second)} given")


def _shape(histogram: Tensor) -> str:
    return f"{histogram.dtype} {tuple(histogram.shape)}"


def _check_deviation(deviation: float) -> None:
    if not (math.isfinite(deviation) and deviation > 0):
        raise UserError(f"deviation: a number above 0 expected, {deviation} given")
