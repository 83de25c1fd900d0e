"""The finite models of a task: counted, enumerated, and printed as tables."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from pipeline.language.reason.finite import Finite
from pipeline.language.reason.theory import Sort, Symbol, Theory, key_wire
from pipeline.language.sources import Dataset, Wire
from pipeline.language.task import Equation, Task
from pipeline.language.terms import Box, Composite, TaskError, Term, composite_of


@dataclass(frozen=True)
class Model:
    """Functions that satisfy a task's equations, as tables: `model["put"][0, 1]` is the index of put(s0, v1)."""

    sizes: Mapping[str, int]
    symbols: tuple[Symbol, ...]
    tables: Mapping[str, Mapping[tuple[int, ...], int]]

    def __getitem__(self, name: str) -> Mapping[tuple[int, ...], int]:
        return self.tables[name]

    def __str__(self) -> str:
        return "\n".join(line for symbol in self.symbols for line in _table(symbol, self.sizes, self.tables))


def _table(
    symbol: Symbol, sizes: Mapping[str, int], tables: Mapping[str, Mapping[tuple[int, ...], int]]
) -> Iterator[str]:
    """A function's table: the last input runs along a line, the others down the lines."""
    table = tables[symbol.name]
    if not symbol.dom:
        yield f"{symbol.name} = {symbol.cod.element(table[()])}"
        return
    *down, across = symbol.dom
    heads = list(itertools.product(*(range(sizes[sort.name]) for sort in down)))
    columns = range(sizes[across.name])
    rows = [[symbol.name, *map(across.element, columns)]]
    for head in heads:
        shown = ", ".join(sort.element(index) for sort, index in zip(down, head, strict=True))
        rows.append([shown, *(symbol.cod.element(table[*head, column]) for column in columns)])
    first, rest = max(len(row[0]) for row in rows), max(len(cell) for row in rows for cell in row[1:])
    for name, *cells in rows:
        yield f"{name:<{first}} | {' '.join(f'{cell:<{rest}}' for cell in cells)}".rstrip()


@dataclass(frozen=True, eq=False)
class Models:
    """All models of given sizes: iterate over them, or count them. notes: what the reading leaves out."""

    problem: Finite

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self.problem.theory.notes)

    @property
    def count(self) -> int:
        return prod(len(part.solutions) for part in self.problem.parts) if self.exist else 0

    @property
    def exist(self) -> bool:
        """Whether there is one; quicker than counting."""
        return bool(self.problem.satisfiable())

    def __iter__(self) -> Iterator[Model]:
        if not self.exist:
            return
        for choice in itertools.product(*(part.solutions for part in self.problem.parts)):
            values = {cell.place: value for solution in choice for cell, value in solution.items()}
            yield model_of(self.problem, {place: value for place, value in values.items() if place is not None})


def model_of(problem: Finite, values: Mapping[tuple[Symbol, tuple[int, ...]], int]) -> Model:
    """The model with these values at the places of its tables."""
    symbols = tuple(problem.theory.symbols.values())
    tables: dict[str, dict[tuple[int, ...], int]] = {symbol.name: {} for symbol in symbols}
    for (symbol, arguments), value in sorted(values.items(), key=lambda each: each[0][1]):
        tables[symbol.name][arguments] = value
    return Model({sort.name: size for sort, size in problem.sizes.items()}, symbols, tables)


def models(
    task: Task,
    sizes: Mapping[str, int] | None = None,
    *,
    equations: Collection[str] | None = None,
    fibres: Sequence[int] | None = None,
    of: str = "get",
) -> Models:
    """The models of a task's equations (only those named, if any are) on sets of these sizes, by types' names.

    fibres: how many elements the box called `of`, a learner or composite of one input, sends to each value. It is then
    given, with the sizes of its types, and so are the labels of the data that the task wants it to tell.

    Raises TaskError for an unknown equation, a size that is missing or below 1, fibres of no such box, an equation
    that compares laws, problems far too large, or without z3.
    """
    chosen = chosen_equations(task, equations)
    if fibres is None:
        theory = Theory(chosen)
        return Models(_problem(theory, theory.sized(sizes or {})))
    if not fibres or min(fibres) < 1:
        raise TaskError(f"fibres {','.join(map(str, fibres))}: sizes of at least 1 are expected")
    box = _box(task, of)
    told = box(Dataset(f"{of}'s", {"state": box.dom[0]}))
    theory = Theory({**chosen, **_labelling(task, box)}, told)
    law = theory.law(told, told)
    ((variable,), ((value, _),)) = law.variables, law.pairs
    given = {variable.sort.name: sum(fibres), value.sort.name: len(fibres)}
    for name, size in (sizes or {}).items():
        if given.setdefault(name, size) != size:
            raise TaskError(f"size of {name}: the fibres make it {given[name]}, not {size}")
    problem = _problem(theory, theory.sized(given))
    problem.tabulate(law, [index for index, size in enumerate(fibres) for _ in range(size)])
    return Models(problem)


def satisfiable(
    task: Task,
    sizes: Mapping[str, int] | None = None,
    *,
    equations: Collection[str] | None = None,
    fibres: Sequence[int] | None = None,
    of: str = "get",
) -> bool:
    """Whether the task has a model on sets of these sizes; see `models`."""
    return models(task, sizes, equations=equations, fibres=fibres, of=of).exist


def chosen_equations(task: Task, names: Collection[str] | None) -> dict[str, Equation]:
    """The equations of these names, all if None. Raises TaskError with the known names for any other."""
    for name in names or ():
        if name not in task.equations:
            raise TaskError(f"unknown equation `{name}`: expected one of {', '.join(task.equations)}")
    return dict(task.equations) if names is None else {name: task.equations[name] for name in names}


def _problem(theory: Theory, sizes: Mapping[Sort, int]) -> Finite:
    problem = Finite(theory, sizes)
    for law in theory.laws.values():
        problem.impose(law)
    return problem


def _box(task: Task, name: str) -> Box | Composite:
    """The box or composite of this name that the task's equations apply, if its fibres make sense."""
    found: dict[str, Box | Composite] = {}
    for term in (term for each in task.equations.values() for side in (each.lhs, each.rhs) for term in side.walk()):
        if isinstance(term.op, Box):
            box: Box | Composite = composite_of(term.op, term.inputs)[0] or term.op
            found.setdefault(box.name, box)
    known = found.get(name)
    if known is None or len(known.dom) != 1 or "product" in (known.dom[0].kind, known.cod.kind):
        raise TaskError(f"fibres are of a box `{name}` with one input, which this task does not have")
    return known


def _labelling(task: Task, box: Box | Composite) -> dict[str, Equation]:
    """The equations that ask this box for the label of data."""
    found = {}
    for name, each in task.equations.items():
        for one, other in ((each.lhs, each.rhs), (each.rhs, each.lhs)):
            if _labels(one, other, box):
                found[name] = each
    return found


def _labels(one: Term, other: Term, box: Box | Composite) -> bool:
    source = other.op.source if isinstance(other.op, Wire) else None
    key = None if source is None else key_wire(source)
    if source is None or key is None or box.dom != (source.wires[key][1],):
        return False
    return one is box(list(source)[key])
