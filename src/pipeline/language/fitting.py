"""Solving small tasks: as many steps as are asked for, on the CPU, in memory.

>>> from pipeline.language import Dataset, Learner, Type, equation, mse, task
>>> X = Type("X", (1,))
>>> line = Learner("line", (X,), X, torch.nn.Linear(1, 1))
>>> x, y = Dataset("data", {"x": X, "y": X}).bind(torch.arange(8.0).view(8, 1), 3 * torch.arange(8.0).view(8, 1) + 1)
>>> losses = fit(task(regress=equation(line(x), y, mse, trains=line)), steps=500, batch=8, lr=0.1)
>>> bool(losses["regress"][-1] < 1e-4), round(float(line.module.weight), 1), round(float(line.module.bias), 1)
(True, 3.0, 1.0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipeline.language.compile import compile_task
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
    Raises TaskError for a learner without a module, a source without data, or a loss that is not finite.
    """
    program = compile_task(task)
    descent = optimiser(program.parameters, lr=lr, **settings)
    shown: dict[str, list[Tensor]] = {name: [] for name in task.equations}
    with torch.random.fork_rng(devices=[]):
        for step in range(steps):
            for group in descent.param_groups:
                group["lr"] = lr * (1 - step / steps)
            for turn, move in enumerate(program.moves):
                draws = Draws(seed, step * len(program.moves) + turn, batch)
                # Dropout and the like take their chance from here. (torch.manual_seed would seed GPUs, at 1 ms a call.)
                torch.default_generator.manual_seed(draws.generator("boxes").initial_seed())
                losses = move.losses(draws)
                move.backward(losses, progress=step / steps)
                descent.step()
                descent.zero_grad()
                for name, loss in losses.items():
                    shown[name].append(loss.detach())
    curves = {name: torch.stack(values).view(steps, -1)[:, -1] for name, values in shown.items()}
    for name, curve in curves.items():
        if not curve.isfinite().all():
            step = int(curve.isfinite().int().argmin()) + 1
            raise TaskError(f"equation {name} has loss {float(curve[step - 1])} at step {step}: lr may be too large")
    return curves
