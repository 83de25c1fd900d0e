import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.data import idx
from pipeline.errors import UserError

shapes = arrays.array_shapes(min_dims=1, max_dims=3, max_side=6)
bytes_of_any_shape = shapes.flatmap(lambda shape: arrays.arrays(np.uint8, shape))


def encoded(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "some-images-idx3-ubyte"


@given(bytes_of_any_shape, st.booleans())
def test_what_was_encoded_is_read_back(file: Path, array: np.ndarray, zipped: bool) -> None:
    path = file.with_suffix(".gz") if zipped else file
    path.write_bytes(gzip.compress(encoded(array)) if zipped else encoded(array))
    read = idx.read(path, array.ndim)
    assert read.shape == array.shape
    assert (read.numpy() == array).all()


@given(bytes_of_any_shape, st.data())
def test_a_flipped_bit_in_the_header_is_refused(file: Path, array: np.ndarray, draw: st.DataObject) -> None:
    content = bytearray(encoded(array))
    content[draw.draw(st.integers(0, 3 + 4 * array.ndim))] ^= 1 << draw.draw(st.integers(0, 7))
    file.write_bytes(content)
    with pytest.raises(UserError, match=file.name):
        idx.read(file, array.ndim)


@given(bytes_of_any_shape, st.integers(-8, 8).filter(bool))
def test_a_file_too_short_or_too_long_is_refused(file: Path, array: np.ndarray, change: int) -> None:
    content = encoded(array)
    file.write_bytes(content[:change] if change < 0 else content + bytes(change))
    with pytest.raises(UserError, match=file.name):
        idx.read(file, array.ndim)


@settings(max_examples=30)
@given(st.integers(0, 255))
def test_a_damaged_gzip_file_is_refused(file: Path, cut: int) -> None:
    packed = gzip.compress(encoded(np.random.default_rng(0).integers(0, 256, (4, 8, 8), np.uint8)))
    for content in (packed[: cut % len(packed)], packed[:20] + bytes((packed[20] ^ (cut or 1),)) + packed[21:]):
        file.with_suffix(".gz").write_bytes(content)
        with pytest.raises(UserError, match=r"some-images-idx3-ubyte\.gz"):
            idx.read(file.with_suffix(".gz"), 3)


def test_a_zipped_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "MOST", 1000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(encoded(np.zeros(1000, np.uint8))))
    with pytest.raises(UserError, match="unpacks to more than"):
        idx.read(path, 1)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            idx.read(path, 1)


def test_as_many_labels_as_images_are_needed(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(encoded(np.zeros((3, 2, 2), np.uint8)))
    (tmp_path / "labels").write_bytes(encoded(np.zeros(4, np.uint8)))
    with pytest.raises(UserError, match="3 images in images, but 4 labels in labels"):
        idx.read_pair(tmp_path, "images", "labels")


def test_real_mnist_has_the_published_sizes_and_class_counts(mnist_raw: Path) -> None:
    images, labels = idx.read_pair(mnist_raw, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    assert images.shape == (10_000, 1, 28, 28)
    assert labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert math.isclose(images.double().mean() / 255, 0.1325, abs_tol=5e-5)
