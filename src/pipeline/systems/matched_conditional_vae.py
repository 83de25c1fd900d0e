"""The conditional VAE with one more equation, the law that `sampling_manipulator` adds to the equations of its form.

    law : (features(mean(dec(sample(enc(s)), a))), a) == (features(s'), a)   [unbiased_mmd]

(s', a) is an independent draw of the data, features the classifier up to its last layer, and mean the mean of pixels. A
VAE joins a code with the value that its image had, and no other, so nothing that it minimises asks how an edit looks; this
equation asks that edits to a look, to the classifier, like real images of a. Next to `matched_manipulator` and
`sampling_manipulator` it tells what these owe to such an equation, and what to the four of manipulation.
"""

from dataclasses import replace

import pydantic

from pipeline.language import Fixed, Phase, equation, pair, sample, unbiased_mmd
from pipeline.systems import conditional_vae, manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"


class Settings(conditional_vae.Settings):
    """law: weight of the law-matching equation, beside pixels in nats."""

    law: float = pydantic.Field(default=10000.0, gt=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    features = manipulator.reader_in_parts(given).parts[0]
    vae = conditional_vae.build(settings, inputs, None)
    enc, dec = vae.boxes["enc"], vae.boxes["dec"]
    (s, _), (real, a) = inputs.x, inputs.x.again()

    mean = Fixed("mean", (dec.cod,), inputs.S, body=lambda pixels: pixels)
    edit = mean(dec(sample(enc(s)), a))
    law = equation(
        pair(features(edit), a), pair(features(real), a), unbiased_mmd, trains=(enc, dec), weight=settings.law
    )
    matched = vae.task.with_equations(law=law)
    return replace(vae, task=matched, phases=(Phase("fit", matched, settings.steps),))
