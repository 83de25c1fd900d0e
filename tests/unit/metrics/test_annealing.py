"""Hamiltonian moves, the bounds of annealing, and what is refused."""

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, Uniform

from pipeline.errors import UserError
from pipeline.metrics import annealing
from pipeline.metrics.annealing import Schedule, Target
from pipeline.metrics.latent import seeded
from pipeline.systems.base import LatentModel
from tests.unit.metrics.latent_models import LinearGaussian, linear_gaussian, mixture

LINEAR = linear_gaussian()
DOUBLE = LinearGaussian(LINEAR.weight.double(), LINEAR.shift.double(), LINEAR.noise)
X = LINEAR.data(5)


@pytest.fixture
def target() -> Iterator[Target]:
    """In double precision, where a leapfrog's own errors are seen."""
    torch.set_default_dtype(torch.float64)
    yield Target(DOUBLE.exact, X.double())
    torch.set_default_dtype(torch.float32)


def start(target: Target) -> tuple[annealing.Point, Tensor]:
    with seeded(1):
        z = torch.randn(5, 3)
        return target.at(z), torch.randn(5, 3)


def energy(point: annealing.Point, momentum: Tensor, temperature: float) -> Tensor:
    return momentum.square().sum(1) / 2 - point.log_density(temperature)


def test_a_leapfrog_can_be_taken_back(target: Target) -> None:
    point, momentum = start(target)
    step = torch.linspace(0.05, 0.3, 5)
    there, ended = annealing.leapfrog(target, point, momentum, step, 0.7, 10)
    back, again = annealing.leapfrog(target, there, -ended, step, 0.7, 10)
    assert float((there.z - point.z).abs().min()) > 1e-3
    torch.testing.assert_close(back.z, point.z, atol=1e-10, rtol=0)
    torch.testing.assert_close(again, -momentum, atol=1e-10, rtol=0)


def test_a_leapfrogs_error_in_energy_falls_with_the_square_of_the_step(target: Target) -> None:
    point, momentum = start(target)
    errors = []
    for step, leaps in ((0.02, 15), (0.01, 30), (0.005, 60)):
        there, ended = annealing.leapfrog(target, point, momentum, torch.full((5,), step), 1.0, leaps)
        errors.append((energy(there, ended, 1.0) - energy(point, momentum, 1.0)).abs())
    for coarse, fine in itertools.pairwise(errors):
        torch.testing.assert_close(coarse / fine, torch.full((5,), 4.0), atol=0.4, rtol=0)


def test_gradients_are_those_of_the_densities(target: Target) -> None:
    """d log p(z) = -z; d log p(x | z) = W' (x - W z - b) / s^2."""
    point, _ = start(target)
    rest = target.x - point.z @ DOUBLE.weight.T - DOUBLE.shift
    torch.testing.assert_close(point.prior_gradient, -point.z)
    torch.testing.assert_close(point.likelihood_gradient, rest @ DOUBLE.weight / DOUBLE.noise**2)


def test_moves_find_the_posterior_from_the_prior() -> None:
    x = X[:1].expand(3000, -1)
    target, exact = Target(LINEAR.exact, x), LINEAR.posterior(x[:1])
    with seeded(2):
        point = target.start()
        for _ in range(60):
            point, _ = annealing.transition(target, point, torch.full((3000,), 0.3), 1.0, 4)
    torch.testing.assert_close(point.z.mean(0), exact.mean[0], atol=0.06, rtol=0)
    torch.testing.assert_close(point.z.T.cov(), exact.covariance_matrix[0], atol=0.06, rtol=0)


def test_steps_are_tuned_to_the_wanted_acceptance() -> None:
    schedule = Schedule(150, 8, 2)
    for noise in (0.1, 1.0):
        model = LinearGaussian(LINEAR.weight, LINEAR.shift, noise)
        found = annealing.ais(model.exact, model.data(4), schedule=schedule)
        assert found.acceptance == pytest.approx(annealing.ACCEPTANCE, abs=0.1)


def test_trajectories_that_run_away_are_not_accepted_and_stop_nobody() -> None:
    """Steps of 0.5 in a posterior of width 0.001 leave float32 within a few leaps."""
    model = LinearGaussian(LINEAR.weight, LINEAR.shift, 1e-3)
    target = Target(model.exact, model.data(20))
    with seeded(4):
        point = target.start()
        far, _ = annealing.leapfrog(target, point, torch.randn(20, 3), torch.full((20,), 0.5), 1.0, 15)
        after, chance = annealing.transition(target, point, torch.full((20,), 0.5), 1.0, 15)
    assert far.z.isnan().any()
    assert float(chance.max()) == 0
    assert torch.equal(after.z, point.z)
    assert annealing.ais(model.exact, model.data(3), schedule=Schedule(20, 2, 15)).lower.isfinite().all()
    with pytest.raises(ValueError, match="to satisfy the constraint"):
        Normal(torch.tensor(math.nan), 1.0)


def test_the_mean_weight_is_the_likelihood_however_short_the_path() -> None:
    """E[w] = p(x) exactly, with steps that know nothing of the chains that take them."""
    found = annealing.ais(LINEAR.exact, X, schedule=Schedule(6, 20_000, 2), rows=200_000)
    truth = torch.tensor(LINEAR.log_density(X))
    torch.testing.assert_close(found.lower, truth, atol=0.1, rtol=0, check_dtype=False)


def test_the_bracket_holds_the_truth_and_closes_as_the_path_grows() -> None:
    with seeded(3):
        x = LINEAR.likelihood(LINEAR.prior(300).sample()).sample()
    truth, gaps = float(LINEAR.log_density(x).mean()), []
    for distributions in (5, 20):
        found = annealing.bdmc(LINEAR.exact, 300, schedule=Schedule(distributions, 1, 2), seed=3)
        assert float(found.lower.mean()) < truth < float(found.upper.mean())
        gaps.append(float(found.gap.mean()))
    assert gaps[1] < gaps[0] / 2


def test_bounds_are_a_function_of_the_seed() -> None:
    schedule = Schedule(10, 2, 2)
    first, again, other = (annealing.ais(LINEAR.exact, X, schedule=schedule, seed=seed).lower for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rows_are_kept_to_and_conditions_go_with_their_images() -> None:
    """p(x | z, c) = N(z + c, 1), so that log p(x | c) = log N(x; c, 2)."""
    seen = []

    def prior(n: int, condition: Tensor | None) -> Independent:
        return Independent(Normal(torch.zeros(n, 1), 1.0), 1)

    def likelihood(z: Tensor, condition: Tensor) -> Independent:
        seen.append(len(z))
        return Independent(Normal(z + condition, 1.0), 1)

    x, condition = torch.zeros(7, 1), torch.arange(7.0)[:, None]
    found = annealing.ais(LatentModel(prior, likelihood), x, condition, Schedule(20, 64, 2), rows=128)
    assert max(seen) == 128
    truth = Normal(condition[:, 0], math.sqrt(2)).log_prob(x[:, 0])
    torch.testing.assert_close(found.lower, truth, atol=0.3, rtol=0, check_dtype=False)
    bracket = annealing.bdmc(LatentModel(prior, likelihood), 7, condition, Schedule(20, 64, 2), rows=128)
    assert float(bracket.gap.abs().max()) < 0.5


def test_a_path_runs_from_prior_to_joint_closest_at_its_ends() -> None:
    path = torch.tensor(Schedule(100).temperatures, dtype=torch.float64)
    gaps = path.diff()
    assert (float(path[0]), float(path[-1])) == (0, 1)
    assert float(gaps.min()) > 0
    assert int(gaps.argmax()) in (49, 50)
    torch.testing.assert_close(gaps, gaps.flip(0))


def test_latents_without_gradients_are_refused() -> None:
    bits = mixture()
    with pytest.raises(UserError, match="latents on the whole real line are expected, OneHot"):
        annealing.ais(bits.model, bits.data(3), schedule=Schedule(5, 2, 2))
    bounded = LatentModel(lambda n, c: Independent(Uniform(torch.zeros(n, 3), 1.0), 1), LINEAR.likelihood)
    with pytest.raises(UserError, match="latents on the whole real line are expected, Interval"):
        annealing.bdmc(bounded, 3, schedule=Schedule(5, 2, 2))


def test_bad_requests_are_refused() -> None:
    broken = LatentModel(
        LINEAR.prior,
        lambda z, c: Independent(Normal(LINEAR.likelihood(z).mean * math.nan, 1.0, validate_args=False), 1),
    )
    refused = (
        ("log-likelihood: NaN at samples of the prior", lambda: annealing.ais(broken, X)),
        ("images: 1 of 5 hold NaN", lambda: annealing.ais(LINEAR.exact, X.index_fill(0, torch.tensor(2), math.nan))),
        ("at least 2 distributions", lambda: Schedule(1, 1, 1)),
        ("conditions: one row per image", lambda: annealing.ais(LINEAR.exact, X, torch.ones(2, 1))),
        ("one condition for each of at least 1 example", lambda: annealing.bdmc(LINEAR.exact, 0)),
        ("one condition for each of at least 1 example", lambda: annealing.bdmc(LINEAR.exact, 3, torch.ones(2, 1))),
    )
    for said, call in refused:
        with pytest.raises(UserError, match=said):
            call()
