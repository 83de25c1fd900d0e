"""Manipulation by a latent offset (Rodatz et al. 2024): a learned vector for each value is added to a code.

    put(s, a) = dec(comp(s) + offset(a))

in the equations of the complement form, so that comp(s) has nothing of the value, and dec(comp(s) + t offset(a)) steers
linearly. That is the first reading; the second one (`autoencoder` above 0) also asks that comp be the code of an
autoencoder, recon : dec(comp(s)) == s. Then comp(s) tells the value too, and an offset has to change nothing where the
value is there already: what the two readings cost is to be seen side by side.
"""

from dataclasses import replace

import pydantic
from torch import Tensor, nn

from pipeline.language import Learner, Uniform, equation, mse
from pipeline.nets.writing import Maker
from pipeline.systems import complement_manipulator, manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"


class Settings(complement_manipulator.Settings):
    """autoencoder: weight of recon; 0 leaves it out."""

    autoencoder: float = pydantic.Field(default=0.0, ge=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = manipulator.reader(given), manipulator.writer(settings, inputs)
    comp, rec = complement_manipulator.halves(settings, inputs)
    dec = Learner("dec", (comp.cod,), inputs.S, Maker(inputs.shape, settings.latent))
    offset = Learner("offset", (inputs.V,), comp.cod, nn.Linear(len(inputs.values), settings.latent, bias=False))
    x, a = inputs.x, Uniform("a", inputs.V)
    four = manipulator.four_equations(settings, get, put, x, a)
    task = complement_manipulator.complemented(four, put, comp, rec, x, a, settings.keep)
    task = task.fill(rec, lambda v, c: dec(c + offset(v)))
    if settings.autoencoder:
        s, _ = x
        task = task.with_equations(
            recon=equation(dec(comp(s)), s, mse, trains=(comp, dec), weight=settings.autoencoder)
        )

    def edit(images: Tensor, values: Tensor) -> Tensor:
        return dec.apply(comp.apply(images) + offset.apply(values.log()))

    system = complement_manipulator.editor(settings, get, comp, rec, task)
    kept = (comp, dec, offset, *(each for each in system.kept if each not in (comp, rec)))
    return replace(system, kept=kept, boxes={"get": get, "comp": comp, "dec": dec, "offset": offset}, edit=edit)
