"""Matrix games with one mixed equilibrium, which is known."""

import torch
from torch import Tensor

from patterns.small import point
from pipeline.language import Learner, Task, Type
from pipeline.language.fitting import fit
from pipeline.language.patterns.games import bilinear, nash

V = Type("V", (3,), "categorical")
# Rock, paper, scissors, where what a win is worth depends on what wins.
PAYOFFS = torch.tensor([[0.0, -1.0, 2.0], [1.0, 0.0, -3.0], [-2.0, 3.0, 0.0]])
EQUILIBRIUM = torch.tensor([3.0, 2.0, 1.0]) / 6  # for both: p A = 0, since A is antisymmetric


def players() -> tuple[Learner, ...]:
    return tuple(point(name, V, torch.randn(3)) for name in ("row", "column", "row_past", "column_past"))


def strategy(learner: Learner) -> Tensor:
    with torch.no_grad():
        return learner.apply().exp()[0]


def test_players_find_the_mixed_equilibrium(of, measured) -> None:
    learners = players()
    made = nash(bilinear(PAYOFFS), *learners)
    fit(made, of(1500, 8000), 1, optimiser=torch.optim.SGD, lr=0.5)
    error = max(float((strategy(each) - EQUILIBRIUM).abs().max()) for each in learners[:2])
    plain = players()
    game = nash(bilinear(PAYOFFS), *plain)
    alone = Task({name: game.equations[name] for name in ("rows", "columns")})
    fit(alone, of(1500, 8000), 1, optimiser=torch.optim.SGD, lr=0.5)
    circling = max(float((strategy(each) - EQUILIBRIUM).abs().max()) for each in plain[:2])
    measured("nash", f"both strategies within {error:.1g} of (1/2, 1/3, 1/6); without a past {circling:.3f} off")
    assert torch.allclose(EQUILIBRIUM @ PAYOFFS, torch.zeros(3), atol=1e-6)
    assert error < of(0.01, 0.001)
    assert circling > 0.1
