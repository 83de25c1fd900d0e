"""Draw the pictures of the documentation: `python -m pipeline.data.renderers FOLDER` writes sprites.png and faces.png.

Each row varies one factor, and leaves the others as they are.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from pipeline import errors, pictures
from pipeline.data.renderers import FACES, SPRITES, TURNED_SPRITES, Renderer
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


def main(arguments: Sequence[str]) -> None:
    """Raises UserError unless the one argument is a folder."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        raise UserError(
            "usage: python -m pipeline.data.renderers FOLDER; a folder for sprites.png and faces.png expected"
        )
    folder = Path(arguments[0])
    sprites = below(sheet(SPRITES, (3, 2, 4, 4, 5)), sheet(TURNED_SPRITES, (1, 4, 2, 2, 3, 0)))
    pictures.save(sprites, folder / "sprites.png")
    pictures.save(sheet(FACES, (1, 1, 0, 0, 0, 1, 2, 1)), folder / "faces.png")


if __name__ == "__main__":
    errors.guarded(lambda: main(sys.argv[1:]))
