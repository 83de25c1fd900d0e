"""The database in the project: whole from the moment that it is there."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.tracking import store

MAKE = "import sys; from pathlib import Path; from pipeline.tracking import store; store.client(Path(sys.argv[1]))"


def test_a_database_has_all_its_tables_as_soon_as_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    child = subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path)])
    while not (tmp_path / "mlflow.db").exists() and child.poll() is None:
        time.sleep(0.001)
    child.kill()
    child.wait()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        (versions,) = connection.execute("select count(*) from alembic_version").fetchone()
    assert {"runs", "metrics", "registered_models", "model_versions"} <= tables
    assert versions == 1
    assert [each.name for each in store.client(tmp_path).search_experiments()] == ["Default"]
    assert not list(tmp_path.glob(".mlflow.db*"))


@pytest.mark.parametrize("name", ["loss/größe", "loss/a b:c", "loss/e(1)'"])
def test_any_equation_has_a_name_that_the_server_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(store.metric_name(name))
