"""Equations read as sentences of first-order logic: sorts, function symbols, and laws between terms of these.

What a task says about tensors becomes what it says about sets and functions, by the reading that `reason` describes.
Products are flattened: a wire of product type is several terms, a box with a product output several symbols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from pipeline.language.boxes import Likeliest, StopGradient
from pipeline.language.sources import Constant, Dataset, Source, Wire
from pipeline.language.task import Equation
from pipeline.language.terms import (
    Box,
    Composite,
    Fixed,
    Learner,
    Op,
    TaskError,
    Term,
    Tupling,
    Type,
    composite_of,
    learners_of,
)
from pipeline.language.weighing import Repeated, Reweighted
from pipeline.language.wiring import parts_of

Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Sort:
    """A set of values. aliases: the names of the types that are read as it; categorical: whether all of these are
    of one class each: a sentence is many classes, and a state like others."""

    name: str
    aliases: frozenset[str]
    categorical: bool

    def element(self, index: int) -> str:
        """The name of an element: s0, s1, ... of S."""
        return f"{self.name.lower()}{'.' if self.name[-1:].isdigit() else ''}{index}"


@dataclass(frozen=True, eq=False)
class Symbol:
    """An unknown function. op: what it stands for, if it is a box, whose results on a product wire share it; learners:
    whose parameters it has (several, if it is a composite)."""

    name: str
    dom: tuple[Sort, ...]
    cod: Sort
    meaning: Literal["learner", "fixed", "data", "constant"]
    op: Op | Composite | None = None
    learners: tuple[Learner, ...] = ()


@dataclass(frozen=True, eq=False)
class Variable:
    """What a law holds for all values of."""

    name: str
    sort: Sort


@dataclass(frozen=True, eq=False)
class Application:
    """A function of terms."""

    symbol: Symbol
    arguments: tuple[Formal, ...]

    @property
    def sort(self) -> Sort:
        return self.symbol.cod


Formal = Variable | Application


@dataclass(frozen=True)
class Law:
    """For all values of the variables, the two terms of each pair are equal."""

    variables: tuple[Variable, ...]
    pairs: tuple[tuple[Formal, Formal], ...]

    def applications(self) -> Iterator[Application]:
        """All that the law speaks of, each once, inputs first."""
        seen: set[Formal] = set()
        pending = [(side, False) for pair in self.pairs for side in pair]
        while pending:
            formal, ready = pending.pop()
            if isinstance(formal, Variable) or formal in seen:
                continue
            if ready:
                seen.add(formal)
                yield formal
            else:
                pending.append((formal, True))
                pending.extend((below, False) for below in formal.arguments)


class Theory:
    """The laws of named equations, and the symbols that these mention; `notes` say what the reading leaves out.

    mentions: terms that the laws may be about besides (see `law`); partial: whether data are only some of the values
    of their types, all wires being functions of the example. Raises TaskError if an equation compares the laws of
    random variables instead of their values.
    """

    def __init__(self, equations: Mapping[str, Equation], *mentions: Term, partial: bool = False) -> None:
        self.partial = partial
        self.symbols: dict[object, Symbol] = {}
        self.notes: dict[str, None] = {}
        self._constants: dict[Symbol, Constant] = {}
        self._sorts: dict[Key, Sort] = {}
        self._parents: dict[Key, Key] = {}
        self._categorical: dict[Key, bool] = {}
        for name, each in equations.items():
            if each.divergence.distributional:
                raise TaskError(f"equation {name} compares laws ({each.divergence}), not values: leave it out")
            if len(parts_of(each.lhs.type)) != len(parts_of(each.rhs.type)):
                raise TaskError(f"equation {name} compares wires with different parts, not values: leave it out")
        sides = [*(side for each in equations.values() for side in (each.lhs, each.rhs)), *mentions]
        self._whole = _taken_as_a_whole(sides)
        for part in (part for side in sides for term in side.walk() for part in parts_of(term.type)):
            self._meet(part)
        for each in equations.values():
            for left, right in zip(parts_of(each.lhs.type), parts_of(each.rhs.type), strict=True):
                self._parents[self._root(_key(left))] = self._root(_key(right))
        self.laws = {name: self.law(each.lhs, each.rhs) for name, each in equations.items()}

    def law(self, lhs: Term, rhs: Term) -> Law:
        """The law that two terms are equal, made of what the equations speak of."""
        return _Reader(self, lhs, rhs).law()

    @property
    def sorts(self) -> tuple[Sort, ...]:
        """The sorts that the laws mention, in order."""
        return tuple(self._sorts.values())

    @property
    def apart(self) -> list[tuple[Symbol, Symbol]]:
        """Constants that are different elements of one type."""
        pairs = combinations(self._constants.items(), 2)
        return [(first, second) for (first, one), (second, other) in pairs if one.apart(other)]

    def sized(self, sizes: Mapping[str, int]) -> dict[Sort, int]:
        """The sizes of sorts, given by types' names.

        Raises TaskError for a name that no sort has, a size below 1, or one sort with two sizes.
        """
        known = [name for sort in self.sorts for name in sorted(sort.aliases)]
        for name, size in sizes.items():
            if name not in known:
                raise TaskError(f"size of {name}: a type of the equations is expected, one of {', '.join(known)}")
            if size < 1:
                raise TaskError(f"size of {name}: at least 1 is expected, not {size}")
        found: dict[Sort, int] = {}
        for sort in self.sorts:
            given = {sizes[name] for name in sort.aliases if name in sizes}
            if len(given) > 1:
                raise TaskError(f"sizes of {' and '.join(sorted(sort.aliases))}: the equations make them one set")
            found.update((sort, size) for size in given)
        return found

    def sort(self, type: Type) -> Sort:
        """The sort of a type that is no product, made at its first mention."""
        self._meet(type)
        root = self._root(_key(type))
        if root not in self._sorts:
            members = [key for key in self._parents if self._root(key) == root]
            taken = any(sort.name == root[0] for sort in self._sorts.values())
            name = str(Type(*root)) if taken else root[0]
            aliases = frozenset(alias for alias, _ in members)
            self._sorts[root] = Sort(name, aliases, all(self._categorical[key] for key in members))
        return self._sorts[root]

    def symbol(self, key: object, symbol: Symbol) -> Symbol:
        """The symbol of this key: at the first mention this one, its name primed if it is taken."""
        if key not in self.symbols:
            names, name = {known.name for known in self.symbols.values()}, symbol.name
            while name in names:
                name += "'"
            self.symbols[key] = replace(symbol, name=name)
        return self.symbols[key]

    def constant(self, source: Constant, type: Type, place: int) -> Application:
        """The constant on the part of its wire that is at this place."""
        key = ("constant", source.type, source.value, place)
        symbol = self.symbol(key, Symbol(source.name, (), self.sort(type), "constant"))
        self._constants[symbol] = source
        return Application(symbol, ())

    def applied(self, term: Term) -> tuple[Op | Composite, tuple[Term, ...]]:
        """What a term applies to what: a composite that is taken as a whole, or one operation."""
        if isinstance(term.op, Box):
            composite, inputs = composite_of(term.op, term.inputs)
            if composite is not None and composite in self._whole:
                return composite, inputs
        return term.op, term.inputs

    def _meet(self, type: Type) -> None:
        key = _key(type)
        self._parents.setdefault(key, key)
        self._categorical[key] = self._categorical.get(key, True) and type.single

    def _root(self, key: Key) -> Key:
        while self._parents[key] != key:
            key = self._parents[key]
        return key


class _Reader:
    """Reads the two sides of one equation: the sources are variables of this law alone."""

    def __init__(self, theory: Theory, *sides: Term) -> None:
        self.theory, self.sides = theory, sides
        self.known: dict[Term, tuple[Formal, ...]] = {}
        self.variables: dict[tuple[Source, int], tuple[Variable, ...]] = {}
        self.wires: dict[Source, set[int]] = {}
        for op in (term.op for side in sides for term in side.walk()):
            if isinstance(op, Wire):
                self.wires.setdefault(op.source, set()).add(op.index)

    def law(self) -> Law:
        left, right = (self.read(side) for side in self.sides)
        variables = tuple(variable for wire in self.variables.values() for variable in wire)
        return Law(variables, tuple(zip(left, right, strict=True)))

    def read(self, term: Term) -> tuple[Formal, ...]:
        if term not in self.known:
            self.known[term] = self._read(term)
        return self.known[term]

    def _read(self, term: Term) -> tuple[Formal, ...]:
        if isinstance(term.op, Wire):
            return self._wire(term.op.source, term.op.index)
        if isinstance(term.op, Likeliest):
            self.theory.notes["likeliest is read as the identity, as if nothing were in doubt"] = None
            return self.read(term.inputs[0])
        # The same values, weighed or differentiated in another way.
        if isinstance(term.op, StopGradient | Repeated | Reweighted):
            return self.read(term.inputs[0])
        op, inputs = self.theory.applied(term)
        noisy = [isinstance(op, Fixed) and isinstance(each.op, Wire) and each.op.hidden for each in inputs]
        seen = [below for below, noise in zip(inputs, noisy, strict=True) if not noise]
        if any(noisy) and [_key(below.type) for below in seen] == [_key(term.type)]:
            self.theory.notes[f"{_name(op)} is read without its noise, as the identity"] = None
            return self.read(seen[0])
        arguments = tuple(formal for below in seen for formal in self.read(below))
        if isinstance(term.op, Tupling):
            return arguments
        return self._apply(op, tuple(noisy), arguments, parts_of(term.type))

    def _apply(
        self, op: Op | Composite, noisy: tuple[bool, ...], arguments: tuple[Formal, ...], parts: Sequence[Type]
    ) -> tuple[Formal, ...]:
        """The parts of an operation's result."""
        dom = tuple(formal.sort for formal in arguments)
        learners = learners_of(op) if isinstance(op, Box | Composite) else ()
        if not learners:
            self.theory.notes[f"{_name(op)} is read as an unknown function"] = None
        made: list[Formal] = []
        for place, part in enumerate(parts):
            name, cod = f"{_name(op)}.{place + 1}" if len(parts) > 1 else _name(op), self.theory.sort(part)
            symbol = Symbol(name, dom, cod, "learner" if learners else "fixed", op, learners)
            made.append(Application(self.theory.symbol((op, noisy, place, dom, cod), symbol), arguments))
        return tuple(made)

    def _wire(self, source: Source, index: int) -> tuple[Formal, ...]:
        _, type = source.wires[index]
        if isinstance(source, Constant):
            return tuple(self.theory.constant(source, part, place) for place, part in enumerate(parts_of(type)))
        wire = source.wires[index][0].rstrip("'")
        if self.theory.partial and isinstance(source, Dataset):
            return self._column(source, index, wire, (self._example(source),))
        key = key_wire(source)
        if key is None or index == key or len(self.wires[source]) == 1:
            return self._variable(source, index)
        name = "label" if len(source.wires) == 2 else f"label_{wire}"
        return self._column(source, index, name, self._variable(source, key))

    def _example(self, source: Source) -> Variable:
        """Which example a draw is."""
        if (source, -1) not in self.variables:
            sort = self.theory.sort(Type(f"examples of {_data(source)}"))
            self.variables[source, -1] = (Variable(source.name, sort),)
        return self.variables[source, -1][0]

    def _variable(self, source: Source, index: int) -> tuple[Variable, ...]:
        name, type = source.wires[index]
        if (source, index) not in self.variables:
            self.variables[source, index] = tuple(Variable(name, self.theory.sort(part)) for part in parts_of(type))
        return self.variables[source, index]

    def _column(self, source: Source, index: int, name: str, key: tuple[Variable, ...]) -> tuple[Formal, ...]:
        """A wire of a joint draw, as a function of what says which draw it is. All draws of a data set share it."""
        dom = tuple(variable.sort for variable in key)
        made: list[Formal] = []
        for place, part in enumerate(parts_of(source.wires[index][1])):
            symbol = Symbol(name, dom, self.theory.sort(part), "data")
            made.append(Application(self.theory.symbol((_data(source), index, place), symbol), key))
        return tuple(made)


def _data(source: Source) -> str:
    """The name of the data set that independent draws are of."""
    return source.name.rstrip("'")


def key_wire(source: Source) -> int | None:
    """Which wire of a joint draw of data says which example it is: the first that is no class. None: no such draw."""
    if not isinstance(source, Dataset) or len(source.wires) < 2:
        return None
    return next((index for index, (_, type) in enumerate(source.wires) if not type.single), 0)


def _key(type: Type) -> Key:
    """Types that differ in their encoding alone, such as images and their pixels' logits, are one set."""
    return type.name, type.shape


def _name(op: Op | Composite) -> str:
    return op.name if isinstance(op, Composite) else op.title


def _taken_as_a_whole(sides: Sequence[Term]) -> frozenset[Composite]:
    """The composites no part of which is applied on its own, or belongs to another one."""
    whole: dict[Composite, None] = {}
    alone: set[Op] = set()
    seen: set[Term] = set()
    pending = list(sides)
    while pending:
        term = pending.pop()
        if term in seen:
            continue
        seen.add(term)
        composite, inputs = composite_of(term.op, term.inputs) if isinstance(term.op, Box) else (None, term.inputs)
        if composite is not None:
            whole[composite] = None
        else:
            alone.add(term.op)
        pending.extend(inputs)
    owners = [part for composite in whole for part in dict.fromkeys(composite.parts)]
    return frozenset(c for c in whole if all(part not in alone and owners.count(part) == 1 for part in c.parts))
