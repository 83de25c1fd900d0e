"""The tables at the end of a run."""

import datetime
import json
from pathlib import Path

import pytest
from rich.console import Console

from flows import summary

BEGAN = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def record(stage: str, after: float, seconds: float) -> dict[str, object]:
    started = (BEGAN + datetime.timedelta(seconds=after)).isoformat(timespec="milliseconds")
    return {"stage": stage, "started": started, "seconds": seconds, "peak_memory_mib": 100}


def shown(table: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_parts_of_a_run_add_up_to_the_whole() -> None:
    stages = [
        record("fetch@mnist", 10, 5),
        record("train@a", 20, 30),
        record("train@b", 20, 10),
        record("evaluate@b", 30, 10),
        record("report", 60, 2),
        record("prepare@mnist", -100, 50),
    ]
    parts = summary.split(stages, BEGAN, BEGAN + datetime.timedelta(seconds=70))
    # From 30 to 40 train@a and evaluate@b are at work side by side: five seconds each.
    assert parts == pytest.approx(
        {
            "all of fetch": 5,
            "all of train": 25,
            "all of evaluate": 5,
            "all of report": 2,
            "everything else": 33,
            "whole run": 70,
        }
    )


def test_a_run_that_ran_no_stage_has_no_parts() -> None:
    assert summary.split([record("report", -10, 2)], BEGAN, BEGAN + datetime.timedelta(seconds=5)) == {}


def test_times_and_installation_are_shown_in_the_order_of_the_graph(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for notes in (record("train@a", -50, 12.34), record("fetch@mnist", -90, 5)):
        (tmp_path / "runs" / f"{notes['stage']}.json").write_text(json.dumps(notes))
    (tmp_path / "runs" / "install.json").write_text('{"seconds": 99}')
    text = shown(summary.times(tmp_path))
    assert text.index("installation") < text.index("fetch@mnist") < text.index("train@a")
    assert "12.3" in text
    assert "99.0" in text


def test_metrics_are_a_row_a_system_and_only_columns_that_someone_has(tmp_path: Path) -> None:
    folder = tmp_path / "metrics" / "mnist"
    folder.mkdir(parents=True)
    (folder / "classifier.json").write_text('{"accuracy": 0.98765, "protocol": "judged"}')
    (folder / "manipulator.json").write_text('{"write_accuracy": 0.5}')
    (table,) = summary.metric_tables(tmp_path)
    assert [column.header for column in table.columns] == ["system", "accuracy", "write_accuracy"]
    assert "0.9877" in shown(table)


def test_an_empty_workspace_has_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary.finish(tmp_path, sync=True)
    assert capsys.readouterr().out == ""


def test_a_sync_that_fails_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "params.yaml").write_text("seed: none\n")
    summary.finish(tmp_path, sync=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: not synchronised with MLflow: ")
    assert "run `pipeline sync` later" in line
