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


def degraded(images: Tensor, noise: Tensor, chance: Tensor) -> Tensor:
    """Images that still show what they showed, but that nobody would take for data: faded, blurred or noisy.

    images: (n, c, h, w) in 0..1; noise: standard normal, of the images' shape; chance: (n, 3) standard normal: the way,
    its strength, and the grey that a faded image fades to. With probability 0.4 the contrast falls below a half, with
    0.3 the image is blurred by 7 to 11% of its height (standard deviation), with 0.3 noise of 0.2 to 0.6 is added.
    """
    way, strength, grey = (torch.special.ndtr(column).view(-1, 1, 1, 1) for column in chance.unbind(1))
    pale = torch.lerp(grey, images, 0.5 * strength)
    noisy = (images + (0.2 + 0.4 * strength) * noise).clamp(0, 1)
    return torch.where(way < 0.4, pale, torch.where(way < 0.7, torch.lerp(*blurs(images), strength), noisy))


def blurs(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images blurred by 7% and by 11% of their height (standard deviation of what is nearly a Gaussian)."""
    # Two box filters of width k have the standard deviation sqrt((k^2 - 1) / 6): 2 pixels for 5, 2.83 for 7.
    unit = max(1, round(images.shape[2] / 28))
    once, twice = 4 * unit + 1, 6 * unit + 1
    return tuple(box_filtered(box_filtered(images, width), width) for width in (once, twice))


def box_filtered(images: Tensor, width: int) -> Tensor:
    """The mean over a square of so many pixels, an odd number; the border is repeated beyond the edge."""
    padded = F.pad(images, [width // 2] * 4, mode="replicate")
    return F.avg_pool2d(padded, width, 1)
