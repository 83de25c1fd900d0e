"""Probes of style: numbers that describe how an image is drawn, whatever it shows.

Where an edit has no exact truth, what it keeps is measured by them: correlation and mutual information of a probe
before and after, within classes.
"""

import torch
from sklearn.feature_selection import mutual_info_regression
from torch import Tensor

from pipeline.metrics.intervals import NORMAL_95, Estimate


def slant(images: Tensor) -> Tensor:
    """Horizontal shift per vertical pixel, from the second moments of the ink: (n, c, h, w) -> (n,)."""
    yy, _, xy = _moments(images)
    return -xy / yy


def aspect(images: Tensor) -> Tensor:
    """Height over width, from the second moments of the ink: (n, c, h, w) -> (n,)."""
    yy, xx, _ = _moments(images)
    return (yy / xx).sqrt()


def _moments(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Second central moments of the ink, in pixels^2: yy, xx, xy, each (n,)."""
    ink = images.double().mean(1)
    total = ink.sum((1, 2)).clamp_min(1e-6)
    y = torch.arange(ink.shape[1], dtype=torch.float64).view(1, -1, 1)
    x = torch.arange(ink.shape[2], dtype=torch.float64).view(1, 1, -1)
    middle_y = (ink * y).sum((1, 2)) / total
    middle_x = (ink * x).sum((1, 2)) / total
    dy, dx = y - middle_y.view(-1, 1, 1), x - middle_x.view(-1, 1, 1)
    yy, xx, xy = ((ink * each).sum((1, 2)) / total for each in (dy * dy, dx * dx, dx * dy))
    return yy.clamp_min(1e-6), xx.clamp_min(1e-6), xy


def stroke(images: Tensor) -> Tensor:
    """Stroke width in pixels, as twice the ink over the length of its outline (total variation): -> (n,)."""
    ink = images.double().mean(1)
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    across = padded[:, 1:, 1:] - padded[:, 1:, :-1]
    down = padded[:, 1:, 1:] - padded[:, :-1, 1:]
    outline = (across.square() + down.square()).sqrt().sum((1, 2))
    return 2 * ink.sum((1, 2)) / outline.clamp_min(1e-6)


def ink(images: Tensor) -> Tensor:
    """Mean pixel, in 0..1: (n, c, h, w) -> (n,)."""
    return images.double().flatten(1).mean(1)


PROBES = {"slant": slant, "stroke": stroke, "aspect": aspect, "ink": ink}


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


def preserved(before: Tensor, after: Tensor, sources: Tensor, targets: Tensor) -> Estimate:
    """Correlation of a probe before and after the edit, standardised within source and within target classes; up.

    All (n,). The interval is Fisher's (artanh of the correlation, with standard error 1 / sqrt(n - 3)). 0 if either
    does not vary: edits that all look the same keep nothing.
    """
    left, right = within_class(before, sources), within_class(after, targets)
    if not left.any() or not right.any():
        return Estimate(0.0, 0.0, 0.0)
    # Short of 1, whose artanh is infinite.
    correlation = torch.corrcoef(torch.stack((left, right)))[0, 1].clamp(-1 + 1e-9, 1 - 1e-9)
    middle, reach = correlation.atanh(), NORMAL_95 / max(1, len(before) - 3) ** 0.5
    return Estimate(float(correlation), float((middle - reach).tanh()), float((middle + reach).tanh()))


def information(before: Tensor, after: Tensor, sources: Tensor, targets: Tensor, seed: int) -> float:
    """Mutual information, in nats, of a probe before and after the edit, standardised as in `preserved`; up.

    It notices what is kept in another form (turned round, say), which the correlation does not. Estimated from nearest
    neighbours (Kraskov et al. 2004) by scikit-learn. For Gaussians of correlation r it is -log(1 - r^2) / 2.
    """
    left, right = within_class(before, sources), within_class(after, targets)
    if not left.any() or not right.any():
        return 0.0
    return float(mutual_info_regression(left.numpy()[:, None], right.numpy(), random_state=seed)[0])
