"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0

Advance = Callable[[int, str], None]


@contextlib.contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Yields ``advance(steps, note)``: so many of `total` steps more are done, and this is worth saying now."""
    console = Console(stderr=True)
    with _bar(console, title, total, done) if console.is_terminal else _lines(title, total, done) as advance:
        yield advance


@contextlib.contextmanager
def _bar(console: Console, title: str, total: int, done: int) -> Iterator[Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as bar:
        row = bar.add_task(title, total=total, completed=done, note="")
        yield lambda steps, note: bar.update(row, advance=steps, note=note)


@contextlib.contextmanager
def _lines(title: str, total: int, done: int) -> Iterator[Advance]:
    said = time.monotonic()

    def advance(steps: int, note: str) -> None:
        nonlocal done, said
        done += steps
        if done >= total or time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            print(f"{title}: {done}/{total}  {note}".rstrip(), flush=True)

    yield advance
