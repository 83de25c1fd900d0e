"""Files of patlang-editor, the visual editor of Rodatz et al. (2024), read into checked items.

A file is one JSON object. Its sections hold wires (types), boxes, diagrams and equations; items name each other by ids,
and may lie in folders (items within items). A box id is one learner; a diagram's nodes are uses of boxes, its edges go
from a node's handle `out-K` to another's `in-K`; an equation names two diagrams, whose outputs are their output boxes.

Everything in the file may be wrong. All items are checked, but of diagrams only those that equations need.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, TypeVar, get_args

from pipeline.language.terms import TaskError

Kind = Literal["learner", "data", "output", "fixed"]
Raw = dict[str, Any]

BYTES = 10 * 2**20
NESTING = 100  # objects and lists within each other
PORTS = 64  # inputs, or outputs, of a box
DEPTH = 100  # boxes one after another
SIZE = 1000  # boxes of a diagram that is written out as a formula
TOTAL = 10_000  # boxes of all equations that are written out


@dataclass(frozen=True)
class Item:
    """An entry of a section. raw: the entry itself, with what only the editor knows."""

    section: str
    id: str
    label: str
    raw: Raw = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.section} {shown(self.label)} ({shown(self.id)})"


@dataclass(frozen=True)
class Wire(Item):
    """A type; wires of the same label have the same."""


@dataclass(frozen=True)
class Box(Item):
    """A learner, a source, an output of diagrams, or a given function."""

    kind: Kind
    inputs: tuple[Wire, ...]
    outputs: tuple[Wire, ...]


@dataclass(frozen=True)
class Node:
    """A use of a box in a diagram. height: its place from above, then from the left."""

    id: str
    box: Box
    height: tuple[float, float]


Port = tuple[str, int]  # a node's id, and which of its inputs or outputs


@dataclass(frozen=True)
class Diagram(Item):
    """nodes: what the outputs are made of, inputs before their use; feeds: for each input of a node the output that it
    reads; outputs: the output nodes, by the ids of their boxes; draws: the data nodes, used or not, from above, by the
    ids of their boxes; size: the number of boxes when the outputs are written out."""

    nodes: tuple[Node, ...] = field(compare=False)
    feeds: Mapping[Port, Port] = field(compare=False)
    outputs: Mapping[str, Node] = field(compare=False)
    draws: Mapping[str, list[Node]] = field(compare=False)
    size: int = field(compare=False)


@dataclass(frozen=True)
class Pairing(Item):
    """An equation of the file: two diagrams with the same output boxes."""

    lhs: Diagram
    rhs: Diagram


@dataclass(frozen=True)
class Document:
    """A file. Items by their ids, in the order of the file; of diagrams only those of equations are checked."""

    raw: Raw
    wires: Mapping[str, Wire]
    boxes: Mapping[str, Box]
    diagrams: Mapping[str, Item]
    equations: Mapping[str, Pairing]


def parse(source: str | bytes | Mapping[str, Any]) -> Document:
    """The items of a file's text, or of what a JSON parser made of it, which is copied.

    Raises TaskError, naming the item and the field, for whatever the editor could not have meant.
    """
    raw = _load(source)
    wires = _indexed(Wire(*each) for each in _items(raw, "wires", "wire"))
    boxes = _indexed(_box(Item(*each), wires) for each in _items(raw, "boxes", "box"))
    diagrams = _indexed(Item(*each) for each in _items(raw, "diagrams", "diagram"))
    equations = [Item(*each) for each in _items(raw, "equations", "equation")]
    checked: dict[str, Diagram] = {}
    pairings = _indexed(_pairing(each, diagrams, boxes, checked) for each in equations)
    if sum(each.lhs.size + each.rhs.size for each in pairings.values()) > TOTAL:
        raise TaskError(f"section equations: written out as formulas, they have more than {TOTAL} boxes")
    return Document(raw, wires, boxes, diagrams, pairings)


def text(document: Mapping[str, Any]) -> str:
    """A document as the editor saves it. Raises ValueError for numbers that JSON does not have."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def shown(value: object) -> str:
    """A value of the file in a message: short, one line, nothing that moves a terminal's cursor."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:61])
    return text if len(text) <= 60 else f"{text[:57]}..."


# -------------------------------------------------------------------------------------------------------------- JSON


def _load(source: str | bytes | Mapping[str, Any]) -> Raw:
    try:
        text = source if isinstance(source, str | bytes) else json.dumps(source, allow_nan=False)
        if len(text) > BYTES:
            raise TaskError(f"the file has more than {BYTES // 2**20} MiB")
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        raw = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except TaskError:
        raise
    except RecursionError:
        raise TaskError(f"the file is nested more than {NESTING} deep") from None
    except (TypeError, ValueError) as error:
        raise TaskError(f"the file is not JSON: {error}") from None
    _check_nesting(raw)
    if not isinstance(raw, dict):
        raise TaskError(f"the file: an object with sections is expected, not {shown(raw)}")
    return raw


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise TaskError(f"the file: finite numbers are expected, not {shown(text)}")
    return number


def _check_nesting(raw: object) -> None:
    level: list[object] = [raw]
    for _ in range(NESTING):
        level = [below for each in level for below in _inside(each)]
    if level:
        raise TaskError(f"the file is nested more than {NESTING} deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


_EXPECTED = {str: "a text", list: "a list", dict: "an object"}
T = TypeVar("T", str, list[Any], dict[str, Any])


def _field(raw: Raw, key: str, kind: type[T], where: object) -> T:
    """The field's value. Raises TaskError if it is missing or of another kind."""
    value = raw.get(key)
    if not isinstance(value, kind):
        found = f"not {shown(value)}" if key in raw else "it is missing"
        raise TaskError(f"{where}: field {key}: {_EXPECTED[kind]} is expected, {found}")
    return value


# ------------------------------------------------------------------------------------------------------------- items


def _items(raw: Raw, key: str, section: str) -> Iterator[tuple[str, str, str, Raw]]:
    """What makes an Item of each entry of a section."""
    for number, entry in enumerate(entries(raw, key), start=1):
        where = f"section {key}, item {number}"
        if not isinstance(entry, dict):
            raise TaskError(f"{where}: an object is expected, not {shown(entry)}")
        id = _field(entry, "type", str, where)
        yield section, id, _field(entry, "label", str, f"{section} {shown(id)}"), entry


def entries(raw: Raw, key: str) -> Iterator[Any]:
    """The entries of a section, those in folders too."""
    return (each for items in lists(raw, key) for each in items if not _is_folder(each))


def lists(raw: Raw, key: str) -> Iterator[list[Any]]:
    """The lists of a section's entries: its own, then those of its folders.

    Raises TaskError if the section is missing; a file without equations may lack theirs.
    """
    found = [each for each in _field(raw, "sections", list, "the file") if isinstance(each, dict)]
    mine = [each for each in found if each.get("key") == key]
    if not mine and key != "equations":
        raise TaskError(f"the file: field sections: there is none with the key {key}")
    pending = [_field(each, "items", list, f"section {key}") for each in mine]
    for items in pending:
        yield items
        pending += [each["items"] for each in items if _is_folder(each)]


def _is_folder(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("items"), list)


AnItem = TypeVar("AnItem", bound=Item)


def _indexed(items: Iterable[AnItem]) -> dict[str, AnItem]:
    found: dict[str, AnItem] = {}
    for each in items:
        if each.id in found:
            raise TaskError(f"{each}: field type: another {each.section} has this id")
        found[each.id] = each
    return found


def _box(item: Item, wires: Mapping[str, Wire]) -> Box:
    kind: Any = item.raw.get("kind")
    if kind not in get_args(Kind):
        raise TaskError(f"{item}: field kind: {', '.join(get_args(Kind))} are known, not {shown(kind)}")
    inputs, outputs = (_wires(item, side, wires) for side in ("inputs", "outputs"))
    for ports, side, of in ((inputs, "inputs", "data"), (outputs, "outputs", "output")):
        if ports and kind == of:
            raise TaskError(f"{item}: field {side}: a box of kind {of} has none")
    return Box(item.section, item.id, item.label, item.raw, kind, inputs, outputs)


def _wires(item: Item, side: str, wires: Mapping[str, Wire]) -> tuple[Wire, ...]:
    ids = _field(item.raw, side, list, item)
    if len(ids) > PORTS:
        raise TaskError(f"{item}: field {side}: at most {PORTS} wires are read, not {len(ids)}")
    for id in ids:
        if not isinstance(id, str) or id not in wires:
            raise TaskError(f"{item}: field {side}: no wire has the id {shown(id)}")
    return tuple(wires[id] for id in ids)


def _pairing(
    item: Item, diagrams: Mapping[str, Item], boxes: Mapping[str, Box], checked: dict[str, Diagram]
) -> Pairing:
    sides = []
    for side in ("lhs-type", "rhs-type"):
        id = _field(item.raw, side, str, item)
        if id not in diagrams:
            raise TaskError(f"{item}: field {side}: no diagram has the id {shown(id)}")
        if id not in checked:
            checked[id] = _diagram(diagrams[id], boxes)
        sides.append(checked[id])
    lhs, rhs = sides
    for one, two, side in ((lhs, rhs, "rhs-type"), (rhs, lhs, "lhs-type")):
        missing = [node.box for id, node in one.outputs.items() if id not in two.outputs]
        if missing:
            raise TaskError(f"{item}: field {side}: {two} lacks the output {missing[0]} of {one}")
    return Pairing(item.section, item.id, item.label, item.raw, lhs, rhs)


# ---------------------------------------------------------------------------------------------------------- diagrams


def _diagram(item: Item, boxes: Mapping[str, Box]) -> Diagram:
    nodes: dict[str, Node] = {}
    for number, raw in enumerate(_field(item.raw, "nodes", list, item), start=1):
        node = _node(raw, f"{item}, node {number}", item, boxes)
        if node.id in nodes:
            raise TaskError(f"{item}, node {shown(node.id)}: field id: another node has this id")
        nodes[node.id] = node
    feeds: dict[Port, Port] = {}
    for number, raw in enumerate(_field(item.raw, "edges", list, item), start=1):
        start, end = _edge(raw, f"{item}, edge {number}", nodes)
        if end in feeds:
            raise TaskError(
                f"{item}, edge {number}: field targetHandle: in-{end[1]} of node {shown(end[0])} is fed already"
            )
        feeds[end] = start
    for node in nodes.values():
        for slot in range(len(node.box.inputs)):
            if (node.id, slot) not in feeds:
                raise TaskError(f"{item}, node {shown(node.id)} ({shown(node.box.label)}): no edge goes into in-{slot}")
    outputs = _outputs(item, nodes.values())
    used = _used(_ordered(item, nodes, feeds), outputs, feeds)
    draws: dict[str, list[Node]] = {}
    for node in sorted(nodes.values(), key=lambda node: node.height):
        if node.box.kind == "data":
            draws.setdefault(node.box.id, []).append(node)
    size = _size(item, used, feeds)
    return Diagram(item.section, item.id, item.label, item.raw, used, feeds, outputs, draws, size)


def _node(raw: Any, where: str, item: Item, boxes: Mapping[str, Box]) -> Node:
    if not isinstance(raw, dict):
        raise TaskError(f"{where}: an object is expected, not {shown(raw)}")
    id = _field(raw, "id", str, where)
    where = f"{item}, node {shown(id)}"
    data = _field(raw, "data", dict, where)
    box = boxes.get(_field(data, "type", str, f"{where}, data"))
    if box is None:
        raise TaskError(f"{where}: field data.type: no box has the id {shown(data['type'])}")
    for side, ports in (("inputs", box.inputs), ("outputs", box.outputs)):
        if data.get(side) not in (None, [wire.id for wire in ports]):
            raise TaskError(f"{where}: field data.{side}: {shown(data[side])} are not the {side} of {box}")
    place = raw.get("position")
    x, y = (_number(place.get(axis)) for axis in "xy") if isinstance(place, dict) else (0.0, 0.0)
    return Node(id, box, (y, x))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else 0.0


def _edge(raw: Any, where: str, nodes: Mapping[str, Node]) -> tuple[Port, Port]:
    """The output and the input that an edge connects."""
    if not isinstance(raw, dict):
        raise TaskError(f"{where}: an object is expected, not {shown(raw)}")
    ends = []
    for key, prefix, side in (("source", "out", "outputs"), ("target", "in", "inputs")):
        id, handle = _field(raw, key, str, where), _field(raw, f"{key}Handle", str, where)
        if id not in nodes:
            raise TaskError(f"{where}: field {key}: no node has the id {shown(id)}")
        ports: tuple[Wire, ...] = getattr(nodes[id].box, side)
        slots = {f"{prefix}-{slot}": slot for slot in range(len(ports))}
        if handle not in slots:
            known = ", ".join(slots) or "none"
            raise TaskError(
                f"{where}: field {key}Handle: the {side} of {nodes[id].box} are {shown(known)}, not {shown(handle)}"
            )
        ends.append((id, slots[handle], ports[slots[handle]]))
    (source, output, given), (target, slot, taken) = ends
    if given.label != taken.label:
        raise TaskError(
            f"{where}: out-{output} of {nodes[source].box} is a {given}, but in-{slot} of {nodes[target].box} is a {taken}"
        )
    return (source, output), (target, slot)


def _ordered(item: Item, nodes: Mapping[str, Node], feeds: Mapping[Port, Port]) -> tuple[Node, ...]:
    graph: dict[str, list[str]] = {id: [] for id in nodes}
    for (reader, _), (read, _) in feeds.items():
        graph[reader].append(read)
    try:
        return tuple(nodes[id] for id in TopologicalSorter(graph).static_order())
    except CycleError as error:
        looping = nodes[error.args[1][0]]
        raise TaskError(
            f"{item}, node {shown(looping.id)} ({shown(looping.box.label)}): it is fed by its own output"
        ) from None


def _outputs(item: Item, nodes: Iterable[Node]) -> dict[str, Node]:
    outputs = [node for node in nodes if node.box.kind == "output"]
    if not any(node.box.inputs for node in outputs):
        raise TaskError(f"{item}: field nodes: there is no output box")
    for box, count in Counter(node.box for node in outputs).items():
        if count > 1:
            raise TaskError(f"{item}: field nodes: {box} is there {count} times")
    return {node.box.id: node for node in outputs}


def _used(ordered: tuple[Node, ...], outputs: Mapping[str, Node], feeds: Mapping[Port, Port]) -> tuple[Node, ...]:
    """The nodes that an output depends on: what nothing uses is deleted."""
    used = {node.id for node in outputs.values()}
    for node in reversed(ordered):
        if node.id in used:
            used.update(feeds[node.id, slot][0] for slot in range(len(node.box.inputs)))
    return tuple(node for node in ordered if node.id in used)


def _size(item: Item, nodes: Iterable[Node], feeds: Mapping[Port, Port]) -> int:
    """The boxes in the formulas of all outputs. Raises TaskError if they are too many, or too deep, to be written."""
    sizes: dict[str, int] = {}
    depths: dict[str, int] = {}
    total = 0
    for node in nodes:
        below = [feeds[node.id, slot][0] for slot in range(len(node.box.inputs))]
        sizes[node.id] = min(1 + sum(sizes[id] for id in below), SIZE + 1)
        depths[node.id] = 1 + max((depths[id] for id in below), default=0)
        total += sizes[node.id] if node.box.kind == "output" else 0
        if depths[node.id] > DEPTH:
            raise TaskError(f"{item}: more than {DEPTH} boxes follow one another")
    if total > SIZE:
        raise TaskError(f"{item}: written out as a formula, it has more than {SIZE} boxes")
    return total
