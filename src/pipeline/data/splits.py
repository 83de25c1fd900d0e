"""Prepared data: examples decoded and split once, by a seeded permutation (docs/metrics.md, protocol `judged`)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.data.base import Examples
from pipeline.data.registry import find
from pipeline.errors import UserError
from pipeline.files import read_json, whole_folder, write_json
from pipeline.params import Dataset


@dataclass(frozen=True)
class Split:
    """images: (n, c, h, w) uint8; labels: (n,) int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Info:
    """shape: of one image; values: names of the labels 0, 1, ..."""

    shape: tuple[int, ...]
    values: tuple[str, ...]


def prepare(name: str, params: Dataset, seed: int, raw: Path, added: Path, target: Path) -> None:
    """Decode the raw files and write `target`: a safetensors file per split, and info.json.

    Of the training images, half A is `train` and `validation`, quarter B1 `judge_1`, quarter B2 `judge_2`. Examples in
    `added` join `train`. Raises UserError for damaged files, or if half A is too small for its validation part.
    """
    dataset = find(name).DATASET
    (images, labels), test = dataset.decode(raw)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    if params.limit:
        order = order[: params.limit]
        test = tuple(column[: max(1, params.limit // 6)] for column in test)
    half, quarter = len(order) // 2, len(order) // 4
    if params.validation >= half:
        raise UserError(
            f"datasets.{name}.validation: fewer than {half} expected, half of the training images "
            f"(got {params.validation})"
        )
    rows = {
        "train": order[: half - params.validation],
        "validation": order[half - params.validation : half],
        "judge_1": order[half : half + quarter],
        "judge_2": order[half + quarter :],
    }
    splits = {split: (images[chosen], labels[chosen]) for split, chosen in rows.items()}
    splits["train"] = _joined([splits["train"], *(read_examples(path) for path in sorted(added.glob("*.safetensors")))])
    with whole_folder(target) as folder:
        for split, examples in {**splits, "test": test}.items():
            write_examples(folder / f"{split}.safetensors", examples)
        write_json(
            folder / "info.json", {"shape": list(dataset.shape), "values": list(dataset.values), "protocol": "judged"}
        )


def _joined(parts: list[Examples]) -> Examples:
    images, labels = zip(*parts, strict=True)
    return torch.cat(images), torch.cat(labels)


def write_examples(path: Path, examples: Examples) -> None:
    images, labels = examples
    save_file({"images": images.contiguous(), "labels": labels.contiguous()}, path)


def read_examples(path: Path) -> Examples:
    """The images and labels in a file. Raises UserError that names it if it is missing or damaged."""
    try:
        columns = load_file(path)
        return columns["images"], columns["labels"]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` (or `dvc pull`) to make it") from None
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path}: damaged: {error}") from None


def load(folder: Path, split: str) -> Split:
    """One split of prepared data. Raises UserError if it is missing or damaged."""
    return Split(*read_examples(folder / f"{split}.safetensors"))


def info(folder: Path) -> Info:
    """What prepared data look like. Raises UserError if they are not there."""
    path = folder / "info.json"
    try:
        content = read_json(path)
        return Info(tuple(content["shape"]), tuple(content["values"]))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to prepare the data") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
