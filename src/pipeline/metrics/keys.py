"""The metric keys: what each means, which direction is better, and which table it belongs to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Direction = Literal["up", "down", "zero", "none"]
# The tables of a comparison, in their order.
Group = Literal[
    "reading",
    "editing",
    "fidelity",
    "laws",
    "preservation",
    "likelihood",
    "coverage",
    "representation",
    "text",
    "training",
    "other",
    "size",
]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Key:
    """A metric. Adding one here is all that tables and pages need."""

    name: str
    meaning: str
    direction: Direction
    group: Group = "other"


KEYS = (
    Key("accuracy", "share of test images that the system's own classifier reads right", "up", "reading"),
    Key("accuracy_adversarial", "the same under an L2 attack by projected gradient", "up", "reading"),
    Key("write_accuracy", "share of edits put(s, a) that an independent judge reads as a", "up", "editing"),
    Key("write_accuracy_own", "the same, read by the system's own get", "up", "editing"),
    Key("collusion_gap", "write_accuracy_own - write_accuracy: marks that only get can see", "zero", "editing"),
    Key("judge_agreement", "share of edits on which both judges agree", "up", "editing"),
    Key(
        "fid_edit",
        "Frechet distance of edits to class-balanced training images, in a judge's features",
        "down",
        "fidelity",
    ),
    Key("fid_sample", "the same for samples made without any test image", "down", "fidelity"),
    Key("fid_reference", "the same for real test images: the floor", "none", "fidelity"),
    Key("getput_mse", "mean squared error of put(s, get(s)) against s, per pixel in 0..1", "down", "laws"),
    Key("undo_mse", "mean squared error of put(put(s, a), get(s)) against s", "down", "laws"),
    Key("putput_mse", "mean squared error of put(put(s, a), b) against put(s, b)", "down", "laws"),
    Key("style_slant", "correlation of slant in s and put(s, a), standardised within classes", "up", "preservation"),
    Key(
        "style_stroke",
        "correlation of stroke width in s and put(s, a), standardised within classes",
        "up",
        "preservation",
    ),
    Key("nll_bound", "upper bound of the negative log-likelihood, nats per example", "down", "likelihood"),
    Key("loss", "sum of the losses of all equations by their weights", "down", "training"),
    Key("seeds", "trainings with different seeds; figures are means over them", "none", "size"),
    Key("parameters", "trainable parameters of what is kept for use", "none", "size"),
)

_BY_NAME = {key.name: key for key in KEYS}
_PLACES = {key.name: place for place, key in enumerate(KEYS)}
_END = re.compile(r"_(?:low|high|seed_\d+)$")


def find(name: str) -> Key:
    """The key of a metric's name. Its `validation_` twin, the ends of its interval (`_low`, `_high`) and its values for
    single seeds (`_seed_<s>`) share it."""
    twin = name.removeprefix("validation_")
    found = _BY_NAME.get(twin) or _BY_NAME.get(stem(twin))
    return found or Key(stem(twin), "", "none")


def stem(name: str) -> str:
    """A name without `_low`, `_high` or `_seed_<s>` at its end."""
    return _END.sub("", name)


def metrics(names: Iterable[str]) -> set[str]:
    """Those of the names that are no interval's end and no single seed's value of another."""
    known = set(names)
    return {name for name in known if stem(name) == name or stem(name) not in known}


def ordered(names: Iterable[str]) -> list[str]:
    """As in KEYS; names that are not there follow by the alphabet."""
    return sorted(set(names), key=lambda name: (_PLACES.get(name, len(KEYS)), name))


def better(name: str, new: float, old: float) -> bool:
    """Whether `new` is strictly better than `old` in the metric's direction; a metric without one is read as up."""
    direction = find(name).direction
    if direction == "zero":
        return abs(new) < abs(old)
    return new < old if direction == "down" else new > old
