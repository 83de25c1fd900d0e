"""What the judges share: a classifier of moved images, and a guard that tells images like the data from degraded ones.

    classify : judge(grain(shift(s))) == v
    real     : guard(grain(shift(s))) == 1
    degraded : guard(degrade(shift(s))) == 0     degrade(s): s faded, blurred or noisy

An edit that can be read is not yet an image like those of the data: a classifier still reads digits that have faded to
grey. So what is read is g judge(s) + (1 - g) uniform, with g the guard's probability that s is like the data, and a
value counts as read where it is over half way from chance to certainty. Both sides of the guard are moved, and cut to
0..1, alike: only what degrades may tell them apart. The guard is a net of its own: the features of the classifier serve
the Frechet distance, and are to be of what images show.
"""

from collections.abc import Callable
from dataclasses import replace

import pydantic
from torch import Tensor, nn

from pipeline.language import (
    Composite,
    Fixed,
    Learner,
    Normal,
    Phase,
    Term,
    Type,
    bernoulli_nll,
    constant,
    cross_entropy,
    equation,
    task,
)
from pipeline.nets.images import Features
from pipeline.nets.spoiling import degraded, grainy, shifted
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """features: width of the penultimate layer; guard: that of the guard."""

    features: int = pydantic.Field(default=128, gt=0)
    guard: int = pydantic.Field(default=32, gt=0)


def judge(settings: Settings, inputs: Inputs, module: nn.Module) -> System:
    """module: images -> the features, (n, settings.features)."""
    S, R, C, A = inputs.S, Type("R", (2,)), Type("C", (3,)), Type("A", ())
    shift = Fixed("shift", (S, R), S, body=lambda images, offsets: shifted(images, offsets, 1.0, "border"))
    grain = Fixed("grain", (S, S, A), S, body=lambda *given: grainy(*given, most=0.1))
    degrade = Fixed("degrade", (S, S, C), S, body=degraded)

    s, _ = inputs.x
    moved = shift(s, Normal("offset", R))
    like = grain(moved, Normal("noise", S), Normal("amount", A))
    poor = degrade(moved, Normal("snow", S), Normal("chance", C))
    return guarded(settings, inputs, module, lambda: Features(inputs.shape, settings.guard), like, poor)


def guarded(
    settings: Settings, inputs: Inputs, module: nn.Module, watch: Callable[[], nn.Module], like: Term, poor: Term
) -> System:
    """The classifier and the guard, by the three equations above, whatever the data are.

    module: of the classifier, to the features (n, settings.features); watch: makes that of the guard, to (n,
    settings.guard); like, poor: the examples of x as they are shown, and what spoils them.
    """
    S, V, F, G = inputs.S, inputs.V, Type("F", (settings.features,)), Type("G", ())
    features = Learner("features", (S,), F, module)
    head = Learner("head", (F,), V, nn.Linear(settings.features, len(inputs.values)))
    read = Composite("judge", features, head)
    # Made after head: the order in which nets are made is part of what a seed means.
    seen = nn.Sequential(watch(), nn.Linear(settings.guard, 1), nn.Flatten(0))
    guard = Learner("guard", (S,), replace(G, kind="bernoulli"), seen)

    _, v = inputs.x
    careful = task(
        classify=equation(read(like), v, cross_entropy, trains=read),
        real=equation(guard(like), constant(1, G), bernoulli_nll, trains=guard),
        degraded=equation(guard(poor), constant(0, G), bernoulli_nll, trains=guard),
    )

    def classify(images: Tensor) -> Tensor:
        like = guard.apply(images).sigmoid()[:, None]
        return like * read.apply(images).exp() + (1 - like) / len(inputs.values)

    return System(
        task=careful,
        phases=(Phase("fit", careful, settings.steps),),
        kept=(features, head, guard),
        classify=classify,
        features=features.apply,
    )
