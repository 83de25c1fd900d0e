"""Networks on images whose height and width are multiples of 4. Images are (n, channels, height, width) in 0..1."""

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]  # channels, height, width


def normalised(channels: int) -> nn.Sequential:
    """Group norm and SiLU. Group norm keeps a put alive that would die on an all-black image without it."""
    return nn.Sequential(nn.GroupNorm(min(8, channels // 4), channels), nn.SiLU())


class Features(nn.Module):
    """Two strided 3x3 convolutions and a linear layer: (n, *shape) -> (n, features)."""

    def __init__(self, shape: Shape, features: int = 128) -> None:
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2, 1),
            normalised(32),
            nn.Conv2d(32, 64, 3, 2, 1),
            normalised(64),
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), features),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class PooledFeatures(nn.Module):
    """3x3 convolutions on 2x2 blocks of pixels, with pooling and a residual block: (n, *shape) -> (n, features)."""

    def __init__(self, shape: Shape, features: int = 96) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * shape[0], 32, 3, 1, 1),
            normalised(32),
            nn.MaxPool2d(2),
            nn.Conv2d(32, features, 3, 1, 1),
            normalised(features),
        )
        self.block = nn.Sequential(nn.Conv2d(features, features, 3, 1, 1), normalised(features))
        self.top = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * features, features), nn.SiLU())

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images)
        return self.top(stem + self.block(stem))


class WideFeatures(nn.Module):
    """Two strided 5x5 convolutions and a linear layer: (n, *shape) -> (n, features)."""

    def __init__(self, shape: Shape, features: int = 128) -> None:
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 5, 2, 2),
            normalised(32),
            nn.Conv2d(32, 64, 5, 2, 2),
            normalised(64),
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), features),
            nn.SiLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Encoder(nn.Module):
    """Three strided convolutions and a linear layer: (n, *shape) -> (n, *out)."""

    def __init__(self, shape: Shape, out: Shape) -> None:
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2, 1),
            normalised(32),
            nn.Conv2d(32, 64, 3, 2, 1),
            normalised(64),
            nn.Conv2d(64, 128, 3, 2, 1),
            normalised(128),
            nn.Flatten(),
            nn.Linear(128 * -(-height // 8) * -(-width // 8), int(torch.Size(out).numel())),
            nn.Unflatten(1, out),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Decoder(nn.Module):
    """A code and a value to an image: (n, latent), (n, values) -> logits (n, *shape)."""

    def __init__(self, shape: Shape, latent: int, values: int) -> None:
        super().__init__()
        channels, height, width = shape
        small = (-(-height // 8), -(-width // 8))
        # From an eighth to a quarter of the size, whether the quarter is odd (28 -> 7) or even (32 -> 8).
        rest = (height // 4 - 2 * small[0] + 1, width // 4 - 2 * small[1] + 1)
        self.layers = nn.Sequential(
            nn.Linear(latent + values, 128 * small[0] * small[1]),
            nn.Unflatten(1, (128, *small)),
            normalised(128),
            nn.ConvTranspose2d(128, 64, 3, 2, 1, output_padding=rest),
            normalised(64),
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
            normalised(32),
            nn.Conv2d(32, 4 * channels, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def forward(self, code: Tensor, value: Tensor) -> Tensor:
        return self.layers(torch.cat((code, value), 1))


class Put(nn.Module):
    """An image and the value to write into it: (n, *shape), (n, values) -> (n, *shape) in 0..1."""

    def __init__(self, shape: Shape, latent: int, values: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(shape, (latent,)), Decoder(shape, latent, values)

    def forward(self, images: Tensor, value: Tensor) -> Tensor:
        return self.decoder(self.encoder(images), value).sigmoid()
