"""The IDX format of MNIST: a magic number, the dimensions as big-endian integers, then the bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError

MOST = 1 << 30  # bytes that a file may unpack to


def read(path: Path, dimensions: int) -> Tensor:
    """The bytes of an IDX file of unsigned bytes with so many dimensions, gzipped or not: a uint8 tensor.

    Raises UserError that names the file if it is missing or anything else than that.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as handle:
            content = handle.read(MOST + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if len(content) > MOST:
        raise UserError(f"{path}: unpacks to more than {MOST // 2**20} MiB")
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, 8, dimensions)):
        raise UserError(f"{path}: not an IDX file of bytes with {dimensions} dimensions")
    shape = np.frombuffer(content, ">u4", dimensions, 4).tolist()
    if math.prod(shape) != len(content) - header:
        raise UserError(f"{path}: {math.prod(shape)} bytes expected after the header, {len(content) - header} found")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())


def read_pair(folder: Path, images: str, labels: str) -> tuple[Tensor, Tensor]:
    """Images (n, 1, h, w) uint8 and labels (n,) int64. Raises UserError if their numbers differ."""
    pixels, classes = read(folder / images, 3).unsqueeze(1), read(folder / labels, 1).long()
    if len(pixels) != len(classes):
        raise UserError(f"{folder}: {len(pixels)} images in {images}, but {len(classes)} labels in {labels}")
    return pixels, classes
