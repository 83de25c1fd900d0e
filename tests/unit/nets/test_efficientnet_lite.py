"""The net is the published one: it fits the weights, and with them it knows what is in a photograph."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pipeline.metrics.extractors import load
from pipeline.nets.efficientnet_lite import EfficientNetLite0, InvertedBottleneck, SameConv2d, normalised

PHOTOGRAPHS = {
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": ("military uniform", 652),
    "sklearn/datasets/images/china.jpg": ("palace", 698),
    "sklearn/datasets/images/flower.jpg": ("daisy", 985),
}


def photograph(file: str) -> Tensor:
    """The middle of a photograph that an installed package brings, in the size that the net was trained on."""
    image = pytest.importorskip("PIL.Image")
    numpy = pytest.importorskip("numpy")
    package = pytest.importorskip(file.split("/")[0])
    path = Path(package.__file__).parent.parent / file
    pixels = torch.from_numpy(numpy.array(image.open(path).convert("RGB"))).permute(2, 0, 1)[None] / 255
    height, width = pixels.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = pixels[:, :, top : top + side, left : left + side]
    return F.interpolate(middle, (224, 224), mode="bilinear", antialias=True)


@pytest.fixture(scope="module")
def net(imagenet_cnn: Path) -> EfficientNetLite0:
    return load(imagenet_cnn)


@pytest.mark.parametrize(("file", "expected"), PHOTOGRAPHS.items(), ids=lambda value: str(value).split("/")[-1])
def test_a_photograph_is_named_as_what_it_shows(net: EfficientNetLite0, file: str, expected: tuple[str, int]) -> None:
    assert int(net(normalised(photograph(file))).argmax()) == expected[1], expected[0]


def test_pixels_are_scaled_as_they_were_in_training(net: EfficientNetLite0) -> None:
    """Batch normalisation remembers the variances of the first maps in training; those of photographs are near them.

    ImageNet's mean and deviation in place of 127 and 128 would make them five times as large.
    """
    pixels = normalised(torch.cat([photograph(file) for file in PHOTOGRAPHS]))
    seen, found = net._bn0.running_var, net._conv_stem(pixels).var((0, 2, 3))
    alive = seen > 1e-3
    assert 2 / 3 < float((found / seen)[alive].log().mean().exp()) < 3 / 2


def test_a_padded_convolution_reaches_beyond_the_image_below_and_to_the_right_first() -> None:
    convolution = SameConv2d(1, 1, 3, stride=2)
    convolution.weight.data.fill_(1.0)
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    # Windows start at rows and columns 0 and 2, and only the later ones run over the edge.
    expected = torch.tensor([[[[45.0, 39.0], [66.0, 50.0]]]])
    assert torch.equal(convolution(image), expected)


@settings(deadline=None)
@given(
    sides=st.tuples(st.integers(1, 40), st.integers(1, 40)), kernel=st.sampled_from((1, 3, 5)), stride=st.integers(1, 3)
)
def test_a_padded_convolution_has_a_pixel_for_each_stride_begun(
    sides: tuple[int, int], kernel: int, stride: int
) -> None:
    found = SameConv2d(1, 2, kernel, stride)(torch.zeros(1, 1, *sides))
    assert tuple(found.shape) == (1, 2, *(math.ceil(side / stride) for side in sides))


@pytest.mark.parametrize(("outputs", "stride", "adds"), [(8, 1, True), (8, 2, False), (12, 1, False)])
def test_a_block_adds_its_input_where_the_shapes_agree(outputs: int, stride: int, adds: bool) -> None:
    block = InvertedBottleneck(8, outputs, 3, stride, 6).eval()
    block._project_conv.weight.data.zero_()
    images = torch.rand(2, 8, 6, 6)
    assert torch.equal(block(images), images) if adds else not block(images).any()


@pytest.mark.parametrize("side", [17, 64])
@torch.no_grad()
def test_shapes_and_ranges(side: int) -> None:
    net = EfficientNetLite0().eval()
    images = normalised(torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)))
    assert net(images).shape == (2, 1000)
    assert net.middle_features(images).shape == (2, 192)
    features = net.features(images)
    assert features.shape == (2, 1280)
    assert 0 <= float(features.min()) <= float(features.max()) <= 6
    torch.testing.assert_close(net(images), net._fc(features))


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in EfficientNetLite0().parameters()) == 4_652_008


def test_it_can_be_trained() -> None:
    net = EfficientNetLite0()
    net(normalised(torch.rand(4, 3, 32, 32))).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


def test_black_and_white_lie_on_both_sides_of_zero() -> None:
    assert normalised(torch.tensor([0.0, 127 / 255, 1.0])).tolist() == pytest.approx([-127 / 128, 0.0, 1.0])
