"""Divergences: what an equation's two sides cost while they disagree.

*Pointwise* divergences compare the two values drawn together, example by example, and the loss is their mean.
*Distributional* ones compare the two laws, from the whole batch. A divergence is 0 when the sides are equal:

>>> S, x = Type("S", (4,)), torch.rand(3, 4)
>>> float(mse.loss(x, x, S)), abs(float(mmd.loss(x, x, S))) < 1e-6
(0.0, True)

Cross-entropy and the likelihoods are 0 only up to the entropy of their right side; so cross-entropy is refused
against a soft target (see `Divergence.hard_target`), where `kl` is meant.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.language.terms import Type


@dataclass(frozen=True)
class Divergence:
    """A named divergence.

    function: takes the values of both wires and the left wire's type; gives one number an example (n,), or a scalar if
    `distributional`; accepts: the complaint about two types that it cannot compare, or None; hard_target: the right side must be data.
    """

    name: str
    function: Callable[[Any, Any, Type], Tensor]
    accepts: Callable[[Type, Type], str | None]
    distributional: bool = False
    hard_target: bool = False

    def loss(self, lhs: Any, rhs: Any, type: Type) -> Tensor:
        """The mean over examples (pointwise) or the divergence of the two samples (distributional): a scalar.

        lhs, rhs: the wires' values; type: the type of the left wire.
        """
        return self.function(lhs, rhs, type).mean()

    def __str__(self) -> str:
        return self.name


def _same(*kinds: str) -> Callable[[Type, Type], str | None]:
    def accepts(lhs: Type, rhs: Type) -> str | None:
        if lhs != rhs:
            return "both sides must have the same type"
        return None if lhs.kind in kinds else f"wires of kind {' or '.join(kinds)} are expected"

    return accepts


def _likelihood(kind: str) -> Callable[[Type, Type], str | None]:
    def accepts(lhs: Type, rhs: Type) -> str | None:
        if lhs.kind != kind or rhs.kind != "real" or lhs.shape != rhs.shape:
            return f"a {kind} wire on the left and a real one of the same shape on the right are expected"
        return None

    return accepts


def _rows(x: Tensor) -> Tensor:
    """One row per example, also where an example is a single number."""
    return x.reshape(len(x), -1)


def _mean(x: Tensor) -> Tensor:
    return _rows(x).mean(1)


def _sum(x: Tensor) -> Tensor:
    return _rows(x).sum(1)


def _cross_entropy(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
    return -(rhs.exp() * lhs).sum(-1)


@functools.cache
def smoothed_cross_entropy(smoothing: float) -> Divergence:
    """Cross-entropy against (1 - smoothing) * v + smoothing / k, where v is one of k classes (Szegedy et al. 2016,
    section 7): it is least where v is read with probability 1 - smoothing * (k - 1) / k, and asks for no more.

    Raises ValueError unless `smoothing` is in 0..1, 1 not included.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is in 0..1, 1 not included, not {smoothing:g}")

    def function(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
        target = (1 - smoothing) * rhs.exp() + smoothing / type.shape[0]
        return -(target * lhs).sum(-1)

    return Divergence(f"cross_entropy smoothed {smoothing:g}", function, _same("categorical"), hard_target=True)


def _kl_categorical(lhs: Tensor, rhs: Tensor) -> Tensor:
    p = lhs.exp()
    return torch.where(p > 0, p * (lhs - rhs), torch.zeros_like(p)).sum(-1)


def _kl_gaussian(lhs: Tensor, rhs: Tensor) -> Tensor:
    (m, a), (n, b) = lhs.unbind(1), rhs.unbind(1)
    return _sum(b - a + ((a - b).exp() + (m - n).square() / b.exp()) - 1) / 2


def _kl(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
    return _kl_categorical(lhs, rhs) if type.kind == "categorical" else _kl_gaussian(lhs, rhs)


def _gaussian_nll(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
    mean, log_variance = lhs.unbind(1)
    return _sum(log_variance + (rhs - mean).square() / log_variance.exp() + math.log(2 * math.pi)) / 2


def _images(lhs: Type, rhs: Type) -> str | None:
    if len(lhs.shape) != 3 or min(lhs.shape[1:]) < 11:
        return "images of at least 11x11 pixels are expected"
    return _same("real")(lhs, rhs)


def _ssim_distance(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
    channels = lhs.shape[1]
    ticks = torch.arange(11, dtype=lhs.dtype, device=lhs.device) - 5
    line = torch.exp(-ticks.square() / (2 * 1.5**2))
    window = torch.outer(line, line).div(line.sum().square()).expand(channels, 1, 11, 11)

    def smooth(x: Tensor) -> Tensor:
        return F.conv2d(x, window, groups=channels)

    mean_l, mean_r = smooth(lhs), smooth(rhs)
    var_l, var_r = smooth(lhs * lhs) - mean_l**2, smooth(rhs * rhs) - mean_r**2
    covariance = smooth(lhs * rhs) - mean_l * mean_r
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_l * mean_r + c1) * (2 * covariance + c2)) / (
        (mean_l**2 + mean_r**2 + c1) * (var_l + var_r + c2)
    )
    return 1 - _mean(similarity)


_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


def _gaussian_gram(pooled: Tensor) -> Tensor:
    """The mean of exp(-|x - y|^2 / (scale * m)) over five scales, m the median squared distance in the sample."""
    squares = pooled.square().sum(1)
    distances = (squares[:, None] + squares[None, :] - 2 * pooled @ pooled.T).clamp_min(0)
    unit = distances.detach().flatten().median().clamp_min(1e-12)
    return torch.stack([torch.exp(-distances / (scale * unit)) for scale in _SCALES]).mean(0)


def _gram(lhs: Any, rhs: Any, type: Type) -> Tensor:
    """The kernel on the pooled sample, (2n, 2n): on a product the product of its parts' kernels."""
    if type.kind == "product":
        grams = [_gram(left, right, part) for left, right, part in zip(lhs, rhs, type.parts, strict=True)]
        return torch.stack(grams).prod(0)
    pooled = _rows(torch.cat((lhs, rhs)))
    if type.kind == "categorical":
        return pooled.exp() @ pooled.exp().T
    return _gaussian_gram(pooled)


def _mmd(lhs: Any, rhs: Any, type: Type) -> Tensor:
    """The biased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, equation 5): not negative
    beyond rounding."""
    gram = _gram(lhs, rhs, type)
    n = len(gram) // 2
    return gram[:n, :n].mean() + gram[n:, n:].mean() - 2 * gram[:n, n:].mean()


cross_entropy = Divergence("cross_entropy", _cross_entropy, _same("categorical"), hard_target=True)
kl = Divergence("kl", _kl, _same("categorical", "gaussian"))
mse = Divergence("mse", lambda lhs, rhs, type: _mean((lhs - rhs).square()), _same("real"))
l1 = Divergence("l1", lambda lhs, rhs, type: _mean((lhs - rhs).abs()), _same("real"))
ssim = Divergence("ssim", _ssim_distance, _images)
gaussian_nll = Divergence("gaussian_nll", _gaussian_nll, _likelihood("gaussian"))
bernoulli_nll = Divergence(
    "bernoulli_nll",
    lambda lhs, rhs, type: _sum(F.binary_cross_entropy_with_logits(lhs, rhs, reduction="none")),
    _likelihood("bernoulli"),
)
mmd = Divergence("mmd", _mmd, _same("real", "categorical", "product"), distributional=True)
