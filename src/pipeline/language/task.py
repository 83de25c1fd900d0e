"""Equations and the tasks that they make.

An equation ``lhs == rhs  [divergence x weight; trains learners]`` asks to reduce the divergence of its two sides, on
the same draw of the sources, by changing the named learners only. Learners that occur but are not named keep their
**parameters**; **gradients pass through** them. Every learner descends the weighted sum of the equations that train
it, so equations that train different learners with conflicting aims are a game; `Player` says who moves when.

>>> from pipeline.language import Dataset, Learner, Type, mse
>>> X, Z = Type("X", (4,)), Type("Z", (2,))
>>> x = Dataset("x", {"x": X})
>>> enc, dec = Learner("enc", (X,), Z), Learner("dec", (Z,), X)
>>> print(task(recon=equation(dec(enc(x)), x, mse, trains=(enc, dec))))
recon : dec(enc(x)) == x   [mse; trains enc, dec]   x ~ x
where
  x ~ data(x: X(4))
  enc : X(4) -> Z(2)
  dec : Z(2) -> X(4)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from pipeline.language.binding import Binder
from pipeline.language.boxes import Likeliest
from pipeline.language.divergence import Divergence
from pipeline.language.sources import Constant, Dataset, Noise, Source, Wire
from pipeline.language.substitution import Diagram, substitute
from pipeline.language.terms import (
    Arithmetic,
    Box,
    Composite,
    Learner,
    TaskError,
    Term,
    Type,
    Wireable,
    learners_of,
    number,
    ordered,
)

__all__ = ["Equation", "Phase", "Player", "Ramp", "Refinement", "Task", "TaskError", "equation", "task"]

Trained = Box | Composite | tuple[Box | Composite, ...]
Play = Literal["simultaneous", "alternating"]


@dataclass(frozen=True)
class Ramp:
    """A weight that goes linearly from `start` to `end` while progress (0..1) goes from `begin` to `finish`.

    Raises TaskError unless `begin` comes before `finish`.
    """

    start: float
    end: float
    begin: float = 0.0
    finish: float = 1.0

    def __post_init__(self) -> None:
        if not self.begin < self.finish:
            raise TaskError(f"a ramp begins before it finishes, not at {self.begin:g} and {self.finish:g}")

    def __call__(self, progress: float) -> float:
        share = (progress - self.begin) / (self.finish - self.begin)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def __str__(self) -> str:
        stretch = "" if (self.begin, self.finish) == (0, 1) else f" over {number(self.begin)}..{number(self.finish)}"
        return f"{number(self.start)}..{number(self.end)}{stretch}"


@dataclass(frozen=True)
class Equation:
    """See `equation`."""

    lhs: Term
    rhs: Term
    divergence: Divergence
    trains: tuple[Learner, ...]
    weight: float | Ramp = 1.0
    shown: str = ""  # the names of what is trained, composites by their own name

    def weigh(self, progress: float) -> float:
        return self.weight(progress) if isinstance(self.weight, Ramp) else self.weight

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that either side mentions, in order."""
        found: dict[Source, None] = {}
        for side in (self.lhs, self.rhs):
            found.update(dict.fromkeys(term.op.source for term in side.walk() if isinstance(term.op, Wire)))
        return tuple(found)

    @property
    def learners(self) -> tuple[Learner, ...]:
        """The learners that the gradient can reach: an inner optimum is a constant, with all that it depends on."""
        found: dict[Learner, None] = {}
        seen: set[Term] = set()
        pending = [self.rhs, self.lhs]
        pending += [below for weigher in self.weighers for below in weigher.op.weighing(weigher)]
        while pending:
            term = pending.pop()
            if term in seen:
                continue
            seen.add(term)
            passing = term.op.passing(term)
            pending.extend(reversed(passing))
            if isinstance(term.op, Learner):
                found[term.op] = None
            if isinstance(term.op, Binder) and passing:
                pending.extend(reversed(term.op.bodies))
        return tuple(found)

    @property
    def axes(self) -> tuple[Term, ...]:
        """The wires of several values that either side or a weight has."""
        return ordered(self.lhs.axes, self.rhs.axes, *(each.axes for each in self.weighers))

    @property
    def weighers(self) -> tuple[Term, ...]:
        """The wires whose weights the loss has: it is an expectation over them."""
        return ordered(self.lhs.weighers, self.rhs.weighers)

    def __str__(self) -> str:
        weight = self.weight if isinstance(self.weight, Ramp) else number(float(self.weight))
        shown = "" if self.weight == 1 else f" x {weight}"
        origin = "; ".join(
            f"{', '.join(self._wires(source))} ~ {source.name}" for source in self.sources if not source.implicit
        )
        return f"{_bare(self.lhs)} == {_bare(self.rhs)}   [{self.divergence}{shown}; trains {self.shown}]   {origin}".rstrip()

    def _wires(self, source: Source) -> list[str]:
        used = {
            t.op.index
            for side in (self.lhs, self.rhs)
            for t in side.walk()
            if isinstance(t.op, Wire) and t.op.source == source
        }
        return [name for index, (name, _) in enumerate(source.wires) if index in used]


def _bare(term: Term) -> str:
    """A term's text, without the parentheses of a sum that stands alone."""
    text = str(term)
    return text[1:-1] if isinstance(term.op, Arithmetic) and text.startswith("(") else text


def equation(
    lhs: Wireable, rhs: Wireable, divergence: Divergence, trains: Trained, weight: float | Ramp = 1.0
) -> Equation:
    """The equation ``lhs == rhs``.

    trains: the learners to change (composites stand for their learners); weight: its factor in their loss.
    What is wrong with it is said by `task`, which knows its name.
    """
    boxes = trains if isinstance(trains, tuple) else (trains,)
    shown = ", ".join(box.name for box in boxes)
    return Equation(lhs.term, rhs.term, divergence, learners_of(*boxes), weight, shown)


@dataclass(frozen=True)
class Player:
    """Learners that move together, `steps` times a round; composites stand for their learners.

    Raises TaskError if it never moves.
    """

    name: str
    learners: tuple[Learner, ...]
    steps: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise TaskError(f"player {self.name}: at least 1 step is expected, not {self.steps}")
        object.__setattr__(self, "learners", learners_of(*self.learners))


@dataclass(frozen=True)
class Refinement:
    """One step from a task to a more special one, each solution of which solves the first one too.

    kind: `fill`, `tie`, `equations` or `enlarge`; text: what was done; before, after: a learner on wires of its own and
    the diagram that stands for it there.
    """

    kind: Literal["fill", "tie", "equations", "enlarge"]
    text: str
    before: Term | None = None
    after: Term | None = None


@dataclass(frozen=True)
class Task:
    """Named equations, and the players of the game that they are, if they are one.

    play: `simultaneous`: all gradients are taken at the same point, then everybody moves (one player without a name
    if none is given); `alternating`: players move in turn, each seeing the others' last moves; refinements: how it came
    from a simpler task.
    """

    equations: Mapping[str, Equation]
    players: tuple[Player, ...] = ()
    play: Play = "simultaneous"
    refinements: tuple[Refinement, ...] = field(default=(), compare=False, repr=False)
    learners: tuple[Learner, ...] = field(init=False)
    sources: tuple[Source, ...] = field(init=False)

    def __post_init__(self) -> None:
        for name, each in self.equations.items():
            _check(name, each)
        object.__setattr__(self, "learners", _unique_learners(self.equations))
        object.__setattr__(self, "sources", _unique_sources(self.equations))
        if self.play not in get_args(Play):
            raise TaskError(f"play {self.play}: {' or '.join(get_args(Play))} is expected")
        for player in self.players:
            if player.steps > 1 and self.play == "simultaneous":
                raise TaskError(f"player {player.name} has {player.steps} steps: that needs alternating play")
        moved = [learner for player in self.players for learner in player.learners]
        for learner in self.trained:
            if self.players and moved.count(learner) != 1:
                raise TaskError(f"learner {learner.name} is trained, so exactly one player must have it")

    @property
    def trained(self) -> tuple[Learner, ...]:
        """The learners that some equation trains, in order of mention."""
        return tuple(dict.fromkeys(learner for each in self.equations.values() for learner in each.trains))

    def trainers_of(self, learner: Learner) -> tuple[str, ...]:
        """The names of the equations that train this learner."""
        return tuple(name for name, each in self.equations.items() if learner in each.trains)

    # ------------------------------------------------------------------------------------------------- refinement

    def with_equations(self, **more: Equation) -> Task:
        """The refinement of this task by more equations: every solution of it solves this one too."""
        record = tuple(Refinement("equations", f"{name} : {each}") for name, each in more.items())
        return replace(self, equations={**self.equations, **more}, refinements=(*self.refinements, *record))

    def fill(self, learner: Learner, diagram: Diagram) -> Task:
        """The refinement of this task in which a diagram of the same type stands for a learner.

        diagram: takes the wires that the learner takes and gives its wire. What trained the learner trains the
        diagram's learners instead, except for those that the task had before.
        Raises TaskError if the task does not have the learner, or the diagram's type is another one.

        >>> from pipeline.language import Dataset, Type, mse
        >>> X, Z = Type("X", (4,)), Type("Z", (2,))
        >>> f, enc, dec = Learner("f", (X,), X), Learner("enc", (X,), Z), Learner("dec", (Z,), X)
        >>> x = Dataset("x", {"x": X})
        >>> same = task(same=equation(f(x), x, mse, trains=f))
        >>> print(same.fill(f, lambda x: dec(enc(x))).equations["same"])
        dec(enc(x)) == x   [mse; trains enc, dec]   x ~ x
        """
        wires = tuple(Dataset(f"the inputs of {learner.name}", _wire_names(learner.dom)))
        before, after = learner(*wires), diagram(*wires)
        new = tuple(each for each in _mentioned(after) if each is learner or each not in self.learners)
        filled = self._with({learner: diagram}, {learner: tuple(dict.fromkeys(new))})
        return filled._recorded(Refinement("fill", f"{before} := {after}", before, after))

    def tie(self, learner: Learner, to: Learner) -> Task:
        """The refinement of this task in which two learners are one: `to` stands for `learner`.

        Raises TaskError if the task does not have the learner, or their types differ.
        """
        wires = tuple(Dataset(f"the inputs of {learner.name}", _wire_names(learner.dom)))
        before, after = learner(*wires), to(*wires)
        return self._with({learner: to}, {learner: (to,)})._recorded(
            Refinement("tie", f"{learner.name} := {to.name}", before, after)
        )

    def enlarge(self, source: Source, by: Source) -> Task:
        """The refinement of this task in which a source of larger support (such as a `Mixture` with it) replaces it:
        what holds for all that it draws holds for all that the smaller one drew.

        Raises TaskError if the task does not have the source, or their wires have other types.
        """
        if source not in self.sources:
            raise TaskError(f"source {source.name} does not occur, so it cannot be enlarged")
        return self.with_sources({source: by})._recorded(Refinement("enlarge", f"{source.name} := {by.name}"))

    def with_sources(self, sources: Mapping[Source, Source]) -> Task:
        """The same task on other sources of the same wires: the data bound to it, say.

        Raises TaskError if the types of their wires differ.
        """
        for old, new in sources.items():
            if [type for _, type in old.wires] != [type for _, type in new.wires]:
                raise TaskError(f"source {new.name} has other wires than {old.name}, which it is to replace")
        return self._with({}, {}, sources)

    def with_learners(self, learners: Mapping[Learner, Learner]) -> Task:
        """The same task with other learners of the same types: their modules given, say.

        Raises TaskError if a type differs.
        """
        return self._with(learners, {old: (new,) for old, new in learners.items()})

    def frozen(self, *boxes: Box | Composite) -> Task:
        """This task with these learners given: nothing trains them; equations that trained only them are dropped."""
        given = set(learners_of(*boxes))
        kept = {}
        for name, each in self.equations.items():
            trains = tuple(learner for learner in each.trains if learner not in given)
            if trains:
                shown = each.shown if trains == each.trains else ", ".join(learner.name for learner in trains)
                kept[name] = replace(each, trains=trains, shown=shown)
        return replace(self, equations=kept)

    def _with(
        self,
        boxes: Mapping[Learner, Diagram],
        trained: Mapping[Learner, tuple[Learner, ...]],
        sources: Mapping[Source, Source] | None = None,
    ) -> Task:
        """All equations after substitution. trained: what is trained instead of a learner."""
        for learner in boxes:
            if learner not in self.learners:
                raise TaskError(f"learner {learner.name} does not occur, so nothing can stand for it")
        done: dict[Term, Term] = {}
        equations = {}
        for name, each in self.equations.items():
            lhs, rhs = (substitute(side, boxes, sources or {}, done) for side in (each.lhs, each.rhs))
            trains = _exchanged(each.trains, trained)
            shown = each.shown if trains == each.trains else ", ".join(learner.name for learner in trains)
            equations[name] = replace(each, lhs=lhs, rhs=rhs, trains=trains, shown=shown)
        players = tuple(replace(p, learners=_exchanged(p.learners, trained)) for p in self.players)
        return replace(self, equations=equations, players=players)

    def _recorded(self, record: Refinement) -> Task:
        return replace(self, refinements=(*self.refinements, record))

    def __str__(self) -> str:
        from pipeline.language.notation import written

        return written(self)


def _exchanged(learners: tuple[Learner, ...], new: Mapping[Learner, tuple[Learner, ...]]) -> tuple[Learner, ...]:
    return tuple(dict.fromkeys(each for learner in learners for each in new.get(learner, (learner,))))


def _wire_names(types: tuple[Type, ...]) -> dict[str, Type]:
    """A name for each wire: its type's in small letters, with primes where types repeat."""
    found: dict[str, Type] = {}
    for type in types:
        name = type.name.lower()
        while name in found:
            name += "'"
        found[name] = type
    return found


def task(
    *,
    players: tuple[Player, ...] = (),
    play: Play = "simultaneous",
    **equations: Equation,
) -> Task:
    """The compound task of these equations.

    Raises TaskError, naming the equation, the wire and both types, if an equation compares what its divergence cannot
    compare, trains nothing or something out of reach, or asks for cross-entropy against a soft target; if two learners
    or two sources share a name; if a trained learner does not belong to exactly one of the players; or if players have
    several steps without taking turns.
    """
    return Task(equations, players, play)


@dataclass(frozen=True)
class Phase:
    """A stretch of training: first one task, then another. What a phase's task does not train is frozen in it."""

    name: str
    task: Task
    steps: int


def _check(name: str, each: Equation) -> None:
    complaint = each.divergence.accepts(each.lhs.type, each.rhs.type)
    if complaint:
        raise TaskError(
            f"equation {name}: {each.divergence}: {complaint}, but `{each.lhs}` is {each.lhs.type.full} "
            f"and `{each.rhs}` is {each.rhs.type.full}"
        )
    if each.divergence.hard_target and not _hard(each.rhs):
        why = "(its least value is the target's entropy); use kl"
        if each.rhs.type.kind != "categorical":
            why = "when the target may change; give it a constant or data"
        raise TaskError(
            f"equation {name}: {each.divergence} against the soft target `{each.rhs}` is no divergence {why}"
        )
    if each.divergence.distributional and each.weighers:
        raise TaskError(
            f"equation {name}: {each.divergence} compares laws, and `{each.weighers[0]}` weighs its values; "
            "use a pointwise divergence, or take the expectation of the wire first"
        )
    if not each.trains:
        raise TaskError(f"equation {name} trains nothing")
    for learner in each.trains:
        if learner not in each.learners:
            raise TaskError(
                f"equation {name} trains {learner.name}, which no gradient of `{each.lhs} == {each.rhs}` can reach"
            )


def _hard(term: Term) -> bool:
    """Whether a wire is given by data, by one class where it is categorical, or is the likeliest class."""
    if isinstance(term.op, Likeliest):
        return True
    source = term.op.source if isinstance(term.op, Wire) else None
    soft = isinstance(source, Constant) and term.type.kind == "categorical" and not source.certain
    return source is not None and not soft


def _unique_learners(equations: Mapping[str, Equation]) -> tuple[Learner, ...]:
    known: dict[str, Learner] = {}
    for name, each in equations.items():
        for learner in _mentioned(each.lhs, each.rhs):
            if known.setdefault(learner.name, learner) is not learner:
                raise TaskError(
                    f"equation {name}: another learner is called {learner.name} already; "
                    "the same name means the same weights"
                )
    return tuple(known.values())


def _mentioned(*terms: Term) -> Iterator[Learner]:
    """All learners of terms, those inside inner optimisations too."""
    for term in terms:
        for below in term.walk():
            if isinstance(below.op, Learner):
                yield below.op
            elif isinstance(below.op, Binder):
                yield from _mentioned(*below.op.bodies)


def _unique_sources(equations: Mapping[str, Equation]) -> tuple[Source, ...]:
    known: dict[str, Source] = {}
    for name, each in equations.items():
        for source in each.sources:
            if not isinstance(source, Constant) and known.setdefault(source.name, source) != source:
                if isinstance(source, Noise) and source.of is not None:
                    raise TaskError(
                        f"equation {name}: another term reads `{source.of}` already, and their noise would be the same "
                        "draw; give their wires different names"
                    )
                raise TaskError(
                    f"equation {name}: another source is called {source.name} already; "
                    "the same name means the same draw"
                )
    return tuple(known.values())
