"""The conditional VAE (Kingma et al. 2014, Sohn et al. 2015): the manipulators' rival, of the same encoder and decoder.

    recon : dec(sample(enc(s)), v) == s     [Bernoulli NLL]
    prior : enc(s) == N(0, 1)               [KL]

The sum of the two losses is the negative ELBO of p(s | v), in nats. The encoder does not see v, so that the model
can edit an unlabelled image as put does: dec(mean of enc(s), a).
"""

import pydantic

from pipeline.language import (
    Learner,
    Phase,
    Type,
    bernoulli_nll,
    equation,
    kl,
    sample,
    standard_normal,
    task,
)
from pipeline.nets.images import Decoder, Encoder
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """latent: dimensions of the code; beta: weight of the prior equation (1: the ELBO)."""

    latent: int = pydantic.Field(default=32, gt=0)
    beta: float = pydantic.Field(default=1.0, gt=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    S, V, values = inputs.S, inputs.V, len(inputs.values)
    Q, Z = Type("Z", (settings.latent,), "gaussian"), Type("Z", (settings.latent,))
    P = Type("S", inputs.shape, "bernoulli")
    enc = Learner("enc", (S,), Q, Encoder(inputs.shape, (2, settings.latent)))
    dec = Learner("dec", (Z, V), P, Decoder(inputs.shape, settings.latent, values))

    s, v = inputs.x
    elbo = task(
        recon=equation(dec(sample(enc(s)), v), s, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(s), standard_normal(Q), kl, trains=enc, weight=settings.beta),
    )

    return System(
        task=elbo,
        phases=(Phase("fit", elbo, settings.steps),),
        kept=(enc, dec),
        boxes={"enc": enc, "dec": dec},
        edit=lambda images, values: dec.apply(enc.apply(images)[:, 0], values.log()).sigmoid(),
        sample=lambda values, code: dec.apply(code, values.log()).sigmoid(),
        noise_shape=(settings.latent,),
    )
