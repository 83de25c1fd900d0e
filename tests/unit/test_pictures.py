import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import pictures
from pipeline.errors import UserError


@pytest.fixture
def digit() -> torch.Tensor:
    """One image (1, 1, 28, 28) whose values are bytes / 255, so that files hold it exactly."""
    return torch.randint(0, 256, (1, 1, 28, 28), generator=torch.Generator().manual_seed(1)) / 255


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_an_image_is_read_back_as_it_was_saved(digit: torch.Tensor, tmp_path: Path) -> None:
    pictures.save(pictures.grid(digit, 1), tmp_path / "new" / "one.png")
    assert torch.equal(pictures.read_images([tmp_path / "new" / "one.png"]), digit)


def test_a_grid_fills_rows_first_and_leaves_the_rest_grey() -> None:
    shades = torch.tensor([0.0, 0.2, 1.0])[:, None, None, None].expand(3, 1, 4, 6)
    pixels = np.asarray(pictures.grid(shades, 2))
    assert pixels.shape == (4 + pictures.GAP + 4, 6 + pictures.GAP + 6)
    assert pixels[0, 0] == 0
    assert pixels[0, -1] == 51
    assert pixels[-1, 0] == 255
    assert pixels[-1, -1] == pixels[0, 6] == pictures.BACKGROUND


def test_a_grid_clips_what_is_outside_0_to_1_and_scales_by_whole_pixels() -> None:
    pixels = np.asarray(pictures.grid(torch.tensor([-3.0, 7.0]).reshape(1, 1, 1, 2), 1, scale=3))
    assert pixels.tolist() == [[0, 0, 0, 255, 255, 255]] * 3


def test_three_channels_are_colours(tmp_path: Path) -> None:
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 1
    pictures.save(pictures.grid(red, 1), tmp_path / "red.png")
    assert torch.equal(pictures.read_images([tmp_path / "red.png"], (3, 8, 8)), red)


def test_jpeg_and_bmp_are_read_and_colours_become_grey(tmp_path: Path) -> None:
    white = Image.new("RGB", (28, 28), "white")
    paths = [saved(white, tmp_path / name) for name in ("a.jpg", "b.bmp", "c.png")]
    assert torch.equal(pictures.read_images(paths), torch.ones(3, 1, 28, 28))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    half = Image.fromarray(np.full((28, 28), 32896, np.uint16))
    assert pictures.read_images([saved(half, tmp_path / "deep.png")]).unique().item() == pytest.approx(128 / 255)


def test_what_is_transparent_is_seen_on_black(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (28, 28), (255, 255, 255, 0))
    assert pictures.read_images([saved(clear, tmp_path / "clear.png")]).max() == 0


@pytest.mark.parametrize("size", [(28, 27), (640, 480)])
def test_a_wrong_size_is_refused_with_both_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    path = saved(Image.new("L", size), tmp_path / "wide.png")
    with pytest.raises(UserError, match=rf"wide\.png.*{size[0]}x{size[1]}.*28x28"):
        pictures.read_images([path])


def test_a_decompression_bomb_is_refused_undecoded(tmp_path: Path) -> None:
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    )
    content = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(UserError, match=r"bomb\.png.*too large"):
        pictures.read_images([tmp_path / "bomb.png"])


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("hello")
    with pytest.raises(UserError, match=r"note\.png: not an image"):
        pictures.read_images([tmp_path / "note.png"])


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="PNG, JPEG, BMP"):
        pictures.read_images([saved(Image.new("L", (28, 28)), tmp_path / "moving.gif")])


def test_a_damaged_image_is_named(digit: torch.Tensor, tmp_path: Path) -> None:
    whole = pictures.png(pictures.grid(digit, 1))
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half\.png: damaged"):
        pictures.read_images([tmp_path / "half.png"])


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.png: no such file"):
        pictures.read_images([tmp_path / "none.png"])
    with pytest.raises(UserError, match=f"{re.escape(str(tmp_path))}: is a folder"):
        pictures.read_images([tmp_path])


def test_only_png_is_written_and_never_over_a_folder(digit: torch.Tensor, tmp_path: Path) -> None:
    image = pictures.grid(digit, 1)
    with pytest.raises(UserError, match=r"out\.jpg.*\.png"):
        pictures.save(image, tmp_path / "out.jpg")
    with pytest.raises(UserError, match="is a folder"):
        pictures.save(image, tmp_path)
    assert list(tmp_path.iterdir()) == []
