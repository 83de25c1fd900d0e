"""Pictures of three shapes, for tests that need images of classes in a moment."""

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("bar", "box", "dot")


def shape(name: str, rng: np.random.Generator, size: int) -> np.ndarray:
    """One bright shape on dark noise: (size, size) uint8."""
    image, middle = rng.integers(0, 60, (size, size)).astype(np.uint8), size // 2
    if name == "bar":
        image[:, middle - 1 : middle + 1] = 220
    elif name == "box":
        image[2:-2, 2:-2] = 220
        image[4:-4, 4:-4] = 20
    else:
        image[middle - 2 : middle + 2, middle - 2 : middle + 2] = 220
    return image


def draw_folder(folder: Path, count: int, size: int = 16) -> Path:
    """So many images of each shape, in subfolders named by it."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(shape(name, rng, size)).save(folder / name / f"{number}.png")
    return folder
