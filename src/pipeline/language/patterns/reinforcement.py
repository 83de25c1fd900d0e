"""Reinforcement learning, from a table of transitions."""

from pipeline.language.boxes import stop_gradient
from pipeline.language.divergence import linear, mse
from pipeline.language.sources import Dataset, constant
from pipeline.language.task import Player, Task, equation, task
from pipeline.language.terms import Learner, R, Type, Wireable
from pipeline.language.weighing import every, expected

S, A = Type("S", (3,), "categorical"), Type("A", (2,), "categorical")
BEFORE, REWARD, AFTER = Dataset("play", {"s": S, "r": R, "t": S})
VALUE = Learner("value", (S,), R)


def td_value(
    s: Wireable = BEFORE,
    r: Wireable = REWARD,
    t: Wireable = AFTER,
    value: Learner = VALUE,
    discount: float = 0.9,
) -> Task:
    """Temporal differences (Sutton 1988): the value of a state is the reward and the discounted value of the next.

    s, r, t: a state, the reward there and the next state, under some policy. The right side is held constant.
    """
    return task(bellman=equation(value(s), r.term + discount * stop_gradient(value(t)), mse, trains=value))


STATE, ACTION, GAIN, NEXT = Dataset("play", {"s": S, "a": A, "r": R, "t": S})
Q, POLICY = Learner("q", (S, A), R), Learner("policy", (S,), A)


def actor_critic(
    s: Wireable = STATE,
    a: Wireable = ACTION,
    r: Wireable = GAIN,
    t: Wireable = NEXT,
    q: Learner = Q,
    policy: Learner = POLICY,
    discount: float = 0.9,
) -> Task:
    """Policy improvement (Sutton & Barto 2018, section 4.6): q is what the policy earns, and the policy makes q large.

    s, a, r, t: state, action, reward and next state, from any behaviour that tries everything. Means over actions are
    exact, so the policy's gradient is that of its expected q.
    """
    now, then = every(policy(s)), every(policy(t))
    later = stop_gradient(expected(q(t, then), over=then))
    return task(
        critic=equation(q(s, a), r.term + discount * later, mse, trains=q),
        actor=equation(q(s, now), constant(1), linear, trains=policy),
        players=(Player("critic", (q,)), Player("actor", (policy,))),
    )
