"""Examples that users add: checked, written as one DVC-tracked file, and joined to the training part."""

import csv
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from ruamel.yaml import YAML
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.data import idx
from pipeline.data.base import DataSet, Examples
from pipeline.data.registry import find, names
from pipeline.data.splits import HELD, SPLITS, among, load, pixels, write_examples
from pipeline.errors import UserError
from pipeline.files import write_whole
from pipeline.progress import progress

LITTER = ("Thumbs.db", "desktop.ini")  # of file managers, as hidden files are


def add(name: str, path: Path, root: Path) -> str:
    """Add the labelled images at `path` to a data set, as a new version; returns what to tell the user.

    path: a folder with one subfolder of images per value, or with images and labels.csv (columns file, label), or with
    IDX pairs (*-images-idx3-ubyte and *-labels-idx1-ubyte, gzipped or not). Examples whose pixels are in a part that is
    not for training are left out. Raises UserError that names the file at fault, or if the data set is rendered;
    nothing is written then.
    """
    dataset = find(name).DATASET
    dataset.check_open(name)
    if not path.is_dir():
        raise UserError(f"{path}: a folder of images with labels, or of an IDX pair, is expected")
    if not (root / ".dvc").is_dir():
        raise UserError(f"{root.resolve()}: not a DVC project (no .dvc here); run this in the project's root")
    images, labels = read_folder(path, dataset)
    left_out = among(images, held(root / "data" / "prepared" / name))
    if left_out.all():
        raise UserError(f"{path}: all {len(images)} images are in {name}'s {', '.join(HELD)} parts already")
    images, labels = ordered((images[~left_out], labels[~left_out]))
    digest = hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()[:12]
    file = Path("data", "added", name, f"{digest}.safetensors")
    if (root / f"{file}.dvc").exists():
        return f"nothing new: these {len(images)} examples are in {name} already, as {file}"
    write_whole(root / file, lambda part: write_examples(part, (images, labels)))
    track(file, root)
    lines = [f"{len(images)} examples added to {name}: {file}"]
    if left_out.any():
        lines.append(f"{int(left_out.sum())} left out: their pixels are in {', '.join(HELD)}")
    lines.append("the data set and all that is trained on it are stale now: `make run` or `dvc repro` brings them up")
    lines.append(f"`git add {file}.dvc {file.parent}/.gitignore` and a commit record the version")
    return "\n".join(lines)


def ordered(examples: Examples) -> Examples:
    """The same examples in the order of their pixels and labels: however they came, they make the same file."""
    images, labels = examples
    rows = sorted(
        (image.tobytes(), int(label), row)
        for row, (image, label) in enumerate(zip(images.numpy(), labels, strict=True))
    )
    order = torch.tensor([row for *_, row in rows], dtype=torch.int64)
    return images[order], labels[order]


def read_folder(path: Path, dataset: DataSet) -> Examples:
    """The images and labels in a folder, in any of the forms of `add`. Raises UserError that names what is wrong."""
    packed = {file.name.removesuffix(".gz") for file in path.glob("*-images-idx3-ubyte*")}
    pairs = sorted(name for name in packed if name.endswith("-images-idx3-ubyte"))
    parts = [_read_pair(path, name, dataset) for name in pairs] or [_read_images(path, dataset)]
    images, labels = (torch.cat(column) for column in zip(*parts, strict=True))
    if not len(labels):
        raise UserError(
            f"{path}: no images found; subfolders named {', '.join(dataset.values)}, or labels.csv, expected"
        )
    return images, labels


def _read_pair(folder: Path, name: str, dataset: DataSet) -> Examples:
    images, labels = (
        file if (folder / file).exists() or not (folder / f"{file}.gz").exists() else f"{file}.gz"
        for file in (name, name.replace("images-idx3", "labels-idx1"))
    )
    examples = idx.read_pair(folder, images, labels)
    dataset.check(examples, folder / name)
    return examples


def _read_images(folder: Path, dataset: DataSet) -> Examples:
    table = folder / "labels.csv"
    rows = listed(table, folder) if table.exists() else in_subfolders(folder)
    labels = [label_of(row, dataset.values) for row in rows]
    return read_pixels([row.file for row in rows], dataset.shape, folder), torch.tensor(labels, dtype=torch.int64)


def read_pixels(files: Sequence[Path], shape: tuple[int, ...], folder: Path) -> Tensor:
    """The images in files, (n, *shape) uint8. Raises UserError that names the file at fault."""
    # Pillow is no part of the training core, which imports this module too.
    from pipeline.pictures import read_images

    images = torch.zeros(len(files), *shape, dtype=torch.uint8)
    with progress(f"reading {folder}", len(files)) as advance:
        for row, file in enumerate(files):
            images[row] = (read_images([file], shape)[0] * 255).round().to(torch.uint8)
            advance(1, "")
    return images


@dataclass(frozen=True)
class Row:
    """An image file, the name of its label, and where that is said."""

    file: Path
    label: str
    where: str


def in_subfolders(folder: Path) -> list[Row]:
    """The images in subfolders that are named by their labels. What file managers leave there does not count."""
    return [
        Row(file, inner.name, str(inner)) for inner in _visible(folder) if inner.is_dir() for file in _visible(inner)
    ]


def _visible(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith(".") and file.name not in LITTER)


def listed(table: Path, folder: Path) -> list[Row]:
    """The images that a CSV file with the columns file and label names, in a folder.

    Raises UserError that names the table, and the line for a file outside the folder.
    """
    try:
        with open(table, newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if not {"file", "label"} <= set(reader.fieldnames or ()):
                raise UserError(
                    f"{table}: the columns file and label are expected, separated by commas; found: "
                    f"{', '.join(reader.fieldnames or ()) or 'nothing'}"
                )
            rows = [(f"{table}, line {reader.line_num}", row["file"] or "", row["label"] or "") for row in reader]
    except OSError as error:
        raise UserError(f"{table}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{table}: not a table in UTF-8 that can be read: {error}") from None
    return [Row(_inside(folder, where, file), label.strip(), where) for where, file, label in rows]


def _inside(folder: Path, where: str, name: str) -> Path:
    file = folder / name.strip()
    if "\0" in name:
        raise UserError(f"{where}: {name!r} is no name of a file")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{where}: {name} is outside the folder")
    return file


def label_of(row: Row, values: Sequence[str]) -> int:
    """Which of the values a row's label is. Raises UserError that names the place if it is none."""
    if row.label not in values:
        raise UserError(f"{row.where}: label `{row.label}` found, one of {', '.join(values)} expected")
    return values.index(row.label)


def held(prepared: Path) -> set[bytes]:
    """The images that are not for training; none before the data are prepared (`prepare` looks again)."""
    if not prepared.exists():
        return set()
    return pixels(load(prepared, split).images for split in HELD)


def track(file: Path, root: Path) -> None:
    """Let DVC track the file (relative to `root`). Raises UserError, the file removed, if DVC does not take it."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "add", str(file)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        (root / file).unlink()
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise UserError(f"{file} could not be added to DVC: {said[0] if said else f'exit code {done.returncode}'}")


def listing(root: Path) -> list[str]:
    """For people, a line per data set (name, fetched or not, examples of each part) and per file of added examples
    (name, examples, md5)."""
    lines = []
    for name in names():
        fetched = "fetched" if (root / "data" / "raw" / name).exists() else "not fetched"
        lines.append(f"{name:16} {fetched}, {_prepared(root / 'data' / 'prepared' / name)}")
        added = root / "data" / "added" / name
        files = {file.with_suffix("") if file.suffix == ".dvc" else file for file in added.glob("*.safetensors*")}
        lines += [f"{'':16} added {file.name}  {_added(file)}" for file in sorted(files)]
    return lines


def _prepared(folder: Path) -> str:
    if not folder.exists():
        return "not prepared: `dvc repro` does both for the data sets in params.yaml"
    return "prepared: " + ", ".join(f"{split} {count(folder / f'{split}.safetensors')}" for split in SPLITS)


def _added(file: Path) -> str:
    note = file.with_name(f"{file.name}.dvc")
    examples = f"{count(file)} examples" if file.exists() else "not here: run `dvc pull`"
    md5 = YAML(typ="safe", pure=True).load(note)["outs"][0]["md5"] if note.exists() else None
    return f"{examples}  {f'md5 {md5}' if md5 else f'not tracked: run `dvc add {file.name}`'}"


def count(file: Path) -> int:
    """How many examples a file holds, without reading them. Raises UserError that names it if it is damaged."""
    try:
        with safe_open(file, "pt") as opened:
            return opened.get_slice("labels").get_shape()[0]
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: missing or damaged: {error}") from None
