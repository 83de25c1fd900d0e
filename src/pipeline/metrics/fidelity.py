"""How near a set of images is to the data, in the features of a judge."""

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance


class _Features(nn.Module):
    """Hands features to torchmetrics as they are; `num_features` spares it the trial run on a colour image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """|m - n|^2 + tr(A + B - 2 (A B)^(1/2)) of two feature samples (n, d), (m, d) (Heusel et al. 2017).

    m, n are the means and A, B the covariances. Computed by torchmetrics, in float64.
    """
    metric = FrechetInceptionDistance(feature=_Features(real.shape[1])).set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return max(0.0, float(metric.compute()))


def class_balanced(labels: Tensor, values: int) -> Tensor:
    """Indices of as many examples of each class as the rarest has, the first ones of each: (k,) int64."""
    count = int(torch.bincount(labels, minlength=values).min())
    return torch.cat([(labels == value).nonzero().flatten()[:count] for value in range(values)])
