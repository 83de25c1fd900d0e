"""CycleGAN (Zhu et al. 2017) between all values at once, as in StarGAN (Choi et al. 2018): one put, one critic.

    real     : critic(s, v) == 1                  [mse; trains critic]
    fake     : critic(put(s, a), a) == 0          [mse; trains critic]
    fool     : critic(put(s, a), a) == 1          [mse; trains put]
    cycle    : put(put(s, a), v) == s             [l1; trains put]
    identity : put(s, v) == s                     [l1; trains put]

`cycle` and `identity` are the manipulator's `undo` and `getput`, at the label instead of what get reads, and the rest
says that edits to a are like images of a, to a critic that learns while put does. No classifier is needed, and no value
of s to edit it. put works place by place, as the paper's does: it has no bottleneck, as the manipulators' put has.
"""

import pydantic

from pipeline.language import (
    Learner,
    Phase,
    Player,
    R,
    Source,
    Task,
    Uniform,
    constant,
    equation,
    l1,
    mse,
    task,
)
from pipeline.nets.critics import Critic
from pipeline.nets.translating import Translator
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    """cycle, identity: weights of these equations, beside fool's 1; critic_steps: of the critic for each one of put."""

    learning_rate: float = pydantic.Field(default=5e-4, gt=0)
    cycle: float = pydantic.Field(default=10.0, gt=0)
    identity: float = pydantic.Field(default=5.0, ge=0)
    critic_steps: int = pydantic.Field(default=1, gt=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    S, V, values = inputs.S, inputs.V, len(inputs.values)
    put = Learner("put", (S, V), S, Translator(inputs.shape, values))
    critic = Learner("critic", (S, V), R, Critic(inputs.shape, values))
    game = play(put, critic, inputs.x, Uniform("a", V), settings)
    return System(
        task=game,
        phases=(Phase("play", game, settings.steps),),
        kept=(put,),
        boxes={"put": put},
        edit=lambda images, values: put.apply(images, values.log()),
    )


def play(put: Learner, critic: Learner, x: Source, a: Uniform, settings: Settings) -> Task:
    """The game of put and critic on labelled states x = (s, v) and values a drawn independently of them."""
    (s, v), yes, no = x, constant(1), constant(0)
    made = put(s, a)
    return task(
        real=equation(critic(s, v), yes, mse, trains=critic),
        fake=equation(critic(made, a), no, mse, trains=critic),
        fool=equation(critic(made, a), yes, mse, trains=put),
        cycle=equation(put(made, v), s, l1, trains=put, weight=settings.cycle),
        identity=equation(put(s, v), s, l1, trains=put, weight=settings.identity),
        players=(Player("critic", (critic,), settings.critic_steps), Player("editor", (put,))),
        play="alternating",
    )
