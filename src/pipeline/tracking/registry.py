"""Registered models: one per experiment, `challenger` the newest version, `champion` the best on validation."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.errors import UserError
from pipeline.tracking import store

if TYPE_CHECKING:
    from pipeline.systems import Model

REQUIREMENTS = ["torch", "numpy", "safetensors", "pydantic", "mlflow"]


@dataclass(frozen=True)
class ModelRow:
    """A version of a registered model; metric and value: what its champion is chosen by."""

    name: str
    version: int
    aliases: tuple[str, ...]
    metric: str | None
    value: float | None
    run_id: str

    def __str__(self) -> str:
        value = "" if self.value is None else f"{self.metric} {self.value:.5g}"
        return f"{self.name}/{self.version:<4} {', '.join(self.aliases):24} {value}"


@dataclass(frozen=True)
class Verdict:
    """How a version was measured: its champion metric under which judge and data (md5s of DVC)."""

    metric: str
    value: float
    judge: str
    data: str

    def tags(self) -> dict[str, str]:
        return {"metric": self.metric, "value": repr(self.value), "judge": self.judge, "data": self.data}


def register(client: Any, key: str, run_id: str, folder: Path, md5: str, verdict: Verdict) -> int:
    """Log the model folder under the run and register it as a new version. Returns the version."""
    import mlflow

    from pipeline import systems

    model = systems.load(folder)
    signature, example = contract(model)
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name=key,
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"model": str(folder)},
            signature=signature,
            input_example=example,
            pip_requirements=REQUIREMENTS,
        )
    if not client.search_registered_models(f"name = '{key}'"):
        client.create_registered_model(key)
    # The md5 comes with the version, not after it: a sync that is cut off never leaves a version that it cannot find.
    made = client.create_model_version(
        key, logged.model_uri, run_id, tags={"md5": md5, **verdict.tags()}, model_id=logged.model_id
    )
    return int(made.version)


def challenge(client: Any, key: str) -> None:
    """Make the newest version of a model its challenger."""
    newest = max(int(version.version) for version in client.search_model_versions(f"name = '{key}'"))
    held = alias(client, key, "challenger")
    if held is None or int(held.version) != newest:
        client.set_registered_model_alias(key, "challenger", str(newest))


def contract(model: "Model") -> tuple[Any, Any]:
    """Signature and input example of a model, by what it can do (see `served`); None of both if that is nothing."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from pipeline import systems

    (kind, shape), count = systems.data_of(model.config), len(model.config["values"])
    images = TensorSpec(np.dtype(kind), (-1, *shape))
    named = TensorSpec(np.dtype(kind), (-1, *shape), "image")
    value, seed = (TensorSpec(np.dtype("int64"), size, name) for size, name in (((-1,), "value"), ((1,), "seed")))
    blank = np.zeros((1, *shape), kind)
    if model.sample:
        example = {"value": np.arange(count), "seed": np.zeros(1, np.int64)}
        return ModelSignature(Schema([value, seed]), Schema([images])), example
    if model.edit:
        return ModelSignature(Schema([named, value]), Schema([images])), {
            "image": blank,
            "value": np.zeros(1, np.int64),
        }
    if model.classify is None and model.features is None:
        return None, None
    width = count if model.classify else model.features(torch.from_numpy(blank)).shape[1]
    return ModelSignature(Schema([images]), Schema([TensorSpec(np.dtype("float32"), (-1, width))])), blank


def decide(client: Any, key: str, version: int, verdict: Verdict, again: "Callable[[Model], float]") -> str:
    """Make the version champion if it is strictly better than the present one, measured alike; says what was decided.

    A champion that was measured by another judge or on other validation data is measured again first: by `again`, which
    raises UserError if it cannot be.
    """
    from pipeline.metrics import keys

    champion = alias(client, key, "champion")
    if champion is None:
        client.set_registered_model_alias(key, "champion", str(version))
        return note(client, key, version, "champion: the first version")
    old = int(champion.version)
    if old == version:
        return ""
    try:
        value = remeasured(client, champion, verdict, again)
    except UserError as error:
        return note(client, key, version, f"not champion: version {old} cannot be measured any more ({error})")
    figures = f"{verdict.metric} {verdict.value:.6g} against {value:.6g} of version {old}"
    if not keys.better(verdict.metric, verdict.value, value):
        return note(client, key, version, f"not champion: {figures}")
    client.set_registered_model_alias(key, "champion", str(version))
    return note(client, key, version, f"champion: {figures}")


def note(client: Any, key: str, version: int, decision: str) -> str:
    client.set_model_version_tag(key, str(version), "decision", decision)
    return f"{key}/{version} {decision}"


def remeasured(client: Any, champion: Any, verdict: Verdict, again: "Callable[[Model], float]") -> float:
    """The champion's value of the metric, under the judge and data of the verdict."""
    from pipeline import systems

    tags = champion.tags
    if (tags.get("metric"), tags.get("judge"), tags.get("data")) == (verdict.metric, verdict.judge, verdict.data):
        return float(tags["value"])
    found = again(systems.load(download(champion.name, champion.version)))
    for name, value in Verdict(verdict.metric, found, verdict.judge, verdict.data).tags().items():
        client.set_model_version_tag(champion.name, champion.version, name, value)
    return found


def alias(client: Any, key: str, name: str) -> Any:
    """The version that has an alias, or None."""
    import mlflow

    try:
        return client.get_model_version_by_alias(key, name)
    except mlflow.MlflowException:
        return None


def download(name: str, version: str) -> Path:
    """A local folder with the model's config.json and weights."""
    import mlflow

    place = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))
    found = sorted(place.rglob("config.json"))
    if not found:
        raise UserError(
            f"{name}/{version} is no model of this project, since it holds no config.json; a file may load it "
            "(mlflow.pytorch.load_model) for --classifier FILE.py:CALLABLE"
        )
    return found[0].parent


def models(root: Path) -> list[ModelRow]:
    """All versions of all registered models, newest first. Raises UserError if the server does not answer."""
    client = store.client(root)
    with store.answering(root):
        rows = []
        for registered in client.search_registered_models():
            names: dict[str, list[str]] = {}
            for name, version in (registered.aliases or {}).items():
                names.setdefault(str(version), []).append(name)
            for version in client.search_model_versions(f"name = '{registered.name}'"):
                value = version.tags.get("value")
                aliases = tuple(sorted(names.get(str(version.version), [])))
                rows.append(
                    ModelRow(
                        registered.name,
                        int(version.version),
                        aliases,
                        version.tags.get("metric"),
                        None if value is None else float(value),
                        version.run_id,
                    )
                )
    return sorted(rows, key=lambda row: (row.name, -row.version))


SELECTOR = re.compile(r"(?P<name>[A-Za-z0-9_.-]+?)(@(?P<alias>[A-Za-z0-9_-]+)|/(?P<version>[0-9]+))?")


def find(selector: str, root: Path) -> Path:
    """The folder of a model: NAME (its champion), NAME@ALIAS or NAME/VERSION, or itself a folder that holds one.

    A name that is not registered yet means the model in the workspace: models/<data>/<system>/, runs/models/NAME/ of
    what was trained outside DVC's graph, or one that came with the project, studies/*/champions/<data>/<system>/.
    Raises UserError for an unknown name, alias or version, saying what there is, and for a server that does not answer.
    """
    match = SELECTOR.fullmatch(selector)
    if not match and (root / selector / "config.json").exists():
        return root / selector
    if not match:
        raise UserError(f"model `{selector}`: NAME, NAME@ALIAS, NAME/VERSION or a model's folder expected")
    name, wanted, version = match["name"], match["alias"], match["version"]
    registered = models(root)
    rows = [row for row in registered if row.name == name]
    if not rows:
        here = unregistered(root)
        if name in here and not version and wanted in (None, "champion"):
            return here[name]
        known = sorted({row.name for row in registered} | {*here})
        raise UserError(
            f"unknown model `{name}`: {'expected one of ' + ', '.join(known) if known else 'there is none'}"
        )
    wanted = wanted or (None if version else "champion")
    for row in rows:
        if str(row.version) == version or wanted in row.aliases:
            with store.answering(root):
                return download(name, str(row.version))
    have = ", ".join(f"{name}/{row.version}{''.join('@' + each for each in row.aliases)}" for row in rows)
    raise UserError(f"model `{selector}` not found: there is {have}")


def unregistered(root: Path) -> dict[str, Path]:
    """The models of the workspace by name; where several have one, that of the pipeline's graph comes first, then one that
    was trained outside it, then one that came with the project."""
    found: dict[str, Path] = {}
    for pattern in ("models/*/*", "runs/models/*", "studies/*/champions/*/*"):
        for config in sorted(root.glob(f"{pattern}/config.json")):
            parts = config.parent.parts[-1:] if pattern == "runs/models/*" else config.parent.parts[-2:]
            found.setdefault("-".join(parts), config.parent)
    return found
