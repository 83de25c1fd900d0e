"""Laws of the metrics of compression, and what they refuse."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from pipeline.errors import UserError
from pipeline.metrics import compression
from tests.unit.metrics.known_compression import PSNRS, RATES, eighths, noise

CODES = torch.randint(4, (300, 5), generator=torch.Generator().manual_seed(0))


def test_a_point_has_intervals_that_turn_round_with_the_psnr() -> None:
    images = noise((50, 3, 4, 4))
    found = compression.point(images, images.flip(0), torch.arange(50.0), fid=3.5)
    assert found.mse.value == pytest.approx(float((images - images.flip(0)).square().mean()))
    assert found.psnr.low < found.psnr.value < found.psnr.high
    assert found.psnr.low == pytest.approx(-10 * math.log10(found.mse.high))
    assert found.bits_per_pixel.value == pytest.approx(24.5 / 16)
    assert found.fid == 3.5


def test_the_front_is_that_of_brute_force_and_ordered_by_the_first_cost() -> None:
    costs = torch.randint(6, (40, 3), generator=torch.Generator().manual_seed(0)).double()
    rows = costs.tolist()

    def beaten(one: list[float]) -> bool:
        return any(all(a <= b for a, b in zip(other, one, strict=True)) and other != one for other in rows)

    found = compression.pareto_front(costs).tolist()
    assert sorted(found) == [index for index, row in enumerate(rows) if not beaten(row)]
    assert [rows[index] for index in found] == sorted(rows[index] for index in found)


def test_a_front_in_two_costs_is_a_falling_curve() -> None:
    costs = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    front = costs[compression.pareto_front(costs)]
    assert (front.diff(dim=0)[:, 0] > 0).all()
    assert (front.diff(dim=0)[:, 1] < 0).all()


def test_areas_are_those_of_quadrature_and_change_sign_with_the_order() -> None:
    one = (torch.tensor([3.0, 0.5, 1.0]), torch.tensor([0.1, 0.9, 0.3]))
    other = (torch.tensor([0.0, 0.7, 2.0]), torch.tensor([1.0, 0.8, 0.05]))

    def height(curve: tuple[torch.Tensor, torch.Tensor], rate: float) -> float:
        order = curve[0].argsort()
        return float(np.interp(rate, curve[0][order].numpy(), curve[1][order].numpy()))

    expected, _ = quad(lambda rate: height(other, rate) - height(one, rate), 0.5, 2.0, points=[0.7, 1.0])
    assert compression.area_between(*one, *other) == pytest.approx(expected, abs=1e-7)
    assert compression.area_between(*other, *one) == pytest.approx(-expected, abs=1e-7)


def test_saved_rate_is_negative_and_delta_rates_undo_each_other() -> None:
    assert compression.bd_rate(RATES, PSNRS, 0.8 * RATES, PSNRS) == pytest.approx(-20)
    other = RATES * torch.tensor([0.5, 0.7, 0.9, 1.1, 1.3])
    there = compression.bd_rate(RATES, PSNRS, other, PSNRS)
    back = compression.bd_rate(other, PSNRS, RATES, PSNRS)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)
    assert compression.bd_psnr(RATES, PSNRS, other, PSNRS) == pytest.approx(
        -compression.bd_psnr(other, PSNRS, RATES, PSNRS)
    )


def test_the_order_of_the_points_does_not_matter() -> None:
    mixed = torch.tensor([3, 0, 4, 1, 2])
    assert compression.bd_rate(RATES[mixed], PSNRS[mixed], 2 * RATES, PSNRS) == pytest.approx(100)


def test_entropy_is_the_mean_length_of_the_best_code_for_these_very_examples() -> None:
    lengths = torch.zeros(300, dtype=torch.float64)
    for column in CODES.T:
        lengths -= (torch.bincount(column)[column] / 300).double().log2()
    found = compression.empirical_entropy(CODES, 4)
    assert found.value == pytest.approx(float(lengths.mean()))
    assert found.low <= found.value <= found.high <= 10
    assert float(compression.coded_bits(CODES, CODES, 4).mean()) > found.value


def test_learnt_lengths_keep_krafts_equality_and_tend_to_the_entropy() -> None:
    every = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    lengths = compression.coded_bits(every, CODES[:, :2], 4)
    assert float((-lengths * math.log(2)).exp().sum()) == pytest.approx(1)
    learnt = compression.coded_bits(eighths(), eighths().repeat(2000, 1), 4)
    assert float(learnt.mean()) == pytest.approx(3.5, abs=1e-3)


def test_a_decoder_that_ignores_its_noise_has_no_variance() -> None:
    once = noise((1, 6, 1, 4, 4))
    still = compression.decoding_variance(once.expand(3, -1, -1, -1, -1))
    assert still.value == still.high == 0
    two = compression.decoding_variance(torch.stack((torch.zeros(6, 1, 4, 4), torch.full((6, 1, 4, 4), 0.2))))
    assert two.value == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: compression.psnr(0.0), "mse: a number above 0 expected for a PSNR, 0.0 given"),
        (lambda: compression.fixed_bits(3, 0), "positions from 0 and levels from 1 up expected, 3 and 0"),
        (lambda: compression.empirical_entropy(CODES, 3), r"codes: 0..2 expected, 0..3 given"),
        (lambda: compression.empirical_entropy(CODES * 1.0, 4), r"codes: \(n, positions\) integers expected"),
        (lambda: compression.coded_bits(CODES, CODES[:, :2], 4), "codes: 2 positions expected, 5 given"),
        (lambda: compression.decoding_variance(noise((1, 2, 1, 4, 4))), r"decodings: \(2 repeats or more"),
        (lambda: compression.decoding_variance(2 * noise((2, 2, 1, 4, 4))), r"decodings: pixels in 0..1 expected"),
        (lambda: compression.pareto_front(torch.zeros(0, 2)), "costs: none given"),
        (
            lambda: compression.point(noise((3, 1, 4, 4)), noise((3, 1, 4, 4)), torch.tensor([1.0, 2.0])),
            "3 images: as many decodings and rates",
        ),
        (
            lambda: compression.point(noise((3, 1, 4, 4)), noise((3, 1, 5, 4)), torch.ones(3)),
            r"decodings: images of shape \(n, 1, 4, 4\) expected",
        ),
        (lambda: compression.bd_rate(RATES - 0.25, PSNRS, RATES, PSNRS), "curve: rates above 0 expected; leave the"),
        (lambda: compression.bd_rate(RATES, PSNRS, RATES, -PSNRS), "other curve: PSNR must grow with the rate"),
        (lambda: compression.bd_rate(RATES, PSNRS, RATES, PSNRS + 50), "curves: they share no interval of PSNR"),
        (lambda: compression.area_between(RATES, PSNRS, RATES + 9, PSNRS), "curves: they share no interval of rates"),
        (lambda: compression.area_between(RATES[:1], PSNRS[:1], RATES, PSNRS), "rates: two points or more"),
        (lambda: compression.area_between(RATES * 0, PSNRS, RATES, PSNRS), "rates: two points or more"),
        (lambda: compression.bd_psnr(RATES * math.nan, PSNRS, RATES, PSNRS), "curve: 5 of 5 hold NaN"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()
