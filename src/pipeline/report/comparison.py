"""All systems of a data set side by side: metrics by group, how each system was made, paired tests over seeds."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.metrics.keys import find
from pipeline.metrics.paired import Paired, holm, paired_test
from pipeline.metrics.seeds import by_seed
from pipeline.params import Params
from pipeline.report import measured, tables
from pipeline.report.measured import Measured
from pipeline.report.render import render
from pipeline.report.tables import JUDGES, Results, Table, number

# These tell how a system was made: they are in its recipe, not among the metrics.
RECIPE = ("study", "protocol", "binarisation", "seeds", "steps", "batch_size", "parameters", "seconds")
WORDS = ("metric", "first", "second", "study", "protocol", "binarisation")  # heads of columns that hold words
REFERENCE = re.compile(r"_reference(_|$)")
TEST_HEADS = ["metric", "first", "second", "first - second", "95% interval", "seeds", "p", "p (Holm)"]


@dataclass(frozen=True)
class Contrast:
    """A paired test of one metric of two systems; holm: its p-value corrected for the pairs tested by that metric."""

    key: str
    first: str
    second: str
    test: Paired
    holm: float | None


@dataclass(frozen=True)
class Comparison:
    """The systems of a data set.

    systems: in the order of the rows; keys: the metrics that they are compared by, by group.
    """

    data: str
    systems: tuple[Measured, ...]
    keys: Mapping[str, list[str]]

    @property
    def results(self) -> dict[str, Results]:
        return {each.name: each.results for each in self.systems}

    @property
    def competing(self) -> dict[str, Results]:
        """The results of all but the judges."""
        return {each.name: each.results for each in self.systems if each.system not in JUDGES}

    def tables(self) -> list[Table]:
        """One for each group of metrics, with the systems that have any of them."""
        return [self._table(group, names) for group, names in self.keys.items()]

    def tests(self) -> dict[str, dict[str, list[Contrast]]]:
        """The paired tests by group and metric."""
        return {
            group: {name: tests for name in names if (tests := contrasts(self.competing, name))}
            for group, names in self.keys.items()
        }

    def _table(self, group: str, names: list[str]) -> Table:
        having = tables.having(self.results, names)
        return tables.table(having, names, title=group, apart=having.keys() - self.competing.keys())


def compare(data: str, root: Path, params: Params | None, every: bool = False, stored: bool = False) -> Comparison:
    """What `measured.gather` finds, compared by the metrics that two systems have, or one if `every` says so.

    stored: without studies and seconds (see there). Raises UserError for an unknown data set, one without metrics, and damaged files.
    """
    systems = measured.gather(data, root, params, stored)
    results = [each.results for each in systems]
    names = tables.measured(results) - set(RECIPE)
    shared = [name for name in names if sum(name in found for found in results) >= (1 if every else 2)]
    return Comparison(data, tuple(systems), tables.by_group(shared))


def contrasts(results: Mapping[str, Results], key: str) -> list[Contrast]:
    """The paired tests of all pairs of systems that share two seeds, and are measured under the same terms, by a metric
    with a direction. Systems that share the part that is measured, and so every value, are not tested."""
    if find(key).direction == "none":
        return []
    tests: dict[tuple[str, str], Paired] = {}
    for first, second in itertools.combinations(results, 2):
        ours, theirs = by_seed(results[first], key), by_seed(results[second], key)
        seeds = sorted(ours.keys() & theirs.keys())
        alike = tables.terms(results[first], key) == tables.terms(results[second], key)
        if len(seeds) > 1 and alike and any(ours[s] != theirs[s] for s in seeds):
            tests[first, second] = paired_test([ours[s] for s in seeds], [theirs[s] for s in seeds])
    known = {pair: test.p for pair, test in tests.items() if test.p is not None}
    corrected = dict(zip(known, holm(list(known.values())), strict=True))
    return [Contrast(key, *pair, test, corrected.get(pair)) for pair, test in tests.items()]


def recipe(system: Measured) -> dict[str, float | str]:
    """How a system was made, as far as that is known."""
    found = {
        "study": system.study or None,
        "protocol": system.results.get("protocol"),
        "binarisation": system.results.get("binarisation"),
        "seeds": system.results.get("seeds", 1),
        "steps": system.settings.get("steps"),
        "batch_size": system.settings.get("batch_size"),
        "parameters": system.results.get("parameters"),
        "seconds": system.seconds,
    }
    return _present(found)


def recipes(compared: Comparison) -> tuple[list[str], list[list[str]]]:
    """The recipes as a table of text: its heads, of what is known of some system, and a row a system."""
    found = {each.name: recipe(each) for each in compared.systems}
    columns = [name for name in RECIPE if any(name in row for row in found.values())]
    rows = [[name, *(_text(row.get(column, "")) for column in columns)] for name, row in found.items()]
    return ["system", *(column.replace("_", " ") for column in columns)], rows


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}"


def contrast_row(each: Contrast) -> list[str]:
    """A paired test as text, under TEST_HEADS."""
    difference = each.test.difference
    ends = tables.interval(difference.value, (difference.low, difference.high))
    p_values = ["" if p is None else f"{p:.3g}" for p in (each.test.p, each.holm)]
    return [each.key, each.first, each.second, number(difference.value), ends, str(each.test.pairs), *p_values]


def notes(compared: Comparison) -> list[str]:
    """What a reader must know of the figures, a sentence or two each."""
    shown = compared.tables()
    ends = any(cell and cell.interval for table in shown for row in table.rows for cell in row.cells)
    found = [
        measured.protocols(compared.results.values()),
        _of_intervals(compared) if ends else "",
        "Bold, or with an asterisk: best, its interval apart from that of every other system. Judges do not compete, and "
        "nobody does in columns without an arrow."
        if any(table.marks for table in shown)
        else "No system is marked as best: in no column does an interval keep apart from all others.",
        _of_references(compared),
        _of_terms(compared),
        _of_tests(compared),
    ]
    return [each for each in found if each]


def _of_intervals(compared: Comparison) -> str:
    seeded = [name for name, found in compared.results.items() if "seeds" in found]
    over_examples = (
        "by bootstrap over the examples of the one test set that all systems share; what another seed would change is "
        "not in it"
    )
    over_seeds = "of the mean over seeds, by Student’s t"
    if not seeded:
        return f"With a number: its 95% interval {over_examples}."
    if len(seeded) == len(compared.systems):
        return f"With a number: its 95% interval {over_seeds}."
    return f"With a number: its 95% interval; for {', '.join(seeded)} {over_seeds}; for others {over_examples}."


def _of_references(compared: Comparison) -> str:
    """That some figures are those of real data, which others are held against."""
    names = [name for group in compared.keys.values() for name in group if REFERENCE.search(name)]
    if not names:
        return ""
    values = [found[names[0]] for found in compared.results.values() if names[0] in found]
    told = " to ".join(dict.fromkeys(number(float(value)) for value in (min(values), max(values))))
    return (
        f"Keys with `reference` are what real test data get ({names[0]}: {told}); the figures beside them are raw, nothing "
        "is subtracted."
    )


def _of_terms(compared: Comparison) -> str:
    names = [name for group in compared.keys.values() for name in group]
    results = compared.competing.values()
    mixed = [name for name in names if len({tables.terms(found, name) for found in results if name in found}) > 1]
    if not mixed:
        return ""
    return f"Measured under different protocols or binarisations, so that nobody is best: {', '.join(mixed)}."


def _of_tests(compared: Comparison) -> str:
    if not any(compared.tests().values()):
        return ""
    return (
        "Paired tests: first minus second, mean over the seeds that both have, with its 95% interval and p by Student’s "
        "paired t-test (from three seeds on); p (Holm) is corrected for all pairs that are tested by the metric."
    )


def document(compared: Comparison) -> dict[str, Any]:
    """The comparison as JSON (docs/metrics.md, Comparing); what does not apply is absent."""
    return {
        "data": compared.data,
        "systems": [{"name": each.name, "system": each.system, **recipe(each)} for each in compared.systems],
        "metrics": [_metric(compared, name, group) for group, names in compared.keys.items() for name in names],
        "tests": [_test(each) for tests in _by_group(compared).values() for each in tests],
        "notes": notes(compared),
    }


def _metric(compared: Comparison, name: str, group: str) -> dict[str, Any]:
    key = find(name)
    row = {
        "key": name,
        "group": group,
        "meaning": key.meaning,
        "direction": key.direction,
        "best": tables.winner(compared.competing, name, key),
        "values": {system: _value(found, name) for system, found in compared.results.items() if name in found},
    }
    return _present(row)


def _value(found: Results, name: str) -> dict[str, Any]:
    ends = tables.bounds(found, name)
    seeds = by_seed(found, name)
    interval = {"low": ends[0], "high": ends[1]} if ends else {}
    return {"value": found[name], **interval, **({"seeds": {str(s): v for s, v in seeds.items()}} if seeds else {})}


def _by_group(compared: Comparison) -> dict[str, list[Contrast]]:
    return {group: [*itertools.chain(*tests.values())] for group, tests in compared.tests().items()}


def _test(each: Contrast) -> dict[str, Any]:
    row = {
        "key": each.key,
        "first": each.first,
        "second": each.second,
        "difference": each.test.difference.value,
        "low": each.test.difference.low,
        "high": each.test.difference.high,
        "seeds": each.test.pairs,
        "p": each.test.p,
        "p_holm": each.holm,
    }
    return _present(row)


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def page(compared: Comparison) -> str:
    """The comparison as a self-contained HTML page."""
    heads, rows = recipes(compared)
    return render(
        "compare.html",
        data=compared.data,
        notes=notes(compared),
        recipe_heads=heads,
        recipe_rows=rows,
        tables=compared.tables(),
        test_heads=TEST_HEADS,
        words=WORDS,
        tests={group: [contrast_row(each) for each in tests] for group, tests in _by_group(compared).items()},
    )
