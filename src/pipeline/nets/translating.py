"""A network that translates images into images place by place, without a code for the whole."""

import torch
from torch import Tensor, nn

from pipeline.nets.images import Shape, normalised


class Translator(nn.Module):
    """An image and the value to write into it: (n, *shape), (n, values) -> (n, *shape) in 0..1.

    Two strided convolutions, two residual blocks at a quarter of the size, where the value joins at every place, and the
    way back. Height and width are multiples of 4.
    """

    def __init__(self, shape: Shape, values: int, width: int = 96) -> None:
        super().__init__()
        channels = shape[0]
        self.down = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2, 1), normalised(32), nn.Conv2d(32, width, 3, 2, 1), normalised(width)
        )
        self.join = nn.Sequential(nn.Conv2d(width + values, width, 1), normalised(width))
        self.blocks = nn.Sequential(Residual(width), Residual(width))
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width, 32, 4, 2, 1),
            normalised(32),
            nn.Conv2d(32, 4 * channels, 3, 1, 1),
            nn.PixelShuffle(2),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor, value: Tensor) -> Tensor:
        read = self.down(images)
        everywhere = value[:, :, None, None].expand(-1, -1, *read.shape[2:])
        return self.up(self.blocks(self.join(torch.cat((read, everywhere), 1))))


class Residual(nn.Module):
    """x plus two 3x3 convolutions of it: (n, width, h, w) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1), normalised(width), nn.Conv2d(width, width, 3, 1, 1), normalised(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
