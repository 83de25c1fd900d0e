"""Latent shift (Cohen et al. 2021, Gifsplanation): an autoencoder's code is moved along the classifier's gradient.

    recon : dec(enc(s)) == s

    put(s, a) = dec(z + t g)   with z = enc(s), g = d log get(dec(z))(a) / dz of unit length,
                               t the least of a ladder of lengths at which get is certain of a, else the one where it is likeliest

What a practitioner would take today: no net is trained to edit, and any differentiable classifier will do.
"""

import math
from collections.abc import Callable

import pydantic
import torch
from torch import Tensor

from pipeline.language import Learner, Phase, Type, equation, learners_of, mse, task
from pipeline.nets.images import Encoder
from pipeline.nets.writing import Maker
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, Recipe, System

GIVEN = "classifier"
RUNGS = 24  # lengths that are tried, each 1.25 times the one before


class Settings(Recipe):
    """latent: dimensions of the code; shortest: the first length, in units of the root mean square of the code's
    entries; certain: the probability of the value that is enough."""

    latent: int = pydantic.Field(default=32, gt=0)
    shortest: float = pydantic.Field(default=0.1, gt=0)
    certain: float = pydantic.Field(default=0.9, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, Z = manipulator.reader(given), Type("Z", (settings.latent,))
    enc = Learner("enc", (inputs.S,), Z, Encoder(inputs.shape, (settings.latent,)))
    dec = Learner("dec", (Z,), inputs.S, Maker(inputs.shape, settings.latent))
    s, _ = inputs.x
    autoencoder = task(recon=equation(dec(enc(s)), s, mse, trains=(enc, dec)))

    def edit(images: Tensor, values: Tensor) -> Tensor:
        codes = enc.apply(images)
        scale = settings.shortest * codes.square().mean(1, keepdim=True).sqrt()
        lengths = scale * 1.25 ** torch.arange(RUNGS, device=codes.device)
        return dec.apply(shifted(codes, values, lambda z: get.apply(dec.apply(z)), lengths, settings.certain))

    return System(
        task=autoencoder,
        phases=(Phase("fit", autoencoder, settings.steps),),
        kept=(enc, dec, *learners_of(get)),
        boxes={"get": get, "enc": enc, "dec": dec},
        classify=lambda images: get.apply(images).exp(),
        edit=edit,
    )


def shifted(codes: Tensor, values: Tensor, read: Callable[[Tensor], Tensor], lengths: Tensor, certain: float) -> Tensor:
    """Codes (n, d) moved along their own gradient by the least of their lengths (n, l) at which `values` (n, v) are read.

    read: codes -> log-probabilities (n, v); certain: that of the value which is enough. Where no length will do, the one at which the value is likeliest.
    """
    with torch.inference_mode(False):
        wanted = values.clone()  # what was made in inference mode cannot be part of a gradient
    direction = gradient(codes, lambda z: (read(z) * wanted).sum())
    unit = direction / direction.norm(dim=1, keepdim=True).clamp_min(torch.finfo(codes.dtype).tiny)
    tried = codes + lengths.T.unsqueeze(-1) * unit
    found = torch.stack([read(each) for each in tried])
    # The first success, or where there is none the greatest likelihood.
    likely = (found * values).sum(2)
    right = (likely >= math.log(certain)).double()
    chosen = torch.where(right.any(0), right.argmax(0), likely.argmax(0))
    return tried[chosen, torch.arange(len(codes), device=codes.device)]


def gradient(at: Tensor, objective: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient of a number at a point, also where gradients are switched off."""
    with torch.inference_mode(False), torch.enable_grad():
        point = at.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective(point), point)
    return slope
