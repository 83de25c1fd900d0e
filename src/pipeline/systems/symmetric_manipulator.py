"""A symmetric lens (Hofmann, Pierce and Wagner 2011) between images and another view of such images, as a manipulator.

S are the images, T views of images: the negative, turned by a quarter, at half the resolution. t is the view of an
independent draw (s', w) of the data, so that no image is ever shown with its own view. A state on either side is a value
in V and a complement in C, which both sides share:

    classify_S : get(s) == v
    classify_T : get_T(t) == w
    getput_S   : rec_S(get(s), comp_S(s)) == s
    getput_T   : rec_T(get_T(t), comp_T(t)) == t
    putget_ST  : get_T(rec_T(a, comp_S(s))) == a              the value is what was written, on the other side too
    putget_TS  : get(rec_S(a, comp_T(t))) == a
    keep_ST    : comp_T(rec_T(a, comp_S(s))) == comp_S(s)     the complement is what it was
    keep_TS    : comp_S(rec_S(a, comp_T(t))) == comp_T(t)
    rests      : comp_S(s) == comp_T(t)    [mmd]

get comes trained and stays as it is. A symmetric lens puts a state to the other side by way of what both share,

    putr(s) = rec_T(get(s), comp_S(s)), with the complement comp_S(s)
    putl(t) = rec_S(get_T(t), comp_T(t)), with the complement comp_T(t)

and its laws, PutRL and PutLR, say that it comes back, with the complement that it was put with. They are not trained,
since they follow from the equations:

    putrl      : putl(putr(s)) == s
    putrl_rest : comp_T(putr(s)) == comp_S(s)
    putlr      : putr(putl(t)) == t
    putlr_rest : comp_S(putl(t)) == comp_T(t)

`rests` has it that what is put over looks like what is there. Which complement of T belongs to which of S no equation can
say without pairs.

    put(s, a) = rec_S(a, comp_S(s))
"""

from dataclasses import dataclass

import pydantic
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.language import (
    Composite,
    Equation,
    Fixed,
    Learner,
    Phase,
    Task,
    Term,
    Type,
    Uniform,
    cross_entropy,
    equation,
    learners_of,
    mmd,
    mse,
    noise,
    smoothed_cross_entropy,
    task,
)
from pipeline.nets.images import Encoder
from pipeline.nets.small import SmallEncoder, SmallWriter
from pipeline.nets.writing import Writer
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"


class Settings(manipulator.Settings):
    """latent: dimensions of the complement; keep: weight of keep_ST and keep_TS; rests: weight of that equation."""

    keep: float = pydantic.Field(default=1.0, ge=0)
    rests: float = pydantic.Field(default=1.0, ge=0)


@dataclass(frozen=True)
class Side:
    """A type of states, each a value, which get reads, and a complement, which comp does; rec makes it of them."""

    get: Learner | Composite
    comp: Learner
    rec: Learner

    def across(self, other: "Side", state: Term) -> Term:
        """The state of the other side that has the value and the complement of this one."""
        return other.rec(self.get(state), self.comp(state))


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    left, right = images(settings, inputs, given), views(settings, inputs)
    (s, v), (other, w), a = inputs.x, inputs.x.again(), Uniform("a", inputs.V)
    t = Fixed("view", (inputs.S,), right.get.dom[0], body=viewed)(other)
    lens = task(
        classify_S=equation(left.get(s), v, cross_entropy, trains=left.get),
        classify_T=equation(right.get(t), w, cross_entropy, trains=right.get),
        getput_S=getput(settings, left, s),
        getput_T=getput(settings, right, t),
        putget_ST=putget(settings, left, right, s, a),
        putget_TS=putget(settings, right, left, t, a),
        keep_ST=keep(settings, left, right, s, a),
        keep_TS=keep(settings, right, left, t, a),
        rests=equation(left.comp(s), right.comp(t), mmd, trains=(left.comp, right.comp), weight=settings.rests),
    )
    laws = {"putrl": back(left, right, s), "putlr": back(right, left, t)}
    rests = {"putrl_rest": rest_back(left, right, s), "putlr_rest": rest_back(right, left, t)}
    return editor(settings, left, right, lens, {**laws, **rests})


def images(settings: Settings, inputs: Inputs, given: System | None) -> Side:
    S, C = inputs.S, Type("C", (settings.latent,))
    writer = Writer(inputs.shape, settings.latent, len(inputs.values))
    return Side(
        get=manipulator.reader(given),
        comp=Learner("comp_S", (S,), C, Encoder(inputs.shape, (settings.latent,))),
        rec=Learner("rec_S", (inputs.V, C), S, writer),
    )


def views(settings: Settings, inputs: Inputs) -> Side:
    channels, height, width = inputs.shape
    shape, values = (channels, width // 2, height // 2), len(inputs.values)
    T, C = Type("T", shape), Type("C", (settings.latent,))
    return Side(
        get=Learner("get_T", (T,), inputs.V, SmallEncoder(shape, (values,))),
        comp=Learner("comp_T", (T,), C, SmallEncoder(shape, (settings.latent,))),
        rec=Learner("rec_T", (inputs.V, C), T, SmallWriter(shape, settings.latent, values)),
    )


def viewed(images: Tensor) -> Tensor:
    """Images (n, c, h, w) in 0..1 as their views (n, c, w / 2, h / 2)."""
    return 1 - F.avg_pool2d(torch.rot90(images, 1, (2, 3)), 2)


def getput(settings: Settings, side: Side, state: Term) -> Equation:
    made = side.across(side, state)
    return equation(made, state, mse, trains=(side.comp, side.rec), weight=settings.reconstruction)


def putget(settings: Settings, side: Side, other: Side, state: Term, a: Uniform) -> Equation:
    made = noise(settings.noise)(other.rec(a, side.comp(state)))
    return equation(other.get(made), a, smoothed_cross_entropy(settings.smoothing), trains=(side.comp, other.rec))


def keep(settings: Settings, side: Side, other: Side, state: Term, a: Uniform) -> Equation:
    rest = side.comp(state)
    trains = (side.comp, other.rec, other.comp)
    return equation(other.comp(other.rec(a, rest)), rest, mse, trains=trains, weight=settings.keep)


def back(side: Side, other: Side, state: Term) -> Equation:
    """What is put to the other side comes back from there."""
    trains = (side.comp, side.rec, other.comp, other.rec)
    return equation(other.across(side, side.across(other, state)), state, mse, trains=trains)


def rest_back(side: Side, other: Side, state: Term) -> Equation:
    """The complement with which it comes back is the one with which it was put."""
    made, rest = side.across(other, state), side.comp(state)
    return equation(other.comp(made), rest, mse, trains=(side.comp, other.comp, other.rec))


def editor(settings: Settings, left: Side, right: Side, lens: Task, laws: dict[str, Equation]) -> System:
    """The system that fits all but the given classifier, through which gradients pass."""
    get, comp, rec = left.get, left.comp, left.rec
    fitted = (comp, rec, right.get, right.comp, right.rec)
    return System(
        task=lens,
        phases=(Phase("fit", lens.frozen(get), settings.steps),),
        kept=learners_of(*fitted, get),
        boxes={"get": get, **{box.name: box for box in fitted}},
        laws=laws,
        classify=lambda images: get.apply(images).exp(),
        edit=lambda images, values: rec.apply(values.log(), comp.apply(images)),
    )
