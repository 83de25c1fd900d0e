"""Laws of the metrics of representations, other libraries' word for them, and what they refuse."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mutual_info_score

from pipeline.errors import UserError
from pipeline.metrics import representation
from tests.unit.metrics.known_representation import every, normal, two_classes

FACTORS = every(3, 4, times=30)
LABELS = torch.arange(12) % 3


def xor(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    corners = every(2, 2, times=200)
    return corners + 0.1 * normal(len(corners), 2, seed), corners[:, 0] ^ corners[:, 1]


def test_neighbours_read_what_no_linear_probe_does() -> None:
    assert representation.knn_accuracy(*xor(0), *xor(1), 2).value == 1
    assert representation.probe_accuracy(*xor(0), *xor(1), 2).value < 0.7


def test_the_scale_and_place_of_a_feature_say_nothing() -> None:
    (train, labels), (test, asked) = two_classes(400, 0), two_classes(400, 1)
    scale, shift = torch.tensor([1e-3, 1.0, 1e4]), torch.tensor([5.0, 0.0, -1e3])
    for accuracy in (representation.knn_accuracy, representation.probe_accuracy):
        plain = accuracy(train, labels, test, asked, 2)
        moved = accuracy(train.double() * scale + shift, labels, test.double() * scale + shift, asked, 2)
        assert plain == moved


def test_features_may_be_taken_as_they_are() -> None:
    (train, labels), (test, asked) = two_classes(400, 0), two_classes(400, 1)
    nearest = torch.cdist(1e3 * test, 1e3 * train).argmin(1)
    found = representation.knn_accuracy(1e3 * train, labels, 1e3 * test, asked, 2, standardise=False)
    assert found.value == pytest.approx(float((labels[nearest] == asked).double().mean()))
    swamped = (train * torch.tensor([1e-3, 1, 1]), labels, test * torch.tensor([1e-3, 1, 1]), asked, 2)
    assert representation.knn_accuracy(*swamped, standardise=False).high < found.low


def test_features_are_standardised_by_the_training_features_alone() -> None:
    (train, labels), (test, asked) = two_classes(400, 0), two_classes(400, 1)
    alone = representation.knn_accuracy(train, labels, test[:100], asked[:100], 2)
    far = torch.cat((test[:100], torch.full((300, 3), 1e6)))
    together = representation.knn_accuracy(train, labels, far, torch.cat((asked[:100], torch.zeros(300).long())), 2)
    hits = representation.knn_accuracy(train, labels, far[100:], torch.zeros(300).long(), 2)
    assert together.value * 400 == pytest.approx(alone.value * 100 + hits.value * 300)


def test_a_constant_feature_is_no_matter() -> None:
    (train, labels), (test, asked) = two_classes(400, 0), two_classes(400, 1)
    plain = representation.knn_accuracy(train, labels, test, asked, 2)
    wider = [torch.cat((features, torch.full((400, 1), 0.1)), 1) for features in (train, test)]
    assert representation.knn_accuracy(wider[0], labels, wider[1], asked, 2) == plain


def test_more_neighbours_read_overlapping_classes_better() -> None:
    sets = (*two_classes(2000, 0), *two_classes(2000, 1))
    one, many = (representation.knn_accuracy(*sets, 2, neighbours=k) for k in (1, 25))
    assert many.low > one.high


def test_monotonicity_is_the_mean_of_scipys_rank_correlations() -> None:
    readings = normal(20, 7, 0).round()
    expected = [float(stats.spearmanr(np.arange(7), row).statistic) for row in readings.numpy()]
    found = representation.traversal_monotonicity(readings)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.low < found.value < found.high


def test_a_fall_is_negative_a_constant_reading_0_and_the_unseen_rounded_off() -> None:
    rise = torch.linspace(0, 1, 6).expand(3, -1)
    assert representation.traversal_monotonicity(-rise).value == pytest.approx(-1)
    assert representation.traversal_monotonicity(0 * rise).value == 0
    assert representation.traversal_monotonicity(1e-6 * rise).value == pytest.approx(1)
    assert representation.traversal_monotonicity(1e-6 * rise, resolution=1e-3).value == 0


def test_information_is_that_of_sklearn() -> None:
    random = np.random.default_rng(0)
    codes, factors = (
        torch.from_numpy(random.integers(7, size=(50, 3))),
        torch.from_numpy(random.integers(4, size=(50, 2))),
    )
    codes[:, 0] = factors[:, 1]
    found = representation.mutual_information(codes, factors)
    for code, factor in np.ndindex(3, 2):
        assert float(found[code, factor]) == pytest.approx(mutual_info_score(codes[:, code], factors[:, factor]))


def test_codes_with_few_values_are_taken_as_they_are_and_others_in_equal_widths() -> None:
    codes = torch.stack((torch.tensor([5.0, -1.0, 5.0, 700.0] * 10), torch.arange(40.0)), 1)
    found = representation.binned(codes, bins=4)
    assert found[:4, 0].tolist() == [1, 0, 1, 2]
    assert found[:, 1].tolist() == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10


def test_gaps_fall_with_noise_and_do_not_ask_which_code_it_is() -> None:
    gaps = (representation.mutual_information_gap, representation.separated_attribute_predictability)
    for gap in gaps:
        scores = [gap(FACTORS + noise * normal(len(FACTORS), 2, 0), FACTORS).value for noise in (0.0, 0.5, 2.0)]
        assert scores[0] > scores[1] > scores[2]
        assert gap(FACTORS.flip(1).double(), FACTORS).value == pytest.approx(scores[0])


def test_a_rotation_lowers_every_measure_but_informativeness() -> None:
    factors = every(4, 4, times=30)
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]])
    straight, turned = (representation.dci(codes, factors) for codes in (factors * 1.0, factors.float() @ turn))
    assert straight.disentanglement > turned.disentanglement + 0.3
    assert straight.completeness > turned.completeness + 0.3
    assert turned.informativeness.value == 1
    assert representation.mutual_information_gap(factors.float() @ turn, factors).value < 0.7
    assert representation.separated_attribute_predictability(factors.float() @ turn, factors).value < 0.5


def test_a_copy_of_every_code_costs_completeness_alone() -> None:
    factors = every(4, 4, times=30)
    once, twice = (representation.dci(codes * 1.0, factors, trees=50) for codes in (factors, factors.repeat(1, 2)))
    assert once.completeness == twice.disentanglement == pytest.approx(1)
    assert twice.completeness == pytest.approx(0.5, abs=0.05)


def test_importance_without_any_weight_is_0() -> None:
    assert representation.disentanglement(torch.zeros(3, 2)) == 0
    assert representation.completeness(torch.tensor([[1.0, 0.0], [0.0, 0.0]])) == 0.5


def test_the_seed_alone_decides() -> None:
    codes = FACTORS + normal(len(FACTORS), 2, 0)
    for gap in (representation.mutual_information_gap, representation.separated_attribute_predictability):
        assert gap(codes, FACTORS, seed=3) == gap(codes, FACTORS, seed=3)
    assert torch.equal(representation.dci(codes, FACTORS).importance, representation.dci(codes, FACTORS).importance)


def gap(codes: torch.Tensor, factors: torch.Tensor) -> Callable[[], object]:
    return lambda: representation.mutual_information_gap(codes, factors)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (gap(torch.zeros(12, 1), LABELS[:, None]), "codes: two dimensions or more expected"),
        (gap(torch.zeros(12, 2), LABELS[:11, None]), r"factors: \(12, k\) integers expected"),
        (gap(torch.zeros(12, 2), LABELS[:, None] * 1.0), r"factors: \(12, k\) integers expected, torch.float32"),
        (gap(torch.zeros(12, 2), LABELS[:, None] - 1), "factors: integers from 0 up expected, -1 given"),
        (gap(torch.zeros(12, 2), 0 * LABELS[:, None]), "factors: 0 has one value only; leave it out"),
        (gap(torch.full((12, 2), torch.inf), LABELS[:, None]), "codes: 12 of 12 hold NaN or infinity"),
        (lambda: representation.dci(torch.zeros(12, 2), LABELS[:, None]), "factors: two or more expected"),
        (lambda: representation.binned(torch.zeros(12, 2), 1), "bins: 2 or more expected"),
        (lambda: representation.dci(torch.zeros(12, 2), FACTORS[:12], held_out=1.0), "held_out: a share between"),
        (lambda: representation.disentanglement(-torch.ones(2, 2)), "importance: two codes and two factors"),
        (lambda: representation.traversal_monotonicity(torch.zeros(5, 2)), "readings: .traversals, 3 steps or more"),
        (lambda: representation.traversal_monotonicity(torch.zeros(0, 5)), "readings: none given"),
        (
            lambda: representation.knn_accuracy(torch.zeros(12, 2), LABELS, torch.zeros(3, 2), LABELS[:3], 4),
            "train labels: no example of class 3",
        ),
        (
            lambda: representation.knn_accuracy(torch.zeros(12, 2), LABELS, torch.zeros(3, 3), LABELS[:3], 3),
            r"test: features of shape \(n, 2\) expected",
        ),
        (
            lambda: representation.knn_accuracy(torch.zeros(12, 2), LABELS, torch.zeros(3, 2), LABELS[:3], 3, 13),
            "neighbours: 1..12 expected, 13 given",
        ),
        (
            lambda: representation.probe_accuracy(*two_classes(100, 0), *two_classes(9, 1), 2, 1e-9, 1),
            "linear probe: not converged after 1 iterations",
        ),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()
