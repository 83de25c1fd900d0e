"""Reading factors from pictures: of all combinations the one whose picture is nearest.

Under Gaussian noise that is the most likely one; nothing is learned, so no trained system can have learned to please
it. Since a picture is a sum of few maps of materials, each in a colour and a light, its products with an image are sums
of few numbers: no picture need be compared as a whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pipeline.data.renderers.scene import FULL, Renderer
from pipeline.errors import UserError

SIZE = 32  # pixels a side that images are read at: larger ones are scaled down
BATCH = 100  # images at a time


@dataclass(frozen=True)
class Reading:
    """rows: (n, k) int64, of the nearest pictures; distances: (n,), the mean squared difference to these, pixels in
    0..1. Where it is large the image is no picture of the renderer's, whatever the factors read."""

    rows: Tensor
    distances: Tensor


class Reader:
    """Reads images of one renderer, of any of its sizes."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.rows = renderer.rows(torch.arange(renderer.count))
        palettes, self.chosen = torch.unique(renderer.colours(self.rows), dim=0, return_inverse=True)
        self.lights, self.lit = torch.unique(renderer.light(self.rows), dim=0, return_inverse=True)
        kinds, self.kinds = torch.unique(renderer.arranged(self.rows), dim=0, return_inverse=True)
        # Black adds nothing.
        seen = palettes.any(2).any(0)
        self.palettes = palettes[:, seen].flatten(1).float().T / 255
        shares = torch.cat([renderer.shares(part, SIZE)[:, seen] for part in kinds.split(64)])
        # Most materials are where they are whatever most factors say.
        self.maps, places = torch.unique(shares.flatten(0, 1), dim=0, return_inverse=True)
        self.places = places.view(shares.shape[:2])
        pictures = renderer.render(self.rows, SIZE).flatten(1)
        self.squares = torch.cat([(part.float() / 255).square().sum(1) for part in pictures.split(2000)])

    def __call__(self, images: Tensor) -> Reading:
        """images: (n, 3, size, size) float, 0..1. Raises UserError if they are anything else."""
        size = images.shape[-1]
        if images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != size or size % SIZE or not len(images):
            raise UserError(
                f"{self.renderer.name}: images (n, 3, 32, 32) or (n, 3, 64, 64) expected, {tuple(images.shape)} given"
            )
        if not images.is_floating_point() or not images.isfinite().all():
            raise UserError(f"{self.renderer.name}: images of finite floats in 0..1 expected")
        numbers = torch.cat([self._nearest(avg_pool2d(part, size // SIZE)) for part in images.float().split(BATCH)])
        rows = self.rows[numbers]
        parts = zip(images.split(2000), rows.split(2000), strict=True)
        distances = torch.cat([_distances(part, self.renderer.render(chosen, size)) for part, chosen in parts])
        return Reading(rows, distances)

    def _nearest(self, images: Tensor) -> Tensor:
        """The number (n,) of the combination nearest to each image."""
        middles = (torch.arange(SIZE) + 0.5) / SIZE
        products = torch.empty(len(images), len(self.rows))
        for number, (left, right) in enumerate(self.lights.tolist()):
            light = (left * (1 - middles) + right * middles) / FULL
            on_maps = (images * light).flatten(2) @ self.maps.T
            on_kinds = on_maps[:, :, self.places].permute(0, 2, 3, 1).flatten(2)
            here = (self.lit == number).nonzero().flatten()
            products[:, here] = (on_kinds @ self.palettes)[:, self.kinds[here], self.chosen[here]]
        return (self.squares - 2 * products).argmin(1)


def _distances(images: Tensor, pictures: Tensor) -> Tensor:
    return (images.double() - pictures.double() / 255).square().flatten(1).mean(1)
