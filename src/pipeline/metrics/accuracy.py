"""Accuracy, plain and under attack."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.language import ProjectedGradient

Classify = Callable[[Tensor], Tensor]


def correct(probabilities: Tensor, labels: Tensor) -> Tensor:
    """1.0 where the most probable value is the label: (n, values), (n,) -> (n,)."""
    return (probabilities.argmax(1) == labels).double()


def attacked(classify: Classify, images: Tensor, labels: Tensor, attack: ProjectedGradient, batch: int = 250) -> Tensor:
    """The images that `attack` finds to raise the classifier's loss: (n, *shape) -> (n, *shape).

    An image that is misread already is left as it is: no attack may mend it by chance. classify must let gradients
    pass: images -> probabilities.
    """

    def solve(start: Tensor, target: Tensor) -> Tensor:
        def gradient(point: Tensor) -> Tensor:
            point = point.detach().requires_grad_()
            loss = F.nll_loss(classify(point).clamp_min(1e-30).log(), target, reduction="sum")
            return torch.autograd.grad(loss, point)[0]

        with torch.no_grad():
            misread = correct(classify(start), target) == 0
        worst = attack.solve(start, gradient)
        worst[misread] = start[misread]
        return worst

    pairs = zip(images.split(batch), labels.split(batch), strict=True)
    return torch.cat([solve(start, target) for start, target in pairs])
