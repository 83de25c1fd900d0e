"""Features of an ImageNet CNN: the published ones, for images of any size, and they tell more from less damage."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from pipeline.data import idx, mnist
from pipeline.data.imagenet_cnn import WEIGHTS
from pipeline.errors import UserError
from pipeline.metrics import extractors
from pipeline.metrics.extractors import Features, imagenet_features
from pipeline.metrics.fidelity import frechet_distance

Damage = Callable[[Tensor, int], Tensor]


@pytest.fixture(scope="module")
def features(imagenet_cnn: Path) -> Features:
    return imagenet_features(imagenet_cnn)


def noise(count: int, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed))


def two_images() -> Tensor:
    """Waves and a disc, without a random number: the same wherever they are made."""
    places = torch.arange(32.0)
    rows, columns = places.view(1, 32, 1), places.view(1, 1, 32)
    waves = 0.5 + 0.5 * torch.sin(torch.tensor([0.2, 0.5, 0.9]).view(3, 1, 1) * rows + 0.3 * columns)
    disc = ((rows - 16).square() + (columns - 12).square() < 64) * torch.tensor([0.9, 0.4, 0.1]).view(3, 1, 1)
    return torch.stack((waves, disc))


MIDDLE = [
    [0.90082, -0.59556, -5.70468, -6.51914, 0.63146],
    [-3.87119, -5.47547, 0.98414, -3.82092, 4.14212],
]
MEANS = {"middle": [0.86414, -0.17547], "last": [0.28875, 0.23068]}


def test_the_features_of_two_images_are_those_of_the_published_net(imagenet_cnn: Path, features: Features) -> None:
    """Recorded where the net agreed to the last bit with the package that published the weights."""
    torch.testing.assert_close(features(two_images())[:, :5], torch.tensor(MIDDLE), rtol=0, atol=1e-3)
    for layer, width in (("middle", 192), ("last", 1280)):
        found = imagenet_features(imagenet_cnn, layer)(two_images())
        assert found.shape == (2, width)
        assert found.mean(1).tolist() == pytest.approx(MEANS[layer], abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (3, 32, 48), (3, 200, 300)])
def test_any_size_and_grey_or_colour_will_do(features: Features, shape: tuple[int, int, int]) -> None:
    found = features(noise(3, *shape))
    assert found.shape == (3, 192)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert not found.requires_grad


def test_grey_is_equal_amounts_of_each_colour(features: Features) -> None:
    grey = noise(2, 1)
    assert torch.equal(features(grey), features(grey.expand(-1, 3, -1, -1)))


def test_images_are_sized_without_a_shift() -> None:
    image = noise(1)
    torch.testing.assert_close(extractors.prepared(image.flip(3)), extractors.prepared(image).flip(3))


def test_equal_images_have_equal_features_again_and_whatever_they_come_with(features: Features) -> None:
    images = noise(2 * extractors.BATCH + 1)
    found = features(images)
    assert torch.equal(features(images), found)
    torch.testing.assert_close(features(images[-3:]), found[-3:], rtol=0, atol=1e-3)
    torch.testing.assert_close(features(images[:2].double()), found[:2], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (noise(2, 4), "images: 1 or 3 channels expected, 4 given"),
        (noise(2)[0], "images: images of shape"),
        (noise(2) * 255, "images: pixels in 0..1 expected"),
        ((noise(2) * 255).byte(), "images: floats in 0..1 expected"),
        (noise(2).masked_fill(noise(2) > 0.99, float("nan")), "images: 2 of 2 hold NaN or infinity"),
        (noise(0), "images: none given"),
    ],
)
def test_what_is_no_image_is_refused(features: Features, images: Tensor, said: str) -> None:
    with pytest.raises(UserError, match=said):
        features(images)


def test_missing_or_damaged_weights_are_named(tmp_path: Path, imagenet_cnn: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path / WEIGHTS}: no such file; `dvc repro extractor` fetches it"):
        imagenet_features(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((imagenet_cnn / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(UserError, match=f"{tmp_path / WEIGHTS}: damaged, or of another net"):
        imagenet_features(tmp_path)
    weights = load_file(imagenet_cnn / WEIGHTS)
    del weights["_conv_head.weight"]
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=f"{tmp_path / WEIGHTS}: damaged, or of another net"):
        imagenet_features(tmp_path)


def test_an_unknown_layer_is_refused(imagenet_cnn: Path) -> None:
    with pytest.raises(UserError, match="unknown layer `first`: expected one of middle, last"):
        imagenet_features(imagenet_cnn, "first")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_features_are_made_where_the_images_are(features: Features) -> None:
    images = noise(4)
    found = features(images.cuda())
    assert found.device.type == "cuda"
    torch.testing.assert_close(found.cpu(), features(images), rtol=1e-2, atol=1e-2)


@pytest.mark.slow
def test_the_nearest_of_a_thousand_digits_is_mostly_the_same_digit(features: Features, mnist_raw: Path) -> None:
    images, labels = idx.read_pair(mnist_raw, *mnist.TEST)
    found = features(images[:2000].float() / 255)
    nearest = torch.cdist(found[1000:], found[:1000]).argmin(1)
    assert float((labels[:1000][nearest] == labels[1000:2000]).float().mean()) > 0.85


def discs(count: int, seed: int) -> Tensor:
    """Images (count, 3, 32, 32) of one disc each: place, size, colour and the ground's colour are random."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(count, 2, 1, 1, generator=generator) * 20 + 6
    size = torch.rand(count, 1, 1, generator=generator) * 6 + 3
    colour, ground = torch.rand(2, count, 3, 1, 1, generator=generator)
    rows, columns = torch.arange(32.0).view(1, 32, 1), torch.arange(32.0).view(1, 1, 32)
    distance = ((rows - place[:, 0]).square() + (columns - place[:, 1]).square()).sqrt()
    inside = (size - distance + 0.5).clamp(0, 1).unsqueeze(1)
    return inside * colour + (1 - inside) * ground


def blurred(images: Tensor, degree: int) -> Tensor:
    weights = torch.exp(-torch.arange(-6, 7.0).square() / (2 * (0.4, 0.7, 1.0, 1.5, 2.0)[degree] ** 2))
    kernel = (weights.outer(weights) / weights.sum() ** 2).expand(3, 1, 13, 13)
    return F.conv2d(F.pad(images, (6, 6, 6, 6), mode="replicate"), kernel, groups=3)


def noisy(images: Tensor, degree: int) -> Tensor:
    normal = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    return (images + (0.02, 0.05, 0.1, 0.2, 0.3)[degree] * normal).clamp(0, 1)


def occluded(images: Tensor, degree: int) -> Tensor:
    side = (4, 8, 12, 16, 20)[degree]
    spoiled = images.clone()
    corners = torch.randint(0, 33 - side, (len(images), 2), generator=torch.Generator().manual_seed(2))
    for image, (top, left) in zip(spoiled, corners.tolist(), strict=True):
        image[:, top : top + side, left : left + side] = 0.5
    return spoiled


@pytest.fixture(scope="module")
def reference(features: Features) -> Tensor:
    return features(discs(250, 0))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [blurred, noisy, occluded])
def test_more_damage_is_further_from_the_data(features: Features, reference: Tensor, damage: Damage) -> None:
    images = discs(250, 1)
    made = (images, *(damage(images, degree) for degree in range(5)))
    found = [frechet_distance(reference, features(spoiled)).value for spoiled in made]
    assert found == sorted(found)
    assert found[-1] > 3 * found[0]
