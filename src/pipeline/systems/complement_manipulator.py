"""Manipulation by a complement: an image is its value and the rest, comp(s), from which rec makes it.

    classify : get(s) == v
    putget   : get(rec(a, comp(s))) == a
    getput   : rec(get(s), comp(s)) == s
    undo     : rec(get(s), comp(rec(a, comp(s)))) == s
    keep     : comp(rec(a, comp(s))) == comp(s)

It is the manipulator with put(s, a) = rec(a, comp(s)). `keep` says that the rest has nothing of the value, and that put
leaves it as it is; then PutPut holds too, put(put(s, a), b) = rec(b, comp(rec(a, comp(s)))) = rec(b, comp(s)).
"""

import pydantic
from torch import Tensor

from pipeline.language import Composite, Learner, Phase, Source, Task, Type, Uniform, equation, learners_of, mse
from pipeline.language.terms import Wireable
from pipeline.nets.images import Encoder
from pipeline.nets.writing import Writer
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"


class Settings(manipulator.Settings):
    """keep: weight of that equation, of codes of unit size or so."""

    keep: float = pydantic.Field(default=1.0, ge=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put, (comp, rec) = manipulator.reader(given), manipulator.writer(settings, inputs), halves(settings, inputs)
    x, a = inputs.x, Uniform("a", inputs.V)
    four = manipulator.four_equations(settings, get, put, x, a)
    return editor(settings, get, comp, rec, complemented(four, put, comp, rec, x, a, settings.keep))


def halves(settings: Settings, inputs: Inputs) -> tuple[Learner, Learner]:
    """comp : S -> C and rec : V x C -> S, of the layers that put has."""
    C = Type("C", (settings.latent,))
    comp = Learner("comp", (inputs.S,), C, Encoder(inputs.shape, (settings.latent,)))
    writer = Writer(inputs.shape, settings.latent, len(inputs.values))
    return comp, Learner("rec", (inputs.V, C), inputs.S, writer)


def complemented(task: Task, put: Learner, comp: Learner, rec: Learner, x: Source, a: Wireable, weight: float) -> Task:
    """The refinement of equations of put by put(s, a) = rec(a, comp(s)), and `keep` with that weight."""
    s, _ = x
    keep = equation(comp(rec(a, comp(s))), comp(s), mse, trains=(comp, rec), weight=weight)
    return task.fill(put, lambda s, v: rec(v, comp(s))).with_equations(keep=keep)


def editor(settings: Settings, get: Learner | Composite, comp: Learner, rec: Learner, task: Task) -> System:
    """The system that fits comp and rec to the equations while get stays as it is; gradients pass through it."""

    def edit(images: Tensor, values: Tensor) -> Tensor:
        return rec.apply(values.log(), comp.apply(images))

    return System(
        task=task,
        phases=(Phase("fit", task.frozen(get), settings.steps),),
        kept=(comp, rec, *learners_of(get)),
        boxes={"get": get, "comp": comp, "rec": rec},
        classify=lambda images: get.apply(images).exp(),
        edit=edit,
    )
