"""Known answers of `pipeline.metrics.likelihood`."""

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from pipeline.metrics import likelihood
from tests.unit.metrics.known import Known
from tests.unit.metrics.latent_models import linear_gaussian, mixture, pairs_bound, without_data

LINEAR = linear_gaussian()
X = LINEAR.data(40)
TRUTH = float(LINEAR.log_density(X).mean())

MIXTURE = mixture()
BITS = MIXTURE.data(40)

POINTS = torch.randn(300, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
# scipy's kernels have the shape of the data's covariance; whitened samples make that a ball, as ours are.
WHITE = (POINTS - POINTS.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(POINTS.T.cov())).T


def linear_elbo() -> likelihood.Elbo:
    return likelihood.elbo(LINEAR.wrong, X, samples=20_000, rows=100_000)


def rate() -> float:
    """KL(q || N(0, I)) = (tr S + |m|^2 - k - log det S) / 2."""
    q = LINEAR.wrong_posterior(X)
    variance = q.variance
    return float((variance.sum(1) + q.mean.square().sum(1) - 3 - variance.log().sum(1)).mean() / 2)


def distortion() -> float:
    """-E_q log N(x; W z + b, s^2 I) = (d log(2 pi s^2) + (|x - W m - b|^2 + tr(W S W')) / s^2) / 2."""
    q, noise = LINEAR.wrong_posterior(X), LINEAR.noise**2
    rest = (X - q.mean @ LINEAR.weight.T - LINEAR.shift).square().sum(1)
    spread = q.variance @ LINEAR.weight.square().sum(0)
    return float((X.shape[1] * np.log(2 * np.pi * noise) + ((rest + spread) / noise).mean()) / 2)


def pair() -> float:
    found = likelihood.iwae(without_data(0.7, 1.2), torch.zeros(1, 1), samples=(2, 200_000), rows=100_000)
    return float(found[2]) - float(stats.norm.logpdf(0))


def kernels(bandwidth: float) -> Tensor:
    return likelihood.kernel_log_density(WHITE, POINTS[:50], torch.tensor([bandwidth], dtype=torch.float64), rows=64)[0]


def chosen_bandwidth() -> float:
    """Around a single sample at 0 the density is a normal's, and its likeliest width the root mean square of the data."""
    widths = torch.linspace(0.2, 0.4, 201, dtype=torch.float64).tolist()
    return likelihood.parzen(torch.zeros(1, 3), 0.3 * POINTS, POINTS, widths).bandwidth


CASES = [
    Known(
        "elbo",
        "log p(x) - KL(wrong posterior || exact one), both of normals, for a linear-Gaussian model",
        TRUTH - float(LINEAR.kl(X).mean()),
        lambda: float(linear_elbo().bound.mean()),
        0.02,
    ),
    Known(
        "rate",
        "KL of two normals by its formula, for the same model",
        rate(),
        lambda: float(linear_elbo().rate.mean()),
        1e-4,
    ),
    Known(
        "distortion",
        "expected squared error under a normal, for the same model",
        distortion(),
        lambda: float(linear_elbo().distortion.mean()),
        0.02,
    ),
    Known(
        "nll_bound",
        "-log p(x) by scipy's multivariate normal: wrong posterior, K = 5,000",
        -TRUTH,
        lambda: -float(likelihood.iwae(LINEAR.wrong, X)[5000].mean()),
        0.01,
    ),
    Known(
        "nll_bound",
        "the same with the exact posterior, where K = 1 is enough",
        -TRUTH,
        lambda: -float(likelihood.iwae(LINEAR.exact, X, samples=(1,))[1].mean()),
        1e-4,
    ),
    Known(
        "nll_bound",
        "-log p(x) of a Bernoulli mixture, all its five latents counted: K = 5,000",
        -float(MIXTURE.log_density(BITS).mean()),
        lambda: -float(likelihood.iwae(MIXTURE.model, BITS)[5000].mean()),
        0.01,
    ),
    Known(
        "nll_bound",
        "K = 2, one latent, posterior N(0.7, 1.2^2) for N(0, 1): expectation by Gauss-Hermite quadrature",
        -pairs_bound(0.7, 1.2),
        lambda: -pair(),
        0.01,
    ),
    Known(
        "bits_per_dim",
        "a fair coin for each of 784 pixels: 784 ln 2 nats are 1 bit a pixel",
        1.0,
        lambda: likelihood.bits_per_dim(784 * float(np.log(2)), 784),
        1e-12,
    ),
    Known(
        "likelihood.parzen",
        "mean log-density in three dimensions by scipy's gaussian_kde, bandwidth 0.4",
        float(stats.gaussian_kde(WHITE.T.numpy(), 0.4).logpdf(POINTS[:50].T.numpy()).mean()),
        lambda: float(kernels(0.4).mean()),
        1e-9,
    ),
    Known(
        "likelihood.parzen",
        "bandwidth chosen around a single sample: the root mean square of validation data, on a grid of 0.001",
        float(0.3 * POINTS.square().mean().sqrt()),
        chosen_bandwidth,
        5.1e-4,
    ),
]
