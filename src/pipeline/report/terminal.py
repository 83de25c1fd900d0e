"""A comparison in the terminal: tables no wider than it is, a wide one in pieces."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report import comparison, tables
from pipeline.report.comparison import Comparison, Contrast

Rows = Sequence[Sequence[Text]]
TEST_HEADS = ("first - second", "difference", "seeds", "p", "p (Holm)")


def show(compared: Comparison, console: Console) -> None:
    """Print how the systems were made, their metrics by group, the paired tests of each group, and notes."""
    heads, recipes = comparison.recipes(compared)
    title = f"{compared.data}: how each system was made"
    _print(console, title, heads, [[Text(each) for each in row] for row in recipes])
    tested = compared.tests()
    for table in compared.tables():
        heads = ["system", *(f"{column.name} {column.arrow}".strip() for column in table.columns)]
        rows = [[Text(row.system), *map(_cell, row.cells)] for row in table.rows]
        _print(console, table.title.capitalize(), heads, rows)
        for key, tests in tested[table.title].items():
            _print(console, f"{key}: paired tests over seeds", TEST_HEADS, [_test(each) for each in tests])
    for note in comparison.notes(compared):
        console.print(Text(note), style="dim")


def _test(each: Contrast) -> list[Text]:
    _, first, second, difference, ends, *rest = comparison.contrast_row(each)
    return [Text(f"{first}\n- {second}"), _figure(difference, ends), *map(Text, rest)]


def _cell(cell: tables.Cell | None) -> Text:
    if cell is None:
        return Text()
    return _figure(f"{cell.text} *", cell.interval, "bold") if cell.best else _figure(cell.text, cell.interval)


def _figure(text: str, interval: str, style: str = "") -> Text:
    return Text.assemble((text, style), (f"\n{interval}" if interval else "", "dim"))


def _print(console: Console, title: str, heads: Sequence[str], rows: Rows) -> None:
    for piece in pieces(title, heads, rows, console):
        console.print(piece)


def pieces(title: str, heads: Sequence[str], rows: Rows, console: Console) -> Iterator[Table]:
    """The table in parts of as many columns as the console has room for, each with the first column; none is cut."""
    start = 1
    while start < len(heads):
        stop = start + 1
        while stop < len(heads) and _fits(_part(title, heads, rows, start, stop + 1), console):
            stop += 1
        yield _part(title, heads, rows, start, stop)
        start = stop


def _part(title: str, heads: Sequence[str], rows: Rows, start: int, stop: int) -> Table:
    made = Table(title=Text(title if start == 1 else f"{title}, continued"), title_justify="left")
    for place, head in enumerate([heads[0], *heads[start:stop]]):
        words = place == 0 or head in comparison.WORDS
        made.add_column(Text(head), justify="left" if words else "right", overflow="fold")
    for row in rows:
        made.add_row(row[0], *row[start:stop])
    return made


def _fits(table: Table, console: Console) -> bool:
    return console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width
