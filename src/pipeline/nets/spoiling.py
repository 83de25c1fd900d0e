"""Fixed maps on images that move or spoil them; what is random in them arrives as standard normal numbers."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def shifted(images: Tensor, offsets: Tensor, pixels: float, beyond: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Each image moved by its own offsets (n, 2), in units of so many pixels: (n, c, h, w) -> (n, c, h, w).

    beyond: what comes in from outside the image: zeros, or its border repeated.
    """
    height, width = images.shape[2:]
    move = torch.zeros(len(images), 2, 3, dtype=images.dtype, device=images.device)
    move[:, 0, 0] = move[:, 1, 1] = 1
    move[:, 0, 2] = offsets[:, 0] * (2 * pixels / width)
    move[:, 1, 2] = offsets[:, 1] * (2 * pixels / height)
    grid = F.affine_grid(move, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=beyond, align_corners=False)


def spoiled(images: Tensor, others: Tensor, chance: Tensor) -> Tensor:
    """Images that a careful reader should doubt, each spoiled in one of four ways.

    images, others: (n, c, h, w) in 0..1; chance: (n, 4) standard normal: the way, its strength, and two numbers that say
    where. With probability 0.45 parts of the other image are laid over, with 0.2 the image is blurred and faded, with
    0.2 cut along a line and joined to the other, with 0.15 something is erased.
    """
    way, strength = (torch.special.ndtr(column).view(-1, 1, 1, 1) for column in (chance[:, 0], chance[:, 1]))
    edge = distance_to_a_line(images, chance[:, 2:])
    erased = torch.where(way > 0.85, without_a_part(images, edge, strength), torch.where(edge > 0, images, others))
    softer = torch.where(way < 0.65, faded(images, strength), erased)
    return torch.where(way < 0.45, overlaid(images, others, chance[:, 2:], strength), softer)


def overlaid(images: Tensor, others: Tensor, offsets: Tensor, strength: Tensor) -> Tensor:
    """Others, faint to full and moved by 14 pixels or so, over the images: often only a stray stroke of them remains."""
    moved = shifted(others, offsets.clamp(-1.5, 1.5), 14.0)
    return torch.maximum(images, moved * (0.2 + 0.8 * strength))


def faded(images: Tensor, strength: Tensor) -> Tensor:
    """Images blurred, and darkened by up to a half."""
    blurred = F.avg_pool2d(images, 3, 1, 1)
    return torch.lerp(images, blurred, 0.5 + 0.5 * strength) * (1 - 0.5 * strength)


def without_a_part(images: Tensor, edge: Tensor, strength: Tensor) -> Tensor:
    """Images without a band along the line, or without all that is on one side of it."""
    band = edge.abs() <= 0.1 + 0.2 * strength
    return images.masked_fill(torch.where(strength > 0.5, band, edge <= 0), 0.0)


def distance_to_a_line(images: Tensor, where: Tensor) -> Tensor:
    """Signed distances (n, 1, h, w) of the pixels, in half widths, to a line of random direction near the middle.

    where: (n, 2) standard normal.
    """
    height, width = images.shape[2:]
    angle, offset = (column.view(-1, 1, 1, 1) for column in (where[:, 0] * 3, where[:, 1].clamp(-1, 1) * 0.4))
    y = torch.linspace(-1, 1, height, dtype=images.dtype, device=images.device).view(1, 1, -1, 1)
    x = torch.linspace(-1, 1, width, dtype=images.dtype, device=images.device).view(1, 1, 1, -1)
    return torch.cos(angle) * x + torch.sin(angle) * y - offset


def grainy(images: Tensor, noise: Tensor, chance: Tensor, most: float) -> Tensor:
    """Images with a little noise: of a standard deviation between 0 and `most`, each its own, cut to 0..1.

    noise: standard normal, of the images' shape; chance: (n,) standard normal: how much.
    """
    deviation = most * torch.special.ndtr(chance).view(-1, 1, 1, 1)
    return (images + deviation * noise).clamp(0, 1)


def degraded(images: Tensor, noise: Tensor, chance: Tensor) -> Tensor:
    """Images that still show what they showed, but that nobody would take for data: faded, blurred or noisy.

    images: (n, c, h, w) in 0..1; noise: standard normal, of the images' shape; chance: (n, 3) standard normal: the way,
    its strength, and the grey that a faded image fades to. With probability 0.4 the contrast falls below a half, with
    0.3 the image is blurred by 5 to 11% of its height (standard deviation), with 0.3 noise of 0.2 to 0.6 is added.
    """
    way, strength, grey = (torch.special.ndtr(column).view(-1, 1, 1, 1) for column in chance.unbind(1))
    pale = torch.lerp(grey, images, 0.5 * strength)
    noisy = (images + (0.2 + 0.4 * strength) * noise).clamp(0, 1)
    soft = blurred(images, (0.05 + 0.06 * strength) * images.shape[2])
    return torch.where(way < 0.4, pale, torch.where(way < 0.7, soft, noisy))


def blurred(images: Tensor, deviations: Tensor | float) -> Tensor:
    """Each image (n, c, h, w) convolved with a Gaussian of its own standard deviation in pixels, (n, 1, 1, 1) or one.

    Weights beyond the edge go to the pixels within, so that an even image stays as it is.
    """
    height, width = images.shape[2:]
    widths = torch.as_tensor(deviations, dtype=images.dtype, device=images.device)
    return gaussian_weights(height, widths) @ images @ gaussian_weights(width, widths).mT


def gaussian_weights(size: int, deviations: Tensor) -> Tensor:
    """Rows that sum to 1 of Gaussian weights about the diagonal: deviations (...) that broadcast with (size, size)."""
    place = torch.arange(size, dtype=deviations.dtype, device=deviations.device)
    # At a deviation of 0 only the diagonal is left.
    apart = (place[:, None] - place) / deviations.clamp_min(1e-3)
    return torch.softmax(-0.5 * apart.square(), -1)
