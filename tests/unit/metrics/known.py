"""Known answers: what each metric must give where the truth is known; a test each, and the table of docs.

Every `known_<module>.py` beside this file has CASES. `python -m tests.unit.metrics.known FILE.md` writes the table.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Known:
    """metric: its key or function; case: where the truth is known, and from what; known: that truth; ours: computes
    the metric there; tolerance: the greatest absolute difference that passes."""

    metric: str
    case: str
    known: float
    ours: Callable[[], float]
    tolerance: float

    @property
    def title(self) -> str:
        """The first cells of its row."""
        return f"`{self.metric}` | {self.case.replace('|', '&#124;')}"


def cases() -> list[Known]:
    names = sorted(path.stem for path in HERE.glob("known_*.py"))
    return [case for name in names for case in importlib.import_module(f"tests.unit.metrics.{name}").CASES]


def table(rows: list[Known]) -> str:
    """The cases as a Markdown table, each computed now."""
    lines = ["| metric | known answer | known | ours | difference |", "|---|---|---|---|---|"]
    for row in rows:
        ours = row.ours()
        lines.append(f"| {row.title} | {row.known:.6g} | {ours:.6g} | {abs(ours - row.known):.2g} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(table(cases()), encoding="utf-8")
