"""What can be measured of any system: how far its equations are from holding on data that it has not seen."""

import dataclasses
import math
from pathlib import Path

import torch

from pipeline import data, systems
from pipeline.errors import UserError
from pipeline.language import Draws, Program, Task, TaskError
from pipeline.metrics.accuracy import correct
from pipeline.metrics.intervals import mean_with_interval
from pipeline.params import Params
from pipeline.systems import Model

TOTAL, ACCURACY = "validation_loss", "validation_accuracy"


def validation_losses(model: Model, prepared: Path, params: Params) -> dict[str, float]:
    """`validation_loss/<equation>`, their sum by the equations' weights, and the accuracy of a classifier.

    A loss is the mean over the batches of the validation data, of the size that the system was trained with. What is
    not finite is left out. Raises UserError if the data are not there or do not fit the model.
    """
    config, held = model.config, data.load(prepared, "validation")
    try:
        inputs = systems.inputs_of(config).bound(held.images, held.labels)
        task = inputs.bind(model.system.task)
        losses = equation_losses(task, len(held.labels), systems.recipe(config).batch_size, params.seed)
    except TaskError as error:
        raise UserError(f"{config['system']} on {prepared}: {error}") from None
    found = {f"{TOTAL}/{name}": value for name, value in losses.items()}
    found[TOTAL] = sum(value * task.equations[name].weigh(1.0) for name, value in losses.items())
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    if model.classify:
        read = correct(model.classify(held.inputs), held.labels)
        found |= mean_with_interval(ACCURACY, read, params.metrics.bootstrap, params.seed)
    return found


def equation_losses(task: Task, examples: int, batch: int, seed: int) -> dict[str, float]:
    """The mean loss of each equation over the batches of one epoch; a rest too small for a batch is left out.

    Raises TaskError if a source has no data.
    """
    batch = min(batch, examples)
    # Who moves when is of no matter here, and one move of everybody has every equation once.
    (move,) = Program(dataclasses.replace(task, players=(), play="simultaneous")).moves
    rows = []
    for step in range(examples // batch):
        with torch.no_grad():
            losses = move.losses(Draws(seed, step, batch))
        rows.append(torch.stack([losses[name] for name in task.equations]).double())
    return dict(zip(task.equations, torch.stack(rows).mean(0).tolist(), strict=True))
