"""Metrics as tables: which columns, in which order, how numbers are written, and which is marked as best."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pipeline.metrics import keys
from pipeline.metrics.keys import Key, find

Results = Mapping[str, float | str]
Interval = tuple[float, float]

# What a reader looks at first.
MAIN = (
    "accuracy",
    "accuracy_adversarial",
    "write_accuracy",
    "write_accuracy_own",
    "collusion_gap",
    "fid_edit",
    "fid_sample",
    "fid_reference",
    "getput_mse",
    "undo_mse",
    "putput_mse",
    "judge_agreement",
    "style_slant",
    "style_stroke",
    "seeds",
    "parameters",
)
# They measure the others and do not compete with them.
JUDGES = ("judge_1", "judge_2", "judge_3")
ARROWS = {"up": "↑", "down": "↓", "zero": "→0", "none": ""}
WORDS = {"up": "higher is better", "down": "lower is better", "zero": "best at 0", "none": ""}
WIDEST = 14  # columns of numbers with intervals that a page has room for
_ENDS = {"": 0, "_low": 1, "_high": 2}


@dataclass(frozen=True)
class Column:
    """A metric: its key without prefix, an arrow towards better, and what it means in words."""

    name: str
    arrow: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """A number as shown; interval: the ends of its 95% interval, or empty; best: marked in its column."""

    text: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A system; cells: one per column, None where the metric does not apply; note: why there are none, or empty."""

    system: str
    cells: tuple[Cell | None, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """title: what its columns have in common, or empty."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""

    @property
    def tall(self) -> bool:
        """Whether it is read more easily with a line a metric: it has too many for the width of a page."""
        return len(self.columns) > WIDEST

    @property
    def marks(self) -> bool:
        """Whether any cell is marked as best."""
        return any(cell and cell.best for row in self.rows for cell in row.cells)


def table(
    results: Mapping[str, Results],
    names: Iterable[str],
    prefix: str = "",
    notes: Mapping[str, str] | None = None,
    title: str = "",
    apart: Collection[str] = JUDGES,
) -> Table:
    """Systems by metrics, the systems in the order of `results`.

    names: of the columns, without prefix; prefix: `` for test metrics, `validation_` for their twins; notes: a remark
    on a system, by name; apart: systems that do not compete.
    """
    names = list(names)
    competing = {system: found for system, found in results.items() if system not in apart}
    best = {name: winner(competing, prefix + name, find(name)) for name in names}

    def cell(system: str, name: str) -> Cell | None:
        found = results[system]
        value = _number(found, prefix + name)
        if value is None:
            return None
        return Cell(number(value), interval(value, bounds(found, prefix + name)), best[name] == system)

    rows = (Row(each, tuple(cell(each, name) for name in names), (notes or {}).get(each, "")) for each in results)
    return Table(tuple(column(name) for name in names), tuple(rows), title)


def having(results: Mapping[str, Results], names: Iterable[str], prefix: str = "") -> dict[str, Results]:
    """The systems that have any of these metrics."""
    wanted = {prefix + name for name in names}
    return {system: found for system, found in results.items() if wanted & found.keys()}


def by_group(names: Iterable[str]) -> dict[str, list[str]]:
    """The keys by the group that metrics.keys puts them into, in its order; only groups that there are."""
    listed = keys.ordered(names)
    groups = {group: [name for name in listed if find(name).group == group] for group in keys.GROUPS}
    return {group: found for group, found in groups.items() if found}


def column(name: str) -> Column:
    key = find(name)
    words = "; ".join(part for part in (key.meaning, WORDS[key.direction]) if part)
    return Column(name, ARROWS[key.direction], words)


def measured(results: Iterable[Results], prefix: str = "") -> set[str]:
    """The metrics that occur with this prefix, as names without it."""
    found = keys.metrics(key for result in results for key in result if _number(result, key) is not None)
    wanted = {key for key in found if key.startswith("validation_") == (prefix == "validation_")}
    return {key.removeprefix(prefix) for key in wanted}


def _number(results: Results, key: str) -> float | None:
    value = results.get(key)
    return None if value is None or isinstance(value, str) else value


def bounds(results: Results, key: str) -> Interval | None:
    """The 95% interval of a metric, if it has one."""
    low, high = _number(results, f"{key}_low"), _number(results, f"{key}_high")
    return None if low is None or high is None else (low, high)


def winner(results: Mapping[str, Results], key: str, meaning: Key) -> str | None:
    """The system whose interval of `key` lies wholly on the better side of every other system's; None if none does.

    A single system wins nothing, a system without an interval neither wins nor lets another win, and nobody wins among
    systems that are measured under different terms.
    """
    having = [system for system, found in results.items() if _number(found, key) is not None]
    intervals = {system: bounds(results[system], key) for system in having}
    if len(having) < 2 or meaning.direction == "none" or None in intervals.values():
        return None
    if len({terms(results[system], key) for system in having}) > 1:
        return None
    ranges = {system: _upwards(ends, meaning.direction) for system, ends in intervals.items() if ends}
    first = max(ranges, key=lambda system: ranges[system][0])
    return first if all(ranges[first][0] > high for system, (_, high) in ranges.items() if system != first) else None


def terms(results: Results, key: str) -> tuple[str, ...]:
    """What must be the same in two systems for a metric of theirs to be compared: the protocol, and for a likelihood
    the binarisation of the images."""
    words = ("protocol", "binarisation") if find(key).group == "likelihood" else ("protocol",)
    return tuple(str(results.get(word, "")) for word in words)


def _upwards(ends: Interval, direction: str) -> Interval:
    """The interval on a scale on which more is better."""
    low, high = ends
    if direction == "zero":
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        return -max(abs(low), abs(high)), -nearest
    return (-high, -low) if direction == "down" else (low, high)


def number(value: float, decimals: int | None = None) -> str:
    """About four digits: 1,234,567   113.8   66.53   0.9912   0.00073   7.3e-05."""
    if (isinstance(value, int) or value == 0) and decimals is None:
        return f"{value:,.0f}"
    if 0 < abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:,.{places(value) if decimals is None else decimals}f}"


def places(value: float) -> int:
    """Decimals that leave about four digits, two for small values."""
    size = abs(value) or 1.0
    for limit, decimals in ((1e-3, 5), (1, 4), (10, 3), (100, 2), (10_000, 1)):
        if size < limit:
            return decimals
    return 0


def interval(value: float, ends: Interval | None) -> str:
    """`.9894–.9930`: with the decimals of the value, and without leading zeros, since space is short."""
    if ends is None:
        return ""
    decimals = places(value or max(ends, key=abs))
    return "–".join(_bare(number(end, decimals)) for end in ends)


def _bare(text: str) -> str:
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def as_csv(results: Mapping[tuple[str, str], Results]) -> str:
    """All metrics of all (data, system) as CSV: full precision, empty where a metric does not apply."""
    names = _in_full({key for found in results.values() for key in found})
    text = io.StringIO()
    writer = csv.DictWriter(text, ["data", "system", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"data": data, "system": system, **found} for (data, system), found in results.items())
    return text.getvalue()


def _in_full(names: set[str]) -> list[str]:
    """All keys: each metric followed by the ends of its interval and its values for single seeds, then its twin."""
    apart = keys.metrics(names)
    bases = {name: name if name in apart else keys.stem(name) for name in names}
    places = {name: place for place, name in enumerate(keys.ordered({_untwinned(base) for base in bases.values()}))}

    def place(name: str) -> tuple[int, bool, int, str]:
        end = name.removeprefix(bases[name])
        return places[_untwinned(bases[name])], name.startswith("validation_"), _ENDS.get(end, len(_ENDS)), end

    return sorted(names, key=place)


def _untwinned(name: str) -> str:
    return name.removeprefix("validation_")
