"""Training outside DVC's graph: to try a setting without touching params.yaml or models/, or a task of one's own.

An experiment of params.yaml is trained as it is there, but for the settings that are changed. A user's task, or a
system on data that it has no entry for, is measured by what can be measured of anything, and its model registered.
"""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import classifiers, data, metrics, systems, tracking, training
from pipeline import params as parameters
from pipeline.errors import UserError
from pipeline.files import write_json, write_text
from pipeline.language import Task
from pipeline.params import Params
from pipeline.systems import own
from pipeline.systems.base import Inputs


def train(
    what: str, on: str, labels: Path | None, changes: Sequence[str], root: Path, classifier: str | None = None
) -> Path:
    """Train `what` (a system, FILE.py:TASK or FILE.json) on a data set or a folder of images, and print its measures;
    returns the model's folder, runs/models/<data>-<name>/.

    labels: a table of the folder's labels; changes: KEY=VALUE, of the settings; classifier: what a manipulator is made
    from, models:/NAME@ALIAS or FILE.py:CALLABLE. Raises UserError for whatever is unknown, or does not fit.
    """
    params = parameters.load(root / "params.yaml")
    if f"{on}-{what}" in params.experiments and labels is None and classifier is None:
        return experiment(f"{on}-{what}", changes, params, root)
    subject = _own(what, changes) or _published(what, changes, params)
    if classifier and not subject.given:
        raise UserError(f"--classifier {classifier}: {what} does not start from a classifier; a manipulator does")
    examples = _examples(on, labels, params, root)
    given = (
        classifiers.adopted(classifier, examples.prepared, params, root)
        if classifier
        else _given(subject, examples, root)
    )
    job = _job(subject, examples, given, params, root)
    _fit(job, subject, params, root)
    _measure(job, examples, params, root)
    _register(job, root)
    print(f"trained: {job.target}")
    return job.target


def experiment(key: str, changes: Sequence[str], params: Params, root: Path) -> Path:
    """Train an experiment of params.yaml with changed settings, and print its validation metrics."""
    params = changed(params, key, changes)
    target = root / "runs" / "models" / key
    training.fit(key, params, root, target=target)
    found = metrics.validation_metrics(systems.load(target), params.experiment(key).data, params, root)
    _show("metric", key, found)
    print(f"trained: {target}")
    return target


def changed(params: Params, key: str, changes: Sequence[str]) -> Params:
    """The same params with some settings of one experiment changed. Raises UserError for what is not KEY=VALUE."""
    experiment = params.experiment(key)
    values = {**experiment.settings, **_parsed(changes)}
    systems.settings(experiment.system, values, where="--set")
    new = experiment.model_copy(update={"settings": values})
    return params.model_copy(update={"experiments": {**params.experiments, key: new}})


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    return dict(_key_and_value(change) for change in changes)


def _key_and_value(change: str) -> tuple[str, Any]:
    name, equals, value = change.partition("=")
    if not equals or not name:
        raise UserError(f"--set {change}: expected KEY=VALUE")
    try:
        return name, YAML(typ="safe", pure=True).load(value)
    except (YAMLError, ValueError):
        raise UserError(f"--set {change}: the value is not YAML") from None


# ----------------------------------------------------------------------------------------- what is trained, on what


@dataclass(frozen=True)
class Subject:
    """What is trained: its name, all its settings; file: a user's; given: the system that it starts from, or empty."""

    name: str
    settings: Mapping[str, Any]
    file: own.TaskFile | None = None
    given: str = ""


@dataclass(frozen=True)
class Examples:
    """What it is trained on: the data's name, and the folder where they are prepared."""

    name: str
    prepared: Path


def _own(what: str, changes: Sequence[str]) -> Subject | None:
    """A user's task; None if `what` is no file."""
    file = own.find(what)
    if file is None:
        return None
    name = _name(file)
    if name in systems.names():
        raise UserError(f"{what}: {name} is a published system; call the file or the task otherwise")
    systems.checked(own.Settings, file.settings, where=f"{file.path}: settings")
    settings = systems.checked(own.Settings, {**file.settings, **_parsed(changes)}, where="--set")
    return Subject(name, settings.model_dump(), file)


def _name(file: own.TaskFile) -> str:
    """What the model of a user's task is called: as the task, or as the file where the task has no name of its own."""
    return data.plain(file.path.stem if file.name == own.NAME else file.name)


def _published(what: str, changes: Sequence[str], params: Params) -> Subject:
    """A system without an entry for these data; its settings are those for other data, if it has any."""
    if what not in systems.names():
        expected = f"{', '.join(systems.names())}, FILE.py:TASK or FILE.json"
        raise UserError(f"unknown system `{what}`: expected one of {expected}")
    known = [each for each in params.experiments.values() if each.system == what]
    values = {"steps": 1000, **(known[0].settings if known else {}), **_parsed(changes)}
    settings = systems.settings(what, values, where="--set")
    return Subject(what, settings.model_dump(), given=systems.starts_from(what))


def _examples(on: str, labels: Path | None, params: Params, root: Path) -> Examples:
    """A data set by its id, or a folder of images, which is read. Raises UserError if it is neither."""
    if on in data.names():
        if labels:
            raise UserError(f"--labels {labels}: {on} has its own labels; the option is for a folder of images")
        return Examples(on, root / "data" / "prepared" / on)
    folder = Path(on)
    if not folder.is_dir():
        raise UserError(f"--data {on}: expected a folder of images, or one of {', '.join(data.names())}")
    name = data.plain(folder.resolve().name)
    if name in data.names():
        raise UserError(f"--data {on}: {name} is a data set's id; call the folder otherwise")
    prepared = root / "runs" / "data" / name
    print(data.prepare_folder(folder, labels, params.seed, prepared))
    return Examples(name, prepared)


def _job(subject: Subject, examples: Examples, given: Path | None, params: Params, root: Path) -> training.Job:
    key = f"{examples.name}-{subject.name}"
    config = training.describe(subject.name, examples.name, subject.settings, examples.prepared, given, params)
    sides = config["shape"][1:]
    if subject.file is None and "words" not in config and any(side % 4 for side in sides):
        size = "x".join(map(str, reversed(sides)))
        raise UserError(f"{key}: images of {size} pixels; its nets want sides that are multiples of 4")
    count = data.count(examples.prepared / "train.safetensors")
    if subject.settings["batch_size"] > count:
        wanted = subject.settings["batch_size"]
        raise UserError(
            f"{key}: a batch of {wanted} is more than the {count} images to train on: --set batch_size={count}"
        )
    if subject.file:
        config |= {"file": subject.file.path.name, "task": subject.file.name}
    target, source = root / "runs" / "models" / key, subject.file.path if subject.file else None
    return training.Job(key, config, examples.prepared, "train", target, given, source)


def _given(subject: Subject, examples: Examples, root: Path) -> Path | None:
    """The folder of the trained model that a published system starts from."""
    if not subject.given:
        return None
    places = (
        root / "models" / examples.name / subject.given,
        root / "runs" / "models" / f"{examples.name}-{subject.given}",
    )
    for place in places:
        if (place / "config.json").exists():
            return place
    raise UserError(
        f"{subject.name} starts from a trained {subject.given}, and {examples.name} has none: "
        f"`pipeline train {subject.given} --data ...` trains one, --classifier takes one of yours"
    )


# ------------------------------------------------------------------------------------------------- what is done then


def _fit(job: training.Job, subject: Subject, params: Params, root: Path) -> None:
    if subject.file:
        _introduce(subject.file, systems.inputs_of(job.config))
    settings = {**job.config, "split": job.split}
    with (
        tracking.live(job.key, job.config["data"], subject.name, settings, root) as run,
        contextlib.ExitStack() as users,
    ):
        for file in training.files_of_users(job):
            users.enter_context(own.blamed(file, anywhere=False))
        training.train(job, params, root, run.log)


def _introduce(file: own.TaskFile, inputs: Inputs) -> None:
    """Say what the user did not: what had to be guessed, what the sources draw, and which nets were given."""
    task = file.task(inputs)
    for line in file.warnings(inputs):
        print(f"warning: {line}", file=sys.stderr)
    with own.blamed(file.path):
        bound = inputs.columns_for(task)
    for source, columns in bound.items():
        drawn = (f"{wire} from the {'images' if column == 's' else 'labels'}" for wire, column in columns.items())
        print(f"source {source.name}: {', '.join(drawn)}")
    if not bound:
        print("warning: no source of the task takes the data", file=sys.stderr)
    for line in nets_given(task):
        print(line)


def nets_given(task: Task) -> list[str]:
    """A line for each learner that has no net, on the one that it is given."""
    bare = {each.name for each in task.learners if each.module is None}
    given = own.with_nets(task).learners
    return [f"learner {each.name}: a default net, {each.module.summary}" for each in given if each.name in bare]


def _measure(job: training.Job, examples: Examples, params: Params, root: Path) -> None:
    """Print the measures, and write them into the model's folder with the equations and their picture."""
    from pipeline.language.draw import draw

    model = systems.load(job.target)
    found = metrics.validation_losses(model, examples.prepared, params)
    # Where classifying is not all that it does, or not even trained, accuracy chooses nothing.
    only_reads = model.classify and not model.edit and not model.sample
    champion = metrics.ACCURACY if only_reads else metrics.TOTAL
    _show("measure", job.key, found)
    if champion not in found:
        raise UserError(
            f"{job.key}: its losses on validation data are not finite, so it is not registered: {job.target}"
        )
    task = model.system.task
    write_text(job.target / "equations.txt", f"{task}\n")
    picture = job.target / "equations.svg"
    draw(task, picture)
    about = {
        "champion": champion,
        "data": examples.prepared.relative_to(root).as_posix(),
        "validation_md5": tracking.md5_of(examples.prepared / "validation.safetensors"),
        "parameters": model.parameters,
    }
    # Last: with it, the folder is complete.
    write_json(job.target / "metrics.json", {**found, **about})


def _show(title: str, key: str, found: Mapping[str, float]) -> None:
    table = Table(title, key)
    for name, value in found.items():
        table.add_row(name, f"{value:.5g}")
    Console().print(table)


def _register(job: training.Job, root: Path) -> None:
    try:
        print(tracking.record(job.key, root))
    # Whatever is wrong with the tracking server, what was trained and measured is here, and safe.
    except Exception as error:
        reason = " ".join(str(error).split()) or repr(error)
        print(f"warning: not registered with MLflow: {reason}; run `pipeline sync` later", file=sys.stderr)
