"""Boxes that bind a wire: derivatives of a diagram, and inner optimisation over a wire.

With t the bound wire:

    derivative(f, x)             the gradient at t = x of the sum of f(t)'s coordinates
    derivative(f, x, along=w)    the transposed Jacobian of f at x, applied to w
    optimise(x, f, D, solver)    the t near x at which D(*f(t)) is largest (or least)

A derivative is a function of the learners in f, so penalties on it train them (Gulrajani et al. 2017, equation 3);
an optimum is a constant for all learners, by the envelope theorem.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.language.boxes import detached
from pipeline.language.sources import label
from pipeline.language.terms import Op, TaskError, Term, Type, Value, Wireable, expect_kind, number
from pipeline.language.weighing import Expected, Weigher

if TYPE_CHECKING:
    from pipeline.language.divergence import Divergence


@dataclass(frozen=True, eq=False)
class Variable(Op):
    """A bound wire."""

    name: str

    @property
    def depth(self) -> int:
        """How many wires are bound round it."""
        return self.name.count("'")

    @property
    def title(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        return self.name

    def show(self, inputs: tuple[Term, ...]) -> str:
        return self.name


@dataclass(frozen=True)
class Binder(Op):
    """An operation on a diagram in one of its wires, the `variable`; its first input is the wire's value, or where it
    starts, and the others are what else the diagram depends on."""

    variable: Term

    @property
    @abstractmethod
    def bodies(self) -> tuple[Term, ...]:
        """The terms in which the variable is bound."""

    @property
    def given(self) -> int:
        """How many inputs it has besides what its bodies take from outside."""
        return 1

    @abstractmethod
    def with_bodies(self, bodies: Sequence[Term]) -> Binder: ...

    @property
    def inner(self) -> tuple[Term, ...]:
        return self.bodies

    @property
    def settings(self) -> str:
        """What tells it from others besides its bodies."""
        return ""

    @property
    def key(self) -> str:
        return repr((self.title, self.settings, [label(body) for body in self.bodies]))

    def body(self) -> tuple[Term, ...]:
        """The terms that depend on the variable, inputs first."""
        moving: dict[Term, None] = {}
        for side in self.bodies:
            for term in side.walk():
                if term is self.variable or any(below in moving for below in term.inputs):
                    moving[term] = None
        return tuple(moving)

    def values(self, inside: tuple[Term, ...], outside: dict[Term, Value], point: Tensor) -> list[Value]:
        """The bodies' values where the variable is at a point. inside: `body()`; outside: what it does not move."""
        values = {**outside, self.variable: point}
        for term in inside:
            if term is not self.variable:
                values[term] = term.op.compute(term, [values[below] for below in term.inputs])
        return [values[body] for body in self.bodies]


def bind(op: Binder, start: Term, *more: Term) -> Term:
    """The term of a binder at a wire; its inputs are this wire, `more`, and what its bodies take from outside.

    Raises TaskError if no body depends on the variable, or draws of values are weighed inside.
    """
    moving = dict.fromkeys(op.body())
    if not any(body in moving for body in op.bodies):
        shown = " nor ".join(f"`{body}`" for body in op.bodies)
        raise TaskError(f"{op.title}: {'neither ' if len(op.bodies) > 1 else 'no part of '}{shown} depends on the wire")
    for term in moving:
        if isinstance(term.op, Weigher | Expected):
            raise TaskError(f"{op.title}: `{term}` weighs values inside; do it outside")
        if any(below.op.hidden for below in term.inputs):
            raise TaskError(f"{op.title}: `{term}` draws noise inside for the wire that moves; do it outside")
    if op.variable not in _passed(op.bodies):
        raise TaskError(f"{op.title}: no gradient of {' or '.join(f'`{body}`' for body in op.bodies)} reaches the wire")
    given = (start, *more)
    if any(below is op.variable for each in given for below in each.walk()):
        raise TaskError(f"{op.title}: its wire `{op.variable}` is bound already where it starts, at `{start}`")
    outer: dict[Term, None] = {}
    for term in (*moving, *op.bodies):
        outer.update({below: None for below in (term, *term.inputs) if below not in moving and below not in given})
    return Term(op, (*given, *outer), start.type)


def _passed(bodies: Sequence[Term]) -> set[Term]:
    """The terms to which a gradient goes back."""
    found: set[Term] = set()
    pending = list(bodies)
    while pending:
        term = pending.pop()
        if term not in found:
            found.add(term)
            pending.extend(term.op.passing(term))
    return found


_open: list[Term] = []  # the bound wires of the diagrams that are being written, outermost first
_variables: dict[tuple[Type, int], Variable] = {}


def bound_wire(type: Type, depth: int | None = None) -> Term:
    """One variable per type and depth: bodies are compared by structure, as if bound variables had no names."""
    depth = len(_open) if depth is None else depth
    return Term(_variables.setdefault((type, depth), Variable("t" + "'" * depth)), (), type)


@contextmanager
def bound(variable: Term) -> Iterator[None]:
    """Within this, wires that are newly bound are others than this one, and those that were bound before it."""
    before = list(_open)
    depth = variable.op.depth if isinstance(variable.op, Variable) else len(_open)
    _open[:] = [variable] * (depth + 1)
    try:
        yield
    finally:
        _open[:] = before


def _written(variable: Term, diagram: Callable[[Term], Wireable | tuple[Wireable, ...]]) -> tuple[Term, ...]:
    """The diagram with this variable at its wire."""
    with bound(variable):
        made = diagram(variable)
    return tuple(each.term for each in (made if isinstance(made, tuple) else (made,)))


# ------------------------------------------------------------------------------------------------------ derivatives


@dataclass(frozen=True)
class Derivative(Binder):
    """See `derivative`."""

    of: Term
    weighed: bool  # whether the second input holds the weights of the result's coordinates

    @property
    def title(self) -> str:
        return "derivative"

    @property
    def note(self) -> str:
        return str(self.of)

    @property
    def bodies(self) -> tuple[Term, ...]:
        return (self.of,)

    @property
    def given(self) -> int:
        return 1 + self.weighed

    @property
    def settings(self) -> str:
        return "along" if self.weighed else ""

    def with_bodies(self, bodies: Sequence[Term]) -> Derivative:
        return replace(self, of=bodies[0])

    def show(self, inputs: tuple[Term, ...]) -> str:
        along = f", along={inputs[1]}" if self.weighed else ""
        return f"derivative({self.of}, {self.variable}={inputs[0]}{along})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            # A point that was computed keeps its graph, since the derivative depends on it.
            point = inputs[0].view_as(inputs[0]) if inputs[0].requires_grad else inputs[0].detach().requires_grad_()
            (result,) = self.values(self.body(), dict(zip(term.inputs, inputs, strict=True)), point)
            weights = inputs[1] if self.weighed else torch.ones_like(result)
            (slope,) = torch.autograd.grad(result, point, weights, create_graph=learning)
        return slope


def derivative(diagram: Callable[[Term], Term], at: Wireable, along: Wireable | None = None) -> Term:
    """The derivative of a diagram in one wire, where that wire has the value `at`: a wire of its type.

    diagram: takes the wire and gives a real one; along: the weights of the coordinates of its result, of its type (all
    1 if absent). With `along` standard normal, the mean of the square is the squared norm of the Jacobian.

    Raises TaskError if a wire is not real, `along` has another type, or the diagram does not depend on the wire.
    """
    point, weights = at.term, () if along is None else (along.term,)
    expect_kind(point.type, "real", of="derivative at", wire=point)
    variable = bound_wire(point.type)
    (made,) = _written(variable, diagram)
    expect_kind(made.type, "real", of="derivative of", wire=made)
    for each in weights:
        if each.type != made.type:
            raise TaskError(f"derivative: `{made}` is {made.type.full}, but its weights `{each}` are {each.type.full}")
    return bind(Derivative(variable, made, bool(weights)), point, *weights)


# ----------------------------------------------------------------------------------------------- inner optimisation


@dataclass(frozen=True)
class ProjectedGradient:
    """Normalised gradient steps in a ball round the start (Madry et al. 2018), values kept within bounds.

    radius: in the units of the wire; steps: gradient steps; stride: length of one step over radius (2.5 / steps if
    absent); maximise: ascend or descend; bounds: the least and greatest value of a coordinate; norm: `L2`, or `Linf`,
    whose steps go along the gradient's signs.
    """

    radius: float
    steps: int
    stride: float | None = None
    maximise: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    norm: str = "L2"

    def __post_init__(self) -> None:
        low, high = self.bounds
        if self.norm not in ("L2", "Linf"):
            raise TaskError(f"a search goes within a ball of the norm L2 or Linf, not {self.norm}")
        if self.steps < 1 or self.radius < 0 or not low < high:
            raise TaskError(
                f"a search has 1 step or more, a radius of 0 or more, and a lower bound below the upper, not {self}"
            )

    def __str__(self) -> str:
        stride = "" if self.stride is None else f", stride={number(self.stride)}"
        low, high = map(number, self.bounds)
        bounds = "" if (low, high) == ("0", "1") else f", bounds=({low}, {high})"
        norm = "" if self.norm == "L2" else f', norm="{self.norm}"'
        return f"radius={number(self.radius)}, steps={self.steps}{stride}{bounds}{norm}"

    def solve(self, start: Tensor, gradient: Callable[[Tensor], Tensor], first: Tensor | None = None) -> Tensor:
        """The last iterate, of the shape of `start`; `gradient` maps a point to the objective's gradient there.

        first: a point of the ball to begin at, the start if absent.
        """
        length = self.radius * (2.5 / self.steps if self.stride is None else self.stride)
        length = length if self.maximise else -length
        origin = start.detach()
        point = origin if first is None else first.detach()
        for _ in range(self.steps):
            moved = point + length * self._direction(gradient(point)) - origin
            point = (origin + self._within(moved)).clamp_(*self.bounds)
        return point

    def _direction(self, gradient: Tensor) -> Tensor:
        """The steepest step of length 1."""
        return gradient.sign() if self.norm == "Linf" else _unit(gradient)

    def _within(self, moved: Tensor) -> Tensor:
        """The nearest point of the ball."""
        if self.norm == "Linf":
            return moved.clamp(-self.radius, self.radius)
        return moved * (self.radius / _norm(moved).clamp_min(self.radius))


def _norm(x: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x.reshape(len(x), -1), dim=1)
    return norm.view(-1, *[1] * (x.dim() - 1))


def _unit(x: Tensor) -> Tensor:
    return x / _norm(x).clamp_min(torch.finfo(x.dtype).tiny)


@dataclass(frozen=True)
class Optimum(Binder):
    """The point, near its first input, where divergence(lhs, rhs) is extremal in the variable."""

    lhs: Term
    rhs: Term
    divergence: Divergence
    solver: ProjectedGradient

    @property
    def title(self) -> str:
        return "argmax" if self.solver.maximise else "argmin"

    @property
    def note(self) -> str:
        return f"{self.divergence}({self.lhs}, {self.rhs})"

    def passing(self, term: Term) -> tuple[Term, ...]:
        return ()

    @property
    def bodies(self) -> tuple[Term, ...]:
        return self.lhs, self.rhs

    @property
    def settings(self) -> str:
        return f"{self.divergence}, {self.solver}"

    def with_bodies(self, bodies: Sequence[Term]) -> Optimum:
        return replace(self, lhs=bodies[0], rhs=bodies[1])

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"{self.title}({self.note}, {self.variable}={inputs[0]}, {self.solver})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        """Only the variable gets a gradient; the learners' parameters are constants here."""
        outside = {each: detached(value) for each, value in zip(term.inputs, inputs, strict=True)}
        inside = self.body()

        def gradient(point: Tensor) -> Tensor:
            with torch.enable_grad():
                point = point.detach().requires_grad_()
                lhs, rhs = self.values(inside, outside, point)
                (slope,) = torch.autograd.grad(self.divergence.loss(lhs, rhs, self.lhs.type), point)
            return slope

        return self.solver.solve(inputs[0], gradient)


def optimise(
    start: Wireable,
    objective: Callable[[Term], tuple[Term, Wireable]],
    divergence: Divergence,
    solver: ProjectedGradient,
) -> Term:
    """The wire's value near `start` that maximises (or minimises) divergence(*objective(wire)).

    The result is a constant for all learners: by the envelope theorem the gradient of the outer loss at an inner
    optimum does not pass through the optimum's position (Danskin). So a robust classifier is an equation:
    ``equation(get(optimise(s, lambda t: (get(t), v), cross_entropy, attack)), v, cross_entropy, trains=get)``.

    Raises TaskError if `start` is not real, the divergence cannot compare the two sides or is random, or neither side
    depends on the wire.
    """
    point = start.term
    expect_kind(point.type, "real", of="optimise", wire=point)
    variable = bound_wire(point.type)
    lhs, rhs = _written(variable, objective)
    complaint = divergence.accepts(lhs.type, rhs.type)
    if complaint:
        raise TaskError(
            f"optimise: {divergence}: {complaint}, but `{lhs}` is {lhs.type.full} and `{rhs}` is {rhs.type.full}"
        )
    if divergence.random:
        raise TaskError(f"optimise: {divergence} is random: an objective has to stay the same while it is searched")
    return bind(Optimum(variable, lhs, rhs, divergence, solver), point)
