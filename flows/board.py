"""How the stages are doing: a live table on a terminal, one line at a time elsewhere."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text


@dataclass
class Running:
    """A stage at work: when it began (monotonic seconds) and the last line that it printed."""

    began: float = field(default_factory=time.monotonic)
    line: str = ""


class Board:
    """Lines, each with the name of its stage before it: several stages speak at once."""

    def __init__(self) -> None:
        self.running: dict[str, Running] = {}
        self._lock = threading.Lock()

    def started(self, name: str) -> None:
        self.running[name] = Running()
        self.show(name, "started")

    def said(self, name: str, line: str) -> None:
        """A line of the stage's output."""
        self.running[name].line = line
        self.show(name, line)

    def ended(self, name: str, failure: str = "") -> None:
        """The stage is done, or has failed as `failure` says."""
        seconds = time.monotonic() - self.running.pop(name).began
        self.show(name, failure or f"done in {seconds:.1f} s")

    def show(self, name: str, text: str) -> None:
        with self._lock:
            print(f"[{name}] {text}", flush=True)


class LiveBoard(Board):
    """On a terminal: what is done or has failed stays as a line, what is at work is a table below."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__()
        self.console, self.total, self.finished = console, total, 0

    def started(self, name: str) -> None:
        self.running[name] = Running()

    def said(self, name: str, line: str) -> None:
        self.running[name].line = line

    def ended(self, name: str, failure: str = "") -> None:
        self.finished += 1
        super().ended(name, failure)

    def show(self, name: str, text: str) -> None:
        self.console.print(Text(f"[{name}] {text}"))

    def __rich__(self) -> Table:
        title = f"{self.finished} of {self.total} stages done, {len(self.running)} at work"
        table = Table("stage", "seconds", "last line", title=title, title_justify="left", box=None, expand=True)
        table.columns[1].justify = "right"
        table.columns[2].ratio = 1
        for column in table.columns:
            column.no_wrap = True
        for name, row in list(self.running.items()):
            table.add_row(name, f"{time.monotonic() - row.began:.0f}", Text(row.line, overflow="ellipsis"))
        return table


# Task runners with processes of their own have a board of lines in each.
current = Board()


@contextlib.contextmanager
def showing(total: int) -> Iterator[None]:
    """Show `total` stages on a live table meanwhile, if this is a terminal."""
    global current
    console = Console()
    if not console.is_terminal:
        yield
        return
    before, board = current, LiveBoard(console, total)
    current = board
    try:
        with Live(board, console=console, refresh_per_second=4, transient=True):
            yield
    finally:
        current = before
