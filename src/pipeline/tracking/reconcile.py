"""`sync`: what the workspace has and the tracking server lacks is logged and registered, nothing twice.

A model of an experiment is known by the md5 that DVC gives to its stage's output, one that was trained outside DVC's
graph by the md5 of its folder. So after `dvc pull`, a restored cache, a lost database or a night without MLflow, one
sync makes the server whole.
"""

import contextlib
import csv
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from pipeline import params as parameters
from pipeline.errors import UserError
from pipeline.files import read_json
from pipeline.params import Params
from pipeline.tracking import comparisons, registry, store
from pipeline.tracking.live import finished, note

if TYPE_CHECKING:
    from pipeline.systems import Model

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


@dataclass(frozen=True)
class Trained:
    """A trained and measured model of the workspace.

    key: its name in the registry; data: the MLflow experiment; system: the name of its run; folder: where it is; md5:
    of the folder; measured: what tells its metrics from others; results: its metrics, and words; params, tags: of its
    run; verdict: what it becomes champion by; again: the same measure of another version; artifacts: files of the run,
    and the folders that they go into there.
    """

    key: str
    data: str
    system: str
    folder: Path
    md5: str
    measured: str
    results: Mapping[str, Any]
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    verdict: registry.Verdict
    again: "Callable[[Model], float]"
    artifacts: Mapping[Path, str]


def sync(root: Path) -> SyncReport:
    """Log and register every trained and measured model of the workspace that the server lacks, and log how the report
    compares them.

    Idempotent, and safe to run twice at once. Raises UserError if the server does not answer.
    """
    params, report = parameters.load(root / "params.yaml"), SyncReport()
    with store.exclusive(root, "sync"):
        client, stages, changed = store.client(root), lock(root), changed_stages(root)
        with store.answering(root):
            for key in params.experiments:
                with _skipping(key, report):
                    _reconcile(client, of_experiment(key, params, root, stages, changed), root, report)
            for path in sorted((root / "runs" / "models").glob("*/metrics.json")):
                with _skipping(path.parent.name, report):
                    _reconcile(client, of_folder(path.parent, params, root), root, report)
            if "report" in stages and "report" not in changed:
                with _skipping("report/compare", report):
                    report.logged += comparisons.sync(client, root)
    return report


def record(key: str, root: Path) -> SyncReport:
    """The same for the one model in runs/models/<key>. Raises UserError if the server does not answer."""
    params, report = parameters.load(root / "params.yaml"), SyncReport()
    with store.exclusive(root, "sync"):
        client = store.client(root)
        with store.answering(root), _skipping(key, report):
            _reconcile(client, of_folder(root / "runs" / "models" / key, params, root), root, report)
    return report


class NotYet(Exception):
    """A model that cannot be logged as it is; the message says why."""


@contextlib.contextmanager
def _skipping(key: str, report: SyncReport) -> Iterator[None]:
    """One model that is damaged, misnamed or not ready keeps no other from being logged."""
    try:
        yield
    except NotYet as reason:
        report.skipped.append(f"{key} {reason}")
    except UserError as error:
        report.skipped.append(f"{key}: {error}")


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


def of_experiment(key: str, params: Params, root: Path, stages: Mapping[str, Stage], changed: set[str]) -> Trained:
    """The model of an experiment of params.yaml. Raises NotYet, or UserError for a champion metric that it lacks."""
    from pipeline import metrics

    experiment = params.experiment(key)
    train, evaluate = f"train@{key}", f"evaluate@{key}"
    if train not in stages or evaluate not in stages:
        raise NotYet("is not trained and measured yet")
    if changed & {train, evaluate}:
        raise NotYet("is not what dvc.lock says: run `dvc checkout`, `dvc pull` or `dvc repro`")
    folder = root / "models" / experiment.data / experiment.system
    md5, measured = stages[train].outs[_path(folder, root)], next(iter(stages[evaluate].outs.values()))
    if stages[evaluate].deps.get(_path(folder, root)) != md5:
        raise NotYet(f"is trained anew and not measured yet: run `dvc repro {evaluate}`")
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

    def again(model: "Model") -> float:
        return metrics.validation_metrics(model, experiment.data, params, root)[experiment.champion]

    image = root / "report" / "images" / experiment.data / f"{experiment.system}.png"
    return Trained(
        key,
        experiment.data,
        experiment.system,
        folder,
        md5,
        measured,
        results,
        _params(folder, experiment.split, params),
        {**provenance(root, key, params, stages), "md5": md5},
        verdict,
        again,
        {image: "images"},
    )


def of_folder(folder: Path, params: Params, root: Path) -> Trained:
    """The model in a folder of runs/models/, which holds its metrics too.

    Versions are compared by accuracy if they classify, otherwise by their losses, if their equations are the same.
    """
    from pipeline import metrics

    key, md5, path = folder.name, md5_of(folder), folder / "metrics.json"
    try:
        config, results, text = read_json(folder / "config.json"), read_json(path), folder / "equations.txt"
        metric, prepared = results["champion"], root / results["data"]
        by_loss = metric == metrics.TOTAL
        judge = md5_of(text) if by_loss else "labels"
        verdict = registry.Verdict(metric, results[metric], judge, results["validation_md5"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged: {error!r}") from None

    def again(model: "Model") -> float:
        if by_loss and f"{model.system.task}\n" != text.read_text(encoding="utf-8"):
            raise UserError("its equations are others")
        validation = prepared / "validation.safetensors"
        if not validation.exists() or md5_of(validation) != verdict.data:
            raise UserError(f"{prepared} holds other data by now")
        found = metrics.validation_losses(model, prepared, params)
        if metric not in found:
            raise UserError(f"it has no {metric}")
        return found[metric]

    return Trained(
        key,
        config["data"],
        config["system"],
        folder,
        md5,
        md5,
        results,
        _params(folder, "train", params),
        {"stage": f"train@{key}", "seed": str(config["seed"]), "md5": md5},
        verdict,
        again,
        {folder / name: "equations" for name in ("equations.txt", "equations.svg", config.get("file", ""))},
    )


def md5_of(path: Path) -> str:
    """The md5 of a file, or of the names and contents of the files in a folder."""
    if path.is_file():
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    files = sorted(file for file in path.iterdir() if file.is_file())
    sums = [(file.name, md5_of(file)) for file in files]
    return hashlib.md5(repr(sums).encode(), usedforsecurity=False).hexdigest()


def _params(folder: Path, split: str, params: Params) -> dict[str, Any]:
    """As the model was made, which may not be as params.yaml says by now."""
    config = read_json(folder / "config.json")
    common = {name: config[name] for name in ("data", "system", "seed", "recipe_version")}
    return {**common, "split": split, "threads": params.threads, **config["settings"]}


def _reconcile(client: Any, model: Trained, root: Path, report: SyncReport) -> None:
    """Log and register one model, if that is not done yet."""
    place = store.experiment_id(client, root, model.data)
    run = _run_of(client, place, model.key, model.md5)
    if run and run.data.tags.get("measured") == model.measured:
        _forget_live(client, root, model.key, run.info.run_id)
        return
    run_id = run.info.run_id if run else _adopted(client, root, model.key, model.md5) or _created(client, place, model)
    _log(client, run_id, model)
    version = _version_of(client, model.key, model.md5)
    if version is None:
        version = registry.register(client, model.key, run_id, model.folder, model.md5, model.verdict)
    else:
        for name, value in model.verdict.tags().items():
            client.set_model_version_tag(model.key, str(version), name, value)
    registry.challenge(client, model.key)
    decision = registry.decide(client, model.key, version, model.verdict, model.again)
    # Last of all: a sync that was cut off before this point does its work again.
    client.set_tag(run_id, "measured", model.measured)
    client.set_terminated(run_id)
    note(root, model.key).unlink(missing_ok=True)
    report.logged.append(f"{model.key}: run {run_id}, version {version}")
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


def _created(client: Any, place: str, model: Trained) -> str:
    return client.create_run(place, run_name=model.system, tags={"stage": f"train@{model.key}"}).info.run_id


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


def _log(client: Any, run_id: str, model: Trained) -> None:
    """Params, curves (what was not logged live of them), metrics, tags and files."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    numbers = {name: value for name, value in model.results.items() if not isinstance(value, str)}
    words = {name: value for name, value in model.results.items() if isinstance(value, str)}
    client.log_batch(
        run_id,
        params=[Param(name, str(value)) for name, value in model.params.items()],
        tags=[RunTag(name, value) for name, value in {**model.tags, **words}.items()],
    )
    points = [Metric(store.metric_name(name), value, now, 0) for name, value in numbers.items()]
    points += _missing(client, run_id, curves(model.folder / "curves.csv", now))
    for start in range(0, len(points), BATCH):
        client.log_batch(run_id, metrics=points[start : start + BATCH])
    for file, place in model.artifacts.items():
        if file.is_file():
            client.log_artifact(run_id, str(file), place)


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
            Metric(store.metric_name(f"loss/{name}"), float(value), now, int(row["step"]))
            for row in csv.DictReader(handle)
            for name, value in row.items()
            if name != "step" and value
        ]
