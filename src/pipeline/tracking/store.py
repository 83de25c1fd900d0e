"""Reaching the tracking server: any MLFLOW_TRACKING_URI, or a SQLite file in the project."""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.errors import UserError
from pipeline.files import write_whole

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI if it is set, else mlflow.db in the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.absolute() / 'mlflow.db'}"


def client(root: Path) -> Any:
    """An MLflow client, also mlflow's own default from now on. Creates the tables of a new SQLite file.

    Raises UserError if the server does not answer.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri(root))
    # Two stages may meet an empty database at once, and only one may make its tables: the client does so when made.
    with answering(root), exclusive(root, "mlflow"):
        _make_whole(uri(root))
        made = mlflow.MlflowClient()
        made.search_experiments(max_results=1)
    return made


def _make_whole(address: str) -> None:
    """Give a new SQLite file its tables before it has its name: a process that is killed meanwhile, as trainings are,
    would leave half of them, and MLflow cannot make the rest."""
    import mlflow

    path = Path(address.removeprefix("sqlite:///"))
    if address.startswith("sqlite:///") and not path.exists():
        write_whole(path, lambda part: mlflow.MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1))


@contextlib.contextmanager
def exclusive(root: Path, name: str) -> Iterator[None]:
    """Only one process of this workspace at a time."""
    (root / "runs").mkdir(exist_ok=True)
    with FileLock(root / "runs" / f"{name}.lock"):
        yield


@contextlib.contextmanager
def answering(root: Path) -> Iterator[None]:
    """Turn what goes wrong at the server into a UserError that names its address."""
    import mlflow
    import requests
    import sqlalchemy

    try:
        yield
    except (mlflow.MlflowException, requests.RequestException, sqlalchemy.exc.SQLAlchemyError) as error:
        lines = str(error).splitlines()
        raise UserError(f"MLflow at {uri(root)}: {lines[0] if lines else type(error).__name__}") from None


def experiment_id(made: Any, root: Path, data: str) -> str:
    """The id of the MLflow experiment of a data set, created if need be."""
    with exclusive(root, "mlflow"):
        found = made.get_experiment_by_name(data)
        if found:
            return found.experiment_id
        local = uri(root).startswith("sqlite:")
        place = (root.absolute() / "mlartifacts" / data).as_uri() if local else None
        return made.create_experiment(data, artifact_location=place)


def metric_name(name: str) -> str:
    """A name as MLflow takes it: an equation may be called anything."""
    return re.sub(r"[^\w./: -]", "_", name)
