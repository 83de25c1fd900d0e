"""Laws on finite sets, as a problem for z3 without quantifiers.

Every unknown is a *cell* with finitely many values: a place in the table of a function, or the value of an application
whose arguments are unknown themselves. A law becomes one rule for each assignment of its variables. Cells that no rule
connects are independent, so the number of solutions is the product of the numbers of the parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from pipeline.language.reason.theory import Formal, Law, Sort, Symbol, Theory, Variable
from pipeline.language.terms import TaskError

LIMIT = 100_000  # entries of tables, and cases of equations: far beyond what can be decided quickly


def z3() -> Any:
    """The solver's module. Raises TaskError where it is not installed."""
    try:
        import z3 as module
    except ImportError:
        raise TaskError("reasoning about tasks needs z3: `pip install z3-solver`") from None
    return module


@dataclass(frozen=True, eq=False)
class Cell:
    """An unknown, as a bit vector; the k-th literal says that it is the k-th value."""

    bits: Any
    literals: tuple[Any, ...]
    place: tuple[Symbol, tuple[int, ...]] | None = None  # in a table


Value = Cell | int


@dataclass(frozen=True, eq=False)
class Rule:
    """If each cell of `guard` has its value, then left == right (or not, if `differ`)."""

    guard: tuple[tuple[Cell, int], ...]
    left: Value
    right: Value
    differ: bool = False

    @property
    def cells(self) -> Iterator[Cell]:
        yield from (cell for cell, _ in self.guard)
        yield from (side for side in (self.left, self.right) if isinstance(side, Cell))


class Finite:
    """The tables of a theory's symbols over sets of these sizes, and the rules that they have to obey.

    Raises TaskError if a sort has no size, or there are more than `limit` entries or cases to write down.
    """

    def __init__(self, theory: Theory, sizes: Mapping[Sort, int], limit: int = LIMIT) -> None:
        self.theory, self.sizes, self.limit = theory, sizes, limit
        for sort in theory.sorts:
            if sort not in sizes:
                raise TaskError(f"the size of type {sort.name} is missing")
        self.z3 = z3()
        # Of its own, so that which solution comes first does not depend on what was asked before.
        self.context = self.z3.Context()
        self.solver = self.z3.SimpleSolver(ctx=self.context)
        self.cells: list[Cell] = []
        self.rules: list[Rule] = []
        self._values: dict[tuple[Symbol, tuple[Value, ...]], Value] = {}
        symbols = theory.symbols.values()
        self._limit(sum(prod(sizes[sort] for sort in (*each.dom, each.cod)) for each in symbols), "entries of tables")
        for symbol in symbols:
            for arguments in self._tuples(symbol.dom):
                self._values[symbol, arguments] = self._cell(symbol.cod, (symbol, arguments))
        for first, second in theory.apart:
            self._rule(Rule((), self._values[first, ()], self._values[second, ()], differ=True))

    def impose(self, law: Law) -> None:
        """From now on the law holds."""
        for assignment in self.assignments(law):
            for left, right in self.evaluate(law, assignment):
                self._rule(Rule((), left, right))

    def tabulate(self, law: Law, values: Sequence[int]) -> None:
        """From now on the left side has these values, one for each assignment."""
        for assignment, value in zip(self.assignments(law), values, strict=True):
            ((left, _),) = self.evaluate(law, assignment)
            self._rule(Rule((), left, value))

    def assignments(self, law: Law) -> Iterator[dict[Variable, int]]:
        cases = prod(self.sizes[variable.sort] for variable in law.variables)
        self._limit(len(self.rules) + cases, "cases of equations")
        for values in self._tuples(tuple(variable.sort for variable in law.variables)):
            yield dict(zip(law.variables, values, strict=True))

    def evaluate(self, law: Law, assignment: Mapping[Variable, int]) -> list[tuple[Value, Value]]:
        """Both terms of each pair of a law, for these values of its variables."""
        known: dict[Formal, Value] = {variable: value for variable, value in assignment.items()}
        for each in law.applications():
            known[each] = self._apply(each.symbol, tuple(known[below] for below in each.arguments))
        return [(known[left], known[right]) for left, right in law.pairs]

    def equal(self, left: Value, right: Value) -> Any:
        """The formula that two values are the same."""
        if isinstance(left, int) and isinstance(right, int):
            return self.z3.BoolVal(left == right, self.context)
        if isinstance(left, int):
            left, right = right, left
        assert isinstance(left, Cell)
        if isinstance(right, int):
            return left.literals[right]
        return left.bits == right.bits

    def ignores(self, symbol: Symbol, position: int) -> Any:
        """The formula that a function does not depend on its input at this position."""
        tables = [self._values[symbol, a] for a in self._tuples(symbol.dom)]
        firsts = [self._values[symbol, (*a[:position], 0, *a[position + 1 :])] for a in self._tuples(symbol.dom)]
        return self.every([self.equal(one, first) for one, first in zip(tables, firsts, strict=True)])

    def ascending(self, symbol: Symbol) -> Any:
        """The formula that a function of one input does not decrease, by the elements' numbers."""
        line = [self._values[symbol, place] for place in self._tuples(symbol.dom)]
        values = range(self.sizes[symbol.cod])
        return self.every(
            [
                self.z3.Implies(self.equal(after, k), self.some([self.equal(before, j) for j in values[: k + 1]]))
                for before, after in itertools.pairwise(line)
                for k in values
            ]
        )

    def onto(self, symbol: Symbol) -> Any:
        """The formula that a function takes all values."""
        tables = [self._values[symbol, a] for a in self._tuples(symbol.dom)]
        values = range(self.sizes[symbol.cod])
        return self.every([self.some([self.equal(each, value) for each in tables]) for value in values])

    def every(self, formulas: Iterable[Any]) -> Any:
        return self.z3.And([*formulas], self.context)

    def some(self, formulas: Iterable[Any]) -> Any:
        return self.z3.Or([*formulas], self.context)

    def satisfiable(self, seconds: float | None = None) -> bool | None:
        """Whether there is a solution; None if that is not clear in time."""
        if seconds is not None:
            self.solver.set("timeout", max(1, int(1000 * seconds)))
        found = self.solver.check()
        return None if found == self.z3.unknown else bool(found == self.z3.sat)

    def value(self, cell: Cell, model: Any) -> int:
        """Which of its values a cell has in one of z3's models."""
        return int(model.eval(cell.bits, model_completion=True).as_long())

    def tables(self, model: Any) -> dict[tuple[Symbol, tuple[int, ...]], int]:
        """The values at all places of the tables, in one of z3's models."""
        return {cell.place: self.value(cell, model) for cell in self.cells if cell.place is not None}

    @cached_property
    def parts(self) -> list[Part]:
        """The independent parts of a problem that has a solution."""
        possible = self._possible()
        rules = [rule for rule in self.rules if not _settled(rule, possible)]
        leader = {cell: cell for cell in self.cells}

        def lead(cell: Cell) -> Cell:
            while leader[cell] is not cell:
                leader[cell] = cell = leader[leader[cell]]
            return cell

        for rule in rules:
            free = [lead(cell) for cell in rule.cells if len(possible[cell]) != 1]
            for cell in free[1:]:
                leader[lead(cell)] = lead(free[0])
        members: dict[Cell, list[Cell]] = {}
        for cell in self.cells:
            members.setdefault(lead(cell), []).append(cell)
        laws: dict[Cell, list[Rule]] = {}
        for rule in rules:
            for cell in {lead(cell) for cell in rule.cells if len(possible[cell]) != 1}:
                laws.setdefault(cell, []).append(rule)
        return [Part(self, cells, laws.get(key, []), possible) for key, cells in members.items()]

    def _possible(self) -> dict[Cell, tuple[int, ...]]:
        """Which values each cell has in some solution: a solution shows many at once, and the last check that the rest
        are impossible."""
        found: dict[Cell, set[int]] = {cell: set() for cell in self.cells}
        while True:
            unseen = [
                literal for cell, values in found.items() for k, literal in enumerate(cell.literals) if k not in values
            ]
            self.solver.push()
            self.solver.add(self.some(unseen))
            more = self.solver.check() == self.z3.sat
            model = self.solver.model() if more else None
            self.solver.pop()
            if not more:
                return {cell: tuple(sorted(values)) for cell, values in found.items()}
            for cell, values in found.items():
                values.add(self.value(cell, model))

    def clause(self, rule: Rule) -> Any:
        same = self.equal(rule.left, rule.right)
        unless = [self.z3.Not(cell.literals[value]) for cell, value in rule.guard]
        return self.some([*unless, self.z3.Not(same) if rule.differ else same])

    def _apply(self, symbol: Symbol, arguments: tuple[Value, ...]) -> Value:
        if (symbol, arguments) not in self._values:
            result = self._cell(symbol.cod)
            unknown = [value for value in dict.fromkeys(arguments) if isinstance(value, Cell)]
            self._limit(len(self.rules) + prod(len(cell.literals) for cell in unknown), "cases of equations")
            for case in itertools.product(*(range(len(cell.literals)) for cell in unknown)):
                guard = tuple(zip(unknown, case, strict=True))
                known = dict(guard)
                place = tuple(known[each] if isinstance(each, Cell) else each for each in arguments)
                self._rule(Rule(guard, self._values[symbol, place], result))
            self._values[symbol, arguments] = result
        return self._values[symbol, arguments]

    def _cell(self, sort: Sort, place: tuple[Symbol, tuple[int, ...]] | None = None) -> Cell:
        size = self.sizes[sort]
        bits = self.z3.BitVec(str(len(self.cells)), max(1, (size - 1).bit_length()), self.context)
        cell = Cell(bits, tuple(bits == value for value in range(size)), place)
        self.solver.add(self.some(cell.literals))
        self.cells.append(cell)
        return cell

    def _rule(self, rule: Rule) -> None:
        self.rules.append(rule)
        self.solver.add(self.clause(rule))

    def _tuples(self, sorts: tuple[Sort, ...]) -> Iterator[tuple[int, ...]]:
        return itertools.product(*(range(self.sizes[sort]) for sort in sorts))

    def _limit(self, count: int, what: str) -> None:
        if count > self.limit:
            raise TaskError(f"sizes: {count} {what} are too many, at most {self.limit} are expected")


@dataclass(frozen=True, eq=False)
class Part:
    """Cells that no rule connects to others, and the rules on them."""

    problem: Finite
    cells: list[Cell]
    rules: list[Rule]
    possible: Mapping[Cell, tuple[int, ...]]

    @cached_property
    def solutions(self) -> list[dict[Cell, int]]:
        """The values of its cells in tables: all solutions, in order."""
        free = [cell for cell in self.cells if cell.place is not None]
        if not self.rules:
            ranges = (self.possible[cell] for cell in free)
            return [dict(zip(free, values, strict=True)) for values in itertools.product(*ranges)]
        problem, z3 = self.problem, self.problem.z3
        solver = z3.SimpleSolver(ctx=problem.context)
        for cell in dict.fromkeys([*self.cells, *(cell for rule in self.rules for cell in rule.cells)]):
            solver.add(problem.some(cell.literals[value] for value in self.possible[cell]))
        solver.add([problem.clause(rule) for rule in self.rules])
        found = []
        while solver.check() == z3.sat:
            model = solver.model()
            found.append({cell: problem.value(cell, model) for cell in free})
            solver.add(problem.some(z3.Not(cell.literals[value]) for cell, value in found[-1].items()))
        return sorted(found, key=lambda solution: tuple(solution.values()))


def _settled(rule: Rule, possible: Mapping[Cell, tuple[int, ...]]) -> bool:
    """Whether a rule says nothing that the possible values do not say already."""
    if any(value not in possible[cell] for cell, value in rule.guard):
        return True
    left, right = (possible[side] if isinstance(side, Cell) else (side,) for side in (rule.left, rule.right))
    if rule.differ:
        return not set(left) & set(right)
    return len(left) == len(right) == 1 and left == right
