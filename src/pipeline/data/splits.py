"""Prepared data: examples decoded and split once, by a seeded permutation (docs/metrics.md, protocol `judged`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor

from pipeline.data.base import DataSet, Examples, sized
from pipeline.data.registry import find
from pipeline.data.renderers import Factor, Rendering
from pipeline.errors import UserError
from pipeline.files import read_json, whole_folder, write_json
from pipeline.params import Dataset

# What no training example may be in: what models are chosen on, what the judges learned, what is reported.
HELD = ("validation", "judge_1", "judge_2", "test")
SPLITS = ("train", *HELD)
COLUMNS = ("images", "labels", "factors")
FORMS = ((torch.uint8, 4), (torch.int16, 2))  # of images, and of sentences


@dataclass(frozen=True)
class Split:
    """images: (n, c, h, w) uint8, or sentences (n, length) int16; labels: (n,) int64; factors: (n, k) int64 of rendered
    data."""

    images: Tensor
    labels: Tensor
    factors: Tensor | None = None

    @property
    def inputs(self) -> Tensor:
        """The examples as models take them: floats in 0..1 (n, c, h, w), or tokens (n, length) int64."""
        return self.images.float() / 255 if self.images.dtype == torch.uint8 else self.images.long()


@dataclass(frozen=True)
class Info:
    """shape: of one image, or of a sentence (length, words); values: names of the labels 0, 1, ...; factors: those of
    rendered data; words: what tokens stand for, of sentences."""

    shape: tuple[int, ...]
    values: tuple[str, ...]
    factors: tuple[Factor, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def config(self) -> dict[str, list[Any]]:
        """What the config of a model says of the data that it reads."""
        said = {"shape": list(self.shape), "values": list(self.values), "words": list(self.words)}
        return {key: value for key, value in said.items() if key != "words" or value}


def prepare(name: str, params: Dataset, seed: int, raw: Path, added: Path, target: Path) -> None:
    """Decode the raw files and write `target`: a safetensors file per split, and info.json.

    Of the training images (so many as `params.limit` says, if it is not 0; then a sixth as many test images), half A is
    `train` and `validation`, quarter B1 `judge_1`, quarter B2 `judge_2`. Examples in `added` join `train`, save those
    whose pixels are in another split. Raises UserError for missing or damaged files, if half A is too small for its
    validation part, or if the data are rendered and there are additions.
    """
    dataset = sized(find(name).DATASET, params.size, name)
    training, test = dataset.decode(raw)
    for examples in (training, test):
        dataset.check(examples, raw)
    if params.limit:
        test = tuple(column[: max(1, params.limit // 6)] for column in test)
    rows = partition(len(training[1]), params, seed, name)
    splits = {split: tuple(column[chosen] for column in training) for split, chosen in rows.items()} | {"test": test}
    held = pixels(splits[split][0] for split in HELD)
    new = [_without(held, examples, path) for path, examples in additions(added, dataset)]
    splits["train"] = tuple(torch.cat(column) for column in zip(splits["train"], *new, strict=True))
    with whole_folder(target) as folder:
        for split, examples in splits.items():
            write_examples(folder / f"{split}.safetensors", examples)
        about = {"shape": list(dataset.shape), "values": list(dataset.values), "protocol": "judged"}
        if dataset.words:
            about["words"] = list(dataset.words)
        if isinstance(dataset.source, Rendering):
            about["factors"] = dataset.source.renderer.described
        write_json(folder / "info.json", about)


def partition(count: int, params: Dataset, seed: int, name: str) -> dict[str, Tensor]:
    """The rows (n,) int64 of each split among `count` training images: no row twice.

    Raises UserError if half of them do not suffice for the validation part and one example to train on.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    order = order[: params.limit or count]
    half, quarter = len(order) // 2, len(order) // 4
    if params.validation >= half:
        raise UserError(
            f"datasets.{name}.validation: fewer than {half} expected, half of the training images in use "
            f"(got {params.validation})"
        )
    return {
        "train": order[: half - params.validation],
        "validation": order[half - params.validation : half],
        "judge_1": order[half : half + quarter],
        "judge_2": order[half + quarter :],
    }


def additions(added: Path, dataset: DataSet) -> list[tuple[Path, Examples]]:
    """The files of added examples, in the order of their names.

    Raises UserError if one is damaged or does not fit, or if only DVC's note of it is here.
    """
    for note in sorted(added.glob("*.safetensors.dvc")):
        if not note.with_suffix("").exists():
            raise UserError(f"{note.with_suffix('')}: no such file, but {note.name} is here; run `dvc pull`")
    found = [(path, read_examples(path)) for path in sorted(added.glob("*.safetensors"))]
    for path, examples in found:
        dataset.check_open(path)
        dataset.check(examples, path)
    return found


def pixels(parts: Iterable[Tensor]) -> set[bytes]:
    """The images (n, ...) of all parts, each as its bytes."""
    return {image.tobytes() for images in parts for image in images.numpy()}


def among(images: Tensor, known: set[bytes]) -> Tensor:
    """Which images (n, ...) have exactly the pixels of a known one: (n,) bool."""
    return torch.tensor([image.tobytes() in known for image in images.numpy()], dtype=torch.bool)


def _without(held: set[bytes], examples: Examples, path: Path) -> Examples:
    images, labels = examples
    kept = ~among(images, held)
    if not kept.all():
        print(f"{path}: {int((~kept).sum())} of {len(kept)} examples left out, they are in {', '.join(HELD)}")
    return images[kept], labels[kept]


def write_examples(path: Path, examples: Examples) -> None:
    """Equal examples give equal bytes. Raises OSError (safetensors' own writer would hide a full disk)."""
    path.write_bytes(serialised({name: column.contiguous() for name, column in zip(COLUMNS, examples, strict=False)}))


def read_examples(path: Path) -> Examples:
    """The images, or sentences, and labels in a file, and the factors if there are. Raises UserError that names it if it is missing or
    damaged."""
    try:
        columns = load_file(path)
        images, labels = columns["images"], columns["labels"]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` (or `dvc pull`) to make it") from None
    except KeyError as error:
        raise UserError(f"{path}: damaged: no {error} in it") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if (images.dtype, images.dim()) not in FORMS or (labels.dtype, labels.dim()) != (torch.int64, 1):
        raise UserError(
            f"{path}: damaged: images (n, c, h, w) uint8, or sentences (n, length) int16, and labels (n,) int64 expected"
        )
    if len(images) != len(labels):
        raise UserError(f"{path}: damaged: {len(images)} images, but {len(labels)} labels")
    if "factors" not in columns:
        return images, labels
    factors = columns["factors"]
    if factors.dtype != torch.int64 or factors.dim() != 2 or len(factors) != len(images):
        raise UserError(f"{path}: damaged: factors ({len(images)}, k) int64 expected")
    return images, labels, factors


def load(folder: Path, split: str) -> Split:
    """One split of prepared data. Raises UserError if it is missing or damaged."""
    return Split(*read_examples(folder / f"{split}.safetensors"))


def info(folder: Path) -> Info:
    """What prepared data look like. Raises UserError if they are not there."""
    path = folder / "info.json"
    try:
        content = read_json(path)
        shape, values = tuple(content["shape"]), tuple(content["values"])
        factors = (Factor(each["name"], tuple(each["values"])) for each in content.get("factors", ()))
        return Info(shape, values, tuple(factors), tuple(content.get("words", ())))
    except FileNotFoundError:
        known = "the data sets under `datasets` in params.yaml"
        raise UserError(f"{path}: no such file; run `dvc repro` to prepare {known}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
