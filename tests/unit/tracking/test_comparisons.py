"""Comparisons in MLflow: a run for each state, nothing twice, made whole after a sync that was cut off."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.files import write_json
from pipeline.tracking import comparisons, store

COMPARED = {
    "data": "dots",
    "systems": [{"name": "first", "system": "first"}, {"name": "first (long)", "system": "other"}],
    "metrics": [{"key": "accuracy", "values": {"first": {"value": 0.9, "low": 0.8}, "first (long)": {"value": 0.7}}}],
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_json(tmp_path / "report/compare/dots.json", COMPARED)
    (tmp_path / "report/compare/dots.html").write_text("<p>compared</p>")
    write_json(tmp_path / "runs/train@dots-first.json", {"seconds": 12.5})
    return tmp_path


def runs(client: Any) -> list[Any]:
    return client.search_runs([client.get_experiment_by_name("dots").experiment_id])


def test_a_comparison_is_logged_once_and_again_when_it_is_another(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = store.client(root)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(client, "log_artifact", cut_off)
        with pytest.raises(KeyboardInterrupt):
            comparisons.sync(client, root)
    (line,) = comparisons.sync(client, root)
    (run,) = runs(client)
    assert line == f"compare@dots: run {run.info.run_id}"
    assert (run.info.run_name, run.info.status) == ("compare", "FINISHED")
    assert run.data.metrics == {"accuracy/first": 0.9, "accuracy/first _long_": 0.7, "seconds/first": 12.5}
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"dots.html", "dots.json"}
    assert comparisons.sync(client, root) == []
    (root / "report/compare/dots.html").write_text("<p>compared anew</p>")
    assert len(comparisons.sync(client, root)) == 1
    assert len(runs(client)) == 2
    write_json(root / "report/compare/dots.json", {"data": "dots"})
    with pytest.raises(UserError, match=r"compare/dots\.json: damaged"):
        comparisons.sync(client, root)


def test_a_workspace_without_comparisons_has_nothing_to_log(tmp_path: Path) -> None:
    assert comparisons.sync(None, tmp_path) == []
