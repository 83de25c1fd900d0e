"""Whether equations imply another one: proved for all models, or refuted by a small one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.language.reason.finite import Finite
from pipeline.language.reason.models import Model, chosen_equations, model_of
from pipeline.language.reason.theory import Law, Sort, Symbol, Theory, Variable
from pipeline.language.reason.words import Words
from pipeline.language.task import Equation, Task

ASKED = "in question"  # what the equation that may follow is called


@dataclass(frozen=True)
class Counterexample:
    """A model of the premises in which an equation fails.

    at: the inputs where it fails, by the variables' names; sides: both sides, as terms and as what they are there.
    """

    model: Model
    at: tuple[tuple[str, str], ...]
    sides: tuple[tuple[str, str], tuple[str, str]]

    def __str__(self) -> str:
        width = max(len(term) for term, _ in self.sides)
        where = ", ".join(f"{name} = {element}" for name, element in self.at)
        lines = [f"  {term:<{width}} = {element}" for term, element in self.sides]
        return "\n".join([str(self.model), f"fails at {where}:" if where else "fails:", *lines])


@dataclass(frozen=True)
class Answer:
    """scope: the models that the verdict is about, or those that were searched in vain; notes: what the reading of the
    equations leaves out."""

    verdict: Literal["proved", "refuted", "unknown"]
    scope: str
    counterexample: Counterexample | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f"{self.verdict} ({self.scope})"
        return shown if self.counterexample is None else f"{shown}\n{self.counterexample}"


def implies(
    task: Task,
    then: Equation,
    sizes: Mapping[str, int] | None = None,
    *,
    given: Collection[str] | None = None,
    values: int | None = None,
    timeout: float = 10.0,
) -> Answer:
    """Whether every model of a task (of its equations `given`, if any are named) satisfies the equation `then`.

    sizes: how many elements types have, by their names; types without a size are any sets that are not empty. values:
    short for the size of V. timeout: seconds, about. With all sizes given the answer is about these sets alone.

    Raises TaskError for an unknown equation or type, a size below 1, an equation that compares laws, two learners of
    one name, or without z3.
    """
    premises = chosen_equations(task, given)
    Task({**premises, ASKED: then})  # refuses what does not go together
    theory = Theory({**premises, ASKED: then})
    fixed = theory.sized({**(sizes or {}), **({} if values is None else {"V": values})})
    question = _Question(theory, then, fixed)
    return question.decide(timeout) if len(fixed) == len(theory.sorts) else question.alternate(timeout)


def equivalent(
    one: Task,
    other: Task,
    sizes: Mapping[str, int] | None = None,
    *,
    values: int | None = None,
    timeout: float = 10.0,
) -> Answer:
    """Whether two tasks, over the same learners, have the same models: each implies all equations of the other.

    The counter-example, if there is one, is a model of one task that is none of the other. See `implies`; timeout is
    for each equation.
    """
    asked = [(task, then) for task, others in ((one, other), (other, one)) for then in others.equations.values()]
    answers = [implies(task, then, sizes, values=values, timeout=timeout) for task, then in asked]
    notes = tuple(dict.fromkeys(note for answer in answers for note in answer.notes))
    if not answers:
        return Answer("proved", "neither has an equation")
    worst = max(answers, key=lambda answer: ("proved", "unknown", "refuted").index(answer.verdict))
    return Answer(worst.verdict, worst.scope, worst.counterexample, notes)


@dataclass(frozen=True)
class _Question:
    """Whether the laws of a theory imply the one in question, where sorts have the sizes `fixed`."""

    theory: Theory
    then: Equation
    fixed: Mapping[Sort, int]

    @property
    def scope(self) -> str:
        return f"every model with {_listed(self.fixed)}" if self.fixed else "every model"

    def decide(self, seconds: float) -> Answer:
        """The answer where all sizes are known."""
        problem = self.finite(self.fixed)
        fails = problem.satisfiable(seconds)
        if fails is None:
            return self.answer("unknown", f"not decided in {seconds:g} s")
        return self.refuted(problem) if fails else self.answer("proved", self.scope)

    def alternate(self, seconds: float) -> Answer:
        """The answer where sizes are open. Quantifiers prove, but hardly ever refute: so first a short attempt to
        prove it, then small sets, then both again with more time."""
        growing = self.growing()
        for proving, searching in ((0.05, 0.45), (0.25, 0.25)):
            if self.proves(proving * seconds):
                return self.answer("proved", self.scope)
            problem = self.search(growing, searching * seconds)
            if problem is not None:
                return self.refuted(problem)
        return self.answer("unknown", f"no counter-example on small sets, and no proof, in {seconds:g} s")

    def search(self, growing: Iterator[Mapping[Sort, int]], seconds: float) -> Finite | None:
        """The first problem with a counter-example."""
        until = time.monotonic() + seconds
        for sizes in growing:
            problem = self.finite(sizes)
            if problem.satisfiable(max(0.001, until - time.monotonic())):
                return problem
            if time.monotonic() > until:
                break
        return None

    def growing(self) -> Iterator[dict[Sort, int]]:
        """All sizes of the sorts that have none, fewest elements in all first."""
        free = [sort for sort in self.theory.sorts if sort not in self.fixed]
        for total in itertools.count(len(free)):
            for cuts in itertools.combinations(range(1, total), len(free) - 1):
                sizes = (high - low for low, high in itertools.pairwise((0, *cuts, total)))
                yield {**self.fixed, **dict(zip(free, sizes, strict=True))}

    def finite(self, sizes: Mapping[Sort, int]) -> Finite:
        """The problem whose solutions are counter-examples of these sizes."""
        problem = Finite(self.theory, sizes)
        for name, law in self.theory.laws.items():
            if name != ASKED:
                problem.impose(law)
        law = self.theory.laws[ASKED]
        pairs = [pair for each in problem.assignments(law) for pair in problem.evaluate(law, each)]
        problem.solver.add(problem.some(problem.z3.Not(problem.equal(*pair)) for pair in pairs))
        # Elements have no names, so the states can be in order of their first class: fewer cases, and clearer tables.
        first = {symbol.dom: symbol for symbol in reversed(self.theory.symbols.values()) if _classifies(symbol)}
        problem.solver.add([problem.ascending(symbol) for symbol in first.values()])
        return problem

    def proves(self, seconds: float) -> bool:
        """Whether z3 finds, in time, that the laws and the negation of the one in question contradict each other."""
        words = Words(self.theory)
        solver = words.solver(self.fixed, seconds)
        for name, law in self.theory.laws.items():
            if name != ASKED:
                solver.add(words.law(law))
        solver.add(words.z3.Not(words.law(self.theory.laws[ASKED])))
        return bool(solver.check() == words.z3.unsat)

    def refuted(self, problem: Finite) -> Answer:
        """The answer that a solved problem gives."""
        assignment, left, right = _failure(problem, self.theory.laws[ASKED])
        example = Counterexample(
            model_of(problem, problem.tables(problem.solver.model())),
            tuple((variable.name, variable.sort.element(index)) for variable, index in assignment.items()),
            ((str(self.then.lhs), left), (str(self.then.rhs), right)),
        )
        return self.answer("refuted", f"a model with {_listed(problem.sizes)}", example)

    def answer(
        self, verdict: Literal["proved", "refuted", "unknown"], scope: str, example: Counterexample | None = None
    ) -> Answer:
        return Answer(verdict, scope, example, tuple(self.theory.notes))


def _classifies(symbol: Symbol) -> bool:
    return len(symbol.dom) == 1 and symbol.cod.categorical and not symbol.dom[0].categorical


def _failure(problem: Finite, law: Law) -> tuple[dict[Variable, int], str, str]:
    """Where a law fails in the solution that was found, and what its two sides are there."""
    solution = problem.solver.model()
    for assignment in problem.assignments(law):
        sides: tuple[list[str], list[str]] = ([], [])
        for (formal, _), values in zip(law.pairs, problem.evaluate(law, assignment), strict=True):
            for side, value in zip(sides, values, strict=True):
                index = value if isinstance(value, int) else problem.value(value, solution)
                side.append(formal.sort.element(index))
        left, right = (side[0] if len(side) == 1 else f"({', '.join(side)})" for side in sides)
        if left != right:
            return assignment, left, right
    raise AssertionError("the solution is of a problem in which the law fails")


def _listed(sizes: Mapping[Sort, int]) -> str:
    return ", ".join(f"|{sort.name}| = {size}" for sort, size in sizes.items())
