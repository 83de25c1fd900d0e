"""Probes of style: numbers that describe how an image is drawn, whatever it shows."""

import torch
from torch import Tensor


def slant(images: Tensor) -> Tensor:
    """Horizontal shift per vertical pixel, from the second moments of the ink: (n, c, h, w) -> (n,)."""
    ink = images.double().mean(1)
    total = ink.sum((1, 2)).clamp_min(1e-6)
    y = torch.arange(ink.shape[1], dtype=torch.float64).view(1, -1, 1)
    x = torch.arange(ink.shape[2], dtype=torch.float64).view(1, 1, -1)
    middle_y = (ink * y).sum((1, 2)) / total
    middle_x = (ink * x).sum((1, 2)) / total
    dy, dx = y - middle_y.view(-1, 1, 1), x - middle_x.view(-1, 1, 1)
    return -(ink * dx * dy).sum((1, 2)) / (ink * dy * dy).sum((1, 2)).clamp_min(1e-6)


def stroke(images: Tensor) -> Tensor:
    """Stroke width in pixels, as twice the ink over the length of its outline (total variation): -> (n,)."""
    ink = images.double().mean(1)
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    across = padded[:, 1:, 1:] - padded[:, 1:, :-1]
    down = padded[:, 1:, 1:] - padded[:, :-1, 1:]
    outline = (across.square() + down.square()).sqrt().sum((1, 2))
    return 2 * ink.sum((1, 2)) / outline.clamp_min(1e-6)


PROBES = {"style_slant": slant, "style_stroke": stroke}


def within_class(scores: Tensor, classes: Tensor) -> Tensor:
    """Scores standardised within each class, 0 in a class where they do not vary: (n,), (n,) -> (n,)."""
    result = torch.zeros_like(scores)
    for value in classes.unique():
        rows = classes == value
        group = scores[rows]
        spread = group.std(unbiased=False)
        if spread > 1e-9:
            result[rows] = (group - group.mean()) / spread
    return result


def preserved(before: Tensor, after: Tensor, sources: Tensor, targets: Tensor) -> float:
    """Correlation of a probe before and after the edit, standardised within source and within target classes.

    0 if either does not vary: edits that all look the same keep nothing.
    """
    left, right = within_class(before, sources), within_class(after, targets)
    if not left.any() or not right.any():
        return 0.0
    return float(torch.corrcoef(torch.stack((left, right)))[0, 1])
