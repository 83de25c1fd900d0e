"""Laws of the coverage metrics, their intervals, and what they refuse."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.errors import UserError
from pipeline.metrics import coverage
from tests.unit.metrics.known_coverage import CENTRES, DEVIATION, mixture

COUNTS = torch.tensor([40, 30, 20, 10])


def test_a_smear_covers_every_mode_by_the_nearest_centre_but_is_no_high_quality() -> None:
    smear = torch.rand(10_000, 2, generator=torch.Generator().manual_seed(0)) * 10 - 5
    assert coverage.modes_covered(smear, CENTRES) == 25
    assert coverage.high_quality_share(smear, CENTRES, DEVIATION).high < 0.03
    assert coverage.spread_discrepancy(smear, CENTRES, DEVIATION) > 0.95


def test_a_generator_shrunk_to_the_centres_shows_only_in_the_spread() -> None:
    shrunk = mixture(10_000, spread=0.1)
    assert coverage.modes_covered(shrunk, CENTRES) == 25
    assert coverage.high_quality_share(shrunk, CENTRES, DEVIATION).value == 1
    assert coverage.spread_discrepancy(shrunk, CENTRES, DEVIATION) > 0.9
    assert coverage.spread_discrepancy(mixture(10_000), CENTRES, DEVIATION) < 0.02


def test_every_measure_of_modes_worsens_as_modes_are_dropped() -> None:
    rows = []
    for modes in (25, 20, 10, 3):
        counts = coverage.mode_counts(mixture(10_000, modes=modes), CENTRES)
        rows.append(
            (
                -coverage.modes_covered(mixture(10_000, modes=modes), CENTRES),
                -coverage.effective_modes(counts, 1).value,
                coverage.mode_divergence(counts, resamples=1).value,
                coverage.mode_jensen_shannon(counts, resamples=1).value,
            )
        )
    assert (np.diff(np.array(rows), axis=0) > 0).all()


def test_a_handful_of_samples_in_a_mode_covers_it_but_hardly_counts() -> None:
    counts = torch.tensor([5000, 4999, 1])
    assert coverage.effective_modes(counts).value == pytest.approx(2, abs=2e-3)


def test_nearest_centres_are_those_of_brute_force_in_any_chunks() -> None:
    samples = torch.randn(57, 3, generator=torch.Generator().manual_seed(0))
    centres = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    index, distance = coverage.nearest_centre(samples, centres, chunk=10)
    table = [[float((sample.double() - centre.double()).norm()) for centre in centres] for sample in samples]
    assert index.tolist() == [row.index(min(row)) for row in table]
    assert distance.tolist() == pytest.approx([min(row) for row in table])


def test_rates_are_those_of_brute_force() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        counts = torch.from_numpy(random.multinomial(10_000, random.dirichlet(np.full(12, 0.3))))
        support = torch.from_numpy(random.random(12) < 0.5)
        support[0] = True
        pairs = []
        for threshold in sorted(set(counts.tolist()) - {0}):
            taken = counts >= threshold
            hits = int((taken & support).sum())
            pairs.append((hits / int(taken.sum()), hits / int(support.sum())))
        best_precision = max([p for p, r in pairs if r >= 0.6], default=0)
        best_recall = max([r for p, r in pairs if p >= 0.6], default=0)
        assert coverage.precision_at_recall(support, counts, 0.6) == pytest.approx(best_precision)
        assert coverage.recall_at_precision(support, counts, 0.6) == pytest.approx(best_recall)


def test_a_rate_that_no_threshold_reaches_is_0() -> None:
    support, counts = torch.tensor([True, True, False]), torch.tensor([0, 5000, 5000])
    assert coverage.precision_at_recall(support, counts) == 0
    assert coverage.recall_at_precision(support, counts) == 0


def test_a_law_is_not_resampled_and_samples_are() -> None:
    exact = coverage.total_variation(COUNTS / 100, torch.full((4,), 0.25))
    assert exact.low == exact.value == exact.high == pytest.approx(0.2)
    sampled = coverage.total_variation(COUNTS, torch.full((4,), 0.25))
    assert sampled.low < sampled.value < sampled.high


@pytest.mark.parametrize("law", [(0.4, 0.3, 0.2, 0.1), (0.25, 0.25, 0.25, 0.25)])
def test_the_interval_of_a_divergence_holds_the_truth_in_95_of_100_samples(law: tuple[float, ...]) -> None:
    random, shares = np.random.default_rng(0), np.array(law)
    truth = float((shares * np.log(shares * 4)).sum())
    drawn = [torch.from_numpy(random.multinomial(500, shares)) for _ in range(100)]
    found = [coverage.mode_divergence(counts, resamples=100, seed=seed) for seed, counts in enumerate(drawn)]
    assert sum(one.low <= truth <= one.high for one in found) >= 90


@pytest.mark.parametrize("law", [(0.4, 0.3, 0.2, 0.1), (0.25, 0.25, 0.25, 0.25)])
def test_the_interval_of_a_variation_holds_the_truth_in_95_of_100_samples(law: tuple[float, ...]) -> None:
    random, shares = np.random.default_rng(0), np.array(law)
    truth = float(np.abs(shares - 0.25).sum() / 2)
    drawn = [torch.from_numpy(random.multinomial(500, shares)) for _ in range(100)]
    uniform = torch.from_numpy(random.multinomial(500, np.full(4, 0.25), size=100))
    pairs = zip(drawn, uniform, strict=True)
    found = [coverage.total_variation(*pair, resamples=100, seed=seed) for seed, pair in enumerate(pairs)]
    assert sum(one.low <= truth <= one.high for one in found) >= 90


def test_the_seed_alone_decides_an_interval() -> None:
    first, again, other = (coverage.effective_modes(COUNTS, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: coverage.modes_covered(mixture(100), CENTRES), "samples: 100 given; modes are counted on 10000"),
        (lambda: coverage.mode_counts(torch.full((5, 2), torch.nan), CENTRES), "samples: 5 of 5 hold NaN"),
        (lambda: coverage.mode_counts(torch.zeros(5, 3), CENTRES), r"samples: features of shape \(n, 2\) expected"),
        (lambda: coverage.high_quality_share(mixture(5), CENTRES, 0.0), "deviation: a number above 0 expected, 0.0"),
        (lambda: coverage.effective_modes(torch.zeros(3)), "counts: a histogram"),
        (lambda: coverage.effective_modes(torch.tensor([2, -1])), "counts: a histogram"),
        (lambda: coverage.mode_divergence(COUNTS, torch.tensor([1.0, 1.0, 1.0, 0.0])), "law: a mode of probability 0"),
        (lambda: coverage.mode_divergence(COUNTS, torch.ones(3)), "histograms: the same bins expected"),
        (lambda: coverage.total_variation(COUNTS, torch.ones(3)), "histograms: the same bins expected"),
        (lambda: coverage.support_iou(COUNTS, COUNTS, 0.0), "mass: a share above 0"),
        (lambda: coverage.precision_at_recall(COUNTS > 15, COUNTS), "counts: 100 samples binned; at least 10000"),
        (lambda: coverage.recall_at_precision(COUNTS, COUNTS, least=1), "support: booleans"),
        (lambda: coverage.recall_at_precision(COUNTS > 99, COUNTS, least=1), "support: booleans, at least one"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


def test_the_grid_lies_around_0() -> None:
    assert sorted(map(tuple, coverage.grid_centres(2, 1.0).tolist())) == [
        (-0.5, -0.5),
        (-0.5, 0.5),
        (0.5, -0.5),
        (0.5, 0.5),
    ]
    assert CENTRES.shape == (25, 2)
    assert (float(CENTRES.min()), float(CENTRES.max()), float(CENTRES.mean())) == (-4, 4, 0)
