"""Tests of whether two samples of features come of one law, and of which of two samples is nearer to a third.

Features are (n, d) floats, such as a judge's. The samples are independent examples, and the tests conditional on the
features: a judge that sees no difference finds none.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics.fidelity import frechet_distance
from pipeline.metrics.inputs import check_features, check_labels
from pipeline.metrics.intervals import Estimate, by_standard_error, share
from pipeline.metrics.mmd import ROWS, Kernel, gaussian, median_distance, mmd, mmd_difference

LEVEL = 0.05


@dataclass(frozen=True)
class Tested:
    """An estimate, and the probability of one at least as far out if there were no difference."""

    estimate: Estimate
    p_value: float


def mmd_test(
    x: Tensor,
    y: Tensor,
    bandwidths: tuple[float, ...] = (),
    permutations: int = 199,
    seed: int = 0,
) -> Tested:
    """The squared MMD under Gaussian kernels, with its p-value by permutation (Gretton et al. 2012; see `mmd.gaussian`).

    x (n, d), y (m, d), 2 or more each; bandwidths: otherwise the median distance within the pooled sample. The p-value,
    (1 + number of permutations with no smaller an MMD) / (1 + permutations), is exact at any size, if the bandwidths do
    not depend on which example is in which sample. Raises UserError for bad features.
    """
    _check((("x", x), ("y", y)))
    pooled = torch.cat((x, y)).double()
    kernel = gaussian(*(bandwidths or (median_distance(pooled, seed),)))
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.arange(len(pooled))]
    orders += [torch.randperm(len(pooled), generator=generator) for _ in range(permutations)]
    values = _unbiased(pooled, kernel, torch.stack(orders)[:, : len(x)])
    # Those that are equal but for rounding are no smaller.
    p_value = float((values >= values[0] - 1e-12).double().mean())
    return Tested(mmd(x.double(), y.double(), kernel), p_value)


def _unbiased(pooled: Tensor, kernel: Kernel, chosen: Tensor) -> Tensor:
    """The unbiased squared MMD of the `chosen` rows (p, n) of the pooled ones (n + m, d) and the rest: (p,)."""
    first = torch.zeros(len(pooled), len(chosen), dtype=pooled.dtype, device=pooled.device)
    first.scatter_(0, chosen.T.to(pooled.device), 1.0)
    inner, edge, whole, selves = 0.0, 0.0, 0.0, []
    for start in range(0, len(pooled), ROWS):
        block, mine = kernel(pooled[start : start + ROWS], pooled), first[start : start + ROWS]
        sums = block.sum(1)
        inner = inner + (mine * (block @ first)).sum(0)
        edge, whole = edge + sums @ mine, whole + sums.sum()
        selves.append(block[:, start : start + ROWS].diagonal())
    n, m = chosen.shape[1], len(pooled) - chosen.shape[1]
    own = torch.cat(selves) @ first
    xx, xy = (inner - own) / (n * (n - 1)), (edge - inner) / (n * m)
    yy = (whole - 2 * edge + inner - (torch.cat(selves).sum() - own)) / (m * (m - 1))
    return xx + yy - 2 * xy


def classifier_test(
    x: Tensor, y: Tensor, classifier: Literal["logistic", "neighbours"] = "logistic", seed: int = 0
) -> Tested:
    """The accuracy at which a classifier tells held-out examples of x from those of y (Lopez-Paz and Oquab 2017).

    As many of each, drawn by the seed, half of them to learn from: a logistic regression of standardised features, or
    the majority of the sqrt(n) nearest. 1/2 is expected under equal laws, 1 where they are easily told apart. The p-value
    is Fisher's, exact at any size where theirs is asymptotic. x (n, d), y (m, d), 4 or more each. Raises UserError.
    """
    _check((("x", x), ("y", y)), least=4)
    generator = torch.Generator().manual_seed(seed)
    count = min(len(x), len(y)) // 2
    halves = [each[torch.randperm(len(each), generator=generator)[: 2 * count]].cpu().split(count) for each in (x, y)]
    (seen_x, held_x), (seen_y, held_y) = halves
    labels = np.repeat([0, 1], count)
    model = (
        LogisticRegression(max_iter=1000) if classifier == "logistic" else KNeighborsClassifier(math.isqrt(2 * count))
    )
    told = make_pipeline(StandardScaler(), model).fit(torch.cat((seen_x, seen_y)).double().numpy(), labels)
    right = told.predict(torch.cat((held_x, held_y)).double().numpy()) == labels
    of_x, of_y = right[:count].sum(), right[count:].sum()
    table = [[of_x, count - of_x], [count - of_y, of_y]]
    return Tested(share(torch.from_numpy(right)), float(stats.fisher_exact(table, "greater").pvalue))


def relative_mmd_test(
    reference: Tensor, first: Tensor, second: Tensor, bandwidths: tuple[float, ...] = (), seed: int = 0
) -> Tested:
    """Whether `first` is farther from the reference than `second` is (Bounliphone et al. 2016, section 3).

    The estimate is MMD^2(reference, first) - MMD^2(reference, second), below 0 where the first is nearer; the p-value is
    one-sided, small where it is above. The two share the reference and so are correlated: their difference is normal in
    the limit, with the variance of its own first-order terms. Features (n, d), (m, d), (l, d), 2 or more each;
    bandwidths: otherwise the median distance within the reference. Raises UserError for bad features.
    """
    _check((("reference", reference), ("first", first), ("second", second)))
    kernel = gaussian(*(bandwidths or (median_distance(reference, seed),)))
    value, error = mmd_difference(reference.double(), first.double(), second.double(), kernel)
    return Tested(by_standard_error(value, error), float(stats.norm.sf(value / error)))


@dataclass(frozen=True)
class ClassTests:
    """Of one class: squared MMD and held-out accuracy with their p-values, and Frechet distance."""

    mmd: Tested
    classifier: Tested
    frechet: Estimate


def per_class(
    real: Tensor,
    real_labels: Tensor,
    edits: Tensor,
    targets: Tensor,
    values: int,
    permutations: int = 199,
    seed: int = 0,
) -> list[ClassTests]:
    """For each class a, edits to a against real examples of a: whether put(s, a) follows the law of a's examples.

    That is what Bayesian inversion asks of a put. Features real (n, d), labels (n,); edits (m, d), targets (m,); more
    than d of either in each class. One bandwidth, the median distance within the real examples of a class, averaged, so
    that the MMD of rivals compare. Raises UserError that names the class.
    """
    _check((("real", real), ("edits", edits)))
    check_labels("real labels", real_labels, len(real), values, every=True)
    check_labels("targets", targets, len(edits), values, every=True)
    pairs = [(real[real_labels == value], edits[targets == value]) for value in range(values)]
    bandwidth = sum(median_distance(each, seed) for each, _ in pairs) / values
    found = []
    for value, (known, made) in enumerate(pairs):
        try:
            frechet = frechet_distance(known, made)
        except UserError as error:
            raise UserError(f"class {value}: {error}") from None
        tested = mmd_test(known, made, (bandwidth,), permutations, seed)
        found.append(ClassTests(tested, classifier_test(known, made, seed=seed), frechet))
    return found


@dataclass(frozen=True)
class Inversion:
    """Over classes: mean squared MMD, the share of classes whose MMD is rejected at 5%, mean held-out accuracy (1/2 is
    the best), the share rejected by it, and mean Frechet distance; all down."""

    mmd: Estimate
    mmd_rejected: float
    classifier: Estimate
    classifier_rejected: float
    frechet: Estimate

    def entries(self) -> dict[str, float]:
        """As they are written."""
        return (
            self.mmd.entries("inversion_mmd")
            | {"inversion_mmd_rejected": self.mmd_rejected}
            | self.classifier.entries("inversion_c2st")
            | {"inversion_c2st_rejected": self.classifier_rejected}
            | self.frechet.entries("inversion_fid")
        )


def inversion(tests: list[ClassTests]) -> Inversion:
    """The summary of `per_class`; the intervals take the classes' errors as independent."""
    return Inversion(
        mmd=_mean([each.mmd.estimate for each in tests]),
        mmd_rejected=sum(each.mmd.p_value <= LEVEL for each in tests) / len(tests),
        classifier=_mean([each.classifier.estimate for each in tests]),
        classifier_rejected=sum(each.classifier.p_value <= LEVEL for each in tests) / len(tests),
        frechet=_mean([each.frechet for each in tests]),
    )


def _mean(estimates: list[Estimate]) -> Estimate:
    """The mean of independent estimates: their deviations to either side add as squares."""
    value = sum(each.value for each in estimates) / len(estimates)
    below = math.hypot(*(each.value - each.low for each in estimates)) / len(estimates)
    above = math.hypot(*(each.high - each.value for each in estimates)) / len(estimates)
    return Estimate(value, value - below, value + above)


def _check(samples: tuple[tuple[str, Tensor], ...], least: int = 2) -> None:
    """Raises UserError unless all are features of one width, `least` or more examples each."""
    width = samples[0][1].shape[-1]
    for name, sample in samples:
        check_features(name, sample, width)
        if len(sample) < least:
            raise UserError(f"{name}: {len(sample)} examples; at least {least} are needed")
