import csv
import gzip
import io
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline import data
from pipeline.data import idx, splits
from pipeline.data.additions import read_folder
from pipeline.data.mnist import DATASET
from pipeline.errors import UserError
from tests.unit.data.conftest import run

Examples = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def new(mnist_small: Path, mnist_raw: Path) -> Examples:
    """Twelve real digits that no split of `mnist_small` holds."""
    images, labels = idx.read_pair(mnist_raw, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    used = splits.pixels(data.load(mnist_small, split).images for split in splits.SPLITS)
    free = (~splits.among(images, used)).nonzero().flatten()[:12]
    return images[free], labels[free]


@pytest.fixture
def prepared(project: Path, mnist_small: Path) -> Path:
    """The project, with a small slice of MNIST prepared in it."""
    (project / "data" / "prepared").mkdir()
    (project / "data" / "prepared" / "mnist").symlink_to(mnist_small)
    return project


def as_folders(folder: Path, examples: Examples, suffix: str = "png") -> Path:
    for number, (image, label) in enumerate(zip(*examples, strict=True)):
        (folder / str(int(label))).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / str(int(label)) / f"{number:03}.{suffix}")
    return folder


def as_table(folder: Path, examples: Examples) -> Path:
    (folder / "digits").mkdir(parents=True)
    rows = [(f"digits/{number:03}.png", int(label)) for number, label in enumerate(examples[1])]
    for (name, _), image in zip(rows, examples[0], strict=True):
        Image.fromarray(image[0].numpy()).save(folder / name)
    return write_table(folder, [("label", "file"), *((label, name) for name, label in rows)])


def write_table(folder: Path, rows: Iterable[tuple[object, ...]]) -> Path:
    folder.mkdir(exist_ok=True)
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8-sig") as handle:
        csv.writer(handle).writerows(rows)
    return folder


def as_idx(folder: Path, examples: Examples, zipped: bool = False) -> Path:
    folder.mkdir(parents=True)
    images, labels = (column.numpy() for column in examples)
    content = {
        "new-images-idx3-ubyte": bytes((0, 0, 8, 3))
        + np.array([len(images), *images.shape[2:]], ">u4").tobytes()
        + images.tobytes(),
        "new-labels-idx1-ubyte": bytes((0, 0, 8, 1))
        + np.array([len(labels)], ">u4").tobytes()
        + labels.astype(np.uint8).tobytes(),
    }
    for name, raw in content.items():
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(raw) if zipped else raw)
    return folder


def the_addition(project: Path) -> Path:
    (file,) = (project / "data" / "added" / "mnist").glob("*.safetensors")
    return file


def as_set(examples: Examples) -> set[tuple[bytes, int]]:
    return {(image.numpy().tobytes(), int(label)) for image, label in zip(*examples, strict=True)}


@pytest.mark.parametrize(
    "write",
    [as_folders, lambda *a: as_folders(*a, "bmp"), as_table, as_idx, lambda *a: as_idx(*a, zipped=True)],
    ids=["folders", "bitmaps", "table", "idx", "zipped idx"],
)
def test_every_form_of_folder_is_read_exactly(tmp_path: Path, new: Examples, write: Callable[..., Path]) -> None:
    images, labels = read_folder(write(tmp_path / "new", new), DATASET)
    assert (images.dtype, labels.dtype, len(labels)) == (torch.uint8, torch.int64, 12)
    assert as_set((images, labels)) == as_set(new)


def test_an_idx_pair_beside_its_zipped_twin_is_read_once(tmp_path: Path, new: Examples) -> None:
    folder = as_idx(tmp_path / "new", new)
    for file in list(folder.iterdir()):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert len(read_folder(folder, DATASET)[1]) == 12


def test_colours_become_grey_and_hidden_files_do_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "7"
    folder.mkdir(parents=True)
    Image.new("RGB", (28, 28), (255, 255, 255)).save(folder / "white.jpg")
    (folder / ".DS_Store").write_text("no image")
    (tmp_path / "new" / ".cache").mkdir()
    images, labels = read_folder(tmp_path / "new", DATASET)
    assert images.tolist() == torch.full((1, 1, 28, 28), 255).tolist()
    assert labels.tolist() == [7]


def test_an_addition_is_one_tracked_file_and_is_not_made_twice(
    prepared: Path, tmp_path: Path, new: Examples, dvc: Callable[..., str], git: Callable[..., str]
) -> None:
    said = data.add("mnist", as_folders(tmp_path / "new", new), prepared)
    file = the_addition(prepared)
    assert f"12 examples added to mnist: data/added/mnist/{file.name}" in said
    assert "make run" in said
    assert "dvc repro" in said
    assert as_set(splits.read_examples(file)) == as_set(new)
    untracked = set(git("status", "--porcelain", "-uall").split()) - {"??"}
    for path in (f"data/added/mnist/{file.name}.dvc", "data/added/mnist/.gitignore"):
        assert path in untracked
        assert path in said
    assert f"data/added/mnist/{file.name}" not in untracked, "the images themselves are DVC's"
    assert "up to date" in dvc("status")
    before = sorted(file.parent.iterdir())
    for folder in (tmp_path / "new", as_idx(tmp_path / "the same as IDX", new)):
        again = data.add("mnist", folder, prepared)
        assert again.startswith("nothing new: these 12 examples are in mnist already")
    assert sorted(file.parent.iterdir()) == before


def test_images_that_are_not_for_training_are_left_out_and_counted(
    prepared: Path, tmp_path: Path, new: Examples, mnist_small: Path
) -> None:
    held = [data.load(mnist_small, split) for split in ("validation", "test", "judge_1")]
    mixed = (
        torch.cat([new[0], *(split.images[:4] for split in held)]),
        torch.cat([new[1], *(split.labels[:4] for split in held)]),
    )
    said = data.add("mnist", as_idx(tmp_path / "new", mixed), prepared)
    assert "12 examples added" in said
    assert "12 left out: their pixels are in validation, judge_1, judge_2, test" in said
    assert as_set(splits.read_examples(the_addition(prepared))) == as_set(new)


def test_a_folder_with_nothing_new_is_refused(prepared: Path, tmp_path: Path, mnist_small: Path) -> None:
    test = data.load(mnist_small, "test")
    with pytest.raises(UserError, match="all 200 images are in mnist's validation, judge_1, judge_2, test parts"):
        data.add("mnist", as_idx(tmp_path / "new", (test.images, test.labels)), prepared)


def noisy(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def picture(folder: Path, name: str, size: tuple[int, int], kind: str = "PNG") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("L", size).save(folder / name, kind)


def static() -> bytes:
    """A PNG of noise, about 800 bytes."""
    text = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).save(text, "PNG")
    return text.getvalue()


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "not an image": (lambda at: noisy(at / "3", "notes.png", b"no image"), r"3/notes\.png: not an image"),
    "a cut image": (lambda at: noisy(at / "3", "a.png", static()[:500]), r"3/a\.png: damaged"),
    "another format": (lambda at: picture(at / "3", "a.gif", (28, 28), "GIF"), r"a\.gif: .*PNG, JPEG, BMP"),
    "wrong size": (lambda at: picture(at / "3", "a.png", (32, 30)), r"3/a\.png: the image is 32x30 .*expected 28x28"),
    "a bomb": (lambda at: picture(at / "3", "a.png", (14000, 13000)), r"3/a\.png: .*28x28"),
    "unknown subfolder": (lambda at: picture(at / "12", "a.png", (28, 28)), r"12: label `12` found, one of 0, 1,"),
    "label 12": (
        lambda at: (picture(at, "a.png", (28, 28)), write_table(at, [("file", "label"), ("a.png", 12)])),
        r"labels\.csv, line 2: label `12` found",
    ),
    "a missing image": (
        lambda at: write_table(at, [("file", "label"), ("gone.png", 1)]),
        r"gone\.png: no such file",
    ),
    "an image elsewhere": (
        lambda at: write_table(at, [("file", "label"), ("../a.png", 1)]),
        r"labels\.csv, line 2: \.\./a\.png is outside the folder",
    ),
    "a short row": (lambda at: write_table(at, [("file", "label"), ("a.png",)]), r"line 2: label `` found"),
    "other columns": (lambda at: write_table(at, [("name", "class")]), r"labels\.csv: the columns file and label"),
    "no text": (lambda at: noisy(at, "labels.csv", b"file,label\n\xff\xfe,1\n"), r"labels\.csv: not a table in UTF-8"),
    "nothing": (lambda at: at.mkdir(), "no images found; subfolders named 0, 1, 2"),
    "no images": (lambda at: (at / "3").mkdir(parents=True), "no images found"),
    "IDX label 12": (
        lambda at: as_idx(at, (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([1, 12]))),
        r"new-images-idx3-ubyte: label 12 found, 0\.\.9 expected",
    ),
    "IDX size": (
        lambda at: as_idx(at, (torch.zeros(2, 1, 20, 30, dtype=torch.uint8), torch.tensor([1, 2]))),
        "images of 28x28 expected, 30x20 found",
    ),
    "IDX without labels": (
        lambda at: (
            as_idx(at, (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.tensor([1]))),
            (at / "new-labels-idx1-ubyte").unlink(),
        ),
        "new-labels-idx1-ubyte: no such file",
    ),
    "a file": (lambda at: at.write_text("x"), "a folder of images with labels"),
    "absent": (lambda at: None, "a folder of images with labels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_nothing_is_written(project: Path, tmp_path: Path, case: str) -> None:
    write, complaint = BAD[case]
    write(tmp_path / "new")
    with pytest.raises(UserError, match=complaint) as caught:
        data.add("mnist", tmp_path / "new", project)
    assert str(tmp_path / "new") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [file.name for file in (project / "data" / "added" / "mnist").iterdir()] == ["README.md"]


def test_outside_a_dvc_project_nothing_is_written(tmp_path: Path, new: Examples) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match=f"{tmp_path / 'elsewhere'}: not a DVC project"):
        data.add("mnist", as_folders(tmp_path / "new", new), tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_dvc_refuses_does_not_stay(project: Path, tmp_path: Path, new: Examples) -> None:
    (project / ".dvc" / "config").write_text("[core]\nno_such_option = 1\n")
    with pytest.raises(UserError, match=r"safetensors could not be added to DVC: .*config"):
        data.add("mnist", as_folders(tmp_path / "new", new), project)
    assert [file.name for file in (project / "data" / "added" / "mnist").iterdir()] == ["README.md"]


def listed(root: Path) -> list[str]:
    """The lines on MNIST."""
    lines = data.listing(root)
    (start,) = (number for number, line in enumerate(lines) if line.startswith("mnist "))
    return lines[start : start + 2]


def test_the_list_shows_parts_and_additions(
    prepared: Path, tmp_path: Path, new: Examples, dvc: Callable[..., str]
) -> None:
    data.add("mnist", as_folders(tmp_path / "new", new), prepared)
    file = the_addition(prepared)
    (md5,) = [line.split()[-1] for line in Path(f"{file}.dvc").read_text().splitlines() if "md5:" in line]
    head, addition = listed(prepared)
    assert head.split() == [
        *("mnist", "not", "fetched,", "prepared:"),
        *("train", "500,", "validation", "100,", "judge_1", "300,", "judge_2", "300,", "test", "200"),
    ]
    assert addition.split() == ["added", file.name, "12", "examples", "md5", md5]
    file.unlink()
    assert "not here: run `dvc pull`" in listed(prepared)[1]
    dvc("checkout")
    Path(f"{file}.dvc").unlink()
    assert "not tracked" in listed(prepared)[1]


STAGES = """
stages:
  prepare:
    foreach: [mnist]
    do:
      cmd: {python} prepare.py
      deps:
        - data/added/${{item}}
      outs:
        - data/prepared/${{item}}
"""

PREPARE = """
from pathlib import Path
from pipeline import data, errors
from pipeline.params import Dataset
places = Path({raw!r}), Path("data/added/mnist"), Path("data/prepared/mnist")
errors.guarded(lambda: data.prepare("mnist", Dataset(validation=100, limit=1200), 0, *places))
"""


def test_an_addition_makes_a_stage_stale_once_and_a_clone_reproduces_it(
    project: Path, tmp_path: Path, mnist_raw: Path, new: Examples, dvc: Callable[..., str], git: Callable[..., str]
) -> None:
    (project / "dvc.yaml").write_text(STAGES.format(python=sys.executable))
    (project / "prepare.py").write_text(PREPARE.format(raw=str(mnist_raw)))
    dvc("repro")
    assert "up to date" in dvc("status")

    data.add("mnist", as_folders(tmp_path / "new", new), project)
    stale = dvc("status")
    assert "prepare@mnist" in stale
    assert "data/added/mnist" in stale
    dvc("repro")
    assert "up to date" in dvc("status")
    assert "didn't change, skipping" in dvc("repro")
    train = data.load(project / "data" / "prepared" / "mnist", "train")
    assert as_set((train.images[500:], train.labels[500:])) == as_set(new)

    git("add", "-A")
    git("commit", "-q", "-m", "more data")
    git("clone", "-q", ".", str(tmp_path / "clone"))

    in_clone = partial(run, sys.executable, "-m", "dvc", cwd=tmp_path / "clone")
    in_clone("cache", "dir", str(project / ".dvc" / "cache"), "--local")
    assert the_addition(project).name in in_clone("status")
    in_clone("checkout")
    assert "up to date" in in_clone("status")
