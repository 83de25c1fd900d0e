"""How well a classifier reads: accuracy, likelihood of the labels, calibration, confusion, and all of it under attack."""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor
from torch.nn import functional as F

from pipeline.errors import UserError
from pipeline.language import ProjectedGradient
from pipeline.metrics.inputs import check_finite, check_labels
from pipeline.metrics.intervals import Estimate, over_examples

Classify = Callable[[Tensor], Tensor]

NONE = -1  # a reading that is no value
BINS = 15


def correct(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Whether the most probable value is the label: (n, values), (n,) -> (n,) bool."""
    return probabilities.argmax(1) == labels


def sure(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Whether the label's probability is over half way from chance to certainty: (n, values), (n,) -> (n,) bool."""
    return probabilities.gather(1, labels[:, None])[:, 0] > half_way(probabilities)


def readings(probabilities: Tensor) -> Tensor:
    """The value whose probability is over half way from chance to certainty, else NONE: (n, values) -> (n,) int64."""
    most, values = probabilities.max(1)
    return torch.where(most > half_way(probabilities), values, NONE)


def agreed(readings: Tensor, others: Tensor) -> Tensor:
    """Whether two judges read the same value; that neither reads any is no agreement: (n,), (n,) -> (n,) bool."""
    return (readings == others) & (readings != NONE)


def half_way(probabilities: Tensor) -> float:
    """(1 + 1 / values) / 2: 0.55 of ten values, 0.75 of two, of which one always has more than a half."""
    return (1 + 1 / probabilities.shape[1]) / 2


def label_nll(probabilities: Tensor, labels: Tensor) -> Tensor:
    """-log p(label | image) in nats: (n, values), (n,) -> (n,); lower is better.

    Raises UserError for labels that do not fit, or probabilities that are none.
    """
    _check(probabilities, labels)
    chosen = probabilities.double().gather(1, labels[:, None])[:, 0]
    return -chosen.clamp_min(torch.finfo(torch.float32).tiny).log()


def calibration_error(
    probabilities: Tensor, labels: Tensor, bins: int = BINS, resamples: int = 200, seed: int = 0
) -> Estimate:
    """Expected calibration error (Guo et al. 2017, equation 3): (n, values), (n,) -> in 0..1, lower is better.

    sum over bins b of equal width in confidence: |sum of (correct - confidence) over the examples in b| / n. Noise alone
    gives about sqrt(bins / n) times a third, so only figures of equally many examples compare. Raises UserError as
    `label_nll` does.
    """
    _check(probabilities, labels)
    confidence, _ = probabilities.double().max(1)
    excess = correct(probabilities, labels).double() - confidence
    cells = (F.one_hot((confidence * bins).long().clamp_max(bins - 1), bins) * excess[:, None]).numpy()
    return over_examples(lambda rows: float(np.abs(cells[rows].mean(0)).sum()), len(labels), resamples, seed, 0.0, 1.0)


def confusion(read: Tensor, labels: Tensor, values: int) -> Tensor:
    """How many images of each value (row) were read as each value (column), or as none (the last column).

    read: (n,) with NONE where nothing was read; labels: (n,) -> (values, values + 1) int64. Computed by scikit-learn.
    """
    check_labels("labels", labels, len(read), values)
    table = confusion_matrix(labels.numpy(), read.numpy() % (values + 1), labels=range(values + 1))
    return torch.from_numpy(table)[:values]


def attacked(
    classify: Classify,
    images: Tensor,
    labels: Tensor,
    attack: ProjectedGradient,
    restarts: int = 0,
    seed: int = 0,
    batch: int = 250,
) -> Tensor:
    """The images that `attack` finds to raise the classifier's loss: (n, *shape) -> (n, *shape).

    From each image, and then `restarts` times from a random point of the ball round it; the first point that is
    misread stays, else the one of greatest loss. So accuracy never rises with restarts, and an image that is misread
    already is left as it is: no attack may mend it by chance. classify must let gradients pass: images ->
    probabilities.
    """
    generator = torch.Generator().manual_seed(seed)

    def loss(points: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(classify(points).clamp_min(1e-30).log(), target, reduction="none")

    def solve(start: Tensor, target: Tensor) -> Tensor:
        def gradient(point: Tensor) -> Tensor:
            point = point.detach().requires_grad_()
            return torch.autograd.grad(loss(point, target).sum(), point)[0]

        def misread(points: Tensor) -> Tensor:
            with torch.no_grad():
                return ~correct(classify(points), target)

        worst, done = start.clone(), misread(start)
        height = torch.full((len(start),), -torch.inf)
        for number in range(restarts + 1):
            first = start if number == 0 else random_point(start, attack, generator)
            found = attack.solve(start, gradient, first)
            with torch.no_grad():
                raised = loss(found, target)
            better = ~done & (misread(found) | (raised > height))
            worst[better], height[better] = found[better], raised[better]
            done |= better & misread(found)
        return worst

    pairs = zip(images.split(batch), labels.split(batch), strict=True)
    return torch.cat([solve(start, target) for start, target in pairs])


def random_point(start: Tensor, attack: ProjectedGradient, generator: torch.Generator) -> Tensor:
    """A point of the ball round each start: uniform for Linf, of uniform direction and length for L2."""
    if attack.norm == "Linf":
        offset = (2 * torch.rand(start.shape, generator=generator) - 1) * attack.radius
    else:
        offset = torch.randn(start.shape, generator=generator)
        length = torch.rand(len(start), generator=generator) * attack.radius
        offset = offset * (length / offset.flatten(1).norm(dim=1)).view(-1, *[1] * (start.dim() - 1))
    return (start + offset).clamp(*attack.bounds)


def _check(probabilities: Tensor, labels: Tensor) -> None:
    check_finite("probabilities", probabilities)
    check_labels("labels", labels, len(probabilities), probabilities.shape[1])
    sums = probabilities.sum(1)
    if float(probabilities.min()) < 0 or float((sums - 1).abs().max()) > 1e-3:
        raise UserError("probabilities: rows of numbers of 0 or more with the sum 1 expected; take a softmax first")
