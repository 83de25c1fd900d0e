"""The trainer of small tasks."""

import pytest
import torch
from torch import nn

from pipeline.language import Dataset, Learner, Normal, Player, Ramp, TaskError, Type, equation, linear, mse, task
from pipeline.language.fitting import fit

X = Type("X", (2,))


def regression(module: nn.Module | None, weight: float | Ramp = 1.0):
    f = Learner("f", (X,), X, module)
    x, y = Dataset("data", {"x": X, "y": X}).bind(torch.randn(16, 2), torch.randn(16, 2))
    return task(fit=equation(f(x), y, mse, trains=f, weight=weight))


def test_the_same_seed_gives_the_same_weights_and_leaves_other_chance_alone() -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        made = regression(nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 2)))
        before = torch.random.get_rng_state()
        fit(made, 20, 8, seed=3)
        assert torch.equal(torch.random.get_rng_state(), before)
        weights.append(made.learners[0].module[2].weight.detach())
    assert torch.equal(*weights)


def test_players_in_turn_each_move_on_a_draw_of_their_own() -> None:
    f, g = (Learner(name, (X,), X, nn.Linear(2, 2)) for name in "fg")
    z = Normal("z", X)
    lines = {each.name: equation(each(z), 2.0 * z.term, mse, trains=each) for each in (f, g)}
    made = task(**lines, players=(Player("F", (f,), 2), Player("G", (g,))), play="alternating")
    losses = fit(made, 200, 32, lr=0.05)
    assert {name: len(curve) for name, curve in losses.items()} == {"f": 200, "g": 200}
    assert losses["f"][-1] < losses["g"][-1] < 0.01  # twice the steps


def test_a_weight_on_a_schedule_is_followed() -> None:
    module = nn.Linear(2, 2)
    start = module.weight.detach().clone()
    fit(regression(module, Ramp(0, 0.0001, 0.99, 1.0)), 50, 8, optimiser=torch.optim.SGD, lr=1.0)
    assert torch.equal(module.weight, start)


def test_what_cannot_be_fitted_is_said_in_one_line() -> None:
    with pytest.raises(TaskError, match="learner f has no module"):
        fit(regression(None), 5, 8)
    with pytest.raises(TaskError, match="at least 1 step is expected, not 0"):
        fit(regression(nn.Linear(2, 2)), 0, 8)
    with pytest.raises(TaskError, match="a batch of 99 is more than its 16 examples"):
        fit(regression(nn.Linear(2, 2)), 5, 99)
    with pytest.raises(TaskError, match=r"equation fit has loss (inf|nan) at step \d+: lr may be too large"):
        fit(regression(nn.Linear(2, 2)), 200, 8, optimiser=torch.optim.SGD, lr=1e6)


def test_a_loss_without_a_least_value_is_descended_too() -> None:
    f = Learner("f", (X,), X, nn.Linear(2, 2))
    x = Dataset("data", {"x": X}).bind(torch.randn(16, 2)).term
    one = Dataset("ones", {"one": X}).bind(torch.ones(16, 2)).term
    losses = fit(task(up=equation(f(x), one, linear, trains=f)), 50, 16, lr=0.1)["up"]
    assert losses[-1] < losses[0] - 1
