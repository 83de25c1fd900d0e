"""What the log-likelihood metrics ask of a `LatentModel`: seeded draws, and log-densities of one number a row."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Distribution

from pipeline.errors import UserError
from pipeline.metrics.inputs import check_finite
from pipeline.systems.base import LatentModel


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws inside are a function of the seed; those outside go on as if nothing had been drawn.

    torch's distributions know no generator of one's own, so the global one is lent and given back.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """torch's distributions made inside give NaN where they would refuse a value or a parameter."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def posterior(model: LatentModel, x: Tensor, condition: Tensor | None) -> Distribution:
    """q(z | x): (n, *shape) -> n distributions."""
    with _refused("posterior"):
        found = model.posterior(x, condition)
    if tuple(found.batch_shape) != (len(x),):
        raise UserError(f"posterior: batch shape ({len(x)},) expected, {tuple(found.batch_shape)} given")
    return found


def log_prior(model: LatentModel, z: Tensor, condition: Tensor | None) -> Tensor:
    """log p(z), in nats: (n, *latent) -> (n,)."""
    with _refused("prior"):
        return _each("prior", model.prior(len(z), condition), z)


def log_likelihood(model: LatentModel, x: Tensor, z: Tensor, condition: Tensor | None) -> Tensor:
    """log p(x | z), in nats: (n, *shape), (n, *latent) -> (n,)."""
    with _refused("likelihood"):
        return _each("likelihood", model.likelihood(z, condition), x)


def _each(name: str, distribution: Distribution, values: Tensor) -> Tensor:
    batch, event = tuple(distribution.batch_shape), tuple(distribution.event_shape)
    if batch != (len(values),) or event != tuple(values.shape[1:]):
        raise UserError(
            f"{name}: {len(values)} distributions over values of shape {tuple(values.shape[1:])} expected, batch shape "
            f"{batch} and event shape {event} given; see LatentModel"
        )
    return distribution.log_prob(values)


@contextlib.contextmanager
def _refused(name: str) -> Iterator[None]:
    """What torch's distributions refuse, such as parameters that are NaN or grey pixels as bits, as a UserError."""
    try:
        yield
    except ValueError as error:
        # The lines after the first are the tensor.
        raise UserError(f"{name}: {str(error).splitlines()[0].rstrip(':')}") from None


def check_examples(x: Tensor, condition: Tensor | None) -> None:
    """Raises UserError unless the examples are finite, at least one, and the condition has a row for each."""
    check_finite("images", x)
    if condition is not None and len(condition) != len(x):
        raise UserError(f"conditions: one row per image expected, {len(condition)} for {len(x)} images given")


def repeated(rows: Tensor | None, times: int) -> Tensor | None:
    """The rows so many times over, one copy after another: (n, ...) -> (times * n, ...); None stays None."""
    return None if rows is None else rows.expand(times, *rows.shape).flatten(0, 1)


def parts(x: Tensor, condition: Tensor | None, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Examples and conditions, at most `size` at a time."""
    for start in range(0, len(x), size):
        yield x[start : start + size], None if condition is None else condition[start : start + size]
