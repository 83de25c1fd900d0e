"""Training one experiment outside DVC's graph: to try a setting without touching params.yaml or models/."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import params as parameters
from pipeline import systems
from pipeline.errors import UserError
from pipeline.params import Params


def train(key: str, changes: Sequence[str], root: Path) -> Path:
    """Train the experiment `key` with KEY=VALUE changes of its settings into runs/models/<key>/, and print its metrics.

    Raises UserError for an unknown experiment or setting.
    """
    from pipeline import training
    from pipeline.metrics.evaluation import validation_metrics

    params = changed(parameters.load(root / "params.yaml"), key, changes)
    experiment = params.experiment(key)
    target = root / "runs" / "models" / key
    training.fit(key, params, root, target=target)
    found = validation_metrics(systems.load(target), experiment.data, params, root)
    table = Table("metric", key)
    for name, value in found.items():
        table.add_row(name, f"{value:.5g}")
    Console().print(table)
    print(f"trained: {target}")
    return target


def changed(params: Params, key: str, changes: Sequence[str]) -> Params:
    """The same params with some settings of one experiment changed. Raises UserError for what is not KEY=VALUE."""
    experiment = params.experiment(key)
    values = {**experiment.settings, **dict(_parsed(change) for change in changes)}
    systems.settings(experiment.system, values, where="--set")
    new = experiment.model_copy(update={"settings": values})
    return params.model_copy(update={"experiments": {**params.experiments, key: new}})


def _parsed(change: str) -> tuple[str, Any]:
    name, equals, value = change.partition("=")
    if not equals or not name:
        raise UserError(f"--set {change}: expected KEY=VALUE")
    try:
        return name, YAML(typ="safe", pure=True).load(value)
    except (YAMLError, ValueError):
        raise UserError(f"--set {change}: the value is not YAML") from None
