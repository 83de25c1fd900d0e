"""Log-likelihood of decoder models by annealed importance sampling, with a bracket that shows how far it is off.

A path of densities f_b(z) = p(z) p(x | z)^b leads from the prior (b = 0) to the joint (b = 1), whose integral over z is
p(x). A chain that follows the path by Markov transitions, each leaving its f_b invariant, gathers a weight w with
E[w] = p(x) (Neal 2001, section 2), so that the logarithm of a mean of weights is below log p(x) in expectation. A chain
that starts from a sample of the exact posterior and walks the path backwards has E[1/w] = 1/p(x), and gives an upper
bound (Grosse et al. 2015: bidirectional Monte Carlo). Such a sample is known for data that the model itself makes: z
from the prior, x from p(x | z). Transitions are Hamiltonian Monte Carlo (Neal 2011), the schedule of b is the sigmoid of
Wu et al. 2017, 'On the quantitative analysis of decoder-based generative models'.

Only the model's prior and likelihood are asked, so a decoder without a posterior (a GAN's generator with noise at its
output, say) is measured alike. Latents must be continuous, on the whole real line.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from pipeline.errors import UserError
from pipeline.metrics.inputs import check_finite
from pipeline.metrics.latent import check_examples, log_likelihood, log_prior, parts, repeated, seeded, unchecked
from pipeline.progress import Advance, progress
from pipeline.systems.base import LatentModel

ROWS = 500
# The acceptance at which Hamiltonian Monte Carlo is most efficient (Beskos et al. 2013).
ACCEPTANCE = 0.65
FIRST_STEP = 0.5
ADAPTATION = 0.2
# Trajectories of one length may come back to where they started (Neal 2011), so lengths vary by this share.
JITTER = 0.2
# Ends of the sigmoid by which the path is spaced.
STEEPNESS = 4.0


@dataclass(frozen=True)
class Schedule:
    """distributions: on the path, without the first; chains: independent ones for each example; leaps: leapfrog steps of
    a transition. The cost is their product, in gradients of the decoder."""

    distributions: int = 500
    chains: int = 4
    leaps: int = 5

    def __post_init__(self) -> None:
        if self.distributions < 2 or self.chains < 1 or self.leaps < 1:
            raise UserError(f"annealing: at least 2 distributions, 1 chain and 1 leap expected, {self} given")

    @property
    def temperatures(self) -> list[float]:
        """The exponents b, from 0 to 1, closest at both ends."""
        curve = torch.linspace(-STEEPNESS, STEEPNESS, self.distributions + 1, dtype=torch.float64).sigmoid()
        return ((curve - curve[0]) / (curve[-1] - curve[0])).tolist()


@dataclass(frozen=True)
class Annealed:
    """Bounds of log p(x), or log p(x | condition), in nats, each (n,) in float64 and true in expectation.

    upper: there for simulated data alone; acceptance: mean over all transitions; near 0 the chains stand still and the
    bounds are loose.
    """

    lower: Tensor
    acceptance: float
    upper: Tensor | None = None

    @property
    def gap(self) -> Tensor | None:
        """upper - lower (n,): the error of either is at most this, in expectation."""
        return None if self.upper is None else self.upper - self.lower


def ais(
    model: LatentModel,
    images: Tensor,
    condition: Tensor | None = None,
    schedule: Schedule | None = None,
    rows: int = ROWS,
    seed: int = 0,
) -> Annealed:
    """Lower bounds of log p(x) in nats for images (n, *shape), by annealed importance sampling (Neal 2001). Up.

    condition: n rows, for a model that has one; rows: the most (example, chain) pairs at a time. Raises UserError for
    examples or log-likelihoods that are not finite, and for latents that are not real numbers.
    """
    check_examples(images, condition)
    schedule = schedule or Schedule()
    size = _size(schedule, rows)
    total = -(-len(images) // size) * 2 * (schedule.distributions - 1)
    with seeded(seed), progress("annealing", total) as advance:
        found = [_forward(Target(model, *part), schedule, advance) for part in parts(images, condition, size)]
    bounds, accepted, _ = zip(*found, strict=True)
    lower = torch.cat(bounds)
    check_finite("log-likelihood by annealing", lower)
    return Annealed(lower, float(torch.cat(accepted).mean()))


def bdmc(
    model: LatentModel,
    count: int,
    condition: Tensor | None = None,
    schedule: Schedule | None = None,
    rows: int = ROWS,
    seed: int = 0,
) -> Annealed:
    """Lower and upper bounds of log p(x) in nats for `count` examples that the model makes (Grosse et al. 2015).

    The gap is a measure of the annealing, not of the model: it tells how far `ais` may be off on real data, as far as
    these are like the model's own (Grosse et al. 2016). Arguments and errors are those of `ais`.
    """
    if count < 1 or (condition is not None and len(condition) != count):
        raise UserError(f"count: one condition for each of at least 1 example expected, count = {count} given")
    schedule = schedule or Schedule()
    size = _size(schedule, rows)
    total = -(-count // size) * 3 * (schedule.distributions - 1)
    with seeded(seed), progress("annealing both ways", total) as advance:
        z, x = _simulated(model, count, condition)
        pieces = zip(z.split(size), parts(x, condition, size), strict=True)
        found = [_both(Target(model, *part), exact, schedule, advance) for exact, part in pieces]
    lower, upper, accepted = (torch.cat(each) for each in zip(*found, strict=True))
    check_finite("log-likelihood by annealing", torch.cat((lower, upper)))
    return Annealed(lower, float(accepted.mean()), upper)


def _size(schedule: Schedule, rows: int) -> int:
    return max(1, rows // schedule.chains)


@torch.no_grad()
def _simulated(model: LatentModel, count: int, condition: Tensor | None) -> tuple[Tensor, Tensor]:
    prior = model.prior(count, condition)
    check_continuous(prior)
    z = prior.sample()
    return z, model.likelihood(z, condition).sample()


@dataclass(frozen=True)
class Point:
    """Where chains are: z (m, *latent); log p(z) and log p(x | z), (m,); their gradients by z."""

    z: Tensor
    prior: Tensor
    likelihood: Tensor
    prior_gradient: Tensor
    likelihood_gradient: Tensor

    def log_density(self, temperature: float) -> Tensor:
        return self.prior + temperature * self.likelihood

    def gradient(self, temperature: float) -> Tensor:
        return self.prior_gradient + temperature * self.likelihood_gradient

    def moved(self, where: Tensor, other: "Point") -> "Point":
        """The other point in the rows `where` (m,) is true, this one elsewhere."""

        def chosen(old: Tensor, new: Tensor) -> Tensor:
            return torch.where(_along(where, old), new, old)

        return Point(*(chosen(getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Target:
    """The joint density of latents and the examples x (m, *shape), given a condition of m rows if there is one."""

    model: LatentModel
    x: Tensor
    condition: Tensor | None = None

    def at(self, z: Tensor) -> Point:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            prior = log_prior(self.model, z, self.condition)
            likelihood = log_likelihood(self.model, self.x, z, self.condition)
            gradients = [torch.autograd.grad(each.sum(), z)[0] for each in (prior, likelihood)]
        return Point(z.detach(), prior.detach(), likelihood.detach(), *gradients)

    def times(self, chains: int) -> "Target":
        """The same with every example so many times over."""
        return Target(self.model, repeated(self.x, chains), repeated(self.condition, chains))

    @torch.no_grad()
    def start(self) -> Point:
        """A sample of the prior for every row. Raises UserError for latents that are not real numbers."""
        prior = self.model.prior(len(self.x), self.condition)
        check_continuous(prior)
        point = self.at(prior.sample())
        if point.likelihood.isnan().any():
            raise UserError("log-likelihood: NaN at samples of the prior; look for what made it")
        return point


def check_continuous(prior: Distribution) -> None:
    """Raises UserError if the prior is known to be over anything but real numbers."""
    try:
        support = prior.support
    except NotImplementedError:
        return
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if not isinstance(support, type(constraints.real)):
        raise UserError(
            f"prior: annealing follows gradients, so latents on the whole real line are expected, {support} given; "
            "write the model with a transform of such ones, or take the importance-weighted bound"
        )


def leapfrog(
    target: Target, start: Point, momentum: Tensor, step: Tensor, temperature: float, leaps: int
) -> tuple[Point, Tensor]:
    """Hamilton's equations for the energy -log f_b(z) + |momentum|^2 / 2 by the leapfrog method (Neal 2011).

    momentum: (m, *latent); step: a size for each row (m,). Reversible, keeps volumes, energy up to O(step^2).
    """
    point, size = start, _along(step, momentum)
    momentum = momentum + size / 2 * point.gradient(temperature)
    # One trajectory that runs away must not stop the others: it ends at NaN, and is not accepted.
    with unchecked():
        for _ in range(leaps):
            point = target.at(point.z + size * momentum)
            momentum = momentum + size * point.gradient(temperature)
    return point, momentum - size / 2 * point.gradient(temperature)


def transition(target: Target, start: Point, step: Tensor, temperature: float, leaps: int) -> tuple[Point, Tensor]:
    """A Hamiltonian Monte Carlo move that leaves f_b invariant, and the chance (m,) with which it was accepted."""
    momentum = torch.randn_like(start.z)
    varied = step * (1 + JITTER * (2 * torch.rand_like(step) - 1))
    point, ended = leapfrog(target, start, momentum, varied, temperature, leaps)
    kinetic = (momentum.square() - ended.square()).flatten(1).sum(1) / 2
    gain = point.log_density(temperature) - start.log_density(temperature) + kinetic
    chance = gain.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf).clamp_max(0).exp()
    return start.moved(torch.rand_like(chance) < chance, point), chance


def tuned_steps(target: Target, temperatures: list[float], leaps: int, advance: Advance) -> list[Tensor]:
    """For each transition of the path a step size per row (m,), at which about ACCEPTANCE of the moves are accepted.

    Learnt by one chain per example that is then thrown away: the weights of chains that tune themselves as they go have
    not quite the expectation that makes them bounds, as their transitions depend on where they have been.
    """
    point = target.start()
    step, steps = torch.full_like(point.prior, FIRST_STEP), []
    for temperature in temperatures[1:-1]:
        point, chance = transition(target, point, step, temperature, leaps)
        step = step * (ADAPTATION * (chance - ACCEPTANCE)).exp()
        steps.append(step)
        advance(1, "")
    return steps


def annealed(
    target: Target, start: Point, temperatures: list[float], steps: list[Tensor], leaps: int, advance: Advance
) -> tuple[Tensor, Tensor]:
    """log w (m,) in float64 of chains along the path, and the mean chance of acceptance (m,) of their moves.

    From 0 to 1, or from 1 to 0: then log w is that of the ratio the other way round.
    """
    point, total, accepted = start, torch.zeros_like(start.prior, dtype=torch.float64), torch.zeros_like(start.prior)
    last = temperatures[0]
    for temperature, step in zip(temperatures[1:-1], steps, strict=True):
        total += (temperature - last) * point.likelihood.double()
        point, chance = transition(target, point, step, temperature, leaps)
        accepted += chance / len(steps)
        last = temperature
        advance(1, "")
    return total + (temperatures[-1] - last) * point.likelihood.double(), accepted


def _forward(target: Target, schedule: Schedule, advance: Advance) -> tuple[Tensor, Tensor, list[Tensor]]:
    temperatures, chains = schedule.temperatures, schedule.chains
    tuned = tuned_steps(target, temperatures, schedule.leaps, advance)
    steps, many = [step.repeat(chains) for step in tuned], target.times(chains)
    weights, accepted = annealed(many, many.start(), temperatures, steps, schedule.leaps, advance)
    return _log_mean(weights, chains), accepted, steps


def _both(target: Target, exact: Tensor, schedule: Schedule, advance: Advance) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper bounds, and the chances of acceptance; exact: samples of the exact posterior (m, *latent)."""
    lower, accepted, steps = _forward(target, schedule, advance)
    many, chains = target.times(schedule.chains), schedule.chains
    start, path = many.at(repeated(exact, chains)), schedule.temperatures[::-1]
    weights, back = annealed(many, start, path, steps[::-1], schedule.leaps, advance)
    return lower, -_log_mean(weights, chains), torch.cat((accepted, back))


def _log_mean(weights: Tensor, chains: int) -> Tensor:
    """The logarithm of the chains' mean weight: (chains * n,) -> (n,)."""
    rows = weights.reshape(chains, -1)
    return rows.logsumexp(0) - torch.tensor(chains, dtype=rows.dtype).log()


def _along(rows: Tensor, like: Tensor) -> Tensor:
    """One number a row, shaped to broadcast over the rest of `like`."""
    return rows.reshape(-1, *[1] * (like.dim() - 1))
