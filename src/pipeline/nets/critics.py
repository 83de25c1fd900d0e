"""Networks that tell made images from real ones."""

from torch import Tensor, nn

from pipeline.nets.images import Shape


class Critic(nn.Module):
    """An image and its value to a number: (n, *shape), (n, values) -> (n,).

    Three strided convolutions and a linear layer with a number for each value, of which the value's counts. Nothing is
    normalised: how bright an image is may give it away, and a penalty on slopes is one for each example.
    """

    def __init__(self, shape: Shape, values: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(128 * -(-height // 8) * -(-width // 8), values),
        )

    def forward(self, images: Tensor, value: Tensor) -> Tensor:
        return (self.layers(images) * value).sum(1)
