"""Measures of fidelity: their laws, their intervals, and what they see of images made worse."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from pipeline.data import idx
from pipeline.errors import UserError
from pipeline.metrics.degradations import SERIES, dropping, imbalance, noise, occlusion
from pipeline.metrics.fidelity import (
    Fidelity,
    Moments,
    fidelity,
    fidelity_per_class,
    frechet_distance,
    frechet_infinity,
    kid,
    neighbourhoods,
)
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.mmd import cubic, mmd
from tests import reference
from tests.unit.metrics.known_fidelity import normal


def skewed(count: int, seed: int, shift: float = 0.0, width: int = 16) -> Tensor:
    """Correlated features of many zeros, as those behind a ReLU are."""
    return (normal(count, width, seed) @ normal(width, width, 99) / 2 + shift).relu()


def error(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / (2 * 1.959964)


def test_moments_of_parts_are_those_of_the_whole() -> None:
    features = skewed(500, 0) + 1000
    parts = Moments.of(features[:3]).update(features[3:200]).update(features[200:])
    whole = Moments.of(features)
    assert parts.count == 500
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.covariance, whole.covariance)
    np.testing.assert_allclose(whole.covariance, np.cov(features.double().numpy().T))


@pytest.mark.parametrize(("shift", "width"), [(0.05, 16), (0.3, 16), (1.0, 40)])
def test_all_is_as_torch_fidelity_has_it(shift: float, width: int) -> None:
    real, fake = skewed(900, 1, 0, width), skewed(900, 2, shift, width)
    found = fidelity(real, fake, neighbours=3)
    assert found.fid.value == pytest.approx(reference.fid(real, fake), rel=1e-4)
    assert found.kid.value == pytest.approx(reference.kid(real, fake, kid_subsets=1, kid_subset_size=900), rel=1e-4)
    precision, recall = reference.precision_recall(real, fake, 3)
    assert (found.precision.value, found.recall.value) == pytest.approx((precision, recall), abs=1e-6)


def test_features_without_spread_in_a_direction_have_a_distance_and_an_interval() -> None:
    real, fake = skewed(300, 0), skewed(300, 1, 0.5)
    real[:, 3], fake[:, 3], real[:, 4], fake[:, 5] = 0, 0, 0, 0
    found = frechet_distance(real, fake)
    assert found.value == pytest.approx(reference.fid(real, fake), rel=1e-4)
    assert 0 < error(found) < found.value


def test_the_error_of_the_distance_is_that_of_a_bootstrap() -> None:
    real, fake = skewed(1500, 3), skewed(1000, 4, 0.4)
    generator = torch.Generator().manual_seed(0)

    def again() -> float:
        rows = [torch.randint(len(each), (len(each),), generator=generator) for each in (real, fake)]
        return frechet_distance(real[rows[0]], fake[rows[1]]).value

    assert error(frechet_distance(real, fake)) == pytest.approx(np.std([again() for _ in range(200)]), rel=0.15)


def test_intervals_hold_what_is_true_as_often_as_they_say() -> None:
    """Over draws of 400 and 300 examples, against 40,000 of either."""
    true_fid = frechet_distance(skewed(40_000, 1), skewed(40_000, 2, 0.3)).value
    true_kid = kid(skewed(10_000, 1), skewed(10_000, 2, 0.3)).value
    draws = [(skewed(400, 2 * n + 10), skewed(300, 2 * n + 11, 0.3)) for n in range(100)]
    distances = [frechet_distance(*pair) for pair in draws]
    limits, kernels = [frechet_infinity(*pair) for pair in draws], [kid(*pair) for pair in draws]
    for found in (distances, limits, kernels):
        spread = np.std([each.value for each in found])
        assert np.mean([error(each) for each in found]) == pytest.approx(spread, rel=0.25)
    assert np.mean([each.value for each in distances]) > true_fid + 0.1
    assert np.mean([each.value for each in limits]) == pytest.approx(true_fid, abs=0.1)
    for found, true in ((limits, true_fid), (kernels, true_kid)):
        assert np.mean([each.low <= true <= each.high for each in found]) >= 0.88


def test_the_error_of_kid_holds_under_one_law_too() -> None:
    found = [kid(normal(200, 6, 2 * n), normal(150, 6, 2 * n + 1)) for n in range(200)]
    spread = np.std([each.value for each in found])
    assert np.mean([error(each) for each in found]) == pytest.approx(spread, rel=0.2)
    assert abs(np.mean([each.value for each in found])) < 3 * spread / math.sqrt(200)


@pytest.mark.parametrize(("counts", "shift"), [((300, 300), 0.0), ((400, 250), 0.8), ((250, 300), 1.2)])
def test_the_intervals_of_neighbourhoods_take_both_samples_as_drawn(counts: tuple[int, int], shift: float) -> None:
    """In the range for which they are said to hold, where 300 draws leave 2% to chance."""
    draws = [neighbourhoods(skewed(counts[0], 2 * n, 0, 6), skewed(counts[1], 2 * n + 1, shift, 6)) for n in range(300)]
    for measure, least in {"precision": 0.87, "recall": 0.87, "density": 0.85, "coverage": 0.87}.items():
        found = [getattr(each, measure) for each in draws]
        expected, spread = np.mean([each.value for each in found]), np.std([each.value for each in found])
        assert 0.8 < np.mean([error(each) for each in found]) / spread < 1.5, measure
        assert np.mean([each.low <= expected <= each.high for each in found]) >= least, measure


def test_float32_is_enough_for_kernels_and_neighbours() -> None:
    real, fake = skewed(1200, 5, 3.0), skewed(900, 6, 3.1)
    exact = mmd(real.double(), fake.double(), cubic)
    assert kid(real, fake).value == pytest.approx(exact.value, rel=1e-3)
    within = torch.cdist(real.double(), real.double()).topk(6, largest=False).values[:, -1:]
    across = torch.cdist(real.double(), fake.double())
    found = neighbourhoods(real, fake)
    assert found.precision.value == pytest.approx(float((across <= within).any(0).double().mean()), abs=1e-3)
    assert found.density.value == pytest.approx(float((across <= within).double().sum(0).mean()) / 5, rel=1e-4)
    assert found.coverage.value == pytest.approx(float((across <= within).any(1).double().mean()), abs=1e-3)
    moved = neighbourhoods(real + 1000, fake + 1000)
    assert moved.precision.value == pytest.approx(found.precision.value, abs=0.005)


def test_examples_that_occur_often_hold_their_equals() -> None:
    few = skewed(5, 7)
    found = neighbourhoods(few.repeat(20, 1), few.repeat(9, 1))
    assert found.precision.value == found.recall.value == found.coverage.value == 1


def test_half_the_modes_are_half_the_recall_at_full_precision() -> None:
    modes = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    real = modes.repeat(100, 1) + normal(400, 2, 0)
    fake = modes[:2].repeat(100, 1) + normal(200, 2, 1)
    found = neighbourhoods(real, fake)
    assert found.precision.value > 0.9
    assert found.recall.value == pytest.approx(0.5, abs=0.05)
    assert found.coverage.value == pytest.approx(0.5, abs=0.05)


def test_entries_are_named_and_classes_measured_apart() -> None:
    real, fake = skewed(300, 0), skewed(300, 1, 0.2)
    labels = torch.arange(300) % 3
    overall, classes = fidelity(real, fake), fidelity_per_class(real, labels, fake, labels, 3)
    assert {"fid_edit", "fid_infinity_edit_low", "kid_edit", "coverage_edit_high"} <= overall.entries("edit").keys()
    assert len(classes) == 3
    assert classes[1] == fidelity(real[1::3], fake[1::3])
    few = fidelity(real[:20], fake[:20])
    assert few.fid_infinity is None
    assert "fid_infinity_edit" not in few.entries("edit")


def test_bad_features_are_refused() -> None:
    real, fake = skewed(60, 0), skewed(50, 1)
    labels = torch.arange(60) % 2
    with pytest.raises(UserError, match="fake: 16 examples for 16 feature dimensions; a covariance needs more"):
        fidelity(real, fake[:16])
    with pytest.raises(UserError, match="fake: 1 of 50 hold NaN or infinity"):
        frechet_distance(real, fake.index_fill(0, torch.tensor([3]), math.nan))
    with pytest.raises(UserError, match=r"fake: features of shape \(n, 16\) expected, \(50, 8\) given"):
        kid(real, fake[:, :8])
    with pytest.raises(
        UserError, match="real: 60 examples; the limit of a distance in 16 dimensions needs at least 64"
    ):
        frechet_infinity(real, fake)
    with pytest.raises(UserError, match=r"real: 5 examples; the nearest neighbour no\. 5 needs at least 6"):
        neighbourhoods(real[:5], fake)
    with pytest.raises(UserError, match="real: 1 examples; a mean over pairs needs at least 2"):
        kid(real[:1], fake)
    with pytest.raises(UserError, match="fake labels: no example of class 1"):
        fidelity_per_class(real, labels, fake, torch.zeros(50, dtype=torch.long), 2)
    with pytest.raises(UserError, match="class 1: real: 5 examples for 16 feature dimensions"):
        fidelity_per_class(real, (torch.arange(60) >= 55).long(), fake, torch.arange(50) % 2, 2)


@pytest.fixture(scope="module")
def digits(mnist_raw: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Real images, and others to degrade with their labels."""
    images, labels = idx.read_pair(mnist_raw, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    order = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))
    images, labels = images[order].float() / 255, labels[order]
    return images[:2000], images[2000:], labels[2000:]


@pytest.mark.parametrize("name", SERIES)
def test_every_degradation_is_seen_the_more_of_it_the_more(name: str, digits: tuple[Tensor, Tensor, Tensor]) -> None:
    """2,000 digits, in their 24 principal components."""
    real, images, labels = digits
    components = PCA(24, random_state=0).fit(real.flatten(1).numpy())

    def features(made: Tensor) -> Tensor:
        return torch.from_numpy(components.transform(made.flatten(1).numpy()))

    series = SERIES[name]
    held = features(real)
    found: list[Fidelity] = [
        fidelity(held, features(series.degrade(images, labels, degree, 2000, 0)), parts=3) for degree in series.degrees
    ]
    for measure in ("fid", "fid_infinity", "kid"):
        values = [getattr(each, measure).value for each in found]
        assert values == sorted(values), measure
        assert getattr(found[-1], measure).low > getattr(found[0], measure).high
    assert found[-1].coverage.high < found[0].coverage.low


def test_degradations_do_what_they_say() -> None:
    images = torch.rand(50, 2, 12, 10, generator=torch.Generator().manual_seed(0))
    assert float((noise(images * 0 + 0.5, 0.1, 0) - 0.5).std()) == pytest.approx(0.1, rel=0.05)
    covered = (occlusion(images, 0.5, 0) == 0).double().mean((1, 2, 3))
    assert covered.tolist() == pytest.approx([0.25] * 50)
    assert torch.equal(occlusion(images, 0, 0), images)
    labels = torch.arange(1000) % 4
    assert torch.bincount(labels[imbalance(labels, 0.5, 400, 0)]).tolist() == [150, 150, 50, 50]
    kept = dropping(labels, 1, 300, 0)
    assert torch.bincount(labels[kept]).tolist() == [0, 100, 100, 100]
    assert len(kept.unique()) == 300
    with pytest.raises(UserError, match="class 3: 300 examples are asked for, and there are 250"):
        dropping(labels, 3, 300, 0)
