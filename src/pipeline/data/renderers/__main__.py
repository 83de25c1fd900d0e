"""What the documentation shows of the renderers: `python -m pipeline.data.renderers FOLDER` writes sprites.png and
faces.png, in which each row varies one factor and leaves the others as they are, and prints how well factors are read.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pipeline import errors, pictures
from pipeline.data.renderers import FACES, SPRITES, TURNED_SPRITES, Reader, Renderer
from pipeline.errors import UserError

SIZE = 64
MARGIN, LINE = 84, SIZE + pictures.GAP  # of the names; from row to row
GROUND, INK = 255, 0


def sheet(renderer: Renderer, base: Sequence[int]) -> Image.Image:
    """A row of pictures for each factor, with its name: `base` with each value of the factor in turn."""
    width = MARGIN + LINE * max(renderer.sizes)
    page = Image.new("RGB", (width, LINE * len(renderer.factors)), (GROUND,) * 3)
    pen = ImageDraw.Draw(page)
    for line, factor in enumerate(renderer.factors):
        count = len(factor.values)
        rows = renderer.changed(torch.tensor([base] * count), factor.name, torch.arange(count))
        strip = pictures.grid(renderer.render(rows, SIZE) / 255, count)
        page.paste(strip, (MARGIN, line * LINE))
        pen.text((4, line * LINE + SIZE // 2 - 6), factor.name, INK)
    return page


def below(*pages: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (max(page.width for page in pages), sum(page.height for page in pages)), (GROUND,) * 3)
    for page, top in zip(pages, np.cumsum([0, *(page.height for page in pages)]).tolist(), strict=False):
        whole.paste(page, (0, top))
    return whole


def spoilings(images: Tensor) -> dict[str, Tensor]:
    """Images (n, 3, size, size), 0..1, as they are, with noise, blurred, and faded."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    means = images.mean((1, 2, 3), keepdim=True)
    noisy = {f"noise {sigma}": (images + sigma * noise).clamp(0, 1) for sigma in (0.1, 0.2, 0.4)}
    sides = {sigma: (0, 0, sigma, sigma) for sigma in (1, 2)}
    blurred = {
        f"blur {sigma} px": torch.from_numpy(gaussian_filter(images.numpy(), side, mode="nearest"))
        for sigma, side in sides.items()
    }
    faded = {f"contrast {share:.0%}": means + share * (images - means) for share in (0.5, 0.2)}
    return {"clean": images, **noisy, **blurred, **faded}


def table(renderer: Renderer, count: int, size: int) -> str:
    """How often each factor of spoiled pictures is read right, in %, and the median root mean squared distance to the
    picture read: a Markdown table."""
    reader, rows = Reader(renderer), renderer.sample(count, 0)
    names = [factor.name for factor in renderer.factors]
    lines = [f"| {renderer.name} | {' | '.join(names)} | distance |", "|---" * (len(names) + 2) + "|"]
    for title, images in spoilings(renderer.render(rows, size).float() / 255).items():
        reading = reader(images)
        shares = (reading.rows == rows).double().mean(0).tolist()
        cells = [*(f"{100 * share:.1f}" for share in shares), f"{reading.distances.median().sqrt():.3f}"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(folder: Path) -> None:
    sprites = below(sheet(SPRITES, (3, 2, 4, 4, 5)), sheet(TURNED_SPRITES, (1, 4, 2, 2, 3, 0)))
    pictures.save(sprites, folder / "sprites.png")
    pictures.save(sheet(FACES, (1, 1, 0, 0, 0, 1, 2, 1)), folder / "faces.png")


def main(arguments: Sequence[str]) -> None:
    """Raises UserError unless the one argument is a folder."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        raise UserError(
            "usage: python -m pipeline.data.renderers FOLDER; a folder for sprites.png and faces.png expected"
        )
    draw(Path(arguments[0]))
    for renderer in (SPRITES, TURNED_SPRITES, FACES):
        print(table(renderer, 1000, 32))


if __name__ == "__main__":
    errors.guarded(lambda: main(sys.argv[1:]))
