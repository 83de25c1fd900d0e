"""From a task to the visual editor's file."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

from pipeline.language.interchange.document import Box as FileBox
from pipeline.language.interchange.document import Diagram, Pairing, Raw, entries, lists, parse
from pipeline.language.interchange.names import as_number, data_name, name_of
from pipeline.language.interchange.reading import Choices, Reader, says_what_it_does, usual_divergence
from pipeline.language.layout import PORT, Size, layout
from pipeline.language.sources import Constant, Dataset, Normal, Source, Uniform, Wire
from pipeline.language.task import Equation, Ramp, Task, TaskError
from pipeline.language.terms import Box, Learner, Op, Term, Type, number, written_as
from pipeline.language.wiring import Node, Wiring, parts_of, wiring

TITLES = {"diagrams": "Diagrams", "wires": "Wires", "boxes": "Boxes", "equations": "Equations"}
GROUPS = {"learner": "function", "fixed": "function", "data": "data", "output": "output"}  # names are unique in each
WIRES = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#06b6d4")
BOXES = {"learner": "#71a5ff", "fixed": "#e8e8e8", "data": "#c4c4c4", "output": "#dddddd"}
SCALE = 24 / PORT  # the editor's distance between a node's handles, to the layout's
GAP = 40.0  # between columns
LENGTH = 60  # of a diagram's label that is a formula

Key = tuple[str, tuple[int, ...]]  # a type that is a wire of its own: name and shape


def write(task: Task, keep: Mapping[str, Any] | None = None) -> Raw:
    """The task as a file of the visual editor, its diagrams laid out from left to right.

    keep: a document that is to become this task's. Equations that are in it, wired as the task's, stay as they are, and
    so does what is not the task's: unused boxes and diagrams, and fields that only the editor knows. Equations that the
    task lacks are removed.

    Composites are one box; a learner that no equation trains, a constant and what the editor lacks are fixed boxes.
    What else is not in the file is told by `lost`. Raises TaskError if the task has no equations, the sides of one have
    not the same number of wires, or `keep` is damaged.
    """
    if not task.equations:
        raise TaskError("the task has no equations to write")
    empty = {"sections": [{"title": title, "key": key, "items": []} for key, title in TITLES.items()]}
    return _Writer(task, {**empty, "nodes": [], "edges": []} if keep is None else keep).written()


class _Writer:
    """Puts a task into a document, whose items it finds by what they are called in a task.

    claimed: section and id of every item that has found its use, and is not to change any more.
    """

    def __init__(self, task: Task, keep: Mapping[str, Any]) -> None:
        document = parse(keep)
        self.task, self.trained, self.raw = task, set(task.trained), document.raw
        self.reader = Reader(document, Choices())
        names = self.reader.names
        self.pairings = {names.equations[each.id]: each for each in document.equations.values()}
        self.wires = {names.wires[each.label]: each.raw for each in reversed([*document.wires.values()])}
        self.called = {**names.functions, **names.data, **names.outputs}
        self.boxes: dict[tuple[str, object], Raw] = {}
        for box in document.boxes.values():
            if box.kind == "fixed" and says_what_it_does(box.label):
                self.called[box.id] = box.label
            self.boxes[_key(box.kind, self.called[box.id], *_ports(box))] = box.raw
        self.ids = {key: {each["type"] for each in entries(self.raw, key)} for key in TITLES}
        self.nodes = {id for each in document.diagrams.values() for id in _node_ids(each.raw)}
        self.uses = Counter(side.id for each in self.pairings.values() for side in (each.lhs, each.rhs))
        self.same = _compared(task)
        self.suffixes = sorted((f".{name}" for name in {*self.pairings, *self._groups()}), key=len, reverse=True)
        self.data: dict[Source, str] = {}
        self.claimed: set[tuple[str, str]] = set()
        self.wire_of: dict[Key, Raw] = {}
        self.box_of: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], Raw] = {}
        self.drawn: dict[object, str] = {}
        self.redrawn: set[str] = set()

    def written(self) -> Raw:
        groups = self._groups()
        kept = [base for base, equations in groups.items() if self._stays(base, equations)]
        for base in kept:
            self._claim(self.pairings[base])
        gone = [each.raw for base, each in self.pairings.items() if base not in groups and self._trains(each)]
        for items in lists(self.raw, "equations"):
            items[:] = [each for each in items if not any(each is one for one in gone)]
        for base, equations in groups.items():
            if base not in kept:
                self._put(base, equations)
        self._open()
        return self.raw

    def _groups(self) -> dict[str, dict[str, Equation]]:
        """The equations that are one in the file: those whose names differ only after the last full stop."""
        known = {name: base for base, each in self.pairings.items() for name, _, _ in self.reader.sides(each)}
        count = Counter(name.rpartition(".")[0] for name in self.task.equations)
        groups: dict[str, dict[str, Equation]] = {}
        for name, each in self.task.equations.items():
            base = name.rpartition(".")[0]
            groups.setdefault(known.get(name, base if base and count[base] > 1 else name), {})[name] = each
        return groups

    # -------------------------------------------------------------------------------------- what is there already

    def _stays(self, base: str, equations: Mapping[str, Equation]) -> bool:
        """Whether the document's equation of this name is wired as the task's."""
        if base not in self.pairings:
            return False
        old = {name: (lhs, rhs) for name, lhs, rhs in self.reader.sides(self.pairings[base])}
        read = {name for name, sides in old.items() if self.reader.trainable(*sides)}
        if not read <= set(equations) <= set(old):
            return False
        new = [term for each in equations.values() for term in (each.lhs, each.rhs)]
        return self._form(new) == self._form([term for name in equations for term in old[name]])

    def _trains(self, pairing: Pairing) -> bool:
        """Whether the task that is read from the document has an equation from this one."""
        return any(self.reader.trainable(lhs, rhs) for _, lhs, rhs in self.reader.sides(pairing))

    def _form(self, terms: Sequence[Term]) -> tuple[object, ...]:
        """How terms are made: boxes by name, sources by the data boxes that they are of, whatever these draw."""
        places: dict[Term, int] = {}
        form: list[object] = []
        for term in (below for each in terms for below in each.walk()):
            if term not in places:
                places[term] = len(places)
                form.append((self._what(term.op), tuple(places[below] for below in term.inputs)))
        return (*form, tuple(places[term] for term in terms))

    def _what(self, op: Op) -> object:
        if isinstance(op, Wire):
            box, which, first = self.reader.origins.get(op.source.name, (op.source.name, 0, 0))
            return box, which, first + op.index
        if isinstance(op, Box):
            return op.name, tuple(type.name for type in op.dom), op.cod.name
        return op

    def _claim(self, pairing: Pairing) -> None:
        for side in (pairing.lhs, pairing.rhs):
            self.claimed.add(("diagrams", side.id))
            for box in (node.box for node in side.nodes):
                self.claimed.add(("boxes", box.id))
                self.box_of[GROUPS[box.kind], self.called[box.id], *_ports(box)] = box.raw

    # ------------------------------------------------------------------------------------------------ what is new

    def _put(self, base: str, equations: Mapping[str, Equation]) -> None:
        """Write an equation of the file, which is several of the task if its diagrams have several outputs."""
        pairing, outputs = self.pairings.get(base), self._outputs(base, equations)
        self.data = self._data(equations.values())
        sides = {}
        for side in ("lhs", "rhs"):
            terms = [getattr(each, side) for each in equations.values()]
            old: Diagram | None = getattr(pairing, side, None)
            sides[f"{side}-type"] = self._diagram(f"{base} {side.upper()}", terms, outputs, old)
        item = pairing.raw if pairing else self._append("equations", "equation", {"label": base})
        item.update(sides)

    def _data(self, equations: Iterable[Equation]) -> dict[Source, str]:
        """The labels of the data boxes of one equation's sources, which are read as BOX.EQUATION: two sources, two boxes."""
        labels: dict[Source, str] = {}
        for source in (source for each in equations for source in each.sources):
            bare = source.name.rstrip("'")
            suffix = next((name for name in self.suffixes if bare.endswith(name)), "")
            label = bare.removesuffix(suffix) + source.name[len(bare) :]
            labels.setdefault(source, source.name if label in labels.values() else label)
        return labels

    def _outputs(self, base: str, equations: Mapping[str, Equation]) -> list[Raw]:
        """The output boxes, one for each wire of the equations' sides."""
        found: list[Raw] = []
        count: Counter[str] = Counter()
        for name, each in equations.items():
            for wire in map(self._wire, parts_of(each.lhs.type)):
                label = name.removeprefix(f"{base}.") if name != base else f"Output {wire['label']}"
                count[label] += 1
                found.append(self._box("output", _numbered(label, count[label]), [wire], []))
        return found

    def _wire(self, type: Type) -> Raw:
        key = self.same.get((type.name, type.shape), (type.name, type.shape))
        if key not in self.wire_of:
            label, item = self._free("wires", type.name, lambda label: self.wires.get(name_of(label)))
            if item is None:
                colour = WIRES[len(self.ids["wires"]) % len(WIRES)]
                item = self.wires[name_of(label)] = self._append("wires", "wire", {"label": label, "color": colour})
            self.claimed.add(("wires", item["type"]))
            self.wire_of[key] = item
        return self.wire_of[key]

    def _box(self, kind: str, label: str, inputs: list[Raw], outputs: list[Raw]) -> Raw:
        ins, outs = (tuple(wire["type"] for wire in side) for side in (inputs, outputs))
        key = GROUPS[kind], name_of(label) if kind == "output" else label, ins, outs
        if key not in self.box_of:
            boxes, called = self.boxes, CALLED[kind]
            label, item = self._free("boxes", label, lambda label: boxes.get(_key(kind, called(label), ins, outs)))
            if item is None:
                item = self._append("boxes", "box", {"label": label, "color": BOXES[kind], "kind": kind})
                boxes[_key(kind, called(label), ins, outs)] = item
            item.update(inputs=list(ins), outputs=list(outs))
            if kind == "learner":
                item["kind"] = kind
            self.claimed.add(("boxes", item["type"]))
            self.box_of[key] = item
        return self.box_of[key]

    def _free(self, section: str, label: str, find: Callable[[str], Raw | None]) -> tuple[str, Raw | None]:
        """The label, numbered if need be, and the item of that name, if there is one that nothing else is."""
        for each in (_numbered(label, each) for each in count(1)):
            item = find(each)
            if item is None or (section, item["type"]) not in self.claimed:
                return each, item
        raise AssertionError

    def _append(self, section: str, kind: str, fields: Raw) -> Raw:
        """A new item of a section, with an id of its own."""
        first = ("init-diag",) if section == "diagrams" else ()
        ids = chain(first, (f"{section}-{kind}-{number}" for number in count(1)))
        item = {"type": next(id for id in ids if id not in self.ids[section]), **fields}
        self.ids[section].add(item["type"])
        items = next(lists(self.raw, section), None)
        if items is None:
            items = []
            self.raw["sections"].append({"title": TITLES[section], "key": section, "items": items})
        items.append(item)
        return item

    # --------------------------------------------------------------------------------------------------- diagrams

    def _diagram(self, name: str, terms: list[Term], outputs: list[Raw], old: Diagram | None) -> str:
        """The id of a diagram of terms side by side; `old` is the one whose place it takes."""
        found = wiring(*terms)
        boxes = [self._node_box(found, node) for node in found.nodes]
        for box, (place, output) in zip(outputs, found.outputs, strict=True):
            wire = ("", found.nodes[place].outputs[output][1])
            found.nodes.append(Node("box", box["label"], ((place, output),), (wire,)))
        boxes += outputs
        found.outputs = [(place, 0) for place in range(len(boxes) - len(outputs), len(boxes))]
        key = tuple((box["type"], node.inputs) for box, node in zip(boxes, found.nodes, strict=True))
        if key not in self.drawn:
            label = self._text(terms)
            label = label if len(label) <= LENGTH else name
            item = self._place_of(old) or self._append("diagrams", "diagram", {"label": label, "opened": False})
            item["nodes"], item["edges"] = self._laid_out(found, boxes)
            self.claimed.add(("diagrams", item["type"]))
            self.redrawn.add(item["type"])
            self.drawn[key] = item["type"]
        return self.drawn[key]

    def _text(self, terms: Iterable[Term]) -> str:
        """Terms as formulas, in which a source is called as its data box is."""
        values = {wire: label for source, label in self.data.items() for wire in source if str(wire) == source.name}
        with written_as(values):
            return ", ".join(map(str, terms))

    def _place_of(self, old: Diagram | None) -> Raw | None:
        """The entry of a diagram that no other equation needs."""
        free = old is not None and self.uses[old.id] == 1 and ("diagrams", old.id) not in self.claimed
        return old.raw if old is not None and free else None

    def _node_box(self, found: Wiring, node: Node) -> Raw:
        kind, label = self._kind_and_label(node)
        inputs = [self._wire(found.nodes[place].outputs[output][1]) for place, output in node.inputs]
        return self._box(kind, label, inputs, [self._wire(type) for _, type in node.outputs])

    def _kind_and_label(self, node: Node) -> tuple[str, str]:
        if isinstance(node.source, Constant):
            return "fixed", node.name
        if node.source is not None:
            return "data", self.data[node.source]
        trained = not self.trained.isdisjoint(node.learners)
        return "learner" if trained else "fixed", f"{node.name} {node.note}".rstrip()

    def _laid_out(self, found: Wiring, boxes: list[Raw]) -> tuple[list[Raw], list[Raw]]:
        """Nodes and edges, in columns from left to right."""
        ports = [max(len(box["inputs"]), len(box["outputs"]), 1) for box in boxes]
        sizes = [
            Size(29 + 7.4 * len(box["label"]), (16 + 28 * each) / SCALE) for box, each in zip(boxes, ports, strict=True)
        ]
        laid = layout(found, sizes, dict.fromkeys(found.uses(), GAP))
        parts = {part.node: part for part in laid.parts if part.node >= 0}
        top = laid.extent[0]
        ids = [self._node_id() for _ in boxes]
        nodes, edges = [], []
        for place, (id, box, node) in enumerate(zip(ids, boxes, found.nodes, strict=True)):
            x, y = parts[place].x, (parts[place].y - top - sizes[place].height / 2) * SCALE
            position = {"x": round(x), "y": round(y)}
            nodes.append({"id": id, "type": "custom", "position": position, "data": {"type": box["type"]}})
            for slot, (start, output) in enumerate(node.inputs):
                colour = self._wire(found.nodes[start].outputs[output][1]).get("color")
                edges.append(_edge(ids[start], f"out-{output}", id, f"in-{slot}", colour))
        return nodes, edges

    def _node_id(self) -> str:
        id = next(id for id in (f"node_{number}" for number in count(len(self.nodes) + 1)) if id not in self.nodes)
        self.nodes.add(id)
        return id

    def _open(self) -> None:
        """What is on the canvas is the diagram that is open, or else the first."""
        diagrams = list(entries(self.raw, "diagrams"))
        opened = next((each for each in diagrams if each.get("opened") in (True, "true")), None)
        if opened is None and self.redrawn:
            opened = diagrams[0]
            opened["opened"] = True
            self.redrawn.add(opened["type"])
        if opened is not None and opened["type"] in self.redrawn:
            self.raw.update({side: copy.deepcopy(opened.get(side, [])) for side in ("nodes", "edges")})


def _edge(source: str, output: str, target: str, slot: str, colour: object) -> Raw:
    return {
        "source": source,
        "sourceHandle": output,
        "target": target,
        "targetHandle": slot,
        "style": {"stroke": colour, "strokeWidth": 3},
        "id": f"xy-edge__{source}{output}-{target}{slot}",
    }


def _numbered(label: str, number: int) -> str:
    return f"{label} {number}" if number > 1 else label


def _ports(box: FileBox) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(wire.id for wire in box.inputs), tuple(wire.id for wire in box.outputs)


def _key(kind: str, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> tuple[str, object]:
    """What tells a box from others: its name, or if that says what it does, its name and its wires."""
    return GROUPS[kind], (name, inputs, outputs) if kind == "fixed" and says_what_it_does(name) else name


def _fixed_name(label: str) -> str:
    return label if says_what_it_does(label) else name_of(label) or label


# What a box of this label is called in a task, if nothing else is.
CALLED: Mapping[str, Callable[[str], str]] = {
    "learner": name_of,
    "fixed": _fixed_name,
    "data": data_name,
    "output": name_of,
}


def _compared(task: Task) -> dict[Key, Key]:
    """Types are wires by name and shape. What an equation compares is one wire, that of the output box of both sides."""
    same: dict[Key, Key] = {}
    for name, each in task.equations.items():
        lefts, rights = parts_of(each.lhs.type), parts_of(each.rhs.type)
        if len(lefts) != len(rights):
            raise TaskError(
                f"equation {name}: the editor compares wire by wire, not {each.lhs.type} with {each.rhs.type}"
            )
        for left, right in zip(lefts, rights, strict=True):
            one, two = (same.setdefault((type.name, type.shape), (type.name, type.shape)) for type in (left, right))
            same.update({key: one for key, root in same.items() if root == two})
    return same


def _node_ids(raw: Raw) -> list[str]:
    """The ids of a diagram's nodes, which need not be in order."""
    nodes = raw.get("nodes")
    ids = [each.get("id") for each in nodes if isinstance(each, dict)] if isinstance(nodes, list) else []
    return [id for id in ids if isinstance(id, str)]


# -------------------------------------------------------------------------------------------- what is not written


def lost(task: Task) -> tuple[str, ...]:
    """What of a task its file does not say, and `read` would not guess: a line each."""
    lines = [_unsaid(name, each, set(task.trained)) for name, each in task.equations.items()]
    nodes = [node for each in task.equations.values() for node in wiring(each.lhs, each.rhs).nodes]
    lines += map(_unsaid_box, nodes)
    types = {type for node in nodes for _, type in node.outputs if type.kind not in ("real", "categorical")}
    lines += sorted(f"wire {type}: that it is {type.kind}" for type in types)
    boxes = {node.name: node.learners for node in nodes if node.learners}
    for learner in task.learners:
        among = [name for name, learners in boxes.items() if learner in learners]
        if len(among) > 1:
            lines.append(f"learner {learner.name}: that {' and '.join(among)} share it")
    if task.players:
        lines.append("the players and their turns")
    return tuple(dict.fromkeys(f"not in the file: {line}" for line in lines if line))


def _unsaid(name: str, each: Equation, trained: set[Learner]) -> str:
    """What one would have to tell `read` about an equation."""
    missing = []
    if each.lhs.type.kind == "product":
        missing.append("that its parts are compared jointly")
    if each.divergence != usual_divergence(each.lhs, each.rhs):
        missing.append(f"its divergence {each.divergence}")
    if each.weight != 1:
        missing.append(f"its weight {each.weight if isinstance(each.weight, Ramp) else number(float(each.weight))}")
    if set(each.trains) != trained.intersection(each.learners):
        missing.append(f"that it trains {each.shown} alone")
    return f"equation {name}: {', '.join(missing)}" if missing else ""


def _unsaid_box(node: Node) -> str:
    if node.source is not None:
        known = isinstance(node.source, Dataset | Normal) or as_number(node.name) is not None
        known = known or (isinstance(node.source, Uniform) and node.source.type.kind == "categorical")
        return "" if known else f"source {node.name}: what it draws"
    return "" if node.learners or says_what_it_does(node.name) else f"box {node.name}: what it computes"
