"""What a run ends with: MLflow brought up to date, then the tables that people look at."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.errors import UserError
from pipeline.files import read_json

NO_SYNC = "PIPELINE_NO_SYNC"
COLUMNS = (
    "accuracy",
    "accuracy_adversarial",
    "write_accuracy",
    "collusion_gap",
    "fid_edit",
    "fid_sample",
    "fid_reference",
    "getput_mse",
    "undo_mse",
    "putput_mse",
)


def finish(root: Path, failed: list[str]) -> None:
    """Synchronise with MLflow unless told not to, then print metrics, models, times and where the report is.

    A tracking server that cannot be reached is a warning: `pipeline sync` makes up for it later.
    """
    # Tables in a log file or a pipe are as wide as they need to be.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    tracked = (root / "params.yaml").exists() and not os.environ.get(NO_SYNC)
    if tracked:
        _synchronise(root)
    for table in metric_tables(root):
        console.print(table)
    if tracked:
        _print_models(root, console)
    if not failed:
        console.print(times(root))
    if (root / "report" / "index.html").exists():
        print(f"report: {root / 'report' / 'index.html'}")


def _synchronise(root: Path) -> None:
    from pipeline import tracking

    try:
        print(tracking.sync(root))
    except UserError as error:
        print(f"warning: not synchronised with MLflow: {error}; run `pipeline sync` later")


def _print_models(root: Path, console: Console) -> None:
    from pipeline import tracking

    try:
        rows = tracking.models(root)
    except UserError:
        return
    table = Table(title="Registered models", title_justify="left")
    for title in ("model", "version", "aliases", "champion by", "value"):
        table.add_column(title)
    for row in rows:
        value = "" if row.value is None else f"{row.value:.5g}"
        table.add_row(row.name, str(row.version), ", ".join(row.aliases), row.metric or "", value)
    console.print(table)


def metric_tables(root: Path) -> Iterator[Table]:
    """One table per data set: a row per system, the main metrics as columns (test data, judge_2)."""
    for folder in sorted(path for path in (root / "metrics").glob("*") if path.is_dir()):
        results = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
        columns = [name for name in COLUMNS if any(name in result for result in results.values())]
        table = Table("system", *columns, title=f"{folder.name}: test data, judge_2", title_justify="left")
        for system, result in results.items():
            table.add_row(system, *(f"{result[name]:.4g}" if name in result else "" for name in columns))
        yield table


def times(root: Path) -> Table:
    """How long each stage took when it last ran here."""
    table = Table("stage", "seconds", "peak MiB", title="Stages, when they last ran here", title_justify="left")
    install = root / "runs" / "install.json"
    if install.exists():
        table.add_row("installation", f"{read_json(install)['seconds']:.1f}", "")
    for path in sorted((root / "runs").glob("*.json")):
        notes = read_json(path)
        if "stage" in notes:
            table.add_row(notes["stage"], f"{notes['seconds']:.1f}", str(notes["peak_memory_mib"]))
    return table
