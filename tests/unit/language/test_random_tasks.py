"""Random tasks: the compiled step is the definition, and their text reads back."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from pipeline.language import Draws, Player, Task, compile_task, loss, parse
from tests.unit.language.random_tasks import tasks

DRAWS = Draws(seed=3, step=1, batch=5)


@pytest.fixture(autouse=True)
def doubles():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def compiled_equals_definition(made: Task) -> None:
    """Values to 1e-9 and every learner's gradient to 1e-6, merged or not, all at once or each learner in its turn."""
    for learner in made.learners:
        learner.module.requires_grad_(True).zero_grad()
    losses = {name: loss(each, DRAWS, name) for name, each in made.equations.items()}
    slopes = {}
    for learner in made.trained:
        own = sum(losses[name] * made.equations[name].weigh(0) for name in made.trainers_of(learner))
        slopes[learner] = torch.autograd.grad(own, learner.parameters, retain_graph=True, allow_unused=True)
    players = tuple(Player(each.name, (each,)) for each in made.trained)
    for game in (made, Task(made.equations, players, "alternating")):
        for merge in (False, True):
            for move in compile_task(game, merge).moves:
                found = move.losses(DRAWS)
                move.backward(found)
                for name in found:
                    torch.testing.assert_close(found[name], losses[name], rtol=1e-9, atol=1e-12, equal_nan=True)
                for learner in set(move.learners) & set(made.trained):
                    for parameter, gradient in zip(learner.parameters, slopes[learner], strict=True):
                        close(parameter.grad, gradient)
    for learner in set(made.learners) - set(made.trained):
        assert all(parameter.grad is None for parameter in learner.parameters)


def close(found: torch.Tensor | None, expected: torch.Tensor | None) -> None:
    """Equal to 1e-6; no gradient is gradient 0."""
    if found is None or expected is None:
        assert not any(each.any() for each in (found, expected) if each is not None)
        return
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9, equal_nan=True)


@given(made=tasks())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_compiled_random_tasks_equal_their_definition(made: Task) -> None:
    compiled_equals_definition(made)


@pytest.mark.slow
@given(made=tasks(most=25))
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
def test_compiled_random_tasks_equal_their_definition_at_length(made: Task) -> None:
    compiled_equals_definition(made)


@given(made=tasks(bare=True, most=14))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_text_of_a_task_is_the_task(made: Task) -> None:
    text = str(made)
    assert parse(text, using=made) == made
    if "(fixed)" not in text:
        assert parse(text) == made
