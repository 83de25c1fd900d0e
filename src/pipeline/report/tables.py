"""Metrics as tables: which columns, in which order, how numbers are written, and which is marked as best."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.metrics.keys import KEYS, Key, find

Results = Mapping[str, float | str]
Interval = tuple[float, float]

# What a reader looks at first; other keys follow in the order of metrics.keys, unknown ones by name.
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
)
LAST = "parameters"
ARROWS = {"up": "↑", "down": "↓", "zero": "→0", "none": ""}
WORDS = {"up": "higher is better", "down": "lower is better", "zero": "best at 0", "none": ""}


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
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def marks(self) -> bool:
        """Whether any cell is marked as best."""
        return any(cell and cell.best for row in self.rows for cell in row.cells)


def table(results: Mapping[str, Results], prefix: str = "", notes: Mapping[str, str] | None = None) -> Table:
    """Systems by metrics, the systems in the order of `results`.

    prefix: `` for test metrics, `validation_` for their twins; notes: a remark on a system, by name.
    """
    names = order(_measured(results.values(), prefix))
    best = {name: winner(results, prefix + name, find(name)) for name in names}

    def cell(system: str, name: str) -> Cell | None:
        found = results[system]
        value = _number(found, prefix + name)
        if value is None:
            return None
        return Cell(number(value), interval(value, bounds(found, prefix + name)), best[name] == system)

    rows = (Row(each, tuple(cell(each, name) for name in names), (notes or {}).get(each, "")) for each in results)
    return Table(tuple(column(name) for name in names), tuple(rows))


def column(name: str) -> Column:
    key = find(name)
    words = "; ".join(part for part in (key.meaning, WORDS[key.direction]) if part)
    return Column(name, ARROWS[key.direction], words)


def order(names: Iterable[str]) -> list[str]:
    """The keys in the order in which people read them: the main ones first, the size last."""
    known = [*MAIN, *(key.name for key in KEYS if key.name not in (*MAIN, LAST))]
    places = {name: place for place, name in enumerate(known)} | {LAST: len(known) + 1}
    return sorted(set(names), key=lambda name: (places.get(name, len(known)), name))


def _measured(results: Iterable[Results], prefix: str) -> set[str]:
    """The metrics that occur with this prefix, as names without it; ends of intervals are no metrics."""
    found = {key for result in results for key in result if _number(result, key) is not None}
    ends = {f"{key}{end}" for key in found for end in ("_low", "_high")}
    wanted = {key for key in found - ends if key.startswith("validation_") == (prefix == "validation_")}
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

    A single system wins nothing, and a system without an interval neither wins nor lets another win.
    """
    having = [system for system, found in results.items() if _number(found, key) is not None]
    intervals = {system: bounds(results[system], key) for system in having}
    if len(having) < 2 or meaning.direction == "none" or None in intervals.values():
        return None
    ranges = {system: _upwards(ends, meaning.direction) for system, ends in intervals.items() if ends}
    first = max(ranges, key=lambda system: ranges[system][0])
    return first if all(ranges[first][0] > high for system, (_, high) in ranges.items() if system != first) else None


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
    return "–".join(_bare(number(end, places(value))) for end in ends)


def _bare(text: str) -> str:
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def as_csv(results: Mapping[tuple[str, str], Results]) -> str:
    """All metrics of all (data, system) as CSV: full precision, empty where a metric does not apply."""
    keys = {key for found in results.values() for key in found}
    names = [name for base in order({_base(key) for key in keys}) for name in _variants(base) if name in keys]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["data", "system", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"data": data, "system": system, **found} for (data, system), found in results.items())
    return text.getvalue()


def _base(key: str) -> str:
    return key.removeprefix("validation_").removesuffix("_low").removesuffix("_high")


def _variants(base: str) -> list[str]:
    return [f"{prefix}{base}{end}" for prefix in ("", "validation_") for end in ("", "_low", "_high")]
