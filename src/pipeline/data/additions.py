"""Examples that users add: checked, written as one DVC-tracked file, and joined to the training part."""

import csv
import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pipeline.data import idx
from pipeline.data.base import DataSet, Examples
from pipeline.data.registry import find, names
from pipeline.data.splits import load, read_examples, write_examples
from pipeline.errors import UserError
from pipeline.files import write_whole

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}
MOST_PIXELS = 1 << 24


def add(name: str, path: Path, root: Path) -> str:
    """Add the labelled images at `path` to a data set, as a new version; returns what to tell the user.

    path: a folder with one subfolder of images per value, or with images and labels.csv (columns file, label), or with
    an IDX pair (*-images-idx3-ubyte and *-labels-idx1-ubyte, gzipped or not). Examples whose pixels are in the
    validation or test part are left out. Raises UserError that names the file at fault.
    """
    dataset = find(name).DATASET
    if not path.is_dir():
        raise UserError(f"{path}: a folder of images with labels, or of an IDX pair, is expected")
    images, labels = read_folder(path, dataset)
    kept = ~known(images, root / "data" / "prepared" / name)
    if not kept.any():
        raise UserError(f"{path}: all {len(images)} images are in the validation or test part already")
    images, labels = images[kept], labels[kept]
    digest = hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()[:12]
    target = root / "data" / "added" / name / f"{digest}.safetensors"
    if target.with_name(f"{target.name}.dvc").exists():
        return f"these {len(images)} examples are in {name} already, as {target}"
    write_whole(target, lambda part: write_examples(part, (images, labels)))
    track(target, root)
    left_out = int((~kept).sum())
    note = f" ({left_out} left out: they are in the validation or test part)" if left_out else ""
    return (
        f"{len(images)} examples added to {name}: {target}{note}\n"
        f"next: `make run` or `dvc repro` trains on them; `git add {target}.dvc` records the version"
    )


def read_folder(path: Path, dataset: DataSet) -> Examples:
    """The images and labels in a folder, in any of the forms of `add`."""
    pairs = sorted(path.glob("*images-idx3-ubyte*"))
    if pairs:
        parts = [idx.read_pair(path, each.name, each.name.replace("images-idx3", "labels-idx1")) for each in pairs]
        images, labels = (torch.cat(column) for column in zip(*parts, strict=True))
        if tuple(images.shape[1:]) != dataset.shape:
            raise UserError(f"{pairs[0]}: images of shape {dataset.shape} expected, {tuple(images.shape[1:])} found")
        _check_labels(labels, len(dataset.values), pairs[0])
        return images, labels
    rows = _labelled(path, dataset)
    if not rows:
        raise UserError(
            f"{path}: no images found; subfolders named {', '.join(dataset.values)}, or labels.csv, expected"
        )
    images = torch.stack([read_image(file, dataset.shape) for file, _ in rows])
    return images, torch.tensor([label for _, label in rows])


def _check_labels(labels: Tensor, count: int, path: Path) -> None:
    if len(labels) and int(labels.max()) >= count:
        raise UserError(f"{path}: label {int(labels.max())} found, 0..{count - 1} expected")


def _labelled(path: Path, dataset: DataSet) -> list[tuple[Path, int]]:
    table = path / "labels.csv"
    if not table.exists():
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
        return [
            (file, _label(folder.name, dataset, folder))
            for folder in folders
            for file in sorted(folder.iterdir())
            if file.is_file()
        ]
    with open(table, newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if not {"file", "label"} <= set(reader.fieldnames or ()):
            raise UserError(f"{table}: the columns file and label are expected")
        return [(_inside(path, row["file"], table), _label(row["label"], dataset, table)) for row in reader]


def _inside(folder: Path, name: str, table: Path) -> Path:
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise UserError(f"{table}: {name} is outside the folder")
    return file


def _label(text: str, dataset: DataSet, where: Path) -> int:
    if text not in dataset.values:
        raise UserError(f"{where}: label `{text}` found, one of {', '.join(dataset.values)} expected")
    return dataset.values.index(text)


def read_image(path: Path, shape: tuple[int, ...]) -> Tensor:
    """An image file as a uint8 tensor of `shape` (channels, height, width).

    Raises UserError that names the file if it is missing, no PNG, JPEG or BMP image, too large, or of another size.
    """
    channels, height, width = shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "BMP")) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise UserError(f"{path}: {image.width}x{image.height} pixels are too many")
                if (image.height, image.width) != (height, width):
                    raise UserError(f"{path}: {image.width}x{image.height} pixels, {width}x{height} expected")
                pixels = np.array(image.convert("L" if channels == 1 else "RGB"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombWarning, Image.DecompressionBombError, OSError, SyntaxError):
        raise UserError(f"{path}: not a readable PNG, JPEG or BMP image") from None
    return torch.from_numpy(pixels).reshape(height, width, channels).permute(2, 0, 1).contiguous()


def known(images: Tensor, prepared: Path) -> Tensor:
    """Which images (n, ...) have the same pixels as one of the validation or test part: (n,) bool."""
    held = set()
    for split in ("validation", "test"):
        if (prepared / f"{split}.safetensors").exists():
            held.update(image.tobytes() for image in load(prepared, split).images.numpy())
    return torch.tensor([image.tobytes() in held for image in images.numpy()], dtype=torch.bool)


def track(path: Path, root: Path) -> None:
    """Let DVC track the file. Raises UserError if this is no DVC project."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "-q", str(path.relative_to(root))],
        cwd=root,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise UserError(f"{path} was written, but DVC did not take it: {lines[-1] if lines else 'dvc add failed'}")


def listing(root: Path) -> list[str]:
    """A line per data set and per addition, for people."""
    lines = []
    for name in names():
        prepared = root / "data" / "prepared" / name
        state = "not fetched yet: run `dvc repro`"
        if prepared.exists():
            parts = ("train", "validation", "judge_1", "judge_2", "test")
            state = ", ".join(f"{part} {len(load(prepared, part).labels)}" for part in parts)
        lines.append(f"{name:16} {state}")
        for path in sorted((root / "data" / "added" / name).glob("*.safetensors")):
            lines.append(f"{'':16} added: {path.name}, {len(read_examples(path)[1])} examples")
    return lines
