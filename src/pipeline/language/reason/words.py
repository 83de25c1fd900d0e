"""Laws in z3's own words: uninterpreted sorts and functions, and quantifiers; for what holds on sets of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.language.reason.finite import z3
from pipeline.language.reason.theory import Formal, Law, Sort, Symbol, Theory


class Words:
    """z3's sorts and functions for those of a theory."""

    def __init__(self, theory: Theory) -> None:
        self.z3 = z3()
        self.theory = theory
        self.sorts = {sort: self.z3.DeclareSort(sort.name) for sort in theory.sorts}
        self.functions = {
            symbol: self.z3.Function(symbol.name, *(self.sorts[sort] for sort in (*symbol.dom, symbol.cod)))
            for symbol in theory.symbols.values()
        }

    def solver(self, sizes: Mapping[Sort, int], seconds: float) -> Any:
        """A solver that knows which constants are apart, and the sizes of some sorts."""
        solver = self.z3.Solver()
        solver.set("timeout", max(1, int(1000 * seconds)))
        solver.add([self.functions[first]() != self.functions[second]() for first, second in self.theory.apart])
        for sort, size in sizes.items():
            elements = [self.z3.FreshConst(self.sorts[sort]) for _ in range(size)]
            any_one = self.z3.FreshConst(self.sorts[sort])
            solver.add(self.z3.Distinct(elements))
            solver.add(self.z3.ForAll([any_one], self.z3.Or([any_one == element for element in elements])))
        return solver

    def several(self, sort: Sort, count: int) -> Any:
        """The formula that a sort has so many elements or more."""
        return self.z3.Distinct([self.z3.FreshConst(self.sorts[sort]) for _ in range(count)])

    def varied(self, symbol: Symbol, count: int) -> Any:
        """The formula that a function takes so many values or more."""
        places = [[self.z3.FreshConst(self.sorts[sort]) for sort in symbol.dom] for _ in range(count)]
        return self.z3.Distinct([self.functions[symbol](*place) for place in places])

    def law(self, law: Law) -> Any:
        """The law as a closed formula."""
        known: dict[Formal, Any] = {
            variable: self.z3.FreshConst(self.sorts[variable.sort]) for variable in law.variables
        }
        variables = list(known.values())
        for each in law.applications():
            known[each] = self.functions[each.symbol](*(known[below] for below in each.arguments))
        body = self.z3.And([known[left] == known[right] for left, right in law.pairs])
        return self.z3.ForAll(variables, body) if variables else body
