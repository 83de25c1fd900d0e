"""What the items of a file are called in a task: identifiers, made from their labels and unique among their kind.

So they are fit for formulas, Python and the names of files, whatever a label says.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from pipeline.language.interchange.document import Box, Document

LENGTH = 40
Key = TypeVar("Key")


def name_of(label: str) -> str:
    """A label as an identifier, empty if nothing of it can be in one."""
    plain = unicodedata.normalize("NFKC", label[: 4 * LENGTH])
    fit = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in plain)
    name = re.sub("__+", "_", fit).strip("_")[:LENGTH]
    if name and not name.isidentifier():
        return f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def data_name(label: str) -> str:
    """A label with primes, as independent draws of one source have them."""
    bare = label.rstrip("'")
    return f"{name_of(bare)}{label[len(bare) :][:LENGTH]}" if name_of(bare) else ""


def equation_name(label: str) -> str:
    """A label in which full stops separate the names."""
    name = ".".join(filter(None, map(name_of, label.split(".")[:LENGTH])))
    return f"{name}_" if name == "players" else name  # a line of a task's text begins so


def as_number(label: str) -> float | None:
    """The number that a label is, if it is one."""
    return float(label) if re.fullmatch(r"\s*[+-]?\d{1,9}(\.\d{1,9})?\s*", label, re.ASCII) else None


class Names:
    """The names of a file's items. Boxes' are by id (learners and fixed boxes are one kind), wires' by label."""

    def __init__(self, document: Document) -> None:
        boxes = list(document.boxes.values())
        self.wires = _unique(((each.label, each.label) for each in document.wires.values()), name_of, "wire")
        self.equations = _unique(
            ((each.id, each.label) for each in document.equations.values()), equation_name, "equation"
        )
        self.functions = _unique(_of(boxes, "learner", "fixed"), name_of, "box")
        self.data = _unique(_of(boxes, "data"), data_name, "data")
        self.outputs = _unique(_of(boxes, "output"), name_of, "output")
        self._values = self._named_values([each for each in boxes if each.kind == "data"])

    def value(self, box: Box, slot: int) -> str:
        """The name of what a data box gives on one of its outputs, but for the primes of the box."""
        return self._values[box.id, slot].rstrip("'")

    def _named_values(self, boxes: list[Box]) -> dict[tuple[str, int], str]:
        """After their types; the first choice is that of joint draws."""
        boxes.sort(key=lambda box: len(box.outputs) < 2)
        count: Counter[str] = Counter()
        labels = []
        for box in boxes:
            stem = self.data[box.id].rstrip("'")
            primes = self.data[box.id][len(stem) :]
            for slot, wire in enumerate(box.outputs):
                name = self.wires[wire.label].lower()
                labels.append(((box.id, slot), (f"{stem}_{name}" if count[name + primes] else name) + primes))
                count[name + primes] += 1
        return _unique(labels, data_name, "value")


def _of(boxes: Iterable[Box], *kinds: str) -> Iterable[tuple[str, str]]:
    return ((box.id, box.label) for box in boxes if box.kind in kinds)


def _unique(labels: Iterable[tuple[Key, str]], clean: Callable[[str], str], otherwise: str) -> dict[Key, str]:
    """Names for keys, made from their labels, all different: one that is taken gets a number."""
    names: dict[Key, str] = {}
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for key, label in labels:
        if key in names:
            continue
        base = name = clean(label) or otherwise
        while name in taken:
            counts[base] += 1
            name = f"{base}_{counts[base] + 1}"
        taken.add(name)
        names[key] = name
    return names
