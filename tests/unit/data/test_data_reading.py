from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pipeline.data.renderers import FACES, SPRITES, TURNED_SPRITES, Reader, Renderer
from pipeline.errors import UserError


@cache
def reader_of(renderer: Renderer) -> Reader:
    return Reader(renderer)


@pytest.fixture(params=[SPRITES, TURNED_SPRITES, FACES], ids=lambda each: each.name)
def reader(request: pytest.FixtureRequest) -> Reader:
    return reader_of(request.param)


def pictures(renderer: Renderer, count: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows, and their pictures in 0..1."""
    rows = renderer.sample(count, seed)
    return rows, renderer.render(rows, size).float() / 255


def noise(images: Tensor) -> Tensor:
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(1))


def right(reader: Reader, images: Tensor, rows: Tensor) -> Tensor:
    """Share of each factor read right, (k,)."""
    return (reader(images).rows == rows).double().mean(0)


@pytest.mark.parametrize("size", [32, 64])
def test_clean_pictures_are_read_without_a_mistake(reader: Reader, size: int) -> None:
    rows, images = pictures(reader.renderer, 200, size)
    reading = reader(images)
    assert torch.equal(reading.rows, rows)
    assert reading.distances.shape == (200,)
    assert reading.distances.max() < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64])
def test_all_pictures_that_there_are_are_read_without_a_mistake(reader: Reader, size: int) -> None:
    for rows in reader.renderer.rows(torch.arange(reader.renderer.count)).split(4000):
        assert torch.equal(reader(reader.renderer.render(rows, size).float() / 255).rows, rows)


def test_it_is_the_nearest_of_all_pictures(reader: Reader) -> None:
    _, images = pictures(reader.renderer, 10, 32)
    spoiled = torch.cat([images + 0.5 * noise(images), noise(images).abs().clamp(0, 1), images.flip(2) * 0.4 + 0.3])
    every = reader.renderer.rows(torch.arange(reader.renderer.count))
    order = reader.kinds.argsort(stable=True)
    distances = torch.cat(
        [
            torch.cdist(spoiled.flatten(1), reader.renderer.exact(part, 32).flatten(1)).square()
            for part in every[order].split(2000)
        ],
        1,
    )
    places = order.argsort()[reader.renderer.numbers(reader(spoiled).rows)]
    found = distances[torch.arange(len(spoiled)), places]
    assert found.numpy() == pytest.approx(distances.min(1).values.numpy(), rel=1e-5)


@pytest.mark.parametrize("size", [32, 64])
def test_noise_that_people_see_through_does_not_mislead_it(reader: Reader, size: int) -> None:
    rows, images = pictures(reader.renderer, 150, size)
    assert right(reader, images + 0.1 * noise(images), rows).min() > 0.97
    assert right(reader, images + 0.2 * noise(images), rows)[0] > 0.99


def test_pictures_faded_to_grey_are_not_read_as_if_nothing_were_wrong(reader: Reader) -> None:
    rows, images = pictures(reader.renderer, 150, 32)
    mean = images.mean((1, 2, 3), keepdim=True)
    faded = reader(mean + 0.2 * (images - mean))
    assert (faded.rows == rows).all(1).double().mean() < 0.05
    assert faded.distances.min() > 1e-3


def test_larger_images_are_read_at_32_pixels_and_compared_at_their_own_size() -> None:
    reader = reader_of(SPRITES)
    _, images = pictures(SPRITES, 50, 64)
    spoiled = (images + 0.3 * noise(images)).clamp(0, 1)
    reading = reader(spoiled)
    assert torch.equal(reading.rows, reader(avg_pool2d(spoiled, 2)).rows)
    clean = SPRITES.render(reading.rows, 64).double() / 255
    assert torch.allclose(reading.distances, (spoiled.double() - clean).square().mean((1, 2, 3)))


def test_what_is_no_such_image_is_refused() -> None:
    reader = reader_of(SPRITES)
    for images in (
        torch.zeros(2, 1, 32, 32),
        torch.zeros(2, 3, 28, 28),
        torch.zeros(3, 32, 32),
        torch.zeros(0, 3, 32, 32),
    ):
        with pytest.raises(UserError, match=r"sprites: images \(n, 3, 32, 32\) or \(n, 3, 64, 64\) expected"):
            reader(images)
    for images in (torch.full((1, 3, 32, 32), torch.nan), torch.zeros(1, 3, 32, 32, dtype=torch.uint8)):
        with pytest.raises(UserError, match=r"sprites: images of finite floats in 0\.\.1 expected"):
            reader(images)
