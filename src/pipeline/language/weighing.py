"""Wires that stand for weighted values, and the equations' expectations over them.

Let q be a categorical wire, x any wire, and w a real number on a wire. Each of

    every(q)             y takes every class of q's type, with weight q(y)
    drawn(q)             y is one class, drawn from q; the gradient is the score function's
    repeated(k)(x)       k copies of x, each with weight 1/k; random boxes draw anew for each
    reweighted(x, w)     x, with weight proportional to exp(w) over the batch

is a wire y whose values carry weights. An equation that mentions y has the loss

    E_y D(lhs(y), rhs(y)) = sum over y of weight(y) D(lhs(y), rhs(y)),

with gradients through the weights, so that q, too, can be trained by it (even where y lies below a stopped gradient):
`every` is exact (Kingma et al. 2014, equation 7), `drawn` is unbiased (Williams 1992; Foerster et al. 2018 for the
form), with the mean of the other examples' losses as its baseline. An expectation can also be taken before the
equation, on a wire:

    expected(f, over=y)         sum over y of weight(y) f(y): the mean of real wires, the mixture of distributions
    log_mean_exp(f, over=y)     log of the sum over y of weight(y) exp f(y)

>>> from pipeline.language import Learner, Normal, Type, constant, evaluate
>>> from pipeline.language.sources import Draws
>>> V = Type("V", (3,), "categorical")
>>> y = every(constant(2, V))
>>> bool((evaluate(expected(y, over=y), Draws(0, 0, 1)) == evaluate(constant(2, V), Draws(0, 0, 1))).all())
True
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.language.sources import Gumbel, hidden_noise
from pipeline.language.terms import Op, TaskError, Term, Type, Value, expect_kind, ordered

Weights = Mapping[Term, Tensor]  # of each weigher: the logarithm of a weight for each row of its value


# ----------------------------------------------------------------------------------------------------------- layout


def rows(axes: Sequence[Term], batch: int) -> int:
    """How many rows a value has on these axes."""
    for axis in axes:
        batch *= axis_size(axis)
    return batch


def axis_size(axis: Term) -> int:
    assert isinstance(axis.op, Weigher), axis
    return axis.op.size(axis)


def spread(value: Value, have: tuple[Term, ...], want: tuple[Term, ...], batch: int) -> Value:
    """A value (rows(have), ...) with a row for each combination of `want`, which includes `have`.

    The last axis of all is the batch; the first axes are those of the first terms.
    """
    if have == want:
        return value
    if isinstance(value, tuple):
        return tuple(spread(part, have, want, batch) for part in value)
    rest = value.shape[1:]
    narrow = [axis_size(axis) if axis in have else 1 for axis in want]
    wide = [axis_size(axis) for axis in want]
    return value.reshape(*narrow, batch, *rest).expand(*wide, batch, *rest).reshape(-1, *rest)


# --------------------------------------------------------------------------------------------------------- weighers


class Weigher(Op):
    """An operation whose value carries weights."""

    def size(self, term: Term) -> int:
        """How many rows it makes of one."""
        return 1

    def weighing(self, term: Term) -> tuple[Term, ...]:
        return term.inputs

    def weighers(self, term: Term) -> tuple[Term, ...]:
        return ordered(super().weighers(term), (term,))

    @abstractmethod
    def weigh(self, term: Term, inputs: Sequence[Value], batch: int) -> tuple[Value, Tensor]:
        """The value, and the logarithm of the weight of each of its rows."""


class Axis(Weigher):
    """A weigher with several rows for each row of its input."""

    def axes(self, term: Term) -> tuple[Term, ...]:
        return (*super().axes(term), term)


@dataclass(frozen=True)
class Every(Axis):
    """See `every`."""

    def size(self, term: Term) -> int:
        return term.type.shape[0]

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"every({inputs[0]})"

    def weigh(self, term: Term, inputs: Sequence[Value], batch: int) -> tuple[Value, Tensor]:
        q = inputs[0].view(-1, batch, self.size(term))  # (rows of q's axes, batch, classes)
        one_hot = torch.eye(self.size(term), dtype=q.dtype, device=q.device).log()
        value = one_hot[None, :, None].expand(len(q), -1, batch, -1).reshape(-1, self.size(term))
        return value, q.transpose(1, 2).reshape(-1)


@dataclass(frozen=True)
class Repeated(Axis):
    """See `repeated`."""

    times: int

    @property
    def note(self) -> str:
        return f"{self.times} times"

    def weighing(self, term: Term) -> tuple[Term, ...]:
        return ()

    def size(self, term: Term) -> int:
        return self.times

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"repeated[{self.times}]({inputs[0]})"

    def weigh(self, term: Term, inputs: Sequence[Value], batch: int) -> tuple[Value, Tensor]:
        value = self._copies(inputs[0], batch)
        return value, torch.full((rows(term.axes, batch),), -math.log(self.times), device=_tensor(value).device)

    def _copies(self, value: Value, batch: int) -> Value:
        if isinstance(value, tuple):
            return tuple(self._copies(part, batch) for part in value)
        rest = value.shape[1:]
        return value.view(-1, 1, batch, *rest).expand(-1, self.times, batch, *rest).reshape(-1, *rest)


@dataclass(frozen=True)
class Drawn(Weigher):
    """See `drawn`."""

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"drawn({inputs[0]})"

    def weigh(self, term: Term, inputs: Sequence[Value], batch: int) -> tuple[Value, Tensor]:
        q, noise = inputs
        choice = (q.detach() + noise).argmax(-1)
        log_probability = q.gather(-1, choice.unsqueeze(-1)).reshape(len(q), -1).sum(1)
        one_hot = F.one_hot(choice, q.shape[-1]).to(q.dtype).log()
        return one_hot, log_probability - log_probability.detach()


@dataclass(frozen=True)
class Reweighted(Weigher):
    """See `reweighted`."""

    def weighing(self, term: Term) -> tuple[Term, ...]:
        return term.inputs[1:]

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"reweighted({inputs[0]}, {inputs[1]})"

    def weigh(self, term: Term, inputs: Sequence[Value], batch: int) -> tuple[Value, Tensor]:
        value, log_weight = inputs
        return value, (log_weight.reshape(-1, batch).log_softmax(1) + math.log(batch)).reshape(-1)


def every(q: Term) -> Term:
    """All classes of a categorical wire at once, weighted by their probabilities.

    Raises TaskError if the wire is not categorical, or carries several classes: of t out of k there are k^t.
    """
    expect_kind(q.type, "categorical", of="every", wire=q)
    if not q.type.single:
        raise TaskError(f"every `{q}`: a wire of one class is expected, not {q.type.full}; `drawn` draws several")
    return Term(Every(), (q,), q.type)


def drawn(q: Term) -> Term:
    """A class (or several, side by side) drawn from a categorical wire, its gradient by the score function: unbiased, and of large variance.

    Where classes are few use `every`; where a biased gradient will do, `concrete` or `straight_through`.
    Raises TaskError if the wire is not categorical.
    """
    expect_kind(q.type, "categorical", of="drawn", wire=q)
    return Term(Drawn(), (q, hidden_noise(Gumbel, "g", q, Type(q.type.name, q.type.shape))), q.type)


def repeated(times: int) -> Callable[[Term], Term]:
    """So many copies of a wire, of equal weight; random boxes that are applied to them draw for each copy.

    Raises TaskError if `times` is not positive.
    """
    if times < 1:
        raise TaskError(f"repeated: at least 1 copy is expected, not {times}")
    return lambda term: Term(Repeated(times), (term,), term.type)


def reweighted(term: Term, log_weight: Term) -> Term:
    """The wire under another law, of density proportional to exp(log_weight): self-normalised importance weights, over
    the batch. Where they are to be constants of the training, give `stop_gradient(log_weight)`.

    Raises TaskError if the logarithm of the weight is not one real number.
    """
    expect_kind(log_weight.type, "real", of="reweighted by", wire=log_weight)
    if log_weight.type.shape:
        raise TaskError(f"reweighted: `{log_weight}` must be one number per example, not {log_weight.type.full}")
    return Term(Reweighted(), (term, log_weight), term.type)


# ----------------------------------------------------------------------------------------------------- expectations


@dataclass(frozen=True)
class Expected(Op):
    """The expectation of the first input over the second, a wire of several values; of its exponential if `log`."""

    log: bool = False

    @property
    def title(self) -> str:
        return "log_mean_exp" if self.log else "expected"

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"{self.title}({inputs[0]}, over={inputs[1]})"

    def passing(self, term: Term) -> tuple[Term, ...]:
        # Copies all weigh the same, whatever they are copies of.
        return term.inputs[:1] if isinstance(term.inputs[1].op, Repeated) else term.inputs

    def axes(self, term: Term) -> tuple[Term, ...]:
        return tuple(axis for axis in super().axes(term) if axis is not term.inputs[1])

    def weighers(self, term: Term) -> tuple[Term, ...]:
        return tuple(each for each in super().weighers(term) if each is not term.inputs[1])

    def average(self, term: Term, value: Value, weight: Tensor, batch: int) -> Tensor:
        """The weighted mean over the axis `over`, of a value and the logarithm of a weight, on all axes of both inputs."""
        over = term.inputs[1]
        axes = ordered(*(below.axes for below in term.inputs))
        before = rows(axes[: axes.index(over)], 1)
        shape = (before, axis_size(over), -1)
        weight = weight.view(shape).view(*shape[:2], -1, *[1] * (value.dim() - 1))
        value = value.view(*weight.shape[:3], *value.shape[1:])
        made: Tensor
        if self.log or term.type.kind == "categorical":
            made = (value + weight).logsumexp(1)
        elif term.type.kind == "bernoulli":
            made = torch.special.logit((weight.exp() * value.sigmoid()).sum(1), eps=torch.finfo(value.dtype).eps)
        else:
            made = (weight.exp() * value).sum(1)
        return made.flatten(0, 1)


def expected(term: Term, over: Term) -> Term:
    """The mean of a wire over the values of another, which `every` or `repeated` made: a number on real wires, the
    mixture on categorical and bernoulli ones.

    Raises TaskError if the mean of such a wire is none, or `over` does not have several values.
    """
    expect_kind(term.type, "real", "categorical", "bernoulli", of="expected", wire=term)
    return _expectation(Expected(), term, over)


def log_mean_exp(term: Term, over: Term) -> Term:
    """The logarithm of the mean of exp(wire) over the values of another (Burda et al. 2016, equation 8).

    Raises TaskError if the wire is not real, or `over` does not have several values.
    """
    expect_kind(term.type, "real", of="log_mean_exp", wire=term)
    return _expectation(Expected(log=True), term, over)


def _expectation(op: Expected, term: Term, over: Term) -> Term:
    if not isinstance(over.op, Axis):
        raise TaskError(f"{op.title}: `{over}` has one value; every(...) and repeated(...) have several")
    return Term(op, (term, over), term.type)


# ----------------------------------------------------------------------------------------------------------- values


@dataclass(frozen=True)
class Spread(Op):
    """A wire with a row for each combination of more axes: what a diagram leaves unsaid, made a step of its own."""

    wanted: tuple[Term, ...]

    def show(self, inputs: tuple[Term, ...]) -> str:
        return str(inputs[0])

    def axes(self, term: Term) -> tuple[Term, ...]:
        return self.wanted


def spread_to(term: Term, axes: tuple[Term, ...]) -> Term:
    """The wire on these axes, which include its own."""
    return term if term.axes == axes else Term(Spread(axes), (term,), term.type)


def aligned_inputs(term: Term) -> tuple[Term, ...]:
    """What a term is computed from: its inputs, spread to its axes where the operation does not see to that itself."""
    if isinstance(term.op, Axis | Spread):
        return term.inputs
    axes = ordered(*(below.axes for below in term.inputs))
    return tuple(spread_to(below, axes) for below in term.inputs)


def is_plain(term: Term) -> bool:
    """Whether the value is `op.compute` of the inputs' values."""
    return bool(term.inputs) and not isinstance(term.op, Weigher | Expected | Spread)


def value_of(term: Term, inputs: Sequence[Value], weights: dict[Term, Tensor], batch: int) -> Value:
    """The value of a term that is no source's wire, from those of its aligned inputs; adds its weights, if any."""
    op = term.op
    if isinstance(op, Spread):
        return spread(inputs[0], term.inputs[0].axes, term.axes, batch)
    if isinstance(op, Weigher):
        value, weights[term] = op.weigh(term, inputs, batch)
        return value
    if isinstance(op, Expected):
        over = term.inputs[1]
        axes = ordered(*(below.axes for below in term.inputs))
        return op.average(term, inputs[0], spread(weights[over], over.axes, axes, batch), batch)
    value = op.compute(term, inputs)
    return value if term.inputs else _filled(value, batch)


def _filled(value: Value, batch: int) -> Value:
    """One example for the whole batch."""
    if isinstance(value, tuple):
        return tuple(_filled(part, batch) for part in value)
    return value.expand(batch, *value.shape[1:])


def _tensor(value: Value) -> Tensor:
    while isinstance(value, tuple):
        value = value[0]
    assert isinstance(value, Tensor)
    return value


def mean_loss(each: Tensor, axes: tuple[Term, ...], weighers: Sequence[Term], weights: Weights, batch: int) -> Tensor:
    """The mean of the losses (rows(axes),), weighted by all weighers: a scalar."""
    if not weighers:
        return each.mean()
    for weigher in weighers:
        weight = spread(weights[weigher], weigher.axes, axes, batch).exp()
        if isinstance(weigher.op, Drawn):
            # The value stays; the baseline takes variance from the gradient, and no bias to it.
            baseline = _others(each.detach().view(-1, batch)).reshape(-1)
            each = weight * each + (1 - weight) * baseline
        else:
            each = weight * each
    return each.sum() / batch


def _others(losses: Tensor) -> Tensor:
    """For each example the mean of all others; losses: (rows, batch)."""
    count = losses.shape[1]
    return (losses.sum(1, keepdim=True) - losses) / max(1, count - 1)
