"""Known answers of `pipeline.metrics.compression`."""

import math

import torch
from torch import Tensor

from pipeline.metrics import compression
from tests.unit.metrics.known import Known

RATES = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
PSNRS = torch.tensor([22.0, 25.5, 30.0, 33.0, 39.0], dtype=torch.float64)


def quantised(step: float) -> tuple[float, float]:
    """Bits (entropy of the indices) and MSE of the standard normal law rounded to multiples of step."""
    numbers = torch.special.ndtri((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000)
    index = (numbers / step).round().long()
    shifted = (index - index.min()).unsqueeze(1)
    bits = compression.empirical_entropy(shifted, int(shifted.max()) + 1, resamples=1).value
    return bits, float((numbers - index * step).square().mean())


def loss_to_the_bound(step: float) -> float:
    bits, mse = quantised(step)
    return compression.psnr(compression.gaussian_distortion(bits)) - compression.psnr(mse)


def eighths() -> Tensor:
    """Two independent positions, each of law (1/2, 1/4, 1/8, 1/8), exactly."""
    levels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 3])
    return torch.cartesian_prod(levels, levels)


def noise(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def grey_point() -> compression.Point:
    images = torch.full((4, 1, 8, 8), 0.5)
    return compression.point(images, images + 0.1, torch.full((4,), 16.0))


CASES = [
    Known("psnr", "every pixel off by 0.1", 20, lambda: grey_point().psnr.value, 1e-4),
    Known("bits_per_pixel", "16 bits for 8x8 pixels", 0.25, lambda: grey_point().bits_per_pixel.value, 1e-12),
    Known(
        "bits_per_pixel",
        "64x64 images, 8 channels of 4x4 codes of 2 levels (Tschannen et al. 2018)",
        0.03125,
        lambda: compression.fixed_bits(8 * 4 * 4, 2) / 64**2,
        1e-12,
    ),
    Known(
        "nats_to_bits",
        "KL of N(1, 1) and N(0, 1): 1/(2 log 2)",
        0.5 / math.log(2),
        lambda: float(compression.nats_to_bits(torch.tensor(0.5, dtype=torch.float64))),
        1e-12,
    ),
    Known(
        "empirical_entropy",
        "two positions of law 1/2, 1/4, 1/8, 1/8: 2 x 1.75 bits",
        3.5,
        lambda: compression.empirical_entropy(eighths(), 4).value,
        1e-9,
    ),
    Known(
        "coded_bits",
        "8 positions of 4 levels, learnt on each level as often: 16 bits",
        16,
        lambda: float(compression.coded_bits(eighths()[:, :1] * 0 + torch.arange(8) % 4, *uniform()).mean()),
        1e-9,
    ),
    Known(
        "coded_bits",
        "a bit not seen in the one example learnt from: log2((1 + 1)/(1/2))",
        2,
        lambda: float(compression.coded_bits(torch.tensor([[1]]), torch.tensor([[0]]), 2)),
        1e-12,
    ),
    Known(
        "decoding_variance",
        "repeated decodings uniform in 0..1: 1/12",
        1 / 12,
        lambda: compression.decoding_variance(noise((20, 50, 1, 8, 8))).value,
        1e-3,
    ),
    Known(
        "gaussian_distortion",
        "3 bits for a normal number of deviation 2: 4/64",
        1 / 16,
        lambda: compression.gaussian_distortion(3.0, 4.0),
        1e-12,
    ),
    Known(
        "psnr",
        "what a fine entropy-coded uniform quantiser loses to the Gaussian bound D(R): 10 log10(pi e / 6) dB",
        10 * math.log10(math.pi * math.e / 6),
        lambda: loss_to_the_bound(0.1),
        0.01,
    ),
    Known(
        "bd_rate",
        "a curve with 1.2 times the rate at every PSNR, %",
        20,
        lambda: compression.bd_rate(RATES, PSNRS, 1.2 * RATES, PSNRS),
        1e-9,
    ),
    Known("bd_psnr", "a curve 1.5 dB above", 1.5, lambda: compression.bd_psnr(RATES, PSNRS, RATES, PSNRS + 1.5), 1e-9),
    Known(
        "bd_psnr",
        "the Gaussian bound at half the bits, rates 1..2: -(10 log10 4)/2 / log 2 dB",
        -10 * math.log10(4) / 2 / math.log(2),
        lambda: compression.bd_psnr(*bound(1.0, 2.0), *bound(1.0, 2.0, 0.5)),
        1e-3,
    ),
    Known(
        "area_between",
        "1 - rate and the constant 1 over rates 0..1",
        0.5,
        lambda: compression.area_between(LINE, 1 - LINE, LINE, torch.ones(3)),
        1e-12,
    ),
    Known(
        "area_between",
        "2^(-2R) and 4 x 2^(-2R) over 0..2: 3 (1 - 1/16)/(2 log 2)",
        3 * (1 - 1 / 16) / (2 * math.log(2)),
        lambda: compression.area_between(FINE, 4.0**-FINE, FINE, 4 * 4.0**-FINE),
        1e-4,
    ),
]

LINE = torch.tensor([0.0, 0.5, 1.0])
FINE = torch.linspace(0, 2, 401, dtype=torch.float64)


def uniform() -> tuple[Tensor, int]:
    return torch.arange(4).unsqueeze(1).expand(4, 8), 4


def bound(low: float, high: float, factor: float = 1.0) -> tuple[Tensor, Tensor]:
    """Rates, and the PSNR that a fraction of them gives on the Gaussian bound."""
    rates = torch.linspace(low, high, 50, dtype=torch.float64)
    return rates, torch.tensor([compression.psnr(compression.gaussian_distortion(factor * float(r))) for r in rates])
