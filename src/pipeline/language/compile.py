"""From a task to its training step.

The compiled step computes what `evaluate` and `loss` would, equation by equation, but

* a subterm that several sides share is computed once;
* calls of one learner that do not wait for each other run as one larger batch, where the learner treats examples
  independently (on request: it pays where a call is too small to keep the device busy);
* what no moved learner can change is computed without a graph for the gradient;
* a value is dropped after its last use;
* learners whose losses differ only by what they cannot change share one backward pass.

Frozen learners keep their parameters while gradients pass through them: parameters are frozen by `requires_grad`,
activations are never detached.

>>> from pipeline.language import Learner, Normal, Type, equation, mse, task
>>> X = Type("X", (2,))
>>> f, x = Learner("f", (X,), X, torch.nn.Identity()), Normal("x", X).term
>>> double = task(double=equation(f(f(x)), 2.0 * x, mse, trains=f))
>>> (move,), now = compile_task(double).moves, Draws(seed=0, step=0, batch=8)
>>> bool(move.losses(now)["double"] == loss(double.equations["double"], now))
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.language.binding import Binder
from pipeline.language.sources import Constant, Draws, Source, Wire
from pipeline.language.task import Equation, Player, Task
from pipeline.language.terms import Learner, TaskError, Term, Value
from pipeline.language.weighing import aligned_inputs, is_plain, mean_loss, rows, spread_to, value_of

Fuse = Literal["default", "reduce-overhead", "max-autotune"]

# ------------------------------------------------------------------------------------------------------- definition


def evaluate(term: Term, draws: Draws) -> Value:
    """The value of a term on one draw, by the definition: nothing shared, nothing merged. For checks and pictures.

    It has `rows(term.axes, draws.batch)` rows: one per example, if no wire of several values occurs in it.
    """
    return _evaluate(term, draws, {})


def loss(equation: Equation, draws: Draws, name: str = "") -> Tensor:
    """The loss of an equation on one draw, by the definition: a scalar. name: chooses the draw of a random divergence."""
    weights: dict[Term, Tensor] = {}
    lhs, rhs = (_evaluate(side, draws, weights) for side in _sides(equation))
    return _loss(name, equation, lhs, rhs, weights, draws)


def _evaluate(term: Term, draws: Draws, weights: dict[Term, Tensor]) -> Value:
    if isinstance(term.op, Wire):
        return _draw(term.op.source, draws)[term.op.index]
    return value_of(term, [_evaluate(below, draws, weights) for below in aligned_inputs(term)], weights, draws.batch)


def _draw(source: Source, draws: Draws) -> tuple[Value, ...]:
    """A value per wire; noise has a row for each row of what it is applied to."""
    of = source.rows_of
    if of is None or not of.axes:
        return source.draw(draws)
    return source.draw(replace(draws, batch=rows(of.axes, draws.batch)))


def _loss(
    name: str, equation: Equation, lhs: Value, rhs: Value, weights: Mapping[Term, Tensor], draws: Draws
) -> Tensor:
    """The loss from the values of both sides on the equation's axes."""
    divergence, type = equation.divergence, equation.lhs.type
    generator = draws.generator(f"{divergence} of {name}") if divergence.random else None
    each = divergence.each(lhs, rhs, type, generator)
    # Without weights there is nothing to look up: most equations of most tasks.
    return mean_loss(each, equation.axes, equation.weighers, weights, draws.batch) if weights else each.mean()


def _sides(equation: Equation) -> tuple[Term, Term]:
    """Both sides, on all axes of the equation."""
    return spread_to(equation.lhs, equation.axes), spread_to(equation.rhs, equation.axes)


# --------------------------------------------------------------------------------------------------------- compiled


@dataclass(frozen=True)
class Call:
    """One instruction: terms with the same learner, computed together, or any single term.

    inputs: what each term is computed from; grad: whether a moved learner can change it; plain: whether its operation
    sees to nothing but values; last_uses: the values that nothing needs afterwards; ready: the equations whose sides are
    known then.
    """

    terms: tuple[Term, ...]
    inputs: tuple[tuple[Term, ...], ...]
    grad: bool = True
    plain: bool = True
    last_uses: tuple[Term, ...] = ()
    ready: tuple[str, ...] = ()

    def run(self, slots: dict[Term, Value], weights: dict[Term, Tensor], batch: int) -> None:
        if len(self.terms) > 1:
            return self._run_merged(slots)
        (term,), (below,) = self.terms, self.inputs
        inputs = [slots[each] for each in below]
        slots[term] = term.op.compute(term, inputs) if self.plain else value_of(term, inputs, weights, batch)

    def _run_merged(self, slots: dict[Term, Value]) -> None:
        parts = [[slots[below] for below in column] for column in zip(*self.inputs, strict=True)]
        result = self.terms[0].op.compute(self.terms[0], [torch.cat(part) for part in parts])
        slots.update(zip(self.terms, result.split([len(value) for value in parts[0]]), strict=True))


class Move:
    """What one player does in a step: the losses of the equations that train its learners, and their gradients."""

    def __init__(
        self,
        name: str,
        equations: Mapping[str, Equation],
        learners: Sequence[Learner],
        merge: bool = False,
        fuse: Fuse | None = None,
    ) -> None:
        self.name, self.equations, self.learners = name, dict(equations), tuple(learners)
        self.groups = _groups(self.equations, learners)
        self.sides = {name: _sides(each) for name, each in self.equations.items()}
        self.sources, self.calls, self.ready = _schedule(self.sides, set(learners), merge)
        self._constants: dict[Any, tuple[Value, ...]] = {}
        self._wires = tuple(wire for source in self.sources for wire in source)
        # dynamic=False: a batch has one size, and graphs of one size are the fastest.
        self._compute = torch.compile(self._run, mode=fuse, dynamic=False) if fuse else self._run

    def losses(self, draws: Draws) -> dict[str, Tensor]:
        """The loss of each equation, a scalar, with its graph."""
        return self._compute([value for source in self.sources for value in self._drawn(source, draws)], draws)

    def _drawn(self, source: Source, draws: Draws) -> tuple[Value, ...]:
        """The values of a source's wires; a constant's are made once."""
        if not isinstance(source, Constant):
            return _draw(source, draws)
        key = source, draws.batch, draws.device, torch.get_default_dtype()
        if key not in self._constants:
            self._constants[key] = source.draw(draws)
        return self._constants[key]

    def _run(self, drawn: Sequence[Value], draws: Draws) -> dict[str, Tensor]:
        """The losses from the values of the sources' wires."""
        slots: dict[Term, Value] = dict(zip(self._wires, drawn, strict=True))
        weights: dict[Term, Tensor] = {}
        found: dict[str, Tensor] = {}
        for name in self.ready:
            found[name] = self._loss(name, slots, weights, draws)
        learning = torch.is_grad_enabled()
        for call in self.calls:
            if call.grad or not learning:
                call.run(slots, weights, draws.batch)
            else:
                with torch.no_grad():
                    call.run(slots, weights, draws.batch)
            for name in call.ready:
                found[name] = self._loss(name, slots, weights, draws)
            for term in call.last_uses:
                del slots[term]
        return found

    def _loss(self, name: str, slots: Mapping[Term, Value], weights: Mapping[Term, Tensor], draws: Draws) -> Tensor:
        lhs, rhs = self.sides[name]
        return _loss(name, self.equations[name], slots[lhs], slots[rhs], weights, draws)

    def backward(self, losses: Mapping[str, Tensor], progress: float = 0.0, scale: float = 1.0) -> None:
        """Put into each learner's `.grad` the gradient of its own weighted sum of losses (times `scale`)."""
        for index, (names, parameters) in enumerate(self.groups):
            first, *rest = (_times(losses[name], self.equations[name].weigh(progress) * scale) for name in names)
            total = sum(rest, first)
            gradients = torch.autograd.grad(
                total, parameters, retain_graph=index < len(self.groups) - 1, allow_unused=True
            )
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient


def _times(loss: Tensor, weight: float) -> Tensor:
    return loss if weight == 1 else loss * weight


class Program:
    """A compiled task. `moves` are to be made in turn; a step of a game without turns is one move of everybody."""

    def __init__(self, task: Task, merge: bool = False, fuse: Fuse | None = None) -> None:
        self.task = task
        _refuse_shared_parameters(task)
        players = task.players
        if not players or task.play == "simultaneous":
            players = (Player("all", task.trained),)
        self.moves: tuple[Move, ...] = tuple(
            chain.from_iterable([self._move(player, merge, fuse)] * player.steps for player in players)
        )

    def _move(self, player: Player, merge: bool, fuse: Fuse | None) -> Move:
        mine = {
            name: each
            for name, each in self.task.equations.items()
            if any(learner in each.trains for learner in player.learners)
        }
        return Move(player.name, mine, player.learners, merge, fuse)

    def freeze(self) -> None:
        """Let exactly the trained learners' parameters require gradients."""
        for learner in self.task.learners:
            if learner.module is not None:
                learner.module.requires_grad_(learner in self.task.trained)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The parameters of the trained learners, in order."""
        return [parameter for learner in self.task.trained for parameter in learner.parameters]


def _refuse_shared_parameters(task: Task) -> None:
    """Two learners with a parameter in common would write each other's gradients over."""
    owners: dict[int, Learner] = {}
    for learner in task.learners:
        for parameter in learner.parameters:
            owner = owners.setdefault(id(parameter), learner)
            if owner is not learner:
                raise TaskError(
                    f"learners {owner.name} and {learner.name} have parameters in common: mention one learner twice, "
                    "or tie them"
                )


def compile_task(task: Task, merge: bool = False, fuse: Fuse | None = None) -> Program:
    """Compile a task.

    merge: run independent calls of one learner as one batch; fuse: hand the step's operations to `torch.compile` in
    this mode (`reduce-overhead` makes CUDA graphs). That takes a minute at the first step and a C++ compiler, pays where
    nets are small, and is not for tasks with derivatives or inner optima, which need the graph as it is.
    Compiling lets exactly the trained learners' parameters require gradients, so of several programs over the same
    modules the one that was compiled last can be run. Raises TaskError if two learners share parameters, or if `fuse` is
    asked for a task that cannot have it.
    """
    if fuse and any(
        isinstance(t.op, Binder) for e in task.equations.values() for s in (e.lhs, e.rhs) for t in s.walk()
    ):
        raise TaskError(
            "torch.compile cannot differentiate twice: a task with derivatives or inner optima runs without"
        )
    program = Program(task, merge, fuse)
    program.freeze()
    return program


def _groups(
    equations: Mapping[str, Equation], learners: Iterable[Learner]
) -> list[tuple[tuple[str, ...], list[torch.nn.Parameter]]]:
    """Learners that can share a backward pass, with the equations whose losses it sums.

    A learner descends the equations that train it; one that cannot reach it may be in the sum as well.
    """
    own = {learner: {name for name, each in equations.items() if learner in each.trains} for learner in learners}
    free = {learner: {name for name, each in equations.items() if learner not in each.learners} for learner in own}
    groups: list[list[Learner]] = []
    for learner in own:
        if not own[learner] or not learner.parameters:
            continue
        for group in groups:
            total = own[learner].union(*(own[each] for each in group))
            if all(total <= own[each] | free[each] for each in (*group, learner)):
                group.append(learner)
                break
        else:
            groups.append([learner])
    return [
        (
            tuple(name for name in equations if any(name in own[each] for each in group)),
            [parameter for each in group for parameter in each.parameters],
        )
        for group in groups
    ]


def _schedule(
    sides: Mapping[str, tuple[Term, Term]], moved: set[Learner], merge: bool
) -> tuple[tuple[Source, ...], tuple[Call, ...], tuple[str, ...]]:
    """The sources to draw, the calls in an order in which every input comes before its use, and the equations between
    sources alone."""
    inputs = _inputs(side for pair in sides.values() for side in pair)
    sources = tuple(dict.fromkeys(term.op.source for term in inputs if isinstance(term.op, Wire)))
    level, live = _levels(inputs, moved)
    buckets: dict[Any, list[Term]] = {}
    for term, below in inputs.items():
        if not isinstance(term.op, Wire):
            mergeable = merge and below and isinstance(term.op, Learner) and _stackable(term.op)
            buckets.setdefault((term.op, level[term], term in live) if mergeable else term, []).append(term)
    # A learner's calls come before the fixed boxes of the same level, which may use them.
    order = sorted(buckets.values(), key=lambda bucket: (level[bucket[0]], not isinstance(bucket[0].op, Learner)))
    calls = [
        Call(
            tuple(bucket),
            tuple(inputs[term] for term in bucket),
            any(term in live for term in bucket),
            is_plain(bucket[0]),
        )
        for bucket in order
    ]
    made = {term: position for position, call in enumerate(calls) for term in call.terms}
    ready = {name: max(made.get(side, -1) for side in pair) for name, pair in sides.items()}
    at_once = tuple(name for name, position in ready.items() if position < 0)
    return sources, _with_last_uses(calls, made, ready, sides), at_once


def _inputs(sides: Iterable[Term]) -> dict[Term, tuple[Term, ...]]:
    """All that has to be computed, inputs first, and what each is computed from."""
    found: dict[Term, tuple[Term, ...]] = {}
    pending = [(side, False) for side in reversed(list(sides))]
    while pending:
        term, ready = pending.pop()
        if term in found:
            continue
        below = aligned_inputs(term)
        if ready:
            found[term] = below
        else:
            pending.append((term, True))
            pending.extend((each, False) for each in reversed(below))
    return found


def _stackable(learner: Learner) -> bool:
    """Whether calls may run as one batch: examples are independent, and values are tensors."""
    return learner.independent and all(type.kind != "product" for type in (*learner.dom, learner.cod))


def _levels(terms: Iterable[Term], moved: set[Learner]) -> tuple[dict[Term, int], set[Term]]:
    """How many learner calls lie on the longest way to each term; and the terms that a gradient has to reach."""
    level: dict[Term, int] = {}
    live: set[Term] = set()
    for term in terms:
        below = max((level[each] for each in term.inputs), default=0)
        level[term] = below + isinstance(term.op, Learner | Binder)
        passing = term.op.passing(term)
        if any(each in live for each in passing) or _moves(term, moved):
            live.add(term)
    return level, live


def _moves(term: Term, moved: set[Learner]) -> bool:
    """Whether a learner of the move is in the term's own box."""
    if isinstance(term.op, Binder):
        inside = (below for body in term.op.bodies for below in body.walk())
        return bool(term.op.passing(term)) and any(_moves(below, moved) for below in inside)
    return term.op in moved


def _with_last_uses(
    calls: list[Call], made: Mapping[Term, int], ready: Mapping[str, int], sides: Mapping[str, tuple[Term, Term]]
) -> tuple[Call, ...]:
    """Note on each call the equations that it completes, and the values that nothing needs after it."""
    last: dict[Term, int] = dict(made)
    for position, call in enumerate(calls):
        for below in call.inputs:
            last.update(dict.fromkeys(below, position))
    for name, pair in sides.items():
        for side in pair:
            last[side] = max(last.get(side, -1), ready[name])
    dropped: dict[int, list[Term]] = {}
    for term, position in last.items():
        dropped.setdefault(position, []).append(term)
    completed: dict[int, list[str]] = {}
    for name, position in ready.items():
        completed.setdefault(position, []).append(name)
    return tuple(
        replace(call, last_uses=tuple(dropped.get(p, ())), ready=tuple(completed.get(p, ())))
        for p, call in enumerate(calls)
    )
