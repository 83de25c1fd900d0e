"""The library of fixed boxes: noise, reparameterised samples, stopped gradients, boxes whose parameters are a wire.

With e standard normal, g standard Gumbel, and m, v, q what the input wire carries:

    noise(std)(x)              x + std e
    sample(m, v)               m + exp(log v / 2) e                     Kingma & Welling 2014, equation 10
    concrete(t)(q)             softmax((log q + g) / t)                 Maddison et al. 2017, Jang et al. 2017
    straight_through(t)(q)     the largest of log q + g, one-hot; its gradient is that of concrete(t)(q)
    likeliest(q)               the class of greatest probability, as a certain one; a constant for all learners
    stop_gradient(x)           x, a constant for all learners

Applied twice to the same wire, a random box is the same draw:

>>> from pipeline.language import Normal, Type
>>> x = Normal("x", Type("S", (2,))).term
>>> noise(0.1)(x) is noise(0.1)(x)
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.language.sources import Gumbel, Normal, hidden_noise
from pipeline.language.terms import Fixed, Op, TaskError, Term, Type, Value, Wireable, expect_kind, number

_fixed: dict[tuple[Any, ...], Fixed] = {}


def _shared(key: tuple[Any, ...], make: Callable[[], Fixed]) -> Fixed:
    """The same fixed box for the same description, so that its applications are hash-consed."""
    return _fixed.setdefault(key, make())


def noise(std: float) -> Callable[[Wireable], Term]:
    """The box x -> x + std * e, with e standard normal. Raises TaskError if the wire is not real."""

    def apply(wire: Wireable) -> Term:
        term, type = wire.term, wire.term.type
        expect_kind(type, "real", of="noise", wire=term)

        def make() -> Fixed:
            name = f"noise[{number(std)}]"
            return Fixed(name, (type, type), type, body=lambda x, e: torch.add(x, e, alpha=std))

        return _shared(("noise", std, type), make)(term, hidden_noise(Normal, "e", term, type))

    return apply


def sample(wire: Wireable) -> Term:
    """A reparameterised draw from the gaussian on a wire: mean + exp(log-variance / 2) * e.

    Raises TaskError if the wire is not gaussian.
    """
    term = wire.term
    expect_kind(term.type, "gaussian", of="sample", wire=term)
    real = Type(term.type.name, term.type.shape)
    box = _shared(
        ("sample", term.type),
        lambda: Fixed("sample", (term.type, real), real, body=lambda q, e: q[:, 0] + (q[:, 1] / 2).exp() * e),
    )
    return box(term, hidden_noise(Normal, "e", term, real))


def concrete(temperature: float) -> Callable[[Wireable], Term]:
    """A relaxed draw of a class, softmax((log q + g) / temperature): a draw in the limit of temperature 0.

    Raises TaskError if the temperature is not positive, or the wire is not categorical.
    """
    return _relaxed("concrete", temperature, lambda q, g: ((q + g) / temperature).log_softmax(-1))


def straight_through(temperature: float) -> Callable[[Wireable], Term]:
    """A draw of a class whose gradient is taken to be that of `concrete(temperature)`, which is biased
    (Bengio et al. 2013; Jang et al. 2017, section 2.2). It is for boxes, which receive probabilities: a divergence that
    takes the logarithm of the class that was not drawn has no use for it.

    Raises TaskError if the temperature is not positive, or the wire is not categorical.
    """

    def body(q: Tensor, g: Tensor) -> Tensor:
        soft = ((q + g) / temperature).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
        # A readable 0: through the logarithm of an exact one no gradient comes back.
        floor = 1e-20
        return (hard.clamp_min(floor) + (soft - soft.detach())).log()

    return _relaxed("straight_through", temperature, body)


def _relaxed(name: str, temperature: float, body: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Wireable], Term]:
    if temperature <= 0:
        raise TaskError(f"{name}: a positive temperature is expected, not {temperature:g}")

    def apply(wire: Wireable) -> Term:
        term, type = wire.term, wire.term.type
        expect_kind(type, "categorical", of=name, wire=term)
        noisy = Type(type.name, type.shape)

        def make() -> Fixed:
            return Fixed(f"{name}[{number(temperature)}]", (type, noisy), type, body=body, raw=True)

        return _shared((name, temperature, type), make)(term, hidden_noise(Gumbel, "g", term, noisy))

    return apply


@dataclass(frozen=True)
class Likeliest(Op):
    """The class of greatest probability, the first of several; its gradient is 0."""

    def passing(self, term: Term) -> tuple[Term, ...]:
        return ()

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"likeliest({inputs[0]})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        (q,) = inputs
        assert isinstance(q, Tensor)
        return torch.full_like(q, -torch.inf).scatter_(-1, q.argmax(-1, keepdim=True), 0.0)


def likeliest(wire: Wireable) -> Term:
    """What a reader decides on: the class of greatest probability (arg max) as one that is certain, a hard pseudo-label.

    A value that is read and then written is to be one of the values, not a distribution: where a reader is in doubt, its
    distribution carries more than the value. Raises TaskError if the wire is not categorical.
    """
    expect_kind(wire.term.type, "categorical", of="likeliest", wire=wire.term)
    return Term(Likeliest(), (wire.term,), wire.term.type)


@dataclass(frozen=True)
class StopGradient(Op):
    """The identity, with gradient 0."""

    @property
    def title(self) -> str:
        return "stop_gradient"

    def passing(self, term: Term) -> tuple[Term, ...]:
        return ()

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"stop_gradient({inputs[0]})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        return detached(inputs[0])


def stop_gradient(wire: Wireable) -> Term:
    """The same value as a constant for all learners: so a learner's output becomes a source, drawn from it.

    A frozen learner needs no such box: its parameters stay, and the gradient is to pass through it.
    """
    return Term(StopGradient(), (wire.term,), wire.term.type)


def detached(value: Value) -> Value:
    """A wire's value without its graph."""
    return tuple(map(detached, value)) if isinstance(value, tuple) else value.detach()


def parametric(name: str, dom: tuple[Type, ...], cod: Type, module: nn.Module) -> Fixed:
    """A box whose parameters arrive on its first wire, one set per example (a hypernetwork's target: Ha et al. 2017).

    module: gives the architecture; its own parameters are not used. The first wire is a real vector of all parameters,
    in the order of `module.named_parameters()`; the module is applied to one example at a time, (1, *shape).
    """
    shapes = {key: parameter.shape for key, parameter in module.named_parameters()}
    count = sum(shape.numel() for shape in shapes.values())

    def one(weights: Tensor, *inputs: Tensor) -> Tensor:
        pieces = torch.split(weights, [shape.numel() for shape in shapes.values()])
        parameters = {key: piece.view(shape) for (key, shape), piece in zip(shapes.items(), pieces, strict=True)}
        made: Tensor = torch.func.functional_call(module, parameters, tuple(each.unsqueeze(0) for each in inputs))
        return made.squeeze(0)

    weights = Type(f"{name}'s parameters", (count,))
    return Fixed(name, (weights, *dom), cod, body=torch.func.vmap(one))
