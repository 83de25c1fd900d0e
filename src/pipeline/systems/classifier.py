"""get, made robust and careful, so that only a real change of the picture changes its answer.

    classify : get(s) == v
    robust   : get(worst(s)) == v     worst(s) = argmax over |t - s| <= radius of cross_entropy(get(t), v)
    unsure   : half(v) == get(spoil(s, s'))     half(v) = v with probability 1/2, any value otherwise

A put that is trained against a plain classifier learns marks that only this classifier can read. `robust` (Madry et
al. 2018) makes marks too large to hide; `unsure` makes stray strokes, blur, cuts and gaps cost certainty, so that a
put that wants to be read has to leave a clean picture.
"""

import pydantic
from torch import nn

from pipeline.language import (
    Composite,
    Fixed,
    Learner,
    Normal,
    Phase,
    ProjectedGradient,
    Type,
    cross_entropy,
    equation,
    kl,
    optimise,
    task,
)
from pipeline.nets.images import Features
from pipeline.nets.spoiling import spoiled
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """radius: of the L2 ball, pixels in 0..1; inner_steps: gradient steps of the inner maximisation;
    unsure: weight of that equation."""

    features: int = pydantic.Field(default=128, gt=0)
    radius: float = pydantic.Field(default=1.5, gt=0)
    inner_steps: int = pydantic.Field(default=4, gt=0)
    unsure: float = pydantic.Field(default=1.0, ge=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    S, V, F, R = inputs.S, inputs.V, Type("F", (settings.features,)), Type("R", (4,))
    features = Learner("features", (S,), F, Features(inputs.shape, settings.features))
    head = Learner("head", (F,), V, nn.Linear(settings.features, len(inputs.values)))
    get = Composite("get", features, head)
    spoil = Fixed("spoil", (S, S, R), S, body=spoiled)
    half = Fixed("half", (V,), V, body=lambda value: ((value + 1 / len(inputs.values)) / 2).log())

    s, v = inputs.x
    other, _ = inputs.x.again()
    chance = Normal("chance", R)
    attack = ProjectedGradient(settings.radius, settings.inner_steps)
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, attack)
    careful = task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        robust=equation(get(worst), v, cross_entropy, trains=get),
        unsure=equation(half(v), get(spoil(s, other, chance)), kl, trains=get, weight=settings.unsure),
    )

    return System(
        task=careful,
        phases=(Phase("fit", careful, settings.steps),),
        kept=(features, head),
        boxes={"get": get},
        classify=lambda images: get.apply(images).exp(),
        features=features.apply,
    )
