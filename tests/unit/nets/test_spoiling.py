"""What is done to images: where they move, and in which ways they are spoiled."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from pipeline.nets.spoiling import (
    blurred,
    degraded,
    distance_to_a_line,
    faded,
    grainy,
    overlaid,
    shifted,
    spoiled,
    without_a_part,
)

WAYS = {"overlaid": -1.0, "faded": 0.13, "cut": 0.7, "without a part": 1.5}  # of standard normal chance


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def chance(count: int, way: float, seed: int = 0) -> torch.Tensor:
    numbers = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    numbers[:, 0] = way
    return numbers


def test_a_shift_by_whole_pixels_moves_every_pixel_and_what_leaves_is_gone() -> None:
    one = images(1)
    moved = shifted(one, torch.tensor([[2.0, -1.0]]), pixels=1.0)
    expected = torch.zeros_like(one)
    expected[:, :, 1:, :26] = one[:, :, :27, 2:]
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_spoiled_images_are_images_and_each_is_spoiled_for_itself(way: float, seed: int) -> None:
    one, two, numbers = images(4, seed), images(4, seed + 1), chance(4, way, seed)
    found = spoiled(one, two, numbers)
    assert found.shape == one.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert (found != one).flatten(1).any(1).all()
    torch.testing.assert_close(found[2:3], spoiled(one[2:3], two[2:3], numbers[2:3]))


def test_each_way_is_taken_with_its_probability_and_does_what_it_says() -> None:
    one, two = images(1), images(1, 1)
    for name, way in WAYS.items():
        numbers = chance(1, way, 5)
        strength, edge = torch.special.ndtr(numbers[:, 1]).view(-1, 1, 1, 1), distance_to_a_line(one, numbers[:, 2:])
        expected = {
            "overlaid": overlaid(one, two, numbers[:, 2:], strength),
            "faded": faded(one, strength),
            "cut": torch.where(edge > 0, one, two),
            "without a part": without_a_part(one, edge, strength),
        }
        torch.testing.assert_close(spoiled(one, two, numbers), expected[name])
    numbers = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    tiny = torch.ones(20_000, 1, 2, 2)
    darker = (spoiled(tiny, tiny, numbers) < 1).flatten(1).any(1)
    # Of all-white images only fading and erasing can be seen; erasing may miss all four pixels.
    assert 0.2 < float(darker.double().mean()) < 0.36


def test_the_line_is_at_distance_0_and_one_half_width_away_at_the_border() -> None:
    across = distance_to_a_line(torch.zeros(1, 1, 3, 5), torch.zeros(1, 2))[0, 0]
    torch.testing.assert_close(across, torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]).expand(3, 5))


def test_what_is_erased_is_black_and_the_rest_as_it_was() -> None:
    one = images(2) + 0.1
    edge = distance_to_a_line(one, torch.tensor([[0.0, 0.0], [0.0, 0.0]]))
    found = without_a_part(one, edge, torch.tensor([0.2, 0.9]).view(2, 1, 1, 1))
    side, band = found == 0
    assert torch.equal(side[0], edge[0, 0] <= 0)
    assert torch.equal(band[0], edge[1, 0].abs() <= 0.1 + 0.2 * 0.9)
    kept = found != 0
    torch.testing.assert_close(found[kept], one[kept])


DEGRADED = {"faded": -1.0, "blurred": 0.13, "noisy": 1.5}


def degraded_by(way: float, strength: float, image: torch.Tensor, grey: float = -9.0) -> torch.Tensor:
    chance = torch.tensor([[way, strength, grey]]).expand(len(image), 3)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    return degraded(image, noise, chance)


@pytest.mark.parametrize("way", DEGRADED.values(), ids=DEGRADED)
@pytest.mark.parametrize("strength", [-9.0, 0.0, 9.0])
def test_degraded_images_are_images_of_the_same_size(way: float, strength: float) -> None:
    found = degraded_by(way, strength, images(3))
    assert found.shape == (3, 1, 28, 28)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert (found != images(3)).flatten(1).any(1).all()


def test_a_faded_image_keeps_at_most_half_of_its_contrast_about_its_grey() -> None:
    torch.testing.assert_close(degraded_by(-1.0, 0.0, images(2)), images(2) / 4)
    paler = degraded_by(-1.0, 9.0, images(2), grey=0.0)
    torch.testing.assert_close(paler, 0.5 + (images(2) - 0.5) / 2)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (41, 30)])
def test_a_blurred_point_has_the_standard_deviations_that_were_asked_for(height: int, width: int) -> None:
    point = torch.zeros(3, 2, height, width)
    point[..., height // 2, width // 2] = 1
    asked = torch.tensor([0.0, 1.5, 3.0])
    spread = blurred(point, asked.view(-1, 1, 1, 1)).double()
    torch.testing.assert_close(spread.sum((2, 3)), torch.ones(3, 2).double(), rtol=0, atol=0.003)
    for axis, size in ((2, height), (3, width)):
        across = (torch.arange(size) - size // 2).view(-1, 1) if axis == 2 else torch.arange(size) - size // 2
        found = (spread * across**2).sum((2, 3)).sqrt()
        torch.testing.assert_close(found[:, 0].float(), asked, rtol=0.01, atol=1e-6)


def test_a_blur_leaves_an_even_image_and_one_of_no_width_any_image() -> None:
    torch.testing.assert_close(blurred(torch.full((1, 3, 32, 32), 0.7), 4.0), torch.full((1, 3, 32, 32), 0.7))
    assert torch.equal(blurred(images(2), 0.0), images(2))


def test_a_blur_is_that_of_scipy_away_from_the_edge() -> None:
    expected = gaussian_filter(images(1)[0, 0].double().numpy(), 1.3, truncate=8)
    found = blurred(images(1).double(), 1.3)[0, 0].numpy()
    np.testing.assert_allclose(found[10:-10, 10:-10], expected[10:-10, 10:-10], atol=1e-6)


def test_grain_is_within_its_bounds_and_of_every_strength_up_to_the_most() -> None:
    grey, noise = torch.full((2000, 1, 10, 10), 0.5), torch.randn(2000, 1, 10, 10)
    deviations = (grainy(grey, noise, torch.randn(2000), most=0.1) - 0.5).flatten(1).std(1)
    assert float(deviations.quantile(0.5)) == pytest.approx(0.05, abs=0.005)
    assert float(deviations.min()) < 0.002
    assert float(deviations.max()) == pytest.approx(0.1, abs=0.03)
    white = grainy(torch.ones(1, 1, 10, 10), noise[:1], torch.tensor([9.0]), most=0.1)
    assert float(white.max()) == 1.0


@pytest.mark.parametrize("beyond", ["zeros", "border"])
def test_what_comes_in_from_outside_is_what_was_asked_for(beyond: str) -> None:
    bright = torch.full((1, 1, 8, 8), 0.5)
    moved = shifted(bright, torch.tensor([[2.0, 0.0]]), 1.0, beyond)
    edge = 0.0 if beyond == "zeros" else 0.5
    torch.testing.assert_close(moved[..., -1], torch.full((1, 1, 8), edge))
    torch.testing.assert_close(moved[..., :6], bright[..., :6])
