"""Manipulation: a classifier becomes an editor by four equations (Rodatz et al. 2024, task 3.1).

    classify : get(s) == v                      get reads the attribute
    putget   : get(put(s, a)) == a              what was written can be read
    getput   : put(s, get(s)) == s              writing what is there changes nothing
    undo     : put(put(s, a), get(s)) == s      writing it back restores the original

get comes trained (`given`) and stays frozen, so what is left to train is put. Noise before get in `putget` keeps put
from writing marks that only a noiseless get can see. The cross-entropy of `putget` is smoothed: put is to write what get
reads as surely as real images, not more surely, since then it would write the most typical image of each value.
"""

from collections.abc import Callable

import pydantic

from pipeline.language import (
    Composite,
    Divergence,
    Equation,
    Learner,
    Phase,
    Source,
    Task,
    Term,
    Uniform,
    cross_entropy,
    equation,
    learners_of,
    mse,
    noise,
    smoothed_cross_entropy,
    task,
)
from pipeline.language.terms import Wireable
from pipeline.nets.images import Put
from pipeline.systems.base import Inputs, Recipe, System, TaskError

GIVEN = "classifier"


class Settings(Recipe):
    """latent: width of put's bottleneck; noise: standard deviation of the noise that get sees, pixels in 0..1;
    smoothing: of the cross-entropy of putget; reconstruction: weight of getput and undo."""

    latent: int = pydantic.Field(default=32, gt=0)
    noise: float = pydantic.Field(default=0.03, ge=0)
    smoothing: float = pydantic.Field(default=0.1, ge=0, lt=1)
    reconstruction: float = pydantic.Field(default=20.0, gt=0)


def manipulation(
    get: Learner | Composite,
    put: Learner,
    x: Source,
    a: Wireable,
    blur: Callable[[Term], Term] = lambda image: image,
    reading: Divergence = cross_entropy,
    weight: float = 1.0,
) -> Task:
    """The four equations, on labelled states x = (s, v) and values a drawn independently of them: were a the label of
    s, put(s, a) = s would solve them."""
    s, v = x
    return task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(blur(put(s, a))), a, reading, trains=put),
        getput=equation(put(s, get(s)), s, mse, trains=put, weight=weight),
        undo=equation(put(put(s, a), get(s)), s, mse, trains=put, weight=weight),
    )


def putput(put: Learner, x: Source, a: Source, weight: float = 1.0) -> Equation:
    """The last value written counts: put(put(s, a), b) == put(s, b). It is stronger than `undo` where there are three
    values or more."""
    (s, _), b = x, a.again()
    return equation(put(put(s, a), b), put(s, b), mse, trains=put, weight=weight)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = reader(given), writer(settings, inputs)
    return editor(settings, get, put, four_equations(settings, get, put, inputs.x, Uniform("a", inputs.V)))


def four_equations(settings: Settings, get: Learner | Composite, put: Learner, x: Source, a: Wireable) -> Task:
    """The four equations with the divergences, weights and noise of the settings."""
    reading = smoothed_cross_entropy(settings.smoothing)
    return manipulation(get, put, x, a, noise(settings.noise), reading, settings.reconstruction)


def reader(given: System | None) -> Learner | Composite:
    """The classifier that the manipulator starts from."""
    if given is None or "get" not in given.boxes:
        raise TaskError("a manipulator is made from a classifier: `given` must name the folder of a trained one")
    return given.boxes["get"]


def reader_in_parts(given: System | None) -> Composite:
    """The same, where its features are compared. Raises TaskError if it has none."""
    get = reader(given)
    if not isinstance(get, Composite):
        raise TaskError(
            "laws are compared in the features of a classifier in parts, as `classifier` is; this one is in one piece"
        )
    return get


def writer(settings: Settings, inputs: Inputs) -> Learner:
    return Learner("put", (inputs.S, inputs.V), inputs.S, Put(inputs.shape, settings.latent, len(inputs.values)))


def editor(settings: Settings, get: Learner | Composite, put: Learner, equations: Task) -> System:
    """The system that fits put to the equations while get stays as it is; gradients pass through it."""
    sources = {source.name: source for source in equations.sources}
    return System(
        task=equations,
        phases=(Phase("fit", equations.frozen(get), settings.steps),),
        kept=(put, *learners_of(get)),
        boxes={"get": get, "put": put},
        laws={"putput": putput(put, sources["x"], sources["a"])},
        classify=lambda images: get.apply(images).exp(),
        edit=lambda images, values: put.apply(images, values.log()),
    )
