"""Bad input is refused by name, with what to do."""

import pytest
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics import inputs

GREY = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (GREY[0], "edits: images of shape \\(n, channels, height, width\\) expected, \\(1, 4, 4\\) given"),
        (GREY * 255, "edits: pixels in 0..1 expected"),
        ((GREY * 255).byte(), "edits: floats in 0..1 expected, torch.uint8 given; divide bytes by 255"),
        (GREY.masked_fill(GREY > 0.9, float("nan")), "edits: [1-3] of 3 hold NaN or infinity"),
        (GREY[:0], "edits: none given"),
    ],
)
def test_images_that_are_none_are_refused(images: Tensor, said: str) -> None:
    with pytest.raises(UserError, match=said):
        inputs.check_images("edits", images)


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(UserError, match="edits: images of shape \\(n, 3, 4, 4\\) expected, \\(3, 1, 4, 4\\) given"):
        inputs.check_images("edits", GREY, (3, 4, 4))


def test_good_images_pass() -> None:
    inputs.check_images("edits", GREY, (1, 4, 4))
    inputs.check_images("edits", GREY.clamp(0, 1) + 1e-4)


def test_fewer_examples_than_feature_dimensions_are_refused() -> None:
    features = torch.randn(10, 10)
    inputs.check_features("real", features, 10)
    with pytest.raises(UserError, match="real: 10 examples for 10 feature dimensions; a covariance needs more"):
        inputs.check_features("real", features, more_than_width=True)
    with pytest.raises(UserError, match="real: features of shape \\(n, 11\\) expected, \\(10, 10\\) given"):
        inputs.check_features("real", features, 11)


def test_too_few_examples_are_refused() -> None:
    inputs.check_enough("real", torch.zeros(5), 5, "a mean")
    with pytest.raises(UserError, match="real: 5 examples; a mean needs at least 6"):
        inputs.check_enough("real", torch.zeros(5), 6, "a mean")


def test_wrong_labels_and_empty_classes_are_refused() -> None:
    inputs.check_labels("labels", torch.tensor([0, 2]), 2, 3)
    with pytest.raises(UserError, match="labels: no example of class 1; give some of every class"):
        inputs.check_labels("labels", torch.tensor([0, 2]), 2, 3, every=True)
    with pytest.raises(UserError, match=r"labels: labels in 0\.\.1 expected, 0\.\.2 given"):
        inputs.check_labels("labels", torch.tensor([0, 2]), 2, 2)
    with pytest.raises(UserError, match="labels: 3 integer labels expected"):
        inputs.check_labels("labels", torch.tensor([0, 2]), 3, 3)
