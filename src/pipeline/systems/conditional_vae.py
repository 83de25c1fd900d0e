"""The conditional VAE (Kingma et al. 2014, Sohn et al. 2015): the manipulators' rival, of the same encoder and decoder.

    recon : dec(sample(enc(s)), v) == s     [Bernoulli NLL]
    prior : enc(s) == N(0, 1)               [KL]

The sum of the two losses is the negative ELBO of p(s | v), in nats. The encoder does not see v, so that the model
can edit an unlabelled image as put does: dec(mean of enc(s), a).
"""

import pydantic
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

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
from pipeline.systems.base import Inputs, LatentModel, Recipe, System


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
        density=density(enc, dec, settings.latent),
    )


def density(enc: Learner, dec: Learner, latent: int) -> LatentModel:
    """p(s | v), as the equations mean it: q(z | s) a normal, p(z) the standard normal, p(s | z, v) Bernoulli pixels."""

    def posterior(images: Tensor, values: Tensor) -> Independent:
        mean, log_variance = enc.apply(images).unbind(1)
        return Independent(Normal(mean, (log_variance / 2).exp()), 1)

    def prior(n: int, values: Tensor) -> Independent:
        zeros = values.new_zeros(n, latent)
        return Independent(Normal(zeros, zeros + 1), 1)

    def likelihood(code: Tensor, values: Tensor) -> Independent:
        # Unchecked, since the system learns from grey pixels, at which it has the Bernoulli's formula but no law.
        pixels = Bernoulli(logits=dec.apply(code, values.log()), validate_args=False)
        return Independent(pixels, len(pixels.batch_shape) - 1)

    return LatentModel(prior, likelihood, posterior)
