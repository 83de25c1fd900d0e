"""Smaller networks, for what stands beside an encoder and a decoder. Height and width are even."""

import torch
from torch import Tensor, nn

from pipeline.nets.images import Shape, normalised


class SmallEncoder(nn.Module):
    """Three strided convolutions and a linear layer: (n, *shape) -> (n, *out)."""

    def __init__(self, shape: Shape, out: Shape) -> None:
        super().__init__()
        self.convolutions = convolutions(shape)
        self.top = top(shape, 0, out)

    def forward(self, images: Tensor) -> Tensor:
        return self.top(self.convolutions(images))


class ValueEncoder(nn.Module):
    """The same of an image and its value, which joins before the last layer: (n, *shape), (n, values) -> (n, *out)."""

    def __init__(self, shape: Shape, values: int, out: Shape) -> None:
        super().__init__()
        self.convolutions = convolutions(shape)
        self.top = top(shape, values, out)

    def forward(self, images: Tensor, value: Tensor) -> Tensor:
        return self.top(torch.cat((self.convolutions(images), value), 1))


def convolutions(shape: Shape) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(shape[0], 16, 3, 2, 1),
        normalised(16),
        nn.Conv2d(16, 32, 3, 2, 1),
        normalised(32),
        nn.Conv2d(32, 64, 3, 2, 1),
        normalised(64),
        nn.Flatten(),
    )


def top(shape: Shape, more: int, out: Shape) -> nn.Sequential:
    """What the convolutions give of such images, and `more` numbers, to (n, *out)."""
    height, width = shape[1:]
    given = 64 * -(-height // 8) * -(-width // 8) + more
    return nn.Sequential(nn.Linear(given, int(torch.Size(out).numel())), nn.Unflatten(1, out))


class SmallWriter(nn.Module):
    """A value and a code to an image: (n, values), (n, latent) -> (n, *shape) in 0..1."""

    def __init__(self, shape: Shape, latent: int, values: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Linear(values + latent, 16 * (height // 2) * (width // 2)),
            nn.Unflatten(1, (16, height // 2, width // 2)),
            normalised(16),
            nn.ConvTranspose2d(16, 16, 4, 2, 1),
            normalised(16),
            nn.Conv2d(16, channels, 3, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, value: Tensor, code: Tensor) -> Tensor:
        return self.layers(torch.cat((value, code), 1))
