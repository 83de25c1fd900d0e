"""`sync`: what the workspace has and the tracking server lacks is logged and registered, nothing twice.

A model is known by the md5 that DVC gives to its stage's output. So after `dvc pull`, a restored cache, a lost database
or a night without MLflow, one sync makes the server whole.
"""

import contextlib
import csv
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import params as parameters
from pipeline.errors import UserError
from pipeline.files import read_json
from pipeline.params import Params
from pipeline.tracking import registry, store
from pipeline.tracking.live import finished, note

BATCH = 1000  # points that MLflow takes in one call


@dataclass
class SyncReport:
    """What was done, a line each; `skipped`: why an experiment could not be logged."""

    logged: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [*(f"logged {line}" for line in self.logged), *self.decisions]
        lines += [f"not logged: {line}" for line in self.skipped]
        return "\n".join(lines) or "MLflow has everything already"


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.lock: md5s of its dependencies and outputs by path."""

    deps: dict[str, str]
    outs: dict[str, str]


def lock(root: Path) -> dict[str, Stage]:
    """The stages that dvc.lock knows."""
    path = root / "dvc.lock"
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        name: Stage(
            *({entry["path"]: entry.get("md5", "") for entry in stage.get(part, ())} for part in ("deps", "outs"))
        )
        for name, stage in (content.get("stages") or {}).items()
    }


def sync(root: Path) -> SyncReport:
    """Log and register every trained and measured model of the workspace that the server lacks.

    Idempotent, and safe to run twice at once. Raises UserError if the server does not answer.
    """
    params, report = parameters.load(root / "params.yaml"), SyncReport()
    with store.exclusive(root, "sync"):
        client, stages, changed = store.client(root), lock(root), changed_stages(root)
        with store.answering(root):
            for key in params.experiments:
                try:
                    _sync_one(client, key, params, root, stages, changed, report)
                # One model that is damaged or misnamed keeps no other from being logged.
                except UserError as error:
                    report.skipped.append(f"{key}: {error}")
    return report


def changed_stages(root: Path) -> set[str]:
    """The stages whose outputs in the workspace are not those of dvc.lock, as DVC sees it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(root) as repo:
            status = repo.status()
    except DvcException as error:
        raise UserError(f"DVC: {error}") from None
    return {
        name
        for name, changes in status.items()
        if any(isinstance(change, dict) and "changed outs" in change for change in changes)
    }


def _sync_one(
    client: Any,
    key: str,
    params: Params,
    root: Path,
    stages: Mapping[str, Stage],
    changed: set[str],
    report: SyncReport,
) -> None:
    experiment = params.experiment(key)
    train, evaluate = f"train@{key}", f"evaluate@{key}"
    if train not in stages or evaluate not in stages:
        report.skipped.append(f"{key} is not trained and measured yet")
        return
    if changed & {train, evaluate}:
        report.skipped.append(f"{key} is not what dvc.lock says: run `dvc checkout`, `dvc pull` or `dvc repro`")
        return
    folder = root / "models" / experiment.data / experiment.system
    md5, measured = stages[train].outs[_path(folder, root)], next(iter(stages[evaluate].outs.values()))
    if stages[evaluate].deps.get(_path(folder, root)) != md5:
        report.skipped.append(f"{key} is trained anew and not measured yet: run `dvc repro {evaluate}`")
        return
    results = read_json(root / "metrics" / experiment.data / f"{experiment.system}.json")
    if experiment.champion not in results:
        known = ", ".join(name for name in results if name.startswith("validation_"))
        raise UserError(f"params.yaml: experiments.{key}.champion: `{experiment.champion}` is none of {known}")
    verdict = registry.Verdict(
        experiment.champion,
        results[experiment.champion],
        judge=stages[evaluate].deps[f"models/{experiment.data}/judge_1"],
        data=stages[evaluate].deps[f"data/prepared/{experiment.data}"],
    )
    place = store.experiment_id(client, root, experiment.data)
    run = _run_of(client, place, key, md5)
    if run and run.data.tags.get("measured") == measured:
        _forget_live(client, root, key, run.info.run_id)
        return
    run_id = run.info.run_id if run else _adopted(client, root, key, md5) or _created(client, place, key, experiment)
    tags = {**provenance(root, key, params, stages), "md5": md5}
    _log(client, run_id, params, key, folder, results, tags)
    _log_images(client, run_id, root, experiment.data, experiment.system)
    version = _version_of(client, key, md5)
    if version is None:
        version = registry.register(client, key, run_id, folder, md5, verdict)
    else:
        for name, value in verdict.tags().items():
            client.set_model_version_tag(key, str(version), name, value)
    registry.challenge(client, key)
    decision = registry.decide(client, key, version, verdict, params, root)
    # Last of all: a sync that was cut off before this point does its work again.
    client.set_tag(run_id, "measured", measured)
    client.set_terminated(run_id)
    note(root, key).unlink(missing_ok=True)
    report.logged.append(f"{key}: run {run_id}, version {version}")
    if decision:
        report.decisions.append(decision)


def _path(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()


def _run_of(client: Any, place: str, key: str, md5: str) -> Any:
    """The run that holds this model, or None."""
    found = client.search_runs([place], f"tags.md5 = '{md5}' and tags.stage = 'train@{key}'", max_results=1)
    return found[0] if found else None


def _adopted(client: Any, root: Path, key: str, md5: str) -> str | None:
    """The live run of the training that made this model, if it is there and belongs to no other model."""
    import mlflow

    run_id = finished(root, key)
    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except mlflow.MlflowException:
        return None
    return None if run.data.tags.get("md5", md5) != md5 else run_id


def _forget_live(client: Any, root: Path, key: str, kept: str) -> None:
    """Delete the live run of a finished training that made the model of the run `kept` once more."""
    import mlflow

    run_id = finished(root, key)
    if run_id is None:
        return
    if run_id != kept:
        with contextlib.suppress(mlflow.MlflowException):
            client.delete_run(run_id)
    note(root, key).unlink()


def _created(client: Any, place: str, key: str, experiment: parameters.Experiment) -> str:
    return client.create_run(place, run_name=experiment.system, tags={"stage": f"train@{key}"}).info.run_id


def _version_of(client: Any, key: str, md5: str) -> int | None:
    found = [version for version in client.search_model_versions(f"name = '{key}'") if version.tags.get("md5") == md5]
    return int(found[0].version) if found else None


def provenance(root: Path, key: str, params: Params, stages: Mapping[str, Stage]) -> dict[str, str]:
    """Where a model comes from: commit, stage, md5s of what it was made from, seed, device, versions, flow run."""
    path = root / "runs" / f"train@{key}.json"
    notes = read_json(path) if path.exists() else {}
    stage = stages[f"train@{key}"]
    tags = {"stage": f"train@{key}", "seed": str(params.seed)}
    tags |= {f"md5.{name}": value for name, value in {**stage.deps, **stage.outs}.items()}
    tags |= {f"version.{name}": value for name, value in notes.get("versions", {}).items()}
    tags |= {name: str(notes[name]) for name in ("commit", "device", "flow_run_id", "seconds") if notes.get(name)}
    return tags


def _log(
    client: Any,
    run_id: str,
    params: Params,
    key: str,
    folder: Path,
    results: Mapping[str, Any],
    tags: Mapping[str, str],
) -> None:
    """Params, curves (what was not logged live of them), metrics and tags."""
    from mlflow.entities import Metric, Param, RunTag

    experiment, now = params.experiment(key), int(time.time() * 1000)
    # As the model was made, which may not be as params.yaml says by now.
    config = read_json(folder / "config.json")
    given = {
        **{name: config[name] for name in ("data", "system", "seed", "recipe_version")},
        "split": experiment.split,
        "threads": params.threads,
        **config["settings"],
    }
    numbers = {name: value for name, value in results.items() if not isinstance(value, str)}
    words = {name: value for name, value in results.items() if isinstance(value, str)}
    client.log_batch(
        run_id,
        params=[Param(name, str(value)) for name, value in given.items()],
        tags=[RunTag(name, value) for name, value in {**tags, **words}.items()],
    )
    points = [Metric(name, value, now, 0) for name, value in numbers.items()]
    points += _missing(client, run_id, curves(folder / "curves.csv", now))
    for start in range(0, len(points), BATCH):
        client.log_batch(run_id, metrics=points[start : start + BATCH])


def _missing(client: Any, run_id: str, points: list[Any]) -> list[Any]:
    """The points of curves that a run lacks: what was logged live may have holes."""
    known = {
        (name, point.step)
        for name in {point.key for point in points} & set(client.get_run(run_id).data.metrics)
        for point in client.get_metric_history(run_id, name)
    }
    return [point for point in points if (point.key, point.step) not in known]


def curves(path: Path, now: int) -> list[Any]:
    """The points of curves.csv: one metric per equation, by step."""
    from mlflow.entities import Metric

    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as handle:
        return [
            Metric(f"loss/{name}", float(value), now, int(row["step"]))
            for row in csv.DictReader(handle)
            for name, value in row.items()
            if name != "step" and value
        ]


def _log_images(client: Any, run_id: str, root: Path, data: str, system: str) -> None:
    path = root / "report" / "images" / data / f"{system}.png"
    if path.exists():
        client.log_artifact(run_id, str(path), "images")
