"""Images between tensors and files. Tensors are float32 (n, channels, height, width), 0..1; 1 channel or 3."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files import write_whole

FORMATS = ("PNG", "JPEG", "BMP")
MAX_BYTES = 16 * 2**20
LARGEST = 512  # pixels a side of images of any size
GREY = ("1", "L", "I", "F")  # with what modes begin that have no colours
GAP, BACKGROUND = 2, 128


def grid(images: Tensor, columns: int, gap: int = GAP, scale: int = 1) -> Image.Image:
    """Images (n, channels, height, width) in reading order, `columns` a row, `gap` grey pixels between them.

    scale: every pixel becomes so many in a square. A single image stays exactly itself.
    """
    count, channels, height, width = images.shape
    pixels = (images.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    canvas = np.full(size, BACKGROUND, np.uint8)
    for index, image in enumerate(pixels):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    whole = Image.fromarray(canvas[..., 0] if channels == 1 else canvas)
    return whole.resize((whole.width * scale, whole.height * scale), Image.Resampling.NEAREST) if scale > 1 else whole


def png(image: Image.Image) -> bytes:
    """The image as PNG: pixels only, the same bytes every time."""
    text = io.BytesIO()
    image.save(text, "PNG", compress_level=9)
    return text.getvalue()


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all. Raises UserError as `check_name` does."""
    check_name(path)
    write_whole(path, lambda part: part.write_bytes(png(image)))


def check_name(path: Path) -> None:
    """Raises UserError if a path is a folder or says that it is no PNG."""
    if path.suffix.lower() not in ("", ".png"):
        raise UserError(f"{path}: images are written as PNG, expected a name that ends in .png")
    if path.is_dir():
        raise UserError(f"{path}: is a folder, expected the name of an image file")


def read_images(paths: Sequence[Path], shape: tuple[int, ...] = (1, 28, 28)) -> Tensor:
    """PNG, JPEG or BMP files of exactly the size in `shape` (channels, height, width) -> float32 (n, *shape), 0..1.

    Colours become grey if `shape` has one channel; what is transparent is seen on black. Raises UserError that names
    the file if there is none, it is no such image, it is damaged, or its size is another; nothing big is decoded.
    """
    return torch.stack([_read(Path(path), tuple(shape)) for path in paths])


def common_shape(paths: Sequence[Path]) -> tuple[int, int, int]:
    """Channels (1 if all images are grey, else 3), height and width of image files that are all of one size.

    Raises UserError that names the file if it is no such image, or has another size than the first one.
    """
    colours, first = False, (0, 0)
    for path in paths:
        with _opened(Path(path), "an image of moderate size") as image:
            first = first if any(first) else image.size
            if image.size != first:
                raise UserError(
                    f"{path}: the image is {image.width}x{image.height} pixels, but {paths[0]} is "
                    f"{first[0]}x{first[1]}; bring all images to one size first"
                )
            if max(image.size) > LARGEST:
                raise UserError(
                    f"{path}: the image is {image.width}x{image.height} pixels, at most {LARGEST} a side are read; "
                    "scale the images down first, to 64x64 say"
                )
            colours = colours or not image.mode.startswith(GREY)
    return (3 if colours else 1, first[1], first[0])


def _read(path: Path, shape: tuple[int, ...]) -> Tensor:
    channels, height, width = shape
    with _opened(path, f"a {width}x{height} image") as image:
        if image.size != (width, height):
            found = f"{image.width}x{image.height}"
            raise UserError(f"{path}: the image is {found} pixels, expected {width}x{height}")
        return _pixels(image, "L" if channels == 1 else "RGB")


@contextlib.contextmanager
def _opened(path: Path, expected: str) -> Iterator[Image.Image]:
    """An image file, not decoded yet. What is wrong with it, now or when it is decoded, becomes a UserError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES // 2**20} MiB, expected {expected}")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, expected an image file") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(f"{path}: the image is far too large, expected {expected}") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image that can be read, expected {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow's decoders report damage by any of these.
        raise UserError(f"{path}: damaged image: {error}") from None


def _pixels(image: Image.Image, mode: str) -> Tensor:
    if image.mode.startswith("I"):
        # 16 bits: convert() would clip instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    pixels = np.array(image.convert(mode), dtype=np.float32) / 255
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1).contiguous()
