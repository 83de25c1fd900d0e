"""What there is of every system that was measured on a data set: its metrics, and how it was trained."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import systems
from pipeline.errors import UserError
from pipeline.files import read_json
from pipeline.params import Params
from pipeline.report.tables import JUDGES, Results

PROTOCOLS = {
    "judged": "All figures are on test images, edits and samples as read by judge_2, a classifier that was trained on "
    "images which no system has seen and that took no part in training or choosing anything.",
    "paper": "All figures are on test images, with the split of the paper that a system comes from; nothing is judged.",
}
WORDS = ("protocol", "binarisation")  # all else that is measured is a number
AGAIN = "restore the file, or make it again with `dvc repro`"


@dataclass(frozen=True)
class Measured:
    """A system that was measured.

    name: as tables show it; system: its id; study: the one that it is from, empty for the default experiments; results:
    its metrics; settings: of its training; seconds: what that took when it last ran here. What is not known is empty
    or None.
    """

    name: str
    system: str
    study: str
    results: Results
    settings: Mapping[str, Any]
    seconds: float | None


def read(path: Path) -> Results:
    """A file of metrics. Raises UserError, naming file and key, if it is damaged or a value is not a finite number."""
    found = _object(path)
    for key, value in found.items():
        wanted, kind = ("a word", str) if key in WORDS else ("a number", int | float)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise UserError(f"{path}: {key}: {wanted} expected, not {json.dumps(value)[:60]}; {AGAIN}")
        if not isinstance(value, str) and not math.isfinite(value):
            raise UserError(f"{path}: {key}: a finite number expected, not {value}; {AGAIN}")
    return found


def gather(data: str, root: Path, params: Params | None, stored: bool) -> list[Measured]:
    """The systems with metrics/<data>/<system>.json or studies/<study>/metrics/<data>/<system>.json, the judges last. A
    system that is in several places is named with its study in brackets.

    stored: without studies and seconds, which DVC's stage of the report does not depend on.

    Raises UserError for a data set that is unknown or has no metrics yet, and for a damaged file.
    """
    homes = {"": root} | {path.name: path for path in sorted(root.glob("studies/*")) if not stored and path.is_dir()}
    _check_known(data, homes.values(), params)
    files = [(study, path) for study, home in homes.items() for path in _files(home, data, params)]
    if not files:
        raise UserError(f"{data}: nothing is measured yet; run `dvc repro`")
    found, everywhere = [], [path.stem for _, path in files]
    for study, path in files:
        system, home = path.stem, homes[study]
        name = f"{system} ({study})" if study and everywhere.count(system) > 1 else system
        settings = _settings(home, data, system, params if home == root else None)
        seconds = None if stored else _seconds(home, data, system)
        found.append(Measured(name, system, study, read(path), settings, seconds))
    return sorted(found, key=lambda each: each.system in JUDGES)


def protocols(results: Iterable[Results]) -> str:
    """The protocols of the results in words."""
    named = dict.fromkeys(str(found["protocol"]) for found in results if "protocol" in found)
    return " ".join(f"Protocol “{each}”. {PROTOCOLS.get(each, '')}".strip() for each in named)


def _seconds(home: Path, data: str, system: str) -> float | None:
    """What training took when it last ran here, as runs/train@<data>-<system>.json says."""
    path = home / "runs" / f"train@{data}-{system}.json"
    return _object(path).get("seconds") if path.exists() else None


def _check_known(data: str, homes: Iterable[Path], params: Params | None) -> None:
    places = (path for home in homes for path in home.glob("metrics/*") if path.is_dir())
    known = {path.name for path in places} | set(params.datasets if params else ())
    if data not in known:
        told = f"expected one of {', '.join(sorted(known))}" if known else "nothing is measured in this folder"
        raise UserError(f"unknown data set `{data}`: {told}")


def _files(home: Path, data: str, params: Params | None) -> list[Path]:
    """The metrics of a data set, in the order of the experiments, others by name."""
    listed = [each.system for each in params.experiments.values() if each.data == data] if params else []
    places = {system: place for place, system in enumerate(listed)}
    files = (home / "metrics" / data).glob("*.json")
    return sorted(files, key=lambda path: (places.get(path.stem, len(places)), path.stem))


def _settings(home: Path, data: str, system: str, params: Params | None) -> Mapping[str, Any]:
    """As the model was made; where the model is not here, as params.yaml says."""
    path, key = home / "models" / data / system / "config.json", f"{data}-{system}"
    if path.exists():
        return _object(path).get("settings", {})
    if params is None or key not in params.experiments:
        return {}
    return systems.settings(system, params.experiments[key].settings).model_dump()


def _object(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}; {AGAIN}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: keys and values in braces expected, not {json.dumps(found)[:60]}; {AGAIN}")
    return found
