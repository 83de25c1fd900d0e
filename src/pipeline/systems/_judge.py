"""What the judges share: a classifier of moved images that doubts what has been degraded.

    classify : judge(noise(shift(s))) == v
    doubt    : uniform == judge(degrade(s))     degrade(s): s faded, blurred or noisy

An edit that can be read is not yet an image like those of the data. So a judge counts an image as read only where it is
surer of one value than of all others together, and `doubt` (outlier exposure, Hendrycks et al. 2019, equation 1 with the
loss of its section 4.1) makes it unsure where nobody would take the image for data. Its features serve the Frechet
distance.
"""

import pydantic
import torch
from torch import nn

from pipeline.language import Composite, Fixed, Learner, Normal, Phase, Type, cross_entropy, equation, kl, noise, task
from pipeline.nets.spoiling import degraded, shifted
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """features: width of the penultimate layer; doubt: weight of that equation."""

    features: int = pydantic.Field(default=128, gt=0)
    doubt: float = pydantic.Field(default=1.0, ge=0)


def judge(settings: Settings, inputs: Inputs, module: nn.Module) -> System:
    """module: images -> the features, (n, settings.features)."""
    S, V, F, count = inputs.S, inputs.V, Type("F", (settings.features,)), len(inputs.values)
    features = Learner("features", (S,), F, module)
    head = Learner("head", (F,), V, nn.Linear(settings.features, count))
    read = Composite("judge", features, head)

    R, C = Type("R", (2,)), Type("C", (3,))
    shift = Fixed("shift", (S, R), S, body=lambda images, offsets: shifted(images, offsets, pixels=1.0))
    degrade = Fixed("degrade", (S, S, C), S, body=degraded)
    uniform = Fixed("uniform", (V,), V, body=lambda value: torch.full_like(value, 1 / count).log())

    s, v = inputs.x
    moved = shift(s, Normal("offset", R))
    poor = degrade(s, Normal("grain", S), Normal("chance", C))
    careful = task(
        classify=equation(read(noise(0.1)(moved)), v, cross_entropy, trains=read),
        doubt=equation(uniform(v), read(poor), kl, trains=read, weight=settings.doubt),
    )

    return System(
        task=careful,
        phases=(Phase("fit", careful, settings.steps),),
        kept=(features, head),
        classify=lambda images: read.apply(images).exp(),
        features=features.apply,
    )
