"""Fixed maps on images that move or spoil them; what is random in them arrives as standard normal numbers."""

import torch
from torch import Tensor
from torch.nn import functional as F


def shifted(images: Tensor, offsets: Tensor, pixels: float) -> Tensor:
    """Each image moved by its own offsets (n, 2), in units of so many pixels: (n, c, h, w) -> (n, c, h, w)."""
    height, width = images.shape[2:]
    move = torch.zeros(len(images), 2, 3, dtype=images.dtype, device=images.device)
    move[:, 0, 0] = move[:, 1, 1] = 1
    move[:, 0, 2] = offsets[:, 0] * (2 * pixels / width)
    move[:, 1, 2] = offsets[:, 1] * (2 * pixels / height)
    grid = F.affine_grid(move, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def spoiled(images: Tensor, others: Tensor, chance: Tensor) -> Tensor:
    """Images that a careful reader should doubt: two thirds under parts of other images, one third blurred and faded.

    images, others: (n, c, h, w) in 0..1; chance: (n, 4) standard normal: the kind, its strength, and the place where
    the other image is laid. The others are faint to full, and moved by 14 pixels or so, so that often only a stray
    stroke of them remains.
    """
    kind, strength = chance[:, 0], torch.special.ndtr(chance[:, 1]).view(-1, 1, 1, 1)
    laid = shifted(others, chance[:, 2:].clamp(-1.5, 1.5), 14.0) * (0.2 + 0.8 * strength)
    blurred = F.avg_pool2d(images, 3, 1, 1)
    faded = torch.lerp(images, blurred, 0.5 + 0.5 * strength) * (1 - 0.5 * strength)
    return torch.where(kind.view(-1, 1, 1, 1) > -0.43, torch.maximum(images, laid), faded)
