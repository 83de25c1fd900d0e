"""Models with latents whose log-likelihood is known exactly."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    kl_divergence,
)

from pipeline.systems.base import LatentModel


@dataclass(frozen=True)
class LinearGaussian:
    """x = W z + b + noise * e, z ~ N(0, I): everything about it is a normal. weight: (d, latent); shift: (d,)."""

    weight: Tensor
    shift: Tensor
    noise: float

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> MultivariateNormal:
        """The exact one."""
        precision = torch.eye(self.weight.shape[1]) + self.weight.T @ self.weight / self.noise**2
        mean = (x - self.shift) @ self.weight @ precision.inverse() / self.noise**2
        return MultivariateNormal(mean, precision_matrix=precision.expand(len(x), -1, -1))

    def wrong_posterior(self, x: Tensor, condition: Tensor | None = None) -> Independent:
        """Shifted, too wide, and without the correlations."""
        exact = self.posterior(x)
        scale = 1.3 * exact.variance.sqrt()
        return Independent(Normal(exact.mean + 0.5 * scale, scale), 1)

    def prior(self, n: int, condition: Tensor | None = None) -> Independent:
        zeros = torch.zeros(n, self.weight.shape[1])
        return Independent(Normal(zeros, zeros + 1), 1)

    def likelihood(self, z: Tensor, condition: Tensor | None = None) -> Independent:
        return Independent(Normal(z @ self.weight.T + self.shift, self.noise), 1)

    def log_density(self, x: Tensor) -> np.ndarray:
        covariance = self.weight @ self.weight.T + self.noise**2 * torch.eye(len(self.shift))
        return stats.multivariate_normal(self.shift.numpy(), covariance.numpy()).logpdf(x.numpy())

    def kl(self, x: Tensor) -> Tensor:
        """KL(wrong posterior || posterior): what the ELBO of the wrong one lacks."""
        wrong = self.wrong_posterior(x)
        return kl_divergence(MultivariateNormal(wrong.mean, torch.diag_embed(wrong.variance)), self.posterior(x))

    @property
    def exact(self) -> LatentModel:
        return LatentModel(self.prior, self.likelihood, self.posterior)

    @property
    def wrong(self) -> LatentModel:
        return LatentModel(self.prior, self.likelihood, self.wrong_posterior)

    def data(self, n: int, seed: int = 1) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        z, e = (torch.randn(n, size, generator=generator) for size in (self.weight.shape[1], len(self.shift)))
        return z @ self.weight.T + self.shift + self.noise * e


def linear_gaussian(d: int = 6, latent: int = 3, noise: float = 0.8) -> LinearGaussian:
    generator = torch.Generator().manual_seed(0)
    return LinearGaussian(torch.randn(d, latent, generator=generator), torch.randn(d, generator=generator), noise)


@dataclass(frozen=True)
class Mixture:
    """k components of independent Bernoulli pixels: z one-hot (n, k). shares: (k,); pixels: (k, d)."""

    shares: Tensor
    pixels: Tensor

    def prior(self, n: int, condition: Tensor | None = None) -> OneHotCategorical:
        return OneHotCategorical(self.shares.expand(n, -1))

    def likelihood(self, z: Tensor, condition: Tensor | None = None) -> Independent:
        return Independent(Bernoulli(z @ self.pixels), 1)

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> OneHotCategorical:
        """Half exact, half uniform."""
        exact = self._log_joint(x).softmax(1)
        return OneHotCategorical((exact + 1 / len(self.shares)) / 2)

    def _log_joint(self, x: Tensor) -> Tensor:
        pixels = self.pixels.T
        return x @ pixels.log() + (1 - x) @ (1 - pixels).log() + self.shares.log()

    def log_density(self, x: Tensor) -> Tensor:
        """log sum_z p(z) p(x | z), every z counted."""
        return self._log_joint(x).logsumexp(1)

    @property
    def model(self) -> LatentModel:
        return LatentModel(self.prior, self.likelihood, self.posterior)

    def data(self, n: int) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(2)
            return self.likelihood(self.prior(n).sample()).sample()


def mixture(k: int = 5, d: int = 12) -> Mixture:
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(k, generator=generator)
    return Mixture(shares / shares.sum(), 0.05 + 0.9 * torch.rand(k, d, generator=generator))


def pairs_bound(mean: float, scale: float) -> float:
    """E log((w1 + w2) / 2) by Gauss-Hermite quadrature, for p(z) p(x | z) = exp(-z^2 / 2) / sqrt(2 pi), the normalised
    posterior N(0, 1) (log p(x) = 0), and draws from N(mean, scale^2)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    z = mean + scale * nodes
    ratios = stats.norm.logpdf(z) - stats.norm.logpdf(z, mean, scale)
    both = np.logaddexp(ratios[:, None], ratios[None, :]) - math.log(2)
    return float(weights @ both @ weights / (2 * math.pi))


def without_data(mean: float, scale: float) -> LatentModel:
    """A model of one latent whose p(x | z) is N(0, 1) whatever z is, and whose posterior is wrong: N(mean, scale^2)."""

    def normal(n: int, mean: float, scale: float) -> Distribution:
        return Independent(Normal(torch.full((n, 1), mean), scale), 1)

    return LatentModel(
        prior=lambda n, condition: normal(n, 0.0, 1.0),
        likelihood=lambda z, condition: Independent(Normal(0 * z, 1.0), 1),
        posterior=lambda x, condition: normal(len(x), mean, scale),
    )
