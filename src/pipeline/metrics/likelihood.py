"""Log-likelihood of models with latents, by bounds; nats per example throughout, log p(x | condition) where the model
has a condition.

All bounds are from below and true in expectation: ELBO <= IWAE bound of K samples, which rises with K to log p(x).
They hold for images that the likelihood has a law for, so 0 and 1 under Bernoulli pixels: see `binarise`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.annealing import Schedule, ais, bdmc
from pipeline.metrics.inputs import check_features, check_finite, check_images
from pipeline.metrics.latent import check_examples, log_likelihood, log_prior, parts, posterior, repeated, seeded
from pipeline.systems.base import LatentModel

Binarisation = Literal["none", "fixed", "stochastic"]

ROWS = 250
# Whatever else is random has the seed that it is given; this draw is one and the same for all who compare.
FIXED_SEED = 784
ELBO_SAMPLES = 20
BANDWIDTHS = tuple(torch.logspace(-2, 0.5, 26, dtype=torch.float64).tolist())


@dataclass(frozen=True)
class Elbo:
    """The evidence lower bound in two parts, in nats, each (n,) in float64.

    rate: KL(q(z | x) || p(z)), what the code costs; distortion: -E_q log p(x | z), what it leaves out (Alemi et al.
    2018). Both down.
    """

    rate: Tensor
    distortion: Tensor

    @property
    def bound(self) -> Tensor:
        """-(rate + distortion) <= log p(x): (n,), up."""
        return -(self.rate + self.distortion)


def elbo(
    model: LatentModel,
    images: Tensor,
    condition: Tensor | None = None,
    samples: int = ELBO_SAMPLES,
    rows: int = ROWS,
    seed: int = 0,
) -> Elbo:
    """E_q log p(x | z) - KL(q(z | x) || p(z)) of images (n, *shape) (Kingma and Welling 2014, equation 3).

    The KL is exact where torch knows a formula for the two laws; the rest is a mean over `samples` draws of q. condition:
    n rows, for a model that has one; rows: the most (example, sample) pairs at a time. Raises UserError for a model
    without a posterior, and for examples or log-likelihoods that are not finite.
    """
    _check(model, images, condition, samples)
    found = []
    with seeded(seed), torch.no_grad():
        for x, given in parts(images, condition, max(1, rows // samples)):
            q = posterior(model, x, given)
            draws = [_Draws(model, q, x, given, count) for count in _counts(samples, max(1, rows // len(x)))]
            distortion = -torch.cat([each.likelihood for each in draws]).mean(0)
            rate = _kl(q, model.prior(len(x), given))
            if rate is None:
                rate = -torch.cat([each.prior_over_posterior for each in draws]).mean(0)
            found.append((rate.double(), distortion))
    rates, distortions = zip(*found, strict=True)
    result = Elbo(torch.cat(rates), torch.cat(distortions))
    check_finite("evidence lower bound", result.bound)
    return result


def iwae(
    model: LatentModel,
    images: Tensor,
    condition: Tensor | None = None,
    samples: Sequence[int] = (5000,),
    rows: int = ROWS,
    seed: int = 0,
) -> dict[int, Tensor]:
    """E log (1/K) sum_k p(x, z_k) / q(z_k | x), z_k ~ q: {K: (n,)} in float64 (Burda et al. 2016, equation 8). Up.

    All K of `samples` are measured on the same draws, as many as the greatest asks for. A smaller K has the mean over as
    many groups of K as there are, so that where each K divides the next the bounds rise with K on every example, not
    only in expectation. Arguments and errors are otherwise those of `elbo`.

    Memory: at most `rows` decoded images, and the log-weights of rows / K examples, at least one.
    """
    if not samples:
        raise UserError("samples: at least one number of importance samples expected, none given")
    _check(model, images, condition, min(samples))
    most, bounds = max(samples), {count: [] for count in samples}
    with seeded(seed), torch.no_grad():
        for x, given in parts(images, condition, max(1, rows // most)):
            q = posterior(model, x, given)
            draws = (_Draws(model, q, x, given, count) for count in _counts(most, max(1, rows // len(x))))
            weights = torch.cat([each.weights for each in draws])
            for count, found in bounds.items():
                found.append(_log_mean(weights, count))
    joined = {count: torch.cat(found) for count, found in bounds.items()}
    for count, bound in joined.items():
        check_finite(f"log-likelihood bound of {count} samples", bound)
    return joined


class _Draws:
    """`count` draws of the posterior for each of n examples: log-densities in nats, (count, n) in float64.

    likelihood: log p(x | z); prior_over_posterior: log p(z) - log q(z | x); weights: their sum.
    """

    def __init__(self, model: LatentModel, q: Distribution, x: Tensor, condition: Tensor | None, count: int) -> None:
        z = q.sample((count,))
        flat, given, shape = z.flatten(0, 1), repeated(condition, count), (count, len(x))
        self.likelihood = log_likelihood(model, repeated(x, count), flat, given).double().reshape(shape)
        prior = log_prior(model, flat, given).double().reshape(shape)
        self.prior_over_posterior = prior - q.log_prob(z).double()

    @property
    def weights(self) -> Tensor:
        return self.likelihood + self.prior_over_posterior


def _check(model: LatentModel, images: Tensor, condition: Tensor | None, samples: int) -> None:
    if model.posterior is None:
        raise UserError("posterior: the model has none; measure a decoder alone by annealing")
    if samples < 1:
        raise UserError(f"samples: at least 1 expected, {samples} given")
    check_examples(images, condition)


def _counts(total: int, most: int) -> Iterable[int]:
    """`total` in pieces of at most `most`."""
    return (min(most, total - done) for done in range(0, total, most))


def _kl(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) by the formula that torch knows, or None."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return None


def _log_mean(weights: Tensor, count: int) -> Tensor:
    """The log of the mean of `count` weights, itself a mean over as many such groups as there are: (k, n) -> (n,)."""
    groups = len(weights) // count
    rows = weights[: groups * count].unflatten(0, (groups, count))
    return (rows.logsumexp(1) - math.log(count)).mean(0)


def bits_per_dim(nats: float, dims: int) -> float:
    """nats / (dims ln 2): a negative log-likelihood in bits for each of the example's numbers. Down.

    Of a probability. A density on pixels in 0..1 that were bytes, with uniform noise added, has log2(256) = 8 bits more
    than this (Theis et al. 2016).
    """
    return nats / (dims * math.log(2))


def binarise(images: Tensor, how: Binarisation, seed: int = 0) -> Tensor:
    """Images (n, channels, height, width) in 0..1 as zeros and ones, or as they are.

    none: as they are. Bernoulli pixels then have a formula but no law, as it does not sum to 1 over grey values
    (Loaiza-Ganem and Cunningham 2019): such figures compare nothing but models with the same output.
    stochastic: each pixel is 1 with the probability that is its grey value, drawn by the seed (Salakhutdinov and Murray
    2008). fixed: one such draw that is the same whatever the seed, as published binarised MNIST is (Larochelle and Murray
    2011). It is not a threshold at 1/2, under which the pixels have less entropy, and every model many nats less.
    An image's draw depends on its place among the images, not on how many follow. Raises UserError for pixels outside
    0..1, and for another `how`.
    """
    check_images("images", images)
    if how == "none":
        return images
    if how not in ("fixed", "stochastic"):
        raise UserError(f"binarisation: none, fixed or stochastic expected, `{how}` given")
    generator = torch.Generator().manual_seed(FIXED_SEED if how == "fixed" else seed)
    # One call an image, since how torch fills a tensor may depend on its size.
    thresholds = torch.stack([torch.rand(image.shape, generator=generator) for image in images])
    return (thresholds.to(images.device) < images).to(images.dtype)


@dataclass(frozen=True)
class Parzen:
    """log-densities (n,) in nats, in float64, and the bandwidth that was chosen."""

    values: Tensor
    bandwidth: float


def parzen(
    samples: Tensor, validation: Tensor, test: Tensor, bandwidths: Sequence[float] = BANDWIDTHS, rows: int = 1000
) -> Parzen:
    """Log-density of test data under Gaussian kernels around a model's samples (Breuleux et al. 2011). Up.

    (1/m) sum_j N(x; s_j, h^2 I), with h the one of `bandwidths` that has the greatest mean log-density on validation
    data. samples (m, d), validation (k, d), test (n, d); rows: points and samples held against each other at a time.

    For the historical column of a table only. It says next to nothing about log-likelihood in many dimensions, where
    kernels around ten thousand samples cover almost none of the space: k-means centres of the training images score above
    the images themselves, and the order of models need not be that of their likelihoods (Theis et al. 2016).

    Raises UserError for values that are not finite, for another width, and where the best bandwidth is the least or the
    greatest on offer, as a better one may lie beyond.
    """
    check_features("samples", samples)
    check_features("validation", validation, samples.shape[1])
    check_features("test", test, samples.shape[1])
    widths = torch.tensor(sorted(bandwidths), dtype=torch.float64, device=samples.device)
    if len(widths) < 3 or widths[0] <= 0:
        raise UserError(f"bandwidths: at least 3 above 0 expected, {tuple(bandwidths)} given")
    best = int(kernel_log_density(samples, validation, widths, rows).mean(1).argmax())
    if best in (0, len(widths) - 1):
        raise UserError(f"bandwidths: {float(widths[best]):.4g} is best and at the end of the range; offer a wider one")
    chosen = widths[best : best + 1]
    return Parzen(kernel_log_density(samples, test, chosen, rows)[0], float(chosen))


def kernel_log_density(samples: Tensor, points: Tensor, bandwidths: Tensor, rows: int = 1000) -> Tensor:
    """log (1/m) sum_j N(x_i; s_j, h^2 I): (m, d), (n, d), (b,) -> (b, n) in float64, `rows` x `rows` pairs at a time."""
    halves = [float(2 * bandwidth.square()) for bandwidth in bandwidths]
    found = []
    for some in points.double().split(rows):
        total = samples.new_full((len(halves), len(some)), -torch.inf, dtype=torch.float64)
        for kernels in samples.double().split(rows):
            distances = torch.cdist(some, kernels).square()
            total = torch.logaddexp(total, torch.stack([(-distances / half).logsumexp(1) for half in halves]))
        found.append(total)
    volume = samples.shape[1] / 2 * (2 * math.pi * bandwidths.double().square()).log()
    return torch.cat(found, 1) - (volume + math.log(len(samples)))[:, None]


def likelihood_metrics(
    density: LatentModel,
    images: Tensor,
    condition: Tensor | None = None,
    *,
    binarisation: Binarisation,
    samples: int = 5000,
    annealed: int = 16,
    schedule: Schedule | None = None,
    resamples: int = 1000,
    rows: int = ROWS,
    seed: int = 0,
) -> dict[str, float | str]:
    """The keys of likelihood, with 95% bootstrap intervals over examples; in nats per example but `bits_per_dim`.

    `elbo` (up); its parts `rate`, `distortion`; `nll_bound` (down), the negated IWAE bound of `nll_samples` samples;
    `bits_per_dim`, of that; on the first `annealed` examples (0: left out) `nll_ais` (down), and `nll_ais_gap`, what
    bidirectional annealing leaves open on as many examples of the model's own, under the same conditions (towards 0);
    the string `binarisation`, without which the rest means nothing.

    images: (n, channels, height, width) in 0..1, n > 1; condition: n rows, such as probabilities (n, values), and then
    all is of log p(x | condition): not to be compared with a model of p(x), which has the condition's entropy to pay.
    Raises UserError for other input, and for what its parts refuse.
    """
    check_images("images", images)
    if len(images) < 2 or annealed == 1:
        raise UserError(f"images: an interval needs at least 2, {len(images)} given and {annealed} to anneal")
    if not 0 <= annealed <= len(images):
        raise UserError(f"annealed: 0..{len(images)} expected, as there are so many images, {annealed} given")
    x = binarise(images, binarisation, seed)

    def mean(values: Tensor) -> intervals.Estimate:
        return intervals.mean(values.cpu(), resamples, seed)

    bound = elbo(density, x, condition, rows=rows, seed=seed)
    nll = mean(-iwae(density, x, condition, (samples,), rows, seed)[samples])
    dims = images[0].numel()
    bits = intervals.Estimate(*(bits_per_dim(each, dims) for each in (nll.value, nll.low, nll.high)))
    found = mean(bound.bound).entries("elbo") | mean(bound.rate).entries("rate")
    found |= mean(bound.distortion).entries("distortion") | nll.entries("nll_bound") | bits.entries("bits_per_dim")
    if annealed:
        given = None if condition is None else condition[:annealed]
        on_data = ais(density, x[:annealed], given, schedule, rows, seed)
        on_own = bdmc(density, annealed, given, schedule, rows, seed)
        found |= mean(-on_data.lower).entries("nll_ais") | mean(on_own.gap).entries("nll_ais_gap")
    return {"binarisation": binarisation, "nll_samples": samples, **found}
