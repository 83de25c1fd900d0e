"""What a right edit of a rendered picture is, exactly: the same scene rendered with the factor changed.

Writing a label changes the one factor that the label tells. Where several of its values have the label (glasses of any
style), each of them is right. Writing the label that a picture has already must leave it as it is.
"""

import torch
from torch import Tensor

from pipeline.data.renderers.rendering import Rendering
from pipeline.errors import UserError

BATCH = 500  # examples at a time


def edits(rendering: Rendering, rows: Tensor, targets: Tensor) -> Tensor:
    """The factors (n, m, k) int64 of all right results of writing labels `targets` (n,) into pictures of `rows` (n, k).

    m: the most that any of these examples has; those with fewer have them repeated. Raises UserError for rows that are
    not the renderer's, and for targets that are no labels.
    """
    _check(rendering, rows, targets)
    column = rendering.renderer.column(rendering.factor)
    values = [
        [number for number, label in enumerate(rendering.labels) if label == wanted] for wanted in targets.tolist()
    ]
    own = (rendering.label(rows) == targets).tolist()
    values = [[int(row[column])] if same else value for same, value, row in zip(own, values, rows, strict=True)]
    most = max((len(value) for value in values), default=1)
    result = rows.unsqueeze(1).repeat(1, most, 1)
    result[:, :, column] = torch.tensor([[value[i % len(value)] for i in range(most)] for value in values])
    return result


def truths(rendering: Rendering, rows: Tensor, targets: Tensor, size: int) -> Tensor:
    """The pictures of `edits`: (n, m, 3, size, size) uint8. 1,000 of m = 4 at 64 pixels take 47 MiB: give no more than
    fit."""
    right = edits(rendering, rows, targets)
    return rendering.renderer.render(right.flatten(0, 1), size).unflatten(0, right.shape[:2])


def nearest_truth(rendering: Rendering, images: Tensor, rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How far edited images are from the truth, and which truth is nearest.

    images: (n, 3, size, size) float, 0..1: what came of writing `targets` (n,) into pictures of `rows` (n, k).
    Returns the mean squared error per pixel (n,) float64, and the factors (n, k) of the nearest right result. Raises
    UserError as `edits` does, or if there are not as many images as rows.
    """
    if len(images) != len(rows):
        raise UserError(f"{len(rows)} edited images expected, one of each row of factors, {len(images)} given")
    errors, nearest = [], []
    for part, row, target in zip(images.split(BATCH), rows.split(BATCH), targets.split(BATCH), strict=True):
        right = edits(rendering, row, target)
        pictures = rendering.renderer.render(right.flatten(0, 1), part.shape[-1]).unflatten(0, right.shape[:2])
        error = (part.double().unsqueeze(1) - pictures.double() / 255).square().flatten(2).mean(2)
        best = error.min(1)
        errors.append(best.values)
        nearest.append(right[torch.arange(len(part)), best.indices])
    return torch.cat(errors), torch.cat(nearest)


def kept(rendering: Rendering, rows: Tensor, targets: Tensor) -> Tensor:
    """Which factors an edit must leave as they are, and can be read before and after: (n, k) bool.

    All but the one that the label tells: there is no style of glasses where there are none. That one too where the
    target is the picture's own label. Raises UserError as `edits` does.
    """
    _check(rendering, rows, targets)
    result = torch.ones_like(rows, dtype=torch.bool)
    result[:, rendering.renderer.column(rendering.factor)] = rendering.label(rows) == targets
    return result


def _check(rendering: Rendering, rows: Tensor, targets: Tensor) -> None:
    rendering.renderer.check(rows)
    if targets.shape != rows.shape[:1] or targets.dtype != torch.int64:
        wanted = f"({len(rows)},) torch.int64"
        raise UserError(f"targets: labels {wanted} expected, {tuple(targets.shape)} {targets.dtype} given")
    wrong = targets[~torch.isin(targets, torch.tensor(rendering.labels))]
    if len(wrong):
        raise UserError(f"targets: labels in 0..{max(rendering.labels)} expected, {int(wrong[0])} given")
