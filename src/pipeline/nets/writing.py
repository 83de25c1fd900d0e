"""Networks that write a value into what a code keeps of an image."""

from torch import Tensor

from pipeline.nets.images import Decoder, Shape


class Writer(Decoder):
    """A value and a code to an image: (n, values), (n, latent) -> (n, *shape) in 0..1."""

    def forward(self, value: Tensor, code: Tensor) -> Tensor:
        return super().forward(code, value).sigmoid()


class Maker(Decoder):
    """A code alone to an image: (n, latent) -> (n, *shape) in 0..1."""

    def __init__(self, shape: Shape, latent: int) -> None:
        super().__init__(shape, latent, 0)

    def forward(self, code: Tensor) -> Tensor:
        return super().forward(code, code[:, :0]).sigmoid()
