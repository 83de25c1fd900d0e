"""The metric keys: what each means, and which direction is better."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["up", "down", "zero", "none"]


@dataclass(frozen=True)
class Key:
    name: str
    meaning: str
    direction: Direction


KEYS = (
    Key("accuracy", "share of test images that the system's own classifier reads right", "up"),
    Key("accuracy_adversarial", "the same under an L2 attack by projected gradient", "up"),
    Key("write_accuracy", "share of edits put(s, a) that an independent judge reads as a", "up"),
    Key("write_accuracy_own", "the same, read by the system's own get", "up"),
    Key("collusion_gap", "write_accuracy_own - write_accuracy: marks that only get can see", "zero"),
    Key("judge_agreement", "share of edits on which both judges agree", "up"),
    Key("fid_edit", "Frechet distance of edits to class-balanced training images, in a judge's features", "down"),
    Key("fid_sample", "the same for samples made without any test image", "down"),
    Key("fid_reference", "the same for real test images: the floor", "none"),
    Key("getput_mse", "mean squared error of put(s, get(s)) against s, per pixel in 0..1", "down"),
    Key("undo_mse", "mean squared error of put(put(s, a), get(s)) against s", "down"),
    Key("putput_mse", "mean squared error of put(put(s, a), b) against put(s, b)", "down"),
    Key("style_slant", "correlation of slant in s and put(s, a), standardised within classes", "up"),
    Key("style_stroke", "correlation of stroke width in s and put(s, a), standardised within classes", "up"),
    Key("loss", "sum of the losses of all equations by their weights", "down"),
    Key("nll_bound", "upper bound of the negative log-likelihood, nats per example", "down"),
    Key("parameters", "trainable parameters of what is kept for use", "none"),
)

_BY_NAME = {key.name: key for key in KEYS}


def find(name: str) -> Key:
    """The key of a metric's name; `validation_` twins and interval ends (`_low`, `_high`) share their key's."""
    base = name.removeprefix("validation_").removesuffix("_low").removesuffix("_high")
    return _BY_NAME.get(base, Key(base, "", "none"))


def better(name: str, new: float, old: float) -> bool:
    """Whether `new` is strictly better than `old` in the metric's direction; a metric without one is read as up."""
    direction = find(name).direction
    if direction == "zero":
        return abs(new) < abs(old)
    return new < old if direction == "down" else new > old
