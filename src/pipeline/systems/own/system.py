"""The system that a user's task makes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydantic
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.language import Box, Dataset, Equation, Learner, Normal, Phase, Task, Term, Type
from pipeline.language.sources import Wire
from pipeline.nets.default import Default
from pipeline.systems.base import Inputs, Recipe, System
from pipeline.systems.own.files import TaskFile, blamed

EXAMPLES = 3  # on which a net is tried; not a number that a shape is likely to begin with


class Settings(Recipe):
    """What can be set for any task."""

    steps: int = pydantic.Field(default=1000, gt=0)


def build(file: TaskFile, settings: Recipe, inputs: Inputs) -> System:
    """The system of a user's task: one phase that trains all equations; bound to the examples if `inputs` has them.

    Raises UserError if the file fails, a net does not fit its learner's type, or a source does not fit the data.
    """
    task = with_nets(file.task(replace(inputs)))
    if "step" in task.equations:
        raise UserError(f"{file.path}: equation step: curves.csv has a column of that name; call it otherwise")
    for learner in task.learners:
        with blamed(file.path):
            _try(learner, file.path)
    if inputs.x.table is not None:
        with blamed(file.path):
            task = inputs.bind(task)
    return System(
        task=task,
        phases=(Phase("fit", task, settings.steps),),
        kept=task.learners,
        boxes=_reader(task, inputs) | {learner.name: learner for learner in task.learners},
        **_uses(task, inputs),
    )


def with_nets(task: Task) -> Task:
    """The task with a default net for each learner that has none."""
    bare = [learner for learner in task.learners if learner.module is None]
    return task.with_learners(
        {each: Learner(each.name, each.dom, each.cod, Default(each.dom, each.cod)) for each in bare}
    )


# ------------------------------------------------------------------------------------------------------- the nets


def _try(learner: Learner, path: Path) -> None:
    """Run a learner's module on values of its types. Raises UserError if it cannot take them or gives other ones."""
    where = f"{path}: learner {learner.name} : {' x '.join(type.full for type in learner.dom)} -> {learner.cod.full}"
    count = EXAMPLES if learner.dom else 1
    training = {module: module.training for module in learner.module.modules()}
    learner.module.eval()
    try:
        with torch.no_grad():
            made = learner.module(*(_some(type) for type in learner.dom))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{where}: its module cannot take such values: {str(error).splitlines()[0]}") from None
    finally:
        for module, before in training.items():
            module.training = before
    if not _fits(made, learner.cod, count):
        raise UserError(f"{where}: its module gives {_shapes(made)}, {_expected(learner.cod, count)} is expected")


def _some(type: Type) -> Any:
    """A few values as a box receives them: all 0, uniform probabilities."""
    if type.kind == "product":
        return tuple(map(_some, type.parts))
    if type.kind == "categorical":
        return torch.full((EXAMPLES, *type.shape), 1 / type.shape[-1])
    return torch.full((EXAMPLES, *_shape(type)), 0.5 if type.kind == "bernoulli" else 0.0)


def _fits(made: Any, type: Type, count: int) -> bool:
    if type.kind != "product":
        return isinstance(made, Tensor) and tuple(made.shape) == (count, *_shape(type))
    same = isinstance(made, tuple) and len(made) == len(type.parts)
    return same and all(_fits(part, each, count) for part, each in zip(made, type.parts, strict=True))


def _shape(type: Type) -> tuple[int, ...]:
    return (2, *type.shape) if type.kind == "gaussian" else type.shape


def _expected(type: Type, count: int) -> str:
    if type.kind == "product":
        return f"a tuple of {', '.join(_expected(part, count) for part in type.parts)}"
    return str((count, *_shape(type)))


def _shapes(made: Any) -> str:
    if isinstance(made, tuple | list):
        return f"a {type(made).__name__} of {', '.join(map(_shapes, made))}"
    return str(tuple(made.shape)) if isinstance(made, Tensor) else f"a {type(made).__name__}"


# ------------------------------------------------------------------------------------------------------- the uses


def _uses(task: Task, inputs: Inputs) -> Mapping[str, Any]:
    """What the trained learners can do, told from their types: see `base.System`.

    classify: what is trained to give the label of an image; edit: the only trained learner that makes an image of an
    image and a value; sample: the only one that makes an image of what a `Normal` source draws, and perhaps a value;
    features: the first one that makes something else of an image.
    """
    S, V = inputs.is_image, inputs.is_value
    found: dict[str, Any] = {}
    readers = [reader for each in task.equations.values() for reader in _readers(each, inputs)]
    if readers:
        found["classify"] = lambda images: _applied(readers[0], images).exp()
    writers = [each for each in task.trained if _is_typed(each, [S, V], S)]
    if len(writers) == 1:
        found["edit"] = lambda images, values: writers[0].apply(images, values.log())
    makers = [each for each in _fed_with_noise(task) if _is_typed(each, [_any], S) or _is_typed(each, [_any, V], S)]
    if len(makers) == 1:
        found["sample"], found["noise_shape"] = _sampler(makers[0]), makers[0].dom[0].shape
    encoders = [each for each in task.trained if _is_typed(each, [S], lambda cod: not S(cod) and not V(cod))]
    if encoders and encoders[0].cod.kind != "product":
        found["features"] = lambda images: encoders[0].apply(images).flatten(1)
    return found


def _reader(task: Task, inputs: Inputs) -> dict[str, Learner]:
    """As `get`, for systems that start from this one, the learner that is trained to give the label of an image."""
    readers = [boxes for each in task.equations.values() for boxes in _readers(each, inputs)]
    alone = [boxes[0] for boxes in readers if len(boxes) == 1 and isinstance(boxes[0], Learner)]
    return {"get": alone[0]} if alone else {}


def _is_typed(learner: Learner, dom: Sequence[Callable[[Type], bool]], cod: Callable[[Type], bool]) -> bool:
    fits = len(learner.dom) == len(dom) and all(test(type) for test, type in zip(dom, learner.dom, strict=True))
    return fits and cod(learner.cod)


def _any(type: Type) -> bool:
    return True


def _readers(equation: Equation, inputs: Inputs) -> Iterator[tuple[Box, ...]]:
    """The boxes, first to last, that an equation trains to give the label of an image."""
    for term, label in ((equation.lhs, equation.rhs), (equation.rhs, equation.lhs)):
        drawn = isinstance(label.op, Wire) and isinstance(label.op.source, Dataset)
        boxes = _down_to_an_image(term, inputs) if drawn and inputs.is_value(label.type) else ()
        if any(box in equation.trains for box in boxes):
            yield boxes


def _down_to_an_image(term: Term, inputs: Inputs) -> tuple[Box, ...]:
    """The boxes of one input each that lead from an image to a term; none if they do not."""
    boxes: list[Box] = []
    while isinstance(term.op, Box) and len(term.inputs) == 1:
        boxes.insert(0, term.op)
        (term,) = term.inputs
        if inputs.is_image(term.type):
            return tuple(boxes)
    return ()


def _applied(boxes: tuple[Box, ...], value: Tensor) -> Tensor:
    for box in boxes:
        value = box.apply(value)
    return value


def _fed_with_noise(task: Task) -> list[Learner]:
    """The trained learners whose first input is what a `Normal` source draws."""
    found: dict[Learner, None] = {}
    for each in task.equations.values():
        for term in (*each.lhs.walk(), *each.rhs.walk()):
            first = term.inputs[0].op if term.inputs else None
            if term.op in task.trained and isinstance(first, Wire) and isinstance(first.source, Normal):
                found[term.op] = None
    return list(found)


def _sampler(maker: Learner) -> Callable[[Tensor, Tensor], Tensor]:
    if len(maker.dom) == 1:
        return lambda values, noise: maker.apply(noise)
    return lambda values, noise: maker.apply(noise, values.log())
