"""Two-sample tests: exact where nothing is to be found, and sure where something is."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics.mmd import gaussian, median_distance, mmd
from pipeline.metrics.two_sample import (
    classifier_test,
    inversion,
    mmd_test,
    per_class,
    relative_mmd_test,
)


def normal(count: int, seed: int, shift: float = 0.0, width: int = 3) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + shift * torch.eye(width)[0]


def null(seed: int) -> float:
    return mmd_test(normal(30, 2 * seed), normal(20, 2 * seed + 1), permutations=99, seed=seed).p_value


def test_p_values_of_the_mmd_are_uniform_under_one_law() -> None:
    values = [null(seed) for seed in range(200)]
    assert stats.kstest(values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("classifier", ["logistic", "neighbours"])
def test_p_values_of_the_classifier_are_at_least_uniform_under_one_law(classifier: str) -> None:
    """Counts are discrete, so that they may be larger, by half a count."""
    values = [
        classifier_test(normal(200, 2 * seed), normal(220, 2 * seed + 1), classifier, seed).p_value
        for seed in range(150)
    ]
    assert stats.kstest(values, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(values) == pytest.approx(0.5, abs=0.12)


def test_p_values_of_the_relative_test_are_uniform_where_both_are_as_far() -> None:
    def value(seed: int) -> float:
        away = normal(150, 3 * seed + 2) - 0.7 * torch.eye(3)[1]
        return relative_mmd_test(normal(200, 3 * seed), normal(120, 3 * seed + 1, 0.7), away, seed=seed).p_value

    assert stats.kstest([value(seed) for seed in range(150)], "uniform").pvalue > 0.01


def test_every_test_is_sure_of_what_is_plain() -> None:
    same, far, farther = normal(300, 0), normal(200, 1, 1.0), normal(250, 2, 1.5)
    assert mmd_test(same, far).p_value == 1 / 200
    assert mmd_test(same, far, bandwidths=(0.5, 1.0, 2.0)).p_value == 1 / 200
    assert classifier_test(same, far).p_value < 1e-6
    assert classifier_test(same, far + 1, "neighbours").p_value < 1e-6
    assert relative_mmd_test(same, farther, far).p_value < 1e-3
    assert relative_mmd_test(same, far, farther).p_value > 1 - 1e-3
    assert relative_mmd_test(same, torch.ones(20, 3), torch.ones(20, 3)).p_value == 0.5


def test_power_grows_with_the_shift() -> None:
    rejected = [
        np.mean(
            [
                mmd_test(normal(60, 2 * n), normal(60, 2 * n + 1, shift), permutations=99).p_value <= 0.05
                for n in range(40)
            ]
        )
        for shift in (0.0, 0.5, 1.0)
    ]
    assert rejected[0] <= 0.15
    assert rejected[0] < rejected[1] < rejected[2]
    assert rejected[2] > 0.9


def test_the_permuted_statistic_is_the_mmd() -> None:
    """A test's own estimate equals one by all pairs in blocks, and swapping the samples changes nothing."""
    x, y = normal(300, 0).double(), normal(280, 1, 0.2).double()
    found, swapped = mmd_test(x, y, (1.3,), seed=3), mmd_test(y, x, (1.3,), seed=3)
    assert found.estimate == mmd(x, y, gaussian(1.3))
    assert swapped.estimate.value == pytest.approx(found.estimate.value, abs=1e-12)
    assert mmd_test(x, y, (1.3,), seed=3) == found


def test_the_median_distance_is_that_of_all_pairs() -> None:
    features = normal(80, 0)
    assert median_distance(features, 0) == pytest.approx(float(torch.pdist(features).median()), rel=1e-5)
    with pytest.raises(UserError, match="all examples are the same"):
        median_distance(torch.ones(9, 2), 0)


def test_edits_that_follow_the_law_of_their_class_pass_and_others_do_not() -> None:
    labels, targets = torch.arange(900) % 3, torch.arange(600) % 3
    centres = 4 * torch.eye(3)
    real, made = normal(900, 0) + centres[labels], normal(600, 1) + centres[targets]
    good = inversion(per_class(real, labels, made, targets, 3))
    prototypes = inversion(per_class(real, labels, centres[targets] + 0.1 * normal(600, 2), targets, 3))
    one_off = made + 0.8 * (targets == 1)[:, None]
    partly = inversion(per_class(real, labels, one_off, targets, 3))
    assert good.mmd_rejected <= 1 / 3
    assert good.mmd.low < 0.002
    assert good.classifier.value == pytest.approx(0.5, abs=0.05)
    assert prototypes.mmd_rejected == prototypes.classifier_rejected == 1
    assert partly.mmd_rejected < 1
    assert partly.mmd.low > good.mmd.high
    assert prototypes.frechet.value > 1 > good.frechet.value
    assert partly.classifier_rejected == pytest.approx(1 / 3)
    assert set(good.entries()) >= {"inversion_mmd", "inversion_mmd_rejected", "inversion_c2st_low", "inversion_fid"}


def test_bad_samples_are_refused() -> None:
    labels = torch.arange(30) % 2
    with pytest.raises(UserError, match="y: 1 examples; a two-sample test needs at least 2"):
        mmd_test(normal(30, 0), normal(1, 1))
    with pytest.raises(UserError, match=r"second: features of shape \(n, 3\) expected"):
        relative_mmd_test(normal(30, 0), normal(30, 1), normal(30, 2, width=4))
    with pytest.raises(UserError, match="targets: no example of class 2"):
        per_class(normal(30, 0), torch.arange(30) % 3, normal(30, 1), labels, 3)
    with pytest.raises(UserError, match="edits to class 1: 2 examples for 3 feature dimensions"):
        per_class(normal(30, 0), labels, normal(30, 1), (torch.arange(30) >= 28).long(), 2)
