"""What the two judges share: a plain classifier on augmented images, whose features serve the Frechet distance."""

from torch import nn

from pipeline.language import Composite, Fixed, Learner, Normal, Phase, Type, cross_entropy, equation, noise, task
from pipeline.nets.spoiling import shifted
from pipeline.systems.base import Inputs, Recipe, System


def judge(settings: Recipe, inputs: Inputs, width: int, module: nn.Module) -> System:
    """The supervised pattern on moved and noisy images: judge(noise(shift(s))) == v."""
    S, V, F = inputs.S, inputs.V, Type("F", (width,))
    features = Learner("features", (S,), F, module)
    head = Learner("head", (F,), V, nn.Linear(width, len(inputs.values)))
    read = Composite("judge", features, head)

    R = Type("R", (2,))
    shift = Fixed("shift", (S, R), S, body=lambda images, offsets: shifted(images, offsets, pixels=1.0))

    s, v = inputs.x
    moved = shift(s, Normal("offset", R))
    classify = task(classify=equation(read(noise(0.1)(moved)), v, cross_entropy, trains=read))

    return System(
        task=classify,
        phases=(Phase("fit", classify, settings.steps),),
        kept=(features, head),
        classify=lambda images: read.apply(images).exp(),
        features=features.apply,
    )
