"""Known answers of `pipeline.metrics.annealing`."""

import functools

import torch

from pipeline.metrics import annealing
from pipeline.metrics.annealing import Annealed, Point, Schedule, Target
from pipeline.metrics.latent import seeded
from tests.unit.metrics.known import Known
from tests.unit.metrics.latent_models import linear_gaussian

LINEAR = linear_gaussian()
DECODER = LINEAR.exact
X = LINEAR.data(48)
SCHEDULE, ROWS = Schedule(distributions=80, chains=128, leaps=3), 10_000


@functools.cache
def real() -> Annealed:
    return annealing.ais(DECODER, X, schedule=SCHEDULE, rows=ROWS)


@functools.cache
def own() -> tuple[Annealed, float]:
    """Bounds for the model's own data, and the truth there: the data are those that bdmc draws first by its seed."""
    with seeded(5):
        z = LINEAR.prior(48).sample()
        x = LINEAR.likelihood(z).sample()
    bracket = annealing.bdmc(DECODER, 48, schedule=SCHEDULE, rows=ROWS, seed=5)
    return bracket, float(LINEAR.log_density(x).mean())


@functools.cache
def stationary() -> tuple[Point, torch.Tensor, torch.Tensor]:
    """20,000 chains that start in the exact posterior of one example, after 20 transitions, with its moments."""
    x = X[:1].expand(20_000, -1)
    target, posterior = Target(DECODER, x), LINEAR.posterior(x)
    with seeded(6):
        point = target.at(posterior.sample())
        for _ in range(20):
            point, _ = annealing.transition(target, point, torch.full((20_000,), 0.3), 1.0, 3)
    return point, posterior.mean[0], posterior.covariance_matrix[0]


def off_mean() -> float:
    """The greatest deviation from the mean, in standard deviations."""
    point, mean, covariance = stationary()
    return float(((point.z.mean(0) - mean) / covariance.diagonal().sqrt()).abs().max())


def off_covariance() -> float:
    """The greatest deviation of a covariance, in units of the standard deviations' product."""
    point, _, covariance = stationary()
    scale = covariance.diagonal().sqrt()
    return float(((point.z.T.cov() - covariance) / scale.outer(scale)).abs().max())


CASES = [
    Known(
        "nll_ais",
        "-log p(x) by the multivariate normal, for a linear-Gaussian model",
        -float(LINEAR.log_density(X).mean()),
        lambda: -float(real().lower.mean()),
        0.05,
    ),
    Known(
        "annealing.bdmc",
        "lower end of the bracket: log p(x) of the model's own data",
        own()[1],
        lambda: float(own()[0].lower.mean()),
        0.05,
    ),
    Known(
        "annealing.bdmc",
        "upper end of the bracket: the same",
        own()[1],
        lambda: float(own()[0].upper.mean()),
        0.05,
    ),
    Known(
        "annealing.transition",
        "off the mean, in standard deviations: Hamiltonian moves leave a normal posterior as it is",
        0.0,
        off_mean,
        0.03,
    ),
    Known(
        "annealing.transition",
        "off the correlations and variances, which they leave too",
        0.0,
        off_covariance,
        0.05,
    ),
]
