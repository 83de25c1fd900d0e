"""The complement form with laws to match: it edits, and makes images from noise.

    edit, the complement form's equations and
    law      : (features(rec(a, comp(s))), a) == (features(s'), v')   [mmd]   (s', v') an independent draw of the data

    sample, with all of that fixed,
    rest     : gen(n) == comp(s)                                      [mmd]   n normal noise
    made     : (features(rec(a, gen(n))), a) == (features(s'), v')    [mmd]

features is the classifier up to its last layer. The rest of an image has nothing of its value (`keep`), so one law of
rests serves all values: rec(a, gen(n)) is an image of the value a, made without any other image.
"""

from dataclasses import replace

import pydantic
from torch import nn

from pipeline.language import Learner, Normal, Phase, Type, Uniform, equation, mmd, pair, task
from pipeline.systems import complement_manipulator, manipulator
from pipeline.systems.base import Inputs, System
from pipeline.systems.matched_manipulator import law

HIDDEN = 256


class Settings(complement_manipulator.Settings):
    """law: weight of law and made; sampling: the share of the steps that fit gen."""

    law: float = pydantic.Field(default=20.0, gt=0)
    sampling: float = pydantic.Field(default=0.25, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = manipulator.reader(given), manipulator.writer(settings, inputs)
    comp, rec = complement_manipulator.halves(settings, inputs)
    N, x, a = Type("N", (settings.latent,)), inputs.x, Uniform("a", inputs.V)
    gen = Learner("gen", (N,), comp.cod, generator(settings.latent))

    four = manipulator.four_equations(settings, get, put, x, a)
    matched = four.with_equations(law=law(get, put, x, a, settings.law))
    edit = complement_manipulator.complemented(matched, put, comp, rec, x, a, settings.keep)
    features, n, (s, _), (real, label) = get.parts[0], Normal("n", N), x, x.again()
    like = pair(features(rec(a, gen(n))), a)
    sample = task(
        rest=equation(gen(n), comp(s), mmd, trains=gen),
        made=equation(like, pair(features(real), label), mmd, trains=gen, weight=settings.law),
    )

    steps = round(settings.sampling * settings.steps)
    system = complement_manipulator.editor(settings, get, comp, rec, edit)
    return replace(
        system,
        task=edit.with_equations(**sample.equations),
        phases=(Phase("edit", edit.frozen(get), settings.steps - steps), Phase("sample", sample, steps)),
        kept=(gen, *system.kept),
        boxes={**system.boxes, "gen": gen},
        sample=lambda values, noise: rec.apply(values.log(), gen.apply(noise)),
        noise_shape=(settings.latent,),
    )


def generator(latent: int) -> nn.Module:
    """Noise to codes: (n, latent) -> (n, latent)."""
    return nn.Sequential(
        nn.Linear(latent, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, latent)
    )
