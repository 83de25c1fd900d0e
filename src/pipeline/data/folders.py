"""Folders of a user's own images, prepared as the data sets are: a file a split, and info.json."""

import re
from pathlib import Path

import torch
from torch import Tensor

from pipeline.data.additions import Row, in_subfolders, label_of, listed, read_pixels
from pipeline.data.splits import among, pixels, write_examples
from pipeline.errors import UserError
from pipeline.files import whole_folder, write_json

SHARE = 0.2  # of the images of a class are for validation


def plain(name: str) -> str:
    """A name as models may have it: with _ for what is no letter, digit, point or underscore."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name) or "_"


def prepare_folder(folder: Path, labels: Path | None, seed: int, target: Path) -> str:
    """Read the labelled images in a folder, split them by a seeded permutation, write `target`; says what there is.

    The images lie in subfolders named by their class, or `labels` (labels.csv in the folder, if it is there) has the
    columns file, relative to the folder, and label. The first fifth of each class, in the order of the permutation, is
    `validation`, but at least one image of two; what has exactly the pixels of one of these is not in `train`. Raises UserError that names the file or place at fault if
    there are fewer than two images, one cannot be read, or their sizes differ.
    """
    # Pillow is no part of the training core, which imports this package too.
    from pipeline.pictures import common_shape

    rows = _rows(folder, labels)
    values = _in_order({row.label for row in rows})
    files = [row.file for row in rows]
    shape = common_shape(files)
    images = read_pixels(files, shape, folder)
    classes = torch.tensor([label_of(row, values) for row in rows], dtype=torch.int64)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    chosen = _first_of_each(classes[order])
    held, rest = order[chosen], order[~chosen]
    kept = rest[~among(images[rest], pixels([images[held]]))]
    if not len(kept):
        raise UserError(f"{folder}: nothing is left to train on, since all images are alike")
    with whole_folder(target) as place:
        write_examples(place / "train.safetensors", (images[kept], classes[kept]))
        write_examples(place / "validation.safetensors", (images[held], classes[held]))
        write_json(place / "info.json", {"shape": list(shape), "values": values, "protocol": "folder"})
    size = "x".join(map(str, shape))
    said = f"{folder}: {len(kept)} images to train on, {len(held)} for validation, {size}, {len(values)} classes"
    return said + (f" ({len(rest) - len(kept)} left out as copies of these)" if len(rest) > len(kept) else "")


def _first_of_each(classes: Tensor) -> Tensor:
    """Which of the places (n,) are the first SHARE of their class, to the nearest number: of two at least one, of one none,
    unless there would be none at all."""
    chosen = torch.zeros(len(classes), dtype=torch.bool)
    for label in classes.unique():
        places = (classes == label).nonzero().flatten()
        chosen[places[: max(round(SHARE * len(places)), min(len(places) - 1, 1))]] = True
    chosen[0] |= not chosen.any()
    return chosen


def _rows(folder: Path, labels: Path | None) -> list[Row]:
    table = labels or folder / "labels.csv"
    rows = listed(table, folder) if labels or table.exists() else in_subfolders(folder)
    given: dict[Path, str] = {}
    for row in rows:
        if not row.label:
            raise UserError(f"{row.where}: {row.file} has no label")
        if not row.file.exists():
            raise UserError(f"{row.where}: {row.file}: no such file")
        if given.setdefault(row.file, row.label) != row.label:
            raise UserError(f"{row.where}: {row.file} is {row.label} here, and {given[row.file]} before")
    if not rows and not labels and any(file.is_file() for file in folder.iterdir()):
        raise UserError(
            f"{folder}: its images have no labels: put them into subfolders named by class, or give --labels FILE.csv "
            "with the columns file and label"
        )
    if len(rows) < 2:
        raise UserError(f"{labels or folder}: {len(rows)} images found; at least 2 are needed")
    return rows


def _in_order(values: set[str]) -> list[str]:
    """Numbers by size, then words by the alphabet."""
    return sorted(values, key=lambda value: (not value.isdecimal(), int(value) if value.isdecimal() else 0, value))
