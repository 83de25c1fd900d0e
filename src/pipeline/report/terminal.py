"""A comparison in the terminal: tables no wider than it is, a wide one in pieces."""

import dataclasses
from collections.abc import Iterator, Sequence

import rich.table
from rich.console import Console
from rich.text import Text

from pipeline.report import comparison
from pipeline.report.comparison import Comparison
from pipeline.report.tables import Cell, Table


def show(compared: Comparison, console: Console) -> None:
    """Print how the systems were made, their metrics by group, the paired tests of each group, and notes."""
    heads, rows = comparison.recipes(compared, times=True)
    console.print(_plain(f"{compared.data}: how each system was made", heads, rows))
    for table in compared.tables():
        for piece in pieces(table, console):
            console.print(_metrics(piece))
        tests = [comparison.test_row(each) for each in compared.tests(table.title)]
        if tests:
            console.print(_plain(f"{table.title.capitalize()}: paired tests over seeds", comparison.TEST_HEADS, tests))
    for note in comparison.notes(compared):
        console.print(Text(note), style="dim")


def pieces(table: Table, console: Console) -> Iterator[Table]:
    """The table in parts of as many columns as the console has room for; a column is never cut."""
    start = 0
    while start < len(table.columns):
        stop = start + 1
        while stop < len(table.columns) and _fits(_part(table, start, stop + 1), console):
            stop += 1
        yield _part(table, start, stop)
        start = stop


def _part(table: Table, start: int, stop: int) -> Table:
    rows = tuple(dataclasses.replace(row, cells=row.cells[start:stop]) for row in table.rows)
    title = f"{table.title}, continued" if start else table.title
    return Table(table.columns[start:stop], rows, title)


def _fits(table: Table, console: Console) -> bool:
    return console.measure(_metrics(table), options=console.options.update(width=10_000)).maximum <= console.width


def _metrics(table: Table) -> rich.table.Table:
    heads = ["system", *(f"{column.name} {column.arrow}".strip() for column in table.columns)]
    made = _headed(table.title.capitalize(), heads)
    for row in table.rows:
        made.add_row(Text(row.system), *(_cell(cell) for cell in row.cells))
    return made


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text()
    value = Text(f"{cell.text} *" if cell.best else cell.text, style="bold" if cell.best else "")
    return Text.assemble(value, (f"\n{cell.interval}", "dim")) if cell.interval else value


def _plain(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> rich.table.Table:
    made = _headed(title, heads)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def _headed(title: str, heads: Sequence[str]) -> rich.table.Table:
    made = rich.table.Table(title=Text(title), title_justify="left")
    for place, head in enumerate(heads):
        words = place == 0 or head in comparison.WORDS
        made.add_column(Text(head), justify="left" if words else "right", overflow="fold")
    return made
