"""What metrics ask of their inputs. An error names the input, says what is wrong with it, and what to do."""

import torch
from torch import Tensor

from pipeline.errors import UserError


def check_finite(name: str, values: Tensor) -> None:
    """Raises UserError if there are no values, or one is infinite or not a number."""
    if not values.numel():
        raise UserError(f"{name}: none given; at least one is needed")
    wrong = int((~torch.isfinite(values)).flatten(1).any(1).sum() if values.dim() > 1 else (~values.isfinite()).sum())
    if wrong:
        raise UserError(f"{name}: {wrong} of {len(values)} hold NaN or infinity; look for what made them")


def check_images(name: str, images: Tensor, shape: tuple[int, ...] | None = None) -> None:
    """Images must be (n, channels, height, width), of one image's `shape` if it is given, finite and in 0..1.

    Raises UserError. What leaves 0..1 by rounding alone (1e-3) passes.
    """
    if images.dim() != 4 or (shape is not None and tuple(images.shape[1:]) != tuple(shape)):
        wanted = "(n, channels, height, width)" if shape is None else f"(n, {', '.join(map(str, shape))})"
        raise UserError(f"{name}: images of shape {wanted} expected, {tuple(images.shape)} given")
    if not images.is_floating_point():
        raise UserError(f"{name}: floats in 0..1 expected, {images.dtype} given; divide bytes by 255")
    check_finite(name, images)
    low, high = float(images.min()), float(images.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise UserError(f"{name}: pixels in 0..1 expected, {low:.4g}..{high:.4g} given; scale or clip them")


def check_features(name: str, features: Tensor, width: int | None = None, more_than_width: bool = False) -> None:
    """Features must be (n, d), d = `width` if it is given, and finite.

    more_than_width: a covariance is to be estimated, so more examples than dimensions are needed. Raises UserError.
    """
    if features.dim() != 2 or (width is not None and features.shape[1] != width):
        raise UserError(f"{name}: features of shape (n, {width or 'd'}) expected, {tuple(features.shape)} given")
    check_finite(name, features)
    if more_than_width and len(features) <= features.shape[1]:
        raise UserError(
            f"{name}: {len(features)} examples for {features.shape[1]} feature dimensions; a covariance needs more "
            "examples than dimensions: give more, or take features with fewer dimensions"
        )


def check_enough(name: str, examples: Tensor, least: int, use: str) -> None:
    """use: what needs `least` examples. Raises UserError if there are fewer."""
    if len(examples) < least:
        raise UserError(f"{name}: {len(examples)} examples; {use} needs at least {least}")


def check_labels(name: str, labels: Tensor, count: int, values: int, every: bool = False) -> None:
    """Labels must be (count,) integers in 0..values-1; every: each value must occur. Raises UserError."""
    if labels.dim() != 1 or labels.is_floating_point() or len(labels) != count:
        raise UserError(f"{name}: {count} integer labels expected, {labels.dtype} {tuple(labels.shape)} given")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < values:
        raise UserError(f"{name}: labels in 0..{values - 1} expected, {int(labels.min())}..{int(labels.max())} given")
    missing = [value for value in range(values) if not (labels == value).any()] if every else []
    if missing:
        raise UserError(f"{name}: no example of class {', '.join(map(str, missing))}; give some of every class")
