"""Rate against distortion. Rates in bits, images in 0..1, distortion as mean squared error (MSE) or as PSNR in dB.

A curve is given by its points' rates (k,) and distortions (k,), in any order.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import special
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.inputs import check_features, check_finite, check_images
from pipeline.metrics.intervals import Estimate


@dataclass(frozen=True)
class Point:
    """One setting of a codec: bits_per_example, mse (mean over examples and pixels), fid if it was measured; down."""

    bits_per_example: Estimate
    mse: Estimate
    pixels: int
    fid: float | None = None

    @property
    def bits_per_pixel(self) -> Estimate:
        """Bits over height x width; the channels of a pixel share its bits."""
        rate = self.bits_per_example
        return Estimate(rate.value / self.pixels, rate.low / self.pixels, rate.high / self.pixels)

    @property
    def psnr(self) -> Estimate:
        """dB, of the mean MSE (not the mean of the examples' PSNR, which one exact decoding makes infinite); up."""
        return Estimate(psnr(self.mse.value), psnr(self.mse.high), psnr(self.mse.low))


def point(
    images: Tensor, decodings: Tensor, bits: Tensor, fid: float | None = None, resamples: int = 1000, seed: int = 0
) -> Point:
    """The rate-distortion point of images and their decodings (n, c, h, w) at bits (n,) an example.

    Intervals are bootstraps over the examples. Raises UserError.
    """
    check_images("images", images)
    check_images("decodings", decodings, tuple(images.shape[1:]))
    check_finite("bits", bits)
    if len(decodings) != len(images) or bits.shape != (len(images),) or bits.min() < 0:
        raise UserError(
            f"{len(images)} images: as many decodings and rates (n,) from 0 up expected, {len(decodings)} and "
            f"{tuple(bits.shape)} given"
        )
    pairs = zip(images.split(1000), decodings.split(1000), strict=True)
    errors = torch.cat([(a.double() - b.double()).square().flatten(1).mean(1) for a, b in pairs])
    rate, mse = (intervals.mean(column.cpu(), resamples, seed) for column in (bits, errors))
    return Point(rate, mse, images.shape[2] * images.shape[3], fid)


def psnr(mse: float, peak: float = 1.0) -> float:
    """10 log10(peak^2 / mse) in dB; up. Raises UserError for mse <= 0: a lossless point has no PSNR."""
    if not (math.isfinite(mse) and mse > 0):
        raise UserError(f"mse: a number above 0 expected for a PSNR, {mse} given")
    return 10 * math.log10(peak * peak / mse)


def nats_to_bits(nats: Tensor) -> Tensor:
    """A KL term, the rate of an ideal coder of posterior samples (bits back), in nats -> bits: over log 2."""
    return nats / math.log(2)


def fixed_bits(positions: int, levels: int) -> float:
    """Bits of an example's code without entropy coding: positions x log2(levels) (Tschannen et al. 2018)."""
    if positions < 0 or levels < 1:
        raise UserError(f"positions from 0 and levels from 1 up expected, {positions} and {levels} given")
    return positions * math.log2(levels)


def empirical_entropy(codes: Tensor, levels: int, resamples: int = 200, seed: int = 0) -> Estimate:
    """Entropy of code indices in bits an example: each position's own entropy, summed over the positions; down.

    codes (n, positions) integers in 0..levels-1: what an ideal coder pays that knows each position's frequencies in
    these very codes, and no dependence between positions. So it is too low by about (levels - 1)/(2 n log 2) a
    position; `coded_bits` has no such flaw.
    """
    cells = _cells(codes, levels)
    positions = codes.shape[1]

    def entropy(rows: np.ndarray | slice) -> float:
        counts = np.bincount(cells[rows].ravel(), minlength=positions * levels).reshape(positions, levels)
        return float(special.entr(counts / counts[0].sum()).sum()) / math.log(2)

    return intervals.over_examples(entropy, len(cells), resamples, seed, 0.0, fixed_bits(positions, levels))


def coded_bits(codes: Tensor, fitted_on: Tensor, levels: int) -> Tensor:
    """Bits that an ideal entropy coder spends on each example, its frequencies learnt on other codes: (n,) float64.

    codes (n, positions), fitted_on (m, positions), integers in 0..levels-1. Each position has its own frequencies, to
    which 1/2 is added (Krichevsky and Trofimov 1981): a level not seen in learning can still be coded.
    """
    cells, known = _cells(codes, levels), _cells(fitted_on, levels)
    if codes.shape[1] != fitted_on.shape[1]:
        raise UserError(f"codes: {fitted_on.shape[1]} positions expected, {codes.shape[1]} given")
    counts = np.bincount(known.ravel(), minlength=codes.shape[1] * levels) + 0.5
    lengths = np.log2(len(known) + levels / 2) - np.log2(counts)
    return torch.from_numpy(lengths[cells].sum(1))


def decoding_variance(decodings: Tensor, resamples: int = 1000, seed: int = 0) -> Estimate:
    """Variance of a pixel among repeated decodings of one code, mean over pixels and examples.

    decodings (repeats >= 2, n, c, h, w), unbiased over the repeats, interval over the n examples. About 0 says that the
    decoder ignores its noise; it should grow as the rate falls (Tschannen et al. 2018, section 5).
    """
    if decodings.dim() != 5 or len(decodings) < 2:
        raise UserError(
            f"decodings: (2 repeats or more, n, channels, height, width) expected, {tuple(decodings.shape)} given"
        )
    check_images("decodings", decodings.flatten(0, 1))
    variances = [part.double().var(0).flatten(1).mean(1) for part in decodings.split(1000, dim=1)]
    return intervals.mean(torch.cat(variances).cpu(), resamples, seed)


def gaussian_distortion(bits: float, variance: float = 1.0) -> float:
    """D(R) = variance 2^(-2 R): the least MSE for a Gaussian number at R bits (Cover and Thomas 2006, theorem 10.3.2)."""
    return variance * 2.0 ** (-2.0 * bits)


def pareto_front(costs: Tensor) -> Tensor:
    """Indices of the points that no other beats, by the first cost: costs (n, m), all to be small -> (k,) int64.

    One point beats another if it is nowhere greater and somewhere less; equal points stay together. With rate, MSE and
    FID as columns it is the front of rate, distortion and perception (Blau and Michaeli 2019).
    """
    check_features("costs", costs)
    kept = [index for index, cost in enumerate(costs) if not ((costs <= cost).all(1) & (costs < cost).any(1)).any()]
    return torch.tensor(sorted(kept, key=lambda index: costs[index].tolist()))


def area_between(rates: Tensor, values: Tensor, other_rates: Tensor, other_values: Tensor) -> float:
    """Integral of (other curve - this curve) over the rates that both reach, exact for the lines between their points.

    Positive where the other is higher: for MSE or FID, this one is better. Over the width of these rates it is the mean
    difference. Raises UserError if the curves share no interval of rates.
    """
    (x, y), (u, v) = _curve("rates", rates, values), _curve("other rates", other_rates, other_values)
    low, high = _overlap(x, u, "rates")
    grid = np.unique(np.concatenate(([low, high], x, u)).clip(low, high))
    return float(np.trapezoid(np.interp(grid, u, v) - np.interp(grid, x, y), grid))


def bd_rate(rates: Tensor, psnrs: Tensor, other_rates: Tensor, other_psnrs: Tensor) -> float:
    """Bjontegaard delta rate: by how many % the other curve's rate differs at equal PSNR; down, below 0: the other saves.

    100 (exp(mean of log other rate - log rate) - 1), the mean over the PSNR that both reach (Bjontegaard 2001,
    VCEG-M33). Curves run through their points by monotone cubics (PCHIP), as the video-coding reference software does
    since, not by the one cubic polynomial of 2001, which can leave the points' order. Rates above 0; PSNR must grow
    with the rate: take `pareto_front` first. Raises UserError.
    """
    (x, y), (u, v) = _growing("curve", rates, psnrs), _growing("other curve", other_rates, other_psnrs)
    return 100 * math.expm1(_mean_gap(y, x, v, u, "PSNR"))


def bd_psnr(rates: Tensor, psnrs: Tensor, other_rates: Tensor, other_psnrs: Tensor) -> float:
    """Bjontegaard delta PSNR: by how many dB the other curve is higher, mean over the log rates that both reach; up.

    As `bd_rate` otherwise.
    """
    (x, y), (u, v) = _growing("curve", rates, psnrs), _growing("other curve", other_rates, other_psnrs)
    return _mean_gap(x, y, u, v, "rates")


def _mean_gap(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, what: str) -> float:
    """The mean of v(u) - y(x) over the arguments that both curves have."""
    low, high = _overlap(x, u, what)
    areas = [float(PchipInterpolator(a, b).integrate(low, high)) for a, b in ((x, y), (u, v))]
    return (areas[1] - areas[0]) / (high - low)


def _growing(name: str, rates: Tensor, psnrs: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Log rates and PSNR by rate."""
    x, y = _curve(name, rates, psnrs)
    if x[0] <= 0:
        raise UserError(f"{name}: rates above 0 expected; leave the point of {x[0]:g} bits out")
    if (np.diff(y) <= 0).any():
        raise UserError(f"{name}: PSNR must grow with the rate; keep the points of its Pareto front")
    return np.log(x), y


def _curve(name: str, rates: Tensor, values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A curve by rate, in float64."""
    check_finite(name, rates)
    check_finite(name, values)
    if rates.dim() != 1 or rates.shape != values.shape or len(rates.unique()) != len(rates) or len(rates) < 2:
        raise UserError(
            f"{name}: two points or more, of different rates, expected, {tuple(rates.shape)} rates and "
            f"{tuple(values.shape)} values given"
        )
    order = rates.argsort()
    return rates[order].double().cpu().numpy(), values[order].double().cpu().numpy()


def _overlap(x: np.ndarray, u: np.ndarray, what: str) -> tuple[float, float]:
    low, high = max(x[0], u[0]), min(x[-1], u[-1])
    if low >= high:
        raise UserError(f"curves: they share no interval of {what}; measure them at nearer settings")
    return float(low), float(high)


def _cells(codes: Tensor, levels: int) -> np.ndarray:
    """Code indices (n, positions) with those of the positions told apart."""
    if codes.dim() != 2 or codes.is_floating_point() or not codes.numel():
        raise UserError(f"codes: (n, positions) integers expected, {codes.dtype} {tuple(codes.shape)} given")
    if codes.min() < 0 or codes.max() >= levels:
        raise UserError(f"codes: 0..{levels - 1} expected, {int(codes.min())}..{int(codes.max())} given")
    return codes.cpu().numpy() + np.arange(codes.shape[1]) * levels
