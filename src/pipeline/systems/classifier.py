"""get, made robust: a classifier trained on the worst images in an L2 ball round the data (Madry et al. 2018).

    robust : get(worst(s)) == v    worst(s) = argmax over |t - s| <= radius of cross_entropy(get(t), v)

A put that is trained against a standard get learns marks that only this get can read (pitfall P2 of manipulation);
to move a robust one it has to draw the digit.
"""

import pydantic
from torch import nn

from pipeline.language import Composite, Learner, Phase, ProjectedGradient, Type, cross_entropy, equation, optimise, task
from pipeline.nets.images import Features
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """radius: of the L2 ball, pixels in 0..1; inner_steps: gradient steps of the inner maximisation."""

    features: int = pydantic.Field(default=128, gt=0)
    radius: float = pydantic.Field(default=1.5, gt=0)
    inner_steps: int = pydantic.Field(default=4, gt=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    S, V, F = inputs.S, inputs.V, Type("F", (settings.features,))
    features = Learner("features", (S,), F, Features(inputs.shape, settings.features))
    head = Learner("head", (F,), V, nn.Linear(settings.features, len(inputs.values)))
    get = Composite("get", features, head)

    s, v = inputs.x
    attack = ProjectedGradient(settings.radius, settings.inner_steps)
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, attack)
    robust = task(robust=equation(get(worst), v, cross_entropy, trains=get))

    return System(
        task=robust,
        phases=(Phase("fit", robust, settings.steps),),
        kept=(features, head),
        boxes={"get": get},
        classify=lambda images: get.apply(images).exp(),
        features=features.apply,
    )
