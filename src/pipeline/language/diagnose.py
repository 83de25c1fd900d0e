"""What may be wrong with a task, said before any training.

>>> from pipeline.language import Dataset, Learner, Type, cross_entropy, equation, mse, task
>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> s, v = Dataset("x", {"s": S, "v": V})
>>> get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
>>> paired = task(
...     classify=equation(get(s), v, cross_entropy, trains=get),
...     putget=equation(get(put(s, v)), v, cross_entropy, trains=put),
...     getput=equation(put(s, get(s)), s, mse, trains=put),
... )
>>> for found in diagnose(paired):
...     print(found)
warning: putget: `put(s, v)` may be a copy of `s`, which has the value `v` already; draw the value independently
warning: putget, getput: all equations can hold while put ignores its input 2 (V)

A *warning* names what training cannot mend: equations that contradict each other, or that hold in a way nobody meant.
A *note* names what is often meant so: noise that only one side sees, equations that compromise by their weights. Most
checks look at the terms; those that look for models (see `reason`) read the equations on small sets, four states and
two classes or more, and so only ever claim that something is possible:

* an *ignored input*: there is a model in which a trained learner does not depend on one of its inputs, although all
  equations hold (a warning), or at least those that train it (a note);
* *contradictions* and *conflicts*, by proof: no model at all, or none in which each type and each data set has two
  values or more. Here data may be only some of the values of their types.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.language.boxes import Likeliest
from pipeline.language.reason.finite import Finite
from pipeline.language.reason.theory import Symbol, Theory
from pipeline.language.reason.words import Words
from pipeline.language.sources import Constant, Dataset, Noise, Source, Wire
from pipeline.language.task import Equation, Ramp, Task
from pipeline.language.terms import Fixed, Learner, TaskError, Term

Kind = Literal[
    "contradiction",
    "conflict",
    "ignored input",
    "paired value",
    "soft target",
    "one-sided noise",
    "unreached",
    "untrained",
    "collusion",
    "skipped",
]
SECONDS = 1.2  # for all that needs z3
RULES = 5000  # of a finite problem: more take too long to write down


@dataclass(frozen=True)
class Finding:
    """One thing to look at. equations: the names of those that it is about."""

    kind: Kind
    equations: tuple[str, ...]
    text: str
    level: Literal["warning", "note"] = "warning"

    @property
    def message(self) -> str:
        return ": ".join(filter(None, (", ".join(self.equations), self.text)))

    def __str__(self) -> str:
        return f"{self.level}: {self.message}"


def diagnose(task: Task) -> tuple[Finding, ...]:
    """What to look at before training, warnings first. Without z3, what needs it is skipped, and a note says so."""
    checks = (_contradictions, _paired_values, _soft_targets, _collusion, _unreached, _one_sided_noise, _by_models)
    found = [finding for check in checks for finding in check(task)]
    return tuple(sorted(found, key=lambda finding: finding.level == "note"))


# ------------------------------------------------------------------------------------------------ by the terms alone


def _contradictions(task: Task) -> Iterator[Finding]:
    """One term that is to equal two different constants, unless two players disagree about it."""
    for (name, one), (also, other) in itertools.combinations(task.equations.items(), 2):
        for (term, value), (same, another) in itertools.product(_both_ways(one), _both_ways(other)):
            if term is same and _apart(value, another) and not _opposed(task, one, other):
                text = f"`{term}` cannot be both `{value}` and `{another}`; if this is a game, say who the players are"
                yield Finding("contradiction", (name, also), text)


def _apart(one: Term, other: Term) -> bool:
    """Whether two terms are different constants."""
    first, second = (term.op.source if isinstance(term.op, Wire) else None for term in (one, other))
    return isinstance(first, Constant) and isinstance(second, Constant) and first.apart(second)


def _opposed(task: Task, *equations: Equation) -> bool:
    """Whether it is a game, and two of the equations train different learners."""
    return bool(task.players) and any(
        not set(one.trains) & set(other.trains) for one, other in itertools.combinations(equations, 2)
    )


def _paired_values(task: Task) -> Iterator[Finding]:
    """A learner that is to write a value into a state that has this value already."""
    for name, each in task.equations.items():
        for side, value in _both_ways(each):
            source = value.op.source if isinstance(value.op, Wire) else None
            if not isinstance(source, Dataset):
                continue
            for term in side.walk():
                if term.op not in each.trains or value not in term.inputs:
                    continue
                copied = [t for t in term.inputs if t is not value and t.type == term.type and source in _sources(t)]
                if copied:
                    text = (
                        f"`{term}` may be a copy of `{copied[0]}`, which has the value `{value}` already; "
                        "draw the value independently"
                    )
                    yield Finding("paired value", (name,), text)


def _soft_targets(task: Task) -> Iterator[Finding]:
    """Cross-entropies and likelihoods whose least value is the entropy of their right side, and not 0."""
    for name, each in task.equations.items():
        divergence, rhs = each.divergence, each.rhs
        if not (divergence.hard_target or divergence.name.endswith(("cross_entropy", "_nll"))):
            continue
        if isinstance(rhs.op, Likeliest):
            continue
        trained = [learner.name for learner in each.trains if learner in _learners(rhs)]
        source = rhs.op.source if isinstance(rhs.op, Wire) else None
        flat = isinstance(source, Constant) and rhs.type.kind == "categorical" and not source.certain
        if flat or _learners(rhs):
            why = f"and {', '.join(trained)} is trained to have little" if trained else "and not 0"
            text = f"the least value of {divergence} is the entropy of its target `{rhs}`, {why}"
            yield Finding("soft target", (name,), text)


def _collusion(task: Task) -> Iterator[Finding]:
    """Learners that are trained to pass each other what the other side asks for, in what should look like data."""
    shapes = {type for source in task.sources if isinstance(source, Dataset) for _, type in source.wires}
    pairs: dict[frozenset[Learner], dict[str, Term]] = {}
    for name, each in task.equations.items():
        for side, message in _both_ways(each):
            for reader, writer, written in _nested(side, each.trains):
                if written.type in shapes and _wires(message) & _wires(written):
                    pairs.setdefault(frozenset((reader, writer)), {}).setdefault(name, written)
    for pair, found in pairs.items():
        alone = any(_anchored(task, learner, pair - {learner}) for learner in pair)
        if not alone and not _anchored_together(task, pair, found.keys()):
            who, whose = " and ".join(sorted(learner.name for learner in pair)), "its" if len(pair) == 1 else "their"
            where = next(iter(found.values()))
            text = f"{who} may pass a code of {whose} own in `{where}`: no other equation ties {who} to data"
            yield Finding("collusion", tuple(found), text)


def _nested(side: Term, trains: tuple[Learner, ...]) -> Iterator[tuple[Learner, Learner, Term]]:
    """Trained learners, each with those whose results it reads, and these results."""
    for learner, outer in _applied(side, trains):
        yield from ((learner, other, inner) for other, inner in _applied(outer, trains) if inner is not outer)


def _applied(term: Term, learners: tuple[Learner, ...]) -> list[tuple[Learner, Term]]:
    """The applications of these learners in a term."""
    return [(t.op, t) for t in term.walk() if isinstance(t.op, Learner) and t.op in learners]


def _anchored(task: Task, learner: Learner, others: frozenset[Learner]) -> bool:
    """Whether some equation says what the learner gives on data, without the others and without reading its own
    results; or what the law of its results is."""
    for each in (each for each in task.equations.values() if learner in each.trains):
        if each.divergence.distributional:
            return True
        for side, target in _both_ways(each):
            data = isinstance(target.op, Wire) and isinstance(target.op.source, Dataset)
            inputs = [below for _, term in _applied(side, (learner,)) for below in term.inputs]
            again = any(learner in _learners(below) for below in inputs)
            if data and inputs and not again and not others & _learners(side):
                return True
    return False


def _anchored_together(task: Task, pair: frozenset[Learner], passing: Collection[str]) -> bool:
    """Whether an equation in which they pass nothing says what both give on data, none reading its own results."""
    for name, each in task.equations.items():
        for side, target in _both_ways(each) if name not in passing and pair <= {*each.trains} else ():
            data = isinstance(target.op, Wire) and isinstance(target.op.source, Dataset)
            again = any(term.op in _learners(below) for _, term in _applied(side, tuple(pair)) for below in term.inputs)
            if data and pair <= _learners(side) and not again:
                return True
    return False


def _unreached(task: Task) -> Iterator[Finding]:
    """Learners that are to move and never will, and learners that have to come trained."""
    for player in task.players:
        for learner in player.learners:
            if learner not in task.trained:
                text = f"player {player.name} has {learner.name}, which no equation trains"
                yield Finding("unreached", (), text)
    for learner in task.trained:
        names = task.trainers_of(learner)
        if not any(_weighs(task.equations[name]) for name in names):
            yield Finding("unreached", names, f"{learner.name} is trained by equations of weight 0 alone")
    given = [learner for learner in task.learners if learner not in task.trained]
    if given:
        mentions = (name for name, each in task.equations.items() if set(given) & set(each.learners))
        text = f"trained by no equation, so they have to come trained: {', '.join(learner.name for learner in given)}"
        yield Finding("untrained", tuple(mentions), text, "note")


def _weighs(each: Equation) -> bool:
    weight = each.weight
    return bool(weight.start or weight.end) if isinstance(weight, Ramp) else bool(weight)


def _one_sided_noise(task: Task) -> Iterator[Finding]:
    """Pointwise equations whose noise is not on both sides."""
    for name, each in task.equations.items():
        if each.divergence.distributional:
            continue
        for side, other in _both_ways(each):
            boxes = {
                term.op.name: None
                for term in side.walk()
                if isinstance(term.op, Fixed) and _noise(term) - _sources(other)
            }
            if boxes:
                text = (
                    f"fresh noise on one side only ({', '.join(boxes)}): the sides agree in every draw only if what "
                    "follows ignores it"
                )
                yield Finding("one-sided noise", (name,), text, "note")


def _noise(term: Term) -> set[Source]:
    """The normal sources that a box is given directly."""
    given = {below.op.source for below in term.inputs if isinstance(below.op, Wire)}
    return {source for source in given if isinstance(source, Noise)}


def _both_ways(each: Equation) -> tuple[tuple[Term, Term], ...]:
    return (each.lhs, each.rhs), (each.rhs, each.lhs)


def _sources(term: Term) -> set[Source]:
    return {below.op.source for below in term.walk() if isinstance(below.op, Wire)}


def _wires(term: Term) -> set[Term]:
    return {below for below in term.walk() if isinstance(below.op, Wire) and not below.op.source.implicit}


def _learners(term: Term) -> set[Learner]:
    return {below.op for below in term.walk() if isinstance(below.op, Learner)}


# --------------------------------------------------------------------------------------------------------- by models


def _by_models(task: Task) -> Iterator[Finding]:
    """What the finite models, or proofs, of the equations between values tell."""
    try:
        look = _Look(task, time.monotonic() + SECONDS)
        yield from look.conflicts()
        yield from look.ignored()
    except TaskError as error:
        yield Finding("skipped", (), f"checks that look for models were skipped: {error}", "note")


class _Look:
    """The models of a task whose classes have two values, as have types that no learner reads or gives; others have more
    than all classes together that some learner reads."""

    def __init__(self, task: Task, deadline: float) -> None:
        self.task, self.deadline = task, deadline
        self.equations = {n: each for n, each in task.equations.items() if not each.divergence.distributional}
        self.complete = len(self.equations) == len(task.equations)
        self.theory = Theory(self.equations)
        classes = (sum(sort.categorical for sort in symbol.dom) for symbol in self.theory.symbols.values())
        large = 2 ** (1 + max(1, *classes, 0))
        learned = [symbol for symbol in self.theory.symbols.values() if symbol.learners]
        told_apart = {sort for symbol in learned for sort in (*symbol.dom, symbol.cod) if not sort.categorical}
        self.sizes = {sort: large if sort in told_apart else 2 for sort in self.theory.sorts}
        self.whole = self.problem(tuple(self.equations))
        self.consistent = self.whole.satisfiable(self.left())

    def left(self) -> float:
        """Seconds for one check. Raises TaskError when the time is over."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TaskError("they take too long for this task")
        return min(left, 0.3)

    def problem(self, names: tuple[str, ...]) -> Finite:
        """The models of some equations in which data have examples of all labels, and given boxes depend on their
        inputs."""
        problem = Finite(self.theory, self.sizes, RULES)
        for name in names:
            problem.impose(self.theory.laws[name])
        labels = (symbol for symbol in self.theory.symbols.values() if symbol.meaning == "data")
        problem.solver.add([problem.onto(symbol) for symbol in labels])
        for symbols in self.functions(trained=False):
            for position in range(len(symbols[0].dom)):
                ignoring = [problem.ignores(symbol, position) for symbol in symbols]
                problem.solver.add(problem.z3.Not(problem.every(ignoring)))
        return problem

    def functions(self, trained: bool) -> list[list[Symbol]]:
        """The boxes that this task trains, or those that it is given: each as the symbols of its results."""
        found: dict[object, list[Symbol]] = {}
        for symbol in self.theory.symbols.values():
            if symbol.op is not None and trained == bool(set(symbol.learners) & set(self.task.trained)):
                found.setdefault((symbol.op, symbol.dom), []).append(symbol)
        return list(found.values())

    def conflicts(self) -> Iterator[Finding]:
        """Equations that have no model, or none worth the name."""
        if self.consistent or any(_contradictions(self.task)):
            return
        for least, finding in ((1, _contradiction), (2, _conflict)):
            core = self.core(least)
            if core and not _opposed(self.task, *(self.task.equations[name] for name in core)):
                yield finding(core)
                return

    def core(self, least: int) -> tuple[str, ...]:
        """Equations that are proved to have no model in which each type and each data set has so many values; none if
        there is no proof."""
        theory = Theory(self.equations, partial=True)
        words = Words(theory)
        solver = words.solver({}, self.left())
        solver.set("core.minimize", True)
        solver.add([words.several(sort, least) for sort in theory.sorts])
        solver.add([words.varied(symbol, least) for symbol in theory.symbols.values() if symbol.meaning == "data"])
        for name, law in theory.laws.items():
            solver.assert_and_track(words.law(law), name)
        if solver.check() != words.z3.unsat:
            return ()
        named = {str(each) for each in solver.unsat_core()}
        return tuple(name for name in self.equations if name in named)

    def ignored(self) -> Iterator[Finding]:
        """Inputs that a learner may ignore while the equations that train it hold."""
        for symbols in self.functions(trained=True):
            yield from self._ignored_by(symbols)

    def _ignored_by(self, symbols: list[Symbol]) -> Iterator[Finding]:
        """symbols: the results of one box."""
        names = dict.fromkeys(name for learner in symbols[0].learners for name in self.task.trainers_of(learner))
        if not names or any(name not in self.equations for name in names):
            return
        own = self.problem(tuple(names))
        if not own.satisfiable(self.left()):
            return
        for position, sort in enumerate(symbols[0].dom):
            if not self._can_ignore(own, symbols, position):
                continue
            everywhere = self.complete and bool(self.consistent) and self._can_ignore(self.whole, symbols, position)
            surely = everywhere and not any(symbol.meaning == "fixed" for symbol in self.theory.symbols.values())
            what = "all equations" if everywhere else "the equations that train it"
            text = f"{what} can hold while {symbols[0].name} ignores its input {position + 1} ({sort.name})"
            yield Finding("ignored input", tuple(names), text, "warning" if surely else "note")

    def _can_ignore(self, problem: Finite, symbols: list[Symbol], position: int) -> bool:
        problem.solver.push()
        problem.solver.add([problem.ignores(symbol, position) for symbol in symbols])
        found = problem.satisfiable(self.left())
        problem.solver.pop()
        return bool(found)


def _contradiction(core: tuple[str, ...]) -> Finding:
    return Finding("contradiction", core, "no functions satisfy these equations together")


def _conflict(core: tuple[str, ...]) -> Finding:
    text = (
        "these hold together only if data or codes have a single value: not all losses can reach 0, and weights decide"
    )
    return Finding("conflict", core, text, "note")
