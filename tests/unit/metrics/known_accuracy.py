"""Known answers of `pipeline.metrics.accuracy`."""

import math

import torch
from torch import Tensor

from pipeline.language import ProjectedGradient
from pipeline.metrics import accuracy
from tests.unit.metrics.known import Known

CONFIDENCE = 0.8


def calibrated(share_right: float) -> float:
    """A classifier that always says 0.8, right in the given share of 20,000 cases."""
    probabilities = torch.tensor([CONFIDENCE, 1 - CONFIDENCE]).expand(20_000, 2)
    labels = (torch.arange(20_000) >= share_right * 20_000).long()
    return accuracy.calibration_error(probabilities, labels).value


def linear_margin(norm: str) -> float:
    """Accuracy of a linear classifier at radius 0.3."""
    weights = torch.tensor([3.0, -4.0])
    images = torch.stack((torch.linspace(-1, 1, 401), torch.zeros(401)), 1)
    labels = (images @ weights > 0).long()

    def classify(points: Tensor) -> Tensor:
        score = points @ weights
        return torch.stack((-score, score), 1).softmax(1)

    attack = ProjectedGradient(0.3, 20, bounds=(-9.0, 9.0), norm=norm)
    return float(
        accuracy.correct(classify(accuracy.attacked(classify, images, labels, attack)), labels).double().mean()
    )


CASES = [
    Known(
        "label_nll",
        "uniform over 10 values: log 10",
        math.log(10),
        lambda: float(accuracy.label_nll(torch.full((4, 10), 0.1), torch.arange(4)).mean()),
        1e-6,
    ),
    Known("calibration_error", "always 0.8 sure, right in 80%", 0.0, lambda: calibrated(0.8), 1e-6),
    Known("calibration_error", "always 0.8 sure, right in half", 0.3, lambda: calibrated(0.5), 1e-6),
    # An image at (x, 0) is |3 x| / 5 away from the boundary in L2, and |3 x| / 7 in Linf.
    Known(
        "accuracy_adversarial",
        "linear classifier: share of images with 3 abs(x) / 5 above 0.3 (L2)",
        0.5,
        lambda: linear_margin("L2"),
        0.01,
    ),
    Known(
        "accuracy_adversarial_linf",
        "the same with 3 abs(x) / 7 (Linf)",
        0.3,
        lambda: linear_margin("Linf"),
        0.01,
    ),
]
