"""Divergences: what an equation's two sides cost while they disagree.

*Pointwise* divergences compare the two values drawn together, example by example, and the loss is their mean.
*Distributional* ones compare the two laws, from the whole batch. A divergence is 0 when the sides are equal:

>>> S, x = Type("S", (4,)), torch.rand(3, 4)
>>> float(mse.loss(x, x, S)), abs(float(mmd.loss(x, x, S))) < 1e-6
(0.0, True)

Where a categorical wire carries several classes side by side, cross-entropy and KL are of all of them together, and so
the sum over these (as the likelihoods are sums over pixels); `mse` and `l1` are means over coordinates.

Cross-entropy and the likelihoods are 0 only up to the entropy of their right side; so cross-entropy is refused
against a soft target (see `Divergence.hard_target`), where `kl` is meant. `linear` has no least value at all: it says
which way a number is to go, as a critic's is.

A pointwise divergence applied to two wires is a box, whose value is one number per example:

>>> from pipeline.language import Normal
>>> mse(Normal("x", S).term, Normal("y", S).term)
mse(x, y)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.language.terms import Op, R, TaskError, Term, Type, Wireable, number


@dataclass(frozen=True)
class Divergence:
    """A named divergence.

    function: takes the values of both wires and the left wire's type; gives one number an example (n,), or a scalar if
    `distributional`; accepts: the complaint about two types that it cannot compare, or None; hard_target: the right
    side must be data; random: the function takes a generator as well.
    """

    name: str
    function: Callable[..., Tensor]
    accepts: Callable[[Type, Type], str | None]
    distributional: bool = False
    hard_target: bool = False
    random: bool = False

    def each(self, lhs: Any, rhs: Any, type: Type, generator: torch.Generator | None = None) -> Tensor:
        """One number per example (pointwise) or a scalar (distributional). Arguments as those of `loss`."""
        return self.function(lhs, rhs, type, generator) if self.random else self.function(lhs, rhs, type)

    def loss(self, lhs: Any, rhs: Any, type: Type, generator: torch.Generator | None = None) -> Tensor:
        """The mean over examples (pointwise) or the divergence of the two samples (distributional): a scalar.

        lhs, rhs: the wires' values; type: the type of the left wire; generator: for a random divergence.
        """
        return self.each(lhs, rhs, type, generator).mean()

    def __call__(self, lhs: Wireable, rhs: Wireable) -> Term:
        """The divergence of two wires as a wire of type R. Raises TaskError unless it is pointwise and accepts them."""
        one, two = lhs.term, rhs.term
        complaint = self.accepts(one.type, two.type)
        if self.distributional:
            complaint = "only a pointwise divergence is a box"
        if complaint:
            raise TaskError(f"{self}: {complaint}, but `{one}` is {one.type.full} and `{two}` is {two.type.full}")
        return Term(Measured(self), (one, two), R)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Measured(Op):
    """The box whose value is the divergence of its two inputs, example by example."""

    divergence: Divergence

    @property
    def key(self) -> str:
        return self.divergence.name

    @property
    def title(self) -> str:
        return self.divergence.name

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"{self.divergence}({inputs[0]}, {inputs[1]})"

    def compute(self, term: Term, inputs: Sequence[Any]) -> Tensor:
        lhs, rhs = inputs
        return self.divergence.function(lhs, rhs, term.inputs[0].type)


def _same(*kinds: str) -> Callable[[Type, Type], str | None]:
    def accepts(lhs: Type, rhs: Type) -> str | None:
        if lhs != rhs:
            return "both sides must have the same type"
        known = all(part.kind in kinds for part in (lhs, *lhs.parts))
        return None if known else f"wires of kind {' or '.join(kinds)} are expected"

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
    target = rhs.exp()
    # What cannot be costs nothing, even where it is thought impossible: 0 * -inf is not a number.
    return -_sum(torch.where(target > 0, target * lhs, torch.zeros_like(target)))


@functools.cache
def smoothed_cross_entropy(smoothing: float) -> Divergence:
    """Cross-entropy against (1 - smoothing) * v + smoothing / k, where v is one of k classes (Szegedy et al. 2016,
    section 7): it is least where v is read with probability 1 - smoothing * (k - 1) / k, and asks for no more.

    Raises ValueError unless `smoothing` is in 0..1, 1 not included.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is in 0..1, 1 not included, not {smoothing:g}")

    def function(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
        target = (1 - smoothing) * rhs.exp() + smoothing / type.shape[-1]
        return -_sum(target * lhs)

    return Divergence(f"smoothed_cross_entropy({number(smoothing)})", function, _same("categorical"), hard_target=True)


def _kl_categorical(lhs: Tensor, rhs: Tensor) -> Tensor:
    p = lhs.exp()
    # Chosen before it is multiplied, so that the gradient is a number too where p is 0.
    return _sum(p * torch.where(p > 0, lhs - rhs, torch.zeros_like(p)))


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


@dataclass(frozen=True)
class Kernel:
    """A positive definite kernel on real vectors.

    function: from the squared distances (m, m) and the inner products (m, m) of a pooled sample, and its dimension, to
    the kernel's values (m, m).
    """

    name: str
    function: Callable[[Tensor, Tensor, int], Tensor]

    def gram(self, pooled: Tensor) -> Tensor:
        inner = pooled @ pooled.T
        squares = pooled.square().sum(1)
        distances = (squares[:, None] + squares[None, :] - 2 * inner).clamp_min(0)
        return self.function(distances, inner, pooled.shape[1])

    def __str__(self) -> str:
        return self.name


def _median(distances: Tensor) -> Tensor:
    return distances.detach().flatten().median().clamp_min(1e-12)


@functools.cache
def gaussian(*scales: float) -> Kernel:
    """The mean over scales of exp(-|x - y|^2 / (scale * m)), with m the median squared distance in the sample."""

    def function(distances: Tensor, inner: Tensor, dimension: int) -> Tensor:
        unit = _median(distances)
        return torch.stack([torch.exp(-distances / (scale * unit)) for scale in scales]).mean(0)

    return Kernel(f"gaussian({', '.join(map(number, scales))})", function)


@functools.cache
def inverse_multiquadratic(*scales: float) -> Kernel:
    """The mean over scales of c / (c + |x - y|^2) with c = 2 * dimension * scale, as for a standard normal prior
    (Tolstikhin et al. 2018, section 4)."""

    def function(distances: Tensor, inner: Tensor, dimension: int) -> Tensor:
        constants = [2 * dimension * scale for scale in scales]
        return torch.stack([c / (c + distances) for c in constants]).mean(0)

    return Kernel(f"inverse_multiquadratic({', '.join(map(number, scales))})", function)


@functools.cache
def polynomial(degree: int) -> Kernel:
    """(<x, y> / dimension + 1)^degree: the kernel of KID for degree 3 (Binkowski et al. 2018), of means and
    covariances for degree 2."""

    def function(distances: Tensor, inner: Tensor, dimension: int) -> Tensor:
        return (inner / dimension + 1) ** degree

    return Kernel(f"polynomial({degree})", function)


_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


def _gram(lhs: Any, rhs: Any, type: Type, kernel: Kernel) -> Tensor:
    """The kernel on the pooled sample, (2n, 2n): on a product the product of its parts' kernels."""
    if type.kind == "product":
        grams = [_gram(left, right, part, kernel) for left, right, part in zip(lhs, rhs, type.parts, strict=True)]
        return torch.stack(grams).prod(0)
    pooled = _rows(torch.cat((lhs, rhs)))
    if type.kind == "categorical":
        return pooled.exp() @ pooled.exp().T
    return kernel.gram(pooled)


@functools.cache
def mmd_with(kernel: Kernel) -> Divergence:
    """The biased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, equation 5): not negative
    beyond rounding. On categorical wires the kernel is the inner product of the probabilities (of several classes side by
    side, the sum of theirs), on products the product of the parts' kernels."""

    def function(lhs: Any, rhs: Any, type: Type) -> Tensor:
        gram = _gram(lhs, rhs, type, kernel)
        n = len(gram) // 2
        return gram[:n, :n].mean() + gram[n:, n:].mean() - 2 * gram[:n, n:].mean()

    name = "mmd" if kernel is gaussian(*_SCALES) else f"mmd_with({kernel})"
    return Divergence(name, function, _same("real", "categorical", "product"), distributional=True)


@functools.cache
def unbiased_mmd_with(kernel: Kernel) -> Divergence:
    """The unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, equation 4).

    No example is compared with itself, nor with its partner on the other side: the sides of an equation are one draw, and
    may share a part of it, such as a label. While `mmd` draws a sample together, the more the smaller a batch is, the
    expected gradient is that of the laws themselves (Binkowski et al. 2018, theorem 1), up to the kernel's unit, which is
    the sample's. In return the estimate is negative now and then. It is 0 on a single example.
    """

    def function(lhs: Any, rhs: Any, type: Type) -> Tensor:
        gram = _gram(lhs, rhs, type, kernel)
        n = len(gram) // 2
        apart = gram[:n, :n] + gram[n:, n:] - 2 * gram[:n, n:]
        return (apart.sum() - apart.trace()) / max(1, n * (n - 1))

    name = "unbiased_mmd" if kernel is gaussian(*_SCALES) else f"unbiased_mmd_with({kernel})"
    return Divergence(name, function, _same("real", "categorical", "product"), distributional=True)


@functools.cache
def sliced_wasserstein(directions: int) -> Divergence:
    """The mean over random directions of the squared 2-Wasserstein distance of the two projected samples
    (Bonneel et al. 2015, equation 14): the sorted projections are compared in order.

    Raises ValueError unless there is at least one direction.
    """
    if directions < 1:
        raise ValueError(f"at least 1 direction is expected, not {directions}")

    def function(lhs: Tensor, rhs: Tensor, type: Type, generator: torch.Generator) -> Tensor:
        x, y = _rows(lhs), _rows(rhs)
        rays = torch.randn(x.shape[1], directions, generator=generator, dtype=x.dtype, device=x.device)
        rays = F.normalize(rays, dim=0)
        return ((x @ rays).sort(0).values - (y @ rays).sort(0).values).square().mean()

    name = f"sliced_wasserstein({directions})"
    return Divergence(name, function, _same("real"), distributional=True, random=True)


def _frechet(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) with the samples' means and covariances.

    With the centred samples X and Y, the trace of the root is the nuclear norm of X Y^T / (n - 1)."""
    x, y = _rows(lhs), _rows(rhs)
    one, two = x.mean(0), y.mean(0)
    x, y = x - one, y - two
    root: Tensor = torch.linalg.matrix_norm(x @ y.T, "nuc")
    return (one - two).square().sum() + (x.square().sum() + y.square().sum() - 2 * root) / max(1, len(x) - 1)


@functools.cache
def info_nce(temperature: float) -> Divergence:
    """Minus the log-probability of finding one's own partner among the batch, by cosine similarity / temperature, both
    ways (Oord et al. 2018, equation 4; Chen et al. 2020, equation 1, with the other side's examples as negatives).

    Raises ValueError unless the temperature is positive.
    """
    if temperature <= 0:
        raise ValueError(f"a positive temperature is expected, not {temperature:g}")

    def function(lhs: Tensor, rhs: Tensor, type: Type) -> Tensor:
        similarity = F.normalize(_rows(lhs)) @ F.normalize(_rows(rhs)).T / temperature
        own = torch.arange(len(lhs), device=lhs.device)
        return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2

    return Divergence(f"info_nce({number(temperature)})", function, _same("real"), distributional=True)


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
linear = Divergence("linear", lambda lhs, rhs, type: -_sum(lhs * rhs), _same("real"), hard_target=True)
mmd = mmd_with(gaussian(*_SCALES))
unbiased_mmd = unbiased_mmd_with(gaussian(*_SCALES))
frechet = Divergence("frechet", _frechet, _same("real"), distributional=True)
