"""A conditional Wasserstein GAN with gradient penalty (Gulrajani et al. 2017), and an encoder that makes it an editor.

    play, a game in which critic moves five times for each move of gen,
    real      : critic(s, v) == 1                    [linear; trains critic]
    fake      : critic(gen(v, n), v) == -1           [linear; trains critic]
    lipschitz : |d critic(t, v) / dt| == 1           [mse; trains critic]     t on a line between s and gen(v, n)
    fool      : critic(gen(v, n), v) == 1            [linear; trains gen]

    invert, with gen fixed,
    codes     : enc(gen(v, n)) == n                  [mse]
    images    : gen(v, enc(s)) == s                  [mse]

n is normal noise, and linear asks a number to rise (1) or to fall (-1). A GAN makes images and reads none; what one does
in practice to edit with it is done here: once the game is over an encoder learns where the generator has an image, from
samples, whose noise is known, and from data. gen is the half of the manipulators' put that writes, enc the half that
reads. No critic sees the edits, since their codes are not drawn: that they look real is left to the two equations.

    put(s, a) = gen(a, enc(s))
"""

import pydantic
import torch
from torch import Tensor

from pipeline.language import (
    Fixed,
    Learner,
    Normal,
    Phase,
    Player,
    R,
    Source,
    Task,
    Type,
    Uniform,
    constant,
    derivative,
    equation,
    linear,
    mse,
    task,
)
from pipeline.nets.critics import Critic
from pipeline.nets.images import Encoder
from pipeline.nets.writing import Writer
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """latent: dimensions of the noise; penalty: weight of lipschitz; critic_steps: of the critic for each one of gen;
    inversion: the share of the steps that fit enc."""

    learning_rate: float = pydantic.Field(default=5e-4, gt=0)
    latent: int = pydantic.Field(default=32, gt=0)
    penalty: float = pydantic.Field(default=10.0, gt=0)
    critic_steps: int = pydantic.Field(default=5, gt=0)
    inversion: float = pydantic.Field(default=0.5, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    S, V, N, values = inputs.S, inputs.V, Type("N", (settings.latent,)), len(inputs.values)
    gen = Learner("gen", (V, N), S, Writer(inputs.shape, settings.latent, values))
    critic = Learner("critic", (S, V), R, Critic(inputs.shape, values))
    enc = Learner("enc", (S,), N, Encoder(inputs.shape, (settings.latent,)))

    n = Normal("n", N)
    game = play(gen, critic, inputs.x, n, settings)
    inverse = invert(gen, enc, inputs.x, n)
    both = task(
        **game.equations,
        **inverse.equations,
        players=(*game.players, Player("encoder", (enc,))),
        play="alternating",
    )

    steps = round(settings.inversion * settings.steps)
    return System(
        task=both,
        phases=(Phase("play", game, settings.steps - steps), Phase("invert", inverse, steps)),
        kept=(gen, enc),
        boxes={"gen": gen, "enc": enc},
        edit=lambda images, values: gen.apply(values.log(), enc.apply(images)),
        sample=lambda values, noise: gen.apply(values.log(), noise),
        noise_shape=(settings.latent,),
    )


def play(gen: Learner, critic: Learner, x: Source, n: Normal, settings: Settings) -> Task:
    """The game of gen and critic on labelled states x = (s, v) and noise n."""
    (s, v), up, down = x, constant(1), constant(-1)
    made = gen(v, n)
    U = Type("U")
    between = Fixed("between", (U, s.type, s.type), s.type, body=mixed)
    norm = Fixed("norm", (s.type,), R, body=lambda x: torch.linalg.vector_norm(x.flatten(1), dim=1))
    line = between(Uniform("u", U), s, made)
    slope = derivative(lambda t: critic(t, v), line)
    return task(
        real=equation(critic(s, v), up, linear, trains=critic),
        fake=equation(critic(made, v), down, linear, trains=critic),
        lipschitz=equation(norm(slope), up, mse, trains=critic, weight=settings.penalty),
        fool=equation(critic(made, v), up, linear, trains=gen),
        players=(Player("critic", (critic,), settings.critic_steps), Player("generator", (gen,))),
        play="alternating",
    )


def invert(gen: Learner, enc: Learner, x: Source, n: Normal) -> Task:
    """What makes enc the inverse of gen, which stays as it is."""
    s, v = x
    return task(
        codes=equation(enc(gen(v, n)), n, mse, trains=enc),
        images=equation(gen(v, enc(s)), s, mse, trains=enc),
    )


def mixed(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """share (n,) of one image, the rest of the other: (n, *shape)."""
    return torch.lerp(other, one, share.view(-1, 1, 1, 1))
