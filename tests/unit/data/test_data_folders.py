"""Folders of a user's images: read, split, and refused in one line that names the file."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline import data
from pipeline.errors import UserError
from tests.shapes import NAMES, draw_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "shapes", 10)


def flat(folder: Path) -> Path:
    """The same images side by side, with a table of their labels beside the folder."""
    rows = []
    for file in sorted(folder.glob("*/*.png")):
        rows.append((f"{file.parent.name}-{file.name}", file.parent.name))
        file.rename(folder / rows[-1][0])
    for name in NAMES:
        (folder / name).rmdir()
    table = folder.parent / "table.csv"
    with open(table, "w", newline="") as handle:
        csv.writer(handle).writerows([("file", "label"), *rows])
    return table


def test_a_folder_is_split_into_training_and_validation(folder: Path, tmp_path: Path) -> None:
    said = data.prepare_folder(folder, None, 0, tmp_path / "out")
    assert said == f"{folder}: 24 images to train on, 6 for validation, 1x16x16, 3 classes"
    assert data.info(tmp_path / "out") == data.Info((1, 16, 16), NAMES)
    parts = [data.load(tmp_path / "out", split) for split in ("train", "validation")]
    assert [len(part.labels) for part in parts] == [24, 6]
    images = torch.cat([part.images for part in parts])
    assert len({image.numpy().tobytes() for image in images}) == 30
    middle = images[:, 0, 8, 8][torch.cat([part.labels for part in parts]) == NAMES.index("dot")]
    assert (middle == 220).all()


@pytest.mark.parametrize(("bars", "held"), [(1, 0), (2, 1), (4, 1), (8, 2), (10, 2)])
def test_every_class_has_its_share_of_the_validation_part(folder: Path, tmp_path: Path, bars: int, held: int) -> None:
    for file in sorted((folder / "bar").glob("*.png"))[bars:]:
        file.unlink()
    for seed in range(3):
        data.prepare_folder(folder, None, seed, tmp_path / str(seed))
        split = [data.load(tmp_path / str(seed), name).labels for name in ("train", "validation")]
        assert [labels.bincount(minlength=3).tolist() for labels in split] == [[bars - held, 8, 8], [held, 2, 2]]
        assert not torch.equal(split[0], split[0].sort().values), "a part of it would not have all classes"


def test_what_file_managers_leave_in_a_folder_is_no_image(folder: Path, tmp_path: Path) -> None:
    for place in (folder, folder / "dot"):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (place / name).write_bytes(b"not an image")
    assert "24 images to train on, 6 for validation" in data.prepare_folder(folder, None, 0, tmp_path / "out")


def test_the_split_is_a_function_of_the_seed(folder: Path, tmp_path: Path) -> None:
    files = []
    for number, seed in enumerate((1, 1, 2)):
        data.prepare_folder(folder, None, seed, tmp_path / str(number))
        files.append((tmp_path / str(number) / "train.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_table_gives_labels_to_a_flat_folder(folder: Path, tmp_path: Path) -> None:
    data.prepare_folder(folder, None, 0, tmp_path / "nested")
    data.prepare_folder(folder, flat(folder), 0, tmp_path / "flat")
    for file in ("train.safetensors", "validation.safetensors", "info.json"):
        assert (tmp_path / "nested" / file).read_bytes() == (tmp_path / "flat" / file).read_bytes()


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    for name in ("10", "9", "b", "a"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("L", (4, 4), len(name) * 40 + ord(name[0])).save(tmp_path / "in" / name / "x.png")
    data.prepare_folder(tmp_path / "in", None, 0, tmp_path / "out")
    assert data.info(tmp_path / "out").values == ("9", "10", "a", "b")


def test_one_coloured_image_makes_three_channels(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(folder / "dot" / "red.png")
    data.prepare_folder(folder, None, 0, tmp_path / "out")
    assert data.info(tmp_path / "out").shape == (3, 16, 16)


def test_copies_of_what_is_for_validation_are_not_trained_on(folder: Path, tmp_path: Path) -> None:
    for file in list(folder.glob("*/*.png")):
        (file.with_name(f"copy-{file.name}")).write_bytes(file.read_bytes())
    assert "left out as copies" in data.prepare_folder(folder, None, 0, tmp_path / "out")
    train, held = (data.load(tmp_path / "out", split) for split in ("train", "validation"))
    known = {image.numpy().tobytes() for image in held.images}
    assert not known & {image.numpy().tobytes() for image in train.images}


def spoil_size(folder: Path) -> None:
    Image.new("L", (17, 16)).save(folder / "dot" / "wide.png")


def spoil_text(folder: Path) -> None:
    (folder / "box" / "notes.txt").write_text("no image")


def spoil_damage(folder: Path) -> None:
    file = folder / "bar" / "3.png"
    file.write_bytes(file.read_bytes()[:120])


def spoil_nesting(folder: Path) -> None:
    (folder / "bar" / "inner").mkdir()


def spoil_labels(folder: Path) -> None:
    flat(folder)


def spoil_all(folder: Path) -> None:
    for file in folder.glob("*/*.png"):
        file.unlink()


def spoil_huge(folder: Path) -> None:
    spoil_all(folder)
    for number in range(2):
        Image.new("L", (700, 16)).save(folder / "bar" / f"{number}.png")


def spoil_alike(folder: Path) -> None:
    for file in folder.glob("*/*.png"):
        Image.new("L", (16, 16)).save(file)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_size, ["wide.png", "17x16", "16x16", "one size"]),
        (spoil_text, ["notes.txt", "PNG"]),
        (spoil_damage, ["3.png", "damaged"]),
        (spoil_nesting, ["inner", "is a folder"]),
        (spoil_labels, ["shapes", "--labels"]),
        (spoil_all, ["shapes", "0 images"]),
        (spoil_huge, ["0.png", "700x16", "scale"]),
        (spoil_alike, ["shapes", "alike"]),
    ],
)
def test_garbage_is_refused_by_name(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None], words: list[str]
) -> None:
    spoil(folder)
    with pytest.raises(UserError) as caught:
        data.prepare_folder(folder, None, 0, tmp_path / "out")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["name,class", "a.png,1"], ["table.csv", "columns file and label", "found: name, class"]),
        (["file,label", "dot-0.png,dot", "dot-0.png,box"], ["table.csv, line 3", "box here", "dot before"]),
        (["file,label", "dot-0.png,dot", "a\0b.png,box"], ["table.csv, line 3", "no name"]),
        (["file,label", "dot-0.png,dot", "../x.png,box"], ["table.csv, line 3", "outside"]),
        (["file,label", "dot-0.png,dot", "nowhere.png,box"], ["table.csv, line 3", "nowhere.png", "no such file"]),
        (["file,label", "dot-0.png,", "dot-1.png,dot"], ["table.csv, line 2", "no label"]),
        (["file,label", "dot-0.png,dot"], ["table.csv", "1 images found"]),
    ],
)
def test_a_table_is_refused_by_line(folder: Path, tmp_path: Path, rows: list[str], words: list[str]) -> None:
    table = flat(folder)
    table.write_text("\n".join(rows) + "\n")
    with pytest.raises(UserError) as caught:
        data.prepare_folder(folder, table, 0, tmp_path / "out")
    for word in words:
        assert word in str(caught.value)
