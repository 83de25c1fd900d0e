"""A small Markov decision process, whose values and best policy are known by dynamic programming."""

import torch
from torch import Tensor

from patterns.small import table
from pipeline.language import Dataset, R, Type
from pipeline.language.fitting import fit
from pipeline.language.patterns.reinforcement import actor_critic, td_value

S, A = Type("S", (4,), "categorical"), Type("A", (2,), "categorical")
DISCOUNT = 0.8
# Quarters of the probability of each next state, and the reward: by state and action.
MOVES = torch.tensor(
    [
        [[1, 3, 0, 0], [0, 0, 4, 0]],
        [[0, 1, 0, 3], [4, 0, 0, 0]],
        [[2, 0, 2, 0], [0, 0, 0, 4]],
        [[4, 0, 0, 0], [0, 2, 0, 2]],
    ]
)
REWARDS = torch.tensor([[0.0, 0.5], [1.0, 1.5], [0.0, -0.5], [0.0, 1.0]])  # the larger at once is not the best


def transitions() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """State, action, reward and next state, each as often as it is likely when both actions are tried alike."""
    rows = [(s, a, t) for s in range(4) for a in range(2) for t in range(4) for _ in range(int(MOVES[s, a, t]))]
    s, a, t = torch.tensor(rows).T
    return s, a, REWARDS[s, a], t


def best_policy() -> tuple[Tensor, Tensor]:
    """Its actions and the values of all actions, by value iteration."""
    q = torch.zeros(4, 2)
    for _ in range(300):
        q = REWARDS + DISCOUNT * (MOVES / 4.0) @ q.max(1).values
    return q.argmax(1), q


def test_temporal_differences_solve_bellmans_equation(of, measured) -> None:
    s, _, r, t = transitions()
    value = table("value", (S,), R)
    before, reward, after = Dataset("play", {"s": S, "r": R, "t": S}).bind(s, r, t)
    fit(td_value(before, reward, after, value, DISCOUNT), of(600, 4000), len(s), lr=0.1)
    moves = MOVES.float().mean(1) / 4
    known = torch.linalg.solve(torch.eye(4) - DISCOUNT * moves, REWARDS.mean(1))
    error = float((value.module.values.detach() - known).abs().max())
    measured(
        "td_value",
        f"values within {error:.1g} of the solution of Bellman's equation, {', '.join(f'{each:.3f}' for each in known)}",
    )
    assert error < of(0.02, 0.002)


def test_policy_improvement_finds_the_best_policy(of, measured) -> None:
    q, policy = table("q", (S, A), R), table("policy", (S,), A)
    for each in (q, policy):
        torch.nn.init.zeros_(each.module.values)
    s, a, r, t = Dataset("play", {"s": S, "a": A, "r": R, "t": S}).bind(*transitions())
    fit(actor_critic(s, a, r, t, q, policy, DISCOUNT), of(800, 4000), len(transitions()[0]), lr=0.1)
    actions, known = best_policy()
    with torch.no_grad():
        chosen = policy.apply(torch.eye(4).log()).exp()
        error = float((q.module.values - known).abs().max())
    sure = float(chosen.gather(1, actions.unsqueeze(1)).min())
    measured(
        "actor_critic",
        f"best actions {actions.tolist()} taken with probability {sure:.3f} or more; q within {error:.1g} of value iteration",
    )
    assert actions.tolist() != REWARDS.argmax(1).tolist()
    assert sure > of(0.9, 0.98)
    assert error < of(0.2, 0.05)
