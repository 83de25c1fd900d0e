"""The conditional subspace VAE (Klys, Snell and Zemel 2018): w holds what the value says of an image, z the rest.

    recon   : dec(sample(enc_z(s)), sample(enc_w(s, v))) == s     [Bernoulli NLL]
    prior_w : enc_w(s, v) == prior(v)                             [KL]
    prior_z : enc_z(s) == N(0, 1)                                 [KL]
    read    : adv(sample(enc_z(s))) == v                          [cross-entropy; trains adv]
    blind   : adv(sample(enc_z(s))) == uniform                    [KL; trains enc_z]

`read` and `blind` are a game: an adversary learns to read the value from z, and enc_z to leave it nothing to read. The
paper has a subspace of w for each of several binary labels; here each value has one. Where it is the image's value the
prior is N(apart, 1), else a narrow N(0, tight^2): prior(v) says the value, and leaves room for the looks that it may have.
`blind` is the paper's entropy: KL(q, uniform) is log k less the entropy of q.

    put(s, a) = dec(mean of enc_z(s), mean of prior(a))
"""

import math

import pydantic
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal

from pipeline.language import (
    Fixed,
    Learner,
    Phase,
    Player,
    Type,
    bernoulli_nll,
    cross_entropy,
    equation,
    kl,
    sample,
    standard_normal,
    task,
    uniform,
)
from pipeline.nets.images import Decoder, Encoder
from pipeline.nets.small import ValueEncoder
from pipeline.systems.base import Inputs, LatentModel, Recipe, System

HIDDEN = 128


class Settings(Recipe):
    """latent: dimensions of z; subspace: of w for each value; apart: mean of a value's own subspace; tight: standard
    deviation of the others; beta_z, beta_w: weights of prior_z and prior_w; blindness: weight of blind."""

    latent: int = pydantic.Field(default=8, gt=0)
    subspace: int = pydantic.Field(default=2, gt=0)
    apart: float = pydantic.Field(default=3.0, gt=0)
    tight: float = pydantic.Field(default=0.1, gt=0)
    beta_z: float = pydantic.Field(default=4.0, gt=0)
    beta_w: float = pydantic.Field(default=4.0, gt=0)
    blindness: float = pydantic.Field(default=20.0, ge=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    S, V, values = inputs.S, inputs.V, len(inputs.values)
    wide = values * settings.subspace
    QZ, Z = Type("Z", (settings.latent,), "gaussian"), Type("Z", (settings.latent,))
    QW, W = Type("W", (wide,), "gaussian"), Type("W", (wide,))
    P = Type("S", inputs.shape, "bernoulli")
    enc_z = Learner("enc_z", (S,), QZ, Encoder(inputs.shape, (2, settings.latent)))
    enc_w = Learner("enc_w", (S, V), QW, ValueEncoder(inputs.shape, values, (2, wide)))
    dec = Learner("dec", (Z, W), P, Decoder(inputs.shape, settings.latent, wide))
    adv = Learner("adv", (Z,), V, adversary(settings.latent, values))
    prior = Fixed("prior", (V,), QW, body=lambda value: subspaces(settings, value))

    s, v = inputs.x
    z, w = sample(enc_z(s)), sample(enc_w(s, v))
    game = task(
        recon=equation(dec(z, w), s, bernoulli_nll, trains=(enc_z, enc_w, dec)),
        prior_w=equation(enc_w(s, v), prior(v), kl, trains=enc_w, weight=settings.beta_w),
        prior_z=equation(enc_z(s), standard_normal(QZ), kl, trains=enc_z, weight=settings.beta_z),
        read=equation(adv(z), v, cross_entropy, trains=adv),
        blind=equation(adv(z), uniform(V), kl, trains=enc_z, weight=settings.blindness),
        players=(Player("adversary", (adv,)), Player("model", (enc_z, enc_w, dec))),
        play="alternating",
    )

    def edit(images: Tensor, values: Tensor) -> Tensor:
        return dec.apply(enc_z.apply(images)[:, 0], subspaces(settings, values)[:, 0]).sigmoid()

    def make(values: Tensor, noise: Tensor) -> Tensor:
        (mean, log_variance), (z, e) = subspaces(settings, values).unbind(1), noise.split([settings.latent, wide], 1)
        return dec.apply(z, mean + (log_variance / 2).exp() * e).sigmoid()

    return System(
        task=game,
        phases=(Phase("fit", game, settings.steps),),
        kept=(enc_z, enc_w, dec),
        boxes={"enc_z": enc_z, "enc_w": enc_w, "dec": dec},
        edit=edit,
        sample=make,
        noise_shape=(settings.latent + wide,),
        density=density(settings, enc_z, enc_w, dec),
    )


def adversary(latent: int, values: int) -> nn.Module:
    """z to the logits of its value: (n, latent) -> (n, values)."""
    return nn.Sequential(
        nn.Linear(latent, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, values)
    )


def subspaces(settings: Settings, values: Tensor) -> Tensor:
    """p(w | v): probabilities (n, values) to means and log-variances (n, 2, values * subspace)."""
    own = values.repeat_interleave(settings.subspace, 1)
    return torch.stack((settings.apart * own, 2 * math.log(settings.tight) * (1 - own)), 1)


def density(settings: Settings, enc_z: Learner, enc_w: Learner, dec: Learner) -> LatentModel:
    """p(s | v), as the equations mean it, with z and w side by side as the latents."""

    def normal(laws: Tensor) -> Independent:
        mean, log_variance = laws.unbind(1)
        return Independent(Normal(mean, (log_variance / 2).exp()), 1)

    def posterior(images: Tensor, values: Tensor) -> Independent:
        return normal(torch.cat((enc_z.apply(images), enc_w.apply(images, values.log())), 2))

    def prior(n: int, values: Tensor) -> Independent:
        return normal(torch.cat((values.new_zeros(n, 2, settings.latent), subspaces(settings, values)), 2))

    def likelihood(code: Tensor, values: Tensor) -> Independent:
        z, w = code[:, : settings.latent], code[:, settings.latent :]
        # Unchecked, since the system learns from grey pixels, at which it has the Bernoulli's formula but no law.
        pixels = Bernoulli(logits=dec.apply(z, w), validate_args=False)
        return Independent(pixels, len(pixels.batch_shape) - 1)

    return LatentModel(prior, likelihood, posterior)
