"""From a task to its training step.

The compiled step computes what `evaluate` would, equation by equation, but

* a subterm that several sides share is computed once;
* calls of one learner that do not wait for each other run as one larger batch, where the learner treats examples
  independently (on request: it pays where a call is too small to keep the device busy);
* what does not depend on a trained learner is computed without a graph for the gradient;
* a value is dropped after its last use;
* learners that the same equations train share one backward pass.

Frozen learners keep their parameters while gradients pass through them: parameters are frozen by `requires_grad`,
activations are never detached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from pipeline.language.task import Equation, Player, Task
from pipeline.language.terms import Box, Draws, Learner, Optimum, Source, Term, Tupling, Value, Wire

Slots = dict[Term, Value]


def evaluate(term: Term, draws: Draws) -> Value:
    """The value of a term on one draw, by the definition: nothing shared, nothing merged. For checks and pictures."""
    if isinstance(term.op, Wire):
        return term.op.source.draw(draws)[term.op.index]
    return _run(term, [evaluate(below, draws) for below in term.inputs])


def _run(term: Term, inputs: Sequence[Value]) -> Value:
    op = term.op
    if isinstance(op, Box):
        return op.apply(*inputs)
    if isinstance(op, Tupling):
        return tuple(inputs)
    assert isinstance(op, Optimum), op
    return _solve(op, dict(zip(term.inputs, inputs, strict=True)), inputs[0])


def _solve(optimum: Optimum, outside: Slots, start: Tensor) -> Tensor:
    """The inner optimum. Only the variable gets a gradient; the learners' parameters are constants here."""
    body = optimum.body()
    known = {term: value.detach() for term, value in outside.items()}

    def gradient(point: Tensor) -> Tensor:
        with torch.enable_grad():
            point = point.detach().requires_grad_()
            values = {**known, optimum.variable: point}
            for term in body:
                if term is not optimum.variable:
                    values[term] = _run(term, [values[below] for below in term.inputs])
            loss = optimum.divergence.loss(values[optimum.lhs], values[optimum.rhs], optimum.lhs.type)
            (slope,) = torch.autograd.grad(loss, point)
        return slope

    return optimum.solver.solve(start, gradient)


@dataclass(frozen=True)
class Call:
    """One instruction: terms with the same learner, computed together, or any single term."""

    terms: tuple[Term, ...]
    last_uses: tuple[Term, ...] = ()

    def run(self, slots: Slots) -> None:
        if len(self.terms) == 1:
            (term,) = self.terms
            slots[term] = _run(term, [slots[below] for below in term.inputs])
            return
        columns = zip(*(term.inputs for term in self.terms), strict=True)
        merged = [torch.cat([slots[below] for below in column]) for column in columns]
        result = _run(self.terms[0], merged)
        slots.update(zip(self.terms, result.chunk(len(self.terms)), strict=True))


class Move:
    """What one player does in a step: the losses of the equations that train its learners, and their gradients."""

    def __init__(self, name: str, equations: Mapping[str, Equation], learners: Sequence[Learner], merge: bool) -> None:
        self.name, self.equations, self.learners = name, dict(equations), tuple(learners)
        self.groups = _groups(self.equations, learners)
        self.sources, self.calls = _schedule(self.equations, set(learners), merge)

    def losses(self, draws: Draws) -> dict[str, Tensor]:
        """The loss of each equation, a scalar, with its graph."""
        slots: Slots = {}
        for source in self.sources:
            slots.update(zip(source, source.draw(draws), strict=True))
        found: dict[str, Tensor] = {}
        for name, each in self.equations.items():
            if each.lhs in slots and each.rhs in slots:
                found[name] = each.divergence.loss(slots[each.lhs], slots[each.rhs], each.lhs.type)
        for call in self.calls:
            call.run(slots)
            for name, each in self.equations.items():
                if name not in found and each.lhs in slots and each.rhs in slots:
                    found[name] = each.divergence.loss(slots[each.lhs], slots[each.rhs], each.lhs.type)
            for term in call.last_uses:
                del slots[term]
        return found

    def backward(self, losses: Mapping[str, Tensor], progress: float = 0.0, scale: float = 1.0) -> None:
        """Put into each learner's `.grad` the gradient of its own weighted sum of losses (times `scale`)."""
        for index, (names, parameters) in enumerate(self.groups):
            weighted = [losses[name] * (self.equations[name].weigh(progress) * scale) for name in names]
            total = torch.stack(weighted).sum()
            gradients = torch.autograd.grad(
                total, parameters, retain_graph=index < len(self.groups) - 1, allow_unused=True
            )
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient


class Program:
    """A compiled task. `moves` are to be made in turn; a step of a game without turns is one move of everybody."""

    def __init__(self, task: Task, merge: bool = False) -> None:
        self.task = task
        players = task.players
        if not players or task.play == "simultaneous":
            players = (Player("all", task.trained),)
        self.moves: tuple[Move, ...] = tuple(
            chain.from_iterable([self._move(player, merge)] * player.steps for player in players)
        )

    def _move(self, player: Player, merge: bool) -> Move:
        mine = {
            name: each
            for name, each in self.task.equations.items()
            if any(learner in each.trains for learner in player.learners)
        }
        return Move(player.name, mine, player.learners, merge)

    def freeze(self) -> None:
        """Let exactly the trained learners' parameters require gradients."""
        for learner in self.task.learners:
            if learner.module is not None:
                learner.module.requires_grad_(learner in self.task.trained)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The parameters of the trained learners, in order."""
        return [parameter for learner in self.task.trained for parameter in learner.parameters]


def compile_task(task: Task, merge: bool = False) -> Program:
    """Compile a task; `merge` runs independent calls of one learner as one batch."""
    program = Program(task, merge)
    program.freeze()
    return program


def _groups(
    equations: Mapping[str, Equation], learners: Iterable[Learner]
) -> list[tuple[tuple[str, ...], list[torch.nn.Parameter]]]:
    """Learners by the set of equations that train them: one backward pass each."""
    groups: dict[tuple[str, ...], list[torch.nn.Parameter]] = {}
    for learner in learners:
        names = tuple(name for name, each in equations.items() if learner in each.trains)
        if names:
            groups.setdefault(names, []).extend(learner.parameters)
    return [(names, parameters) for names, parameters in groups.items() if parameters]


def _schedule(
    equations: Mapping[str, Equation], trained: set[Learner], merge: bool
) -> tuple[tuple[Source, ...], tuple[Call, ...]]:
    """The sources to draw and the calls in an order in which every input comes before its use."""
    terms: dict[Term, None] = {}
    for each in equations.values():
        for side in (each.lhs, each.rhs):
            terms.update(dict.fromkeys(side.walk()))
    sources = tuple(dict.fromkeys(term.op.source for term in terms if isinstance(term.op, Wire)))
    level, live = _levels(terms, trained)
    buckets: dict[Any, list[Term]] = {}
    for term in terms:
        if not isinstance(term.op, Wire):
            mergeable = merge and isinstance(term.op, Learner) and term.op.independent and not _of_products(term.op)
            buckets.setdefault((term.op, level[term], term in live) if mergeable else term, []).append(term)
    # A learner's calls come before the fixed boxes of the same level, which may use them.
    order = sorted(buckets.values(), key=lambda bucket: (level[bucket[0]], not isinstance(bucket[0].op, Learner)))
    return sources, _with_last_uses([Call(tuple(bucket)) for bucket in order], equations)


def _of_products(box: Box) -> bool:
    """Whether the values at its wires are tuples, which do not stack."""
    return any(type.kind == "product" for type in (*box.dom, box.cod))


def _levels(terms: Iterable[Term], trained: set[Learner]) -> tuple[dict[Term, int], set[Term]]:
    """How many learner calls lie on the longest way to each term; and the terms that a gradient has to reach."""
    level: dict[Term, int] = {}
    live: set[Term] = set()
    for term in terms:
        below = max((level[each] for each in term.inputs), default=0)
        level[term] = below + isinstance(term.op, Learner | Optimum)
        if isinstance(term.op, Optimum):
            continue
        if term.op in trained or any(each in live for each in term.inputs):
            live.add(term)
    return level, live


def _with_last_uses(calls: list[Call], equations: Mapping[str, Equation]) -> tuple[Call, ...]:
    """Note on each call the values that nothing needs after it."""
    made = {term: position for position, call in enumerate(calls) for term in call.terms}
    last: dict[Term, int] = dict(made)
    for position, call in enumerate(calls):
        for term in call.terms:
            last.update(dict.fromkeys(term.inputs, position))
    for each in equations.values():
        ready = max(made.get(each.lhs, -1), made.get(each.rhs, -1))
        for side in (each.lhs, each.rhs):
            last[side] = max(last.get(side, -1), ready)
    dropped: dict[int, list[Term]] = {}
    for term, position in last.items():
        dropped.setdefault(position, []).append(term)
    return tuple(replace(call, last_uses=tuple(dropped.get(p, ()))) for p, call in enumerate(calls))
