"""Solving small tasks: as many steps as are asked for, on the CPU, in memory.

>>> from pipeline.language import Dataset, Learner, Type, equation, mse, task
>>> X = Type("X", (1,))
>>> line = Learner("line", (X,), X, torch.nn.Linear(1, 1))
>>> points = torch.linspace(-1, 1, 8).unsqueeze(1)
>>> x, y = Dataset("data", {"x": X, "y": X}).bind(points, 3 * points + 1)
>>> losses = fit(task(regress=equation(line(x), y, mse, trains=line)), steps=300, batch=8, lr=0.1)
>>> bool(losses["regress"][-1] < 1e-6), round(line.module.weight.item(), 2), round(line.module.bias.item(), 2)
(True, 3.0, 1.0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pipeline.language.compile import Program, compile_task
from pipeline.language.sources import Draws
from pipeline.language.task import Task, TaskError


def fit(
    task: Task,
    steps: int,
    batch: int,
    seed: int = 0,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    lr: float = 1e-3,
    **settings: Any,
) -> dict[str, Tensor]:
    """Change the modules of what the task trains, so that its equations hold better; the losses, each (steps,).

    A step is one move of each player. The learning rate goes linearly from `lr` to 0; settings: more of the optimiser's.
    The same task, modules and seed give the same weights. For several phases, call it with one task after another.
    Raises TaskError for no step, a learner without a module, a source without data, or a loss that is not finite.
    """
    if steps < 1:
        raise TaskError(f"fit: at least 1 step is expected, not {steps}")
    for learner in task.learners:
        learner.function()  # which says so if it has no module
    program = compile_task(task)
    descent = optimiser(program.parameters, lr=lr, **settings)
    rows = []
    with torch.random.fork_rng(devices=[]):
        for step in range(steps):
            for group in descent.param_groups:
                group["lr"] = lr * (1 - step / steps)
            rows.append(_step(program, descent, Draws(seed, step, batch), progress=step / steps))
    curves = {name: torch.stack([row[name] for row in rows]) for name in task.equations}
    for name, curve in curves.items():
        if not curve.isfinite().all():
            step = int(curve.isfinite().int().argmin())
            raise TaskError(f"equation {name} has loss {float(curve[step])} at step {step + 1}: lr may be too large")
    return curves


def _step(program: Program, descent: torch.optim.Optimizer, draws: Draws, progress: float) -> dict[str, Tensor]:
    """Everybody's moves, each on a draw of its own; the losses before them."""
    found: dict[str, Tensor] = {}
    for turn, move in enumerate(program.moves):
        now = replace(draws, step=draws.step * len(program.moves) + turn)
        # Dropout and the like take their chance from here. (torch.manual_seed would seed GPUs too, at 1 ms a call.)
        torch.default_generator.manual_seed(now.generator("boxes").initial_seed())
        losses = move.losses(now)
        move.backward(losses, progress)
        descent.step()
        descent.zero_grad()
        found.update({name: loss.detach() for name, loss in losses.items()})
    return found
