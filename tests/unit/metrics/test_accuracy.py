"""Reading, calibration and attacks: laws that hold whatever the classifier."""

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from pipeline.errors import UserError
from pipeline.language import ProjectedGradient
from pipeline.metrics.accuracy import (
    NONE,
    attacked,
    calibration_error,
    confusion,
    correct,
    label_nll,
    random_point,
    readings,
    sure,
)

GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = torch.randn(16, 3, generator=GENERATOR)
IMAGES = torch.rand(200, 16, generator=GENERATOR)
LABELS = (IMAGES @ WEIGHTS).argmax(1)
L2, LINF = ProjectedGradient(0.2, 8), ProjectedGradient(0.05, 8, norm="Linf")


def classify(points: Tensor) -> Tensor:
    return (points @ WEIGHTS).softmax(1)


def masked(points: Tensor) -> Tensor:
    """The same decisions, behind probabilities so sharp that their gradient vanishes."""
    return (points @ WEIGHTS * 1e4).softmax(1)


def accuracy(images: Tensor, read: object = classify) -> float:
    return float(correct(read(images), LABELS).double().mean())


@pytest.mark.parametrize("norm", ["L2", "Linf"])
def test_accuracy_under_attack_is_never_above_clean_and_falls_with_the_radius(norm: str) -> None:
    found = [accuracy(IMAGES)]
    for radius in (0.02, 0.08, 0.3):
        attack = ProjectedGradient(radius, 8, norm=norm)
        worst = attacked(classify, IMAGES, LABELS, attack)
        moved = (worst - IMAGES).norm(dim=1, p=torch.inf if norm == "Linf" else 2)
        assert float(moved.max()) <= radius + 1e-5
        assert 0 <= float(worst.min()) <= float(worst.max()) <= 1
        found.append(accuracy(worst))
    assert found == sorted(found, reverse=True)
    assert found[0] == 1 > found[1] > found[3]


def test_an_attack_without_bounds_leaves_nothing() -> None:
    assert accuracy(attacked(classify, IMAGES, LABELS, ProjectedGradient(50.0, 40))) == 0


def test_restarts_never_help_the_classifier_and_stay_in_the_ball() -> None:
    found = []
    for restarts in (0, 1, 4):
        worst = attacked(masked, IMAGES, LABELS, L2, restarts, seed=3)
        assert float((worst - IMAGES).norm(dim=1).max()) <= L2.radius + 1e-5
        found.append(accuracy(worst, masked))
    assert found == sorted(found, reverse=True)


def test_masked_gradients_show_as_a_transferred_attack_that_is_stronger() -> None:
    own = accuracy(attacked(masked, IMAGES, LABELS, L2), masked)
    transferred = accuracy(attacked(classify, IMAGES, LABELS, L2), masked)
    assert transferred < own


@pytest.mark.parametrize("attack", [L2, LINF], ids=lambda attack: attack.norm)
def test_random_points_lie_in_the_ball_and_differ(attack: ProjectedGradient) -> None:
    points = random_point(IMAGES, attack, torch.Generator().manual_seed(1))
    moved = (points - IMAGES).norm(dim=1, p=torch.inf if attack.norm == "Linf" else 2)
    assert 0 < float(moved.min()) < float(moved.max()) <= attack.radius + 1e-6


def test_calibration_error_equals_that_of_torchmetrics() -> None:
    logits = torch.randn(3000, 5, generator=torch.Generator().manual_seed(2))
    labels = torch.distributions.Categorical(logits=logits * 0.3).sample()
    found = calibration_error(logits.softmax(1), labels)
    other = multiclass_calibration_error(logits.softmax(1), labels, 5, n_bins=15)
    assert found.value == pytest.approx(float(other), abs=1e-6)
    assert found.low < found.value < found.high


def test_of_two_values_one_always_has_half_and_none_may_be_read() -> None:
    probabilities = torch.tensor([[0.51, 0.49], [0.74, 0.26], [0.76, 0.24]])
    assert readings(probabilities).tolist() == [NONE, NONE, 0]


def test_readings_are_over_half_way_from_chance_to_certainty() -> None:
    probabilities = torch.tensor([[0.67, 0.33, 0.0], [0.4, 0.35, 0.25], [0.66, 0.34, 0.0]])
    assert readings(probabilities).tolist() == [0, NONE, NONE]
    assert sure(probabilities, torch.tensor([0, 0, 1])).tolist() == [True, False, False]
    table = confusion(readings(probabilities), torch.tensor([0, 0, 2]), 3)
    assert table.tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(UserError, match="take a softmax first"):
        label_nll(IMAGES[:, :3] * 5, LABELS)
    with pytest.raises(UserError, match="hold NaN"):
        label_nll(torch.full((2, 3), torch.nan), LABELS[:2])
