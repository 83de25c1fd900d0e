"""Systems and tasks in words and pictures, untrained."""

from dataclasses import dataclass
from pathlib import Path

from pipeline import systems
from pipeline.errors import UserError
from pipeline.language import Phase, Task, TaskError, patterns
from pipeline.language.diagnose import diagnose
from pipeline.systems import own
from pipeline.systems.base import Inputs

# What a task that follows the types of its data is built on where there are none.
EXAMPLE = Inputs((1, 28, 28), tuple("0123456789"))


@dataclass(frozen=True)
class Subject:
    """A task by name: what it asks, what else may be asked about it (`laws` and all), and how it is trained."""

    task: Task
    lawful: Task
    phases: tuple[Phase, ...] = ()


def find(what: str) -> Subject:
    """The task of a system, of a pattern of the gallery, or of a user's file. Of a system and a pattern of the same name
    it is the system's.

    Raises UserError for what is unknown or wrong.
    """
    file = own.find(what)
    if file:
        task = file.task(EXAMPLE)
        return Subject(task, task)
    if what in systems.names():
        try:
            built = systems.example(what)
        except TaskError as error:
            raise UserError(f"{what}: {error}") from None
        return Subject(built.task, built.lawful, built.phases)
    if what in patterns.names():
        return Subject(patterns.example(what), patterns.example(what))
    known = ", ".join(systems.names())
    raise UserError(f"unknown system `{what}`: expected one of {known}, or a pattern of `pipeline list`")


def describe(what: str, picture: Path | None) -> str:
    """The equations of a task by name (see `find`), and its phases; drawn into `picture` if it is given."""
    found = find(what)
    return "\n".join([str(found.task), *map(_phase, found.phases), *_drawn(found.task, picture)])


def check(what: str, picture: Path | None) -> str:
    """The equations of a user's task, which nets its learners are to get, and what a diagnosis finds; drawn too.

    Raises UserError, in one line, if the file fails, the task is ill-typed, or a learner's net does not fit its type.
    """
    file = own.find(what)
    if file is None:
        raise UserError(f"{what}: FILE.py:TASK, FILE.py or FILE.json is expected")
    systems.checked(own.Settings, file.settings, where=f"{file.path}: settings")
    own.build(file, own.Settings(), EXAMPLE)
    task = file.task(EXAMPLE)
    lines = [str(task)]
    lines += [
        f"learner {each.name}: no net of its own, training gives it one" for each in task.learners if not each.module
    ]
    lines += [f"warning: {each}" for each in file.warnings(EXAMPLE)]
    lines += map(str, diagnose(task))
    return "\n".join([*lines, *_drawn(task, picture)])


def _phase(phase: Phase) -> str:
    return f"phase {phase.name}: trains {', '.join(learner.name for learner in phase.task.trained)}"


def _drawn(task: Task, picture: Path | None) -> list[str]:
    """Draw the equations, if a picture is wanted."""
    if picture is None:
        return []
    from pipeline.language.draw import draw

    try:
        draw(task, picture)
    except TaskError as error:
        raise UserError(str(error)) from None
    return [f"drawn: {picture}"]
