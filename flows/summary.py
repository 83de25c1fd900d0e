"""What a run ends with: MLflow brought up to date, then the tables that people look at."""

import datetime
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.files import read_json

BEGAN = datetime.datetime.now(datetime.UTC)  # of this process, nearly: installation and Python's start are not in it
KINDS = ("fetch", "prepare", "train", "evaluate", "report")
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


def finish(root: Path, sync: bool) -> None:
    """Synchronise with MLflow if `sync` says so, then print metrics, models, times and where the report is."""
    # Tables in a log file or a pipe are as wide as they need to be.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    models = _synchronised(root) if sync and (root / "params.yaml").exists() else None
    for table in [*metric_tables(root), *([models] if models else []), times(root)]:
        if table.rows:
            console.print(table)
    if (root / "report" / "index.html").exists():
        print(f"report: {root / 'report' / 'index.html'}")


def _synchronised(root: Path) -> Table | None:
    """Bring MLflow up to date; the table of registered models."""
    from pipeline import tracking

    try:
        print(tracking.sync(root))
        rows = tracking.models(root)
    # Whatever is wrong with the tracking server, what was trained and measured is here, and safe.
    except Exception as error:
        reason = " ".join(str(error).split()) or repr(error)
        print(f"warning: not synchronised with MLflow: {reason}; run `pipeline sync` later")
        return None
    table = Table(
        "model", "version", "aliases", "champion by", "value", title="Registered models", title_justify="left"
    )
    for row in rows:
        value = "" if row.value is None else f"{row.value:.5g}"
        table.add_row(row.name, str(row.version), ", ".join(row.aliases), row.metric or "", value)
    return table


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
    """How long each stage took when it last ran here and, if this run ran any, what it took besides them."""
    table = Table("stage", "seconds", "peak MiB", title="Stages, when they last ran here", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    install = root / "runs" / "install.json"
    if install.exists():
        table.add_row("installation", f"{read_json(install)['seconds']:.1f}", "", end_section=True)
    stages = [notes for path in sorted((root / "runs").glob("*.json")) if "stage" in (notes := read_json(path))]
    for kind in KINDS:
        group = [notes for notes in stages if notes["stage"].split("@")[0] == kind]
        for notes in group:
            last = notes is group[-1]
            table.add_row(notes["stage"], f"{notes['seconds']:.1f}", str(notes["peak_memory_mib"]), end_section=last)
    for kind, seconds in split(stages, BEGAN, datetime.datetime.now(datetime.UTC)).items():
        table.add_row(kind, f"{seconds:.1f}", "")
    return table


def split(stages: list[dict[str, Any]], began: datetime.datetime, ended: datetime.datetime) -> dict[str, float]:
    """What the seconds of this run went into: by kind of stage, then everything else, then the whole run.

    Where stages ran side by side the time is divided evenly between them, so that the parts add up to the whole.
    Everything else is the time when no stage was at work: Prefect, DVC, starting Python, synchronising. Stages that ran
    before `began` do not count; empty if none is left.
    """
    spans = [(*_span(notes), notes["stage"].split("@")[0]) for notes in stages]
    spans = [span for span in spans if span[0] >= began.timestamp()]
    if not spans:
        return {}
    whole = ended.timestamp() - began.timestamp()
    moments = sorted({moment for start, end, _ in spans for moment in (start, end)})
    parts = dict.fromkeys(KINDS, 0.0)
    for before, after in itertools.pairwise(moments):
        at_work = [kind for start, end, kind in spans if start <= before and after <= end]
        for kind in at_work:
            parts[kind] = parts.get(kind, 0.0) + (after - before) / len(at_work)
    titles = {f"all of {kind}": seconds for kind, seconds in parts.items() if seconds}
    return {**titles, "everything else": whole - sum(parts.values()), "whole run": whole}


def _span(notes: dict[str, Any]) -> tuple[float, float]:
    """When a stage began and ended, in seconds since the epoch."""
    start = datetime.datetime.fromisoformat(notes["started"]).timestamp()
    return start, start + notes["seconds"]
