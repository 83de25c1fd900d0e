"""The complement form with laws to match: it edits, and makes images from noise.

    edit, the complement form's equations and
    law         : (features(rec(a, comp(s))), a) == (features(s'), a)   [unbiased_mmd]
    independent : (comp(s), v) == (comp(s'), v)                         [unbiased_mmd]

    sample, with all of that fixed,
    rest        : gen(n) == comp(s)                                     [unbiased_mmd]   n normal noise
    made        : (features(rec(a, gen(n))), a) == (features(s'), a)    [unbiased_mmd]

(s', a) is an independent draw of the data, features the classifier up to its last layer. `independent` says that the rest
of an image tells nothing of its value: then rec meets each rest with every value, as often as with the image's own, and
put(s, a) has the law of images of a (the Bayesian inverse of get; Rodatz et al. 2024, section 3). One law of rests serves
all values: rec(a, gen(n)) is an image of the value a, made without any other image.

The value that is written is the label of another example: independent of s, and each value as often on both sides of a
law. `independent` sets in late, since a comp that keeps nothing solves it best.
"""

from dataclasses import replace

import pydantic
from torch import nn

from pipeline.language import Learner, Normal, Phase, Ramp, Type, equation, pair, task, unbiased_mmd
from pipeline.systems import complement_manipulator, manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"
HIDDEN = 256


class Settings(complement_manipulator.Settings):
    """law: weight of law and made; independent: weight of that equation; sampling: the share of the steps that fit
    gen."""

    law: float = pydantic.Field(default=20.0, gt=0)
    independent: float = pydantic.Field(default=40.0, ge=0)
    sampling: float = pydantic.Field(default=0.25, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = manipulator.reader_in_parts(given), manipulator.writer(settings, inputs)
    comp, rec = complement_manipulator.halves(settings, inputs)
    features, N = get.parts[0], Type("N", (settings.latent,))
    (s, v), (real, a), n = inputs.x, inputs.x.again(), Normal("n", N)
    gen = Learner("gen", (N,), comp.cod, generator(settings.latent))
    like = pair(features(real), a)

    four = manipulator.four_equations(settings, get, put, inputs.x, a)
    law = equation(pair(features(put(s, a)), a), like, unbiased_mmd, trains=put, weight=settings.law)
    late = Ramp(0.0, settings.independent, 0.1, 0.5)
    independent = equation(pair(comp(s), v), pair(comp(real), v), unbiased_mmd, trains=comp, weight=late)
    matched = four.with_equations(law=law)
    edit = complement_manipulator.complemented(matched, put, comp, rec, inputs.x, a, settings.keep)
    edit = edit.with_equations(independent=independent)
    made = pair(features(rec(a, gen(n))), a)
    sample = task(
        rest=equation(gen(n), comp(s), unbiased_mmd, trains=gen),
        made=equation(made, like, unbiased_mmd, trains=gen, weight=settings.law),
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
