"""The comparisons of report/compare/ as MLflow runs: one run `compare` for each data set and each state of it."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files import read_json
from pipeline.tracking import store

BATCH = 1000  # metrics that MLflow takes in one call


def sync(client: Any, root: Path) -> list[str]:
    """Log the comparisons that the server lacks; a line for each. Raises UserError if one is damaged."""
    lines = (_reconcile(client, root, path) for path in sorted((root / "report" / "compare").glob("*.json")))
    return [line for line in lines if line]


def _reconcile(client: Any, root: Path, path: Path) -> str | None:
    """Log one comparison if that is not done yet: its files, and its figures as metrics `<key>/<system>`."""
    data, files = path.stem, [path, path.with_suffix(".html")]
    stage, md5 = f"compare@{data}", _md5(files)
    place = store.experiment_id(client, root, data)
    found = client.search_runs([place], f"tags.stage = '{stage}' and tags.md5 = '{md5}'", max_results=1)
    if found and found[0].info.status == "FINISHED":
        return None
    run = found[0] if found else client.create_run(place, run_name="compare", tags={"stage": stage, "md5": md5})
    points = list(_points(path, root))
    for start in range(0, len(points), BATCH):
        client.log_batch(run.info.run_id, metrics=points[start : start + BATCH])
    for file in files:
        client.log_artifact(run.info.run_id, str(file))
    # Last of all: a sync that was cut off before this point does its work again.
    client.set_terminated(run.info.run_id)
    return f"{stage}: run {run.info.run_id}"


def _md5(files: list[Path]) -> str:
    return hashlib.md5(b"".join(file.read_bytes() for file in files), usedforsecurity=False).hexdigest()


def _points(path: Path, root: Path) -> Iterator[Any]:
    """The figures of a comparison, and the seconds that trainings took here, which its file does not hold."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    try:
        compared = read_json(path)
        for metric in compared["metrics"]:
            for system, figure in metric["values"].items():
                yield Metric(store.metric_name(f"{metric['key']}/{system}"), figure["value"], now, 0)
        for each in compared["systems"]:
            notes = root / "runs" / f"train@{compared['data']}-{each['system']}.json"
            if notes.exists():
                seconds = read_json(notes)["seconds"]
                yield Metric(store.metric_name(f"seconds/{each['name']}"), seconds, now, 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged: {error!r}; run `dvc checkout` or `dvc repro`") from None
