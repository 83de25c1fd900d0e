"""From the visual editor's file to a task."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from pipeline.language.boxes import noise
from pipeline.language.divergence import Divergence, cross_entropy, kl, mse
from pipeline.language.interchange.document import Box, Diagram, Document, Pairing, Raw, parse, shown
from pipeline.language.interchange.names import Names, as_number
from pipeline.language.sources import Dataset, Normal, Uniform, Wire, constant
from pipeline.language.task import Equation, Task, equation
from pipeline.language.terms import Learner, R, TaskError, Term, Type, product

Data = Literal["dataset", "normal", "uniform"]
Outputs = tuple[Term, ...]

IMAGE, CLASSES, VECTOR = (1, 28, 28), (10,), (64,)
ARITHMETIC: Mapping[str, Callable[[Term, Term], Term]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
WITH_NUMBER: Sequence[tuple[re.Pattern[str], Callable[[float], Callable[[Term], Term]]]] = (
    (re.compile(r"[×*] ?(\S+)"), lambda factor: lambda term: term * factor),
    (re.compile(r"noise\[(\S+)\]"), noise),
)


@dataclass(frozen=True)
class Imported:
    """A task from a file. warnings: a line each, on what the file leaves open or says oddly; document: the file."""

    task: Task
    warnings: tuple[str, ...]
    document: Raw


@dataclass(frozen=True)
class Choices:
    """What the file does not say: the arguments of `read`."""

    dimensions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    categorical: Collection[str] | None = None
    sources: Mapping[str, Data] = field(default_factory=dict)
    divergences: Mapping[str, Divergence] = field(default_factory=dict)
    trains: Mapping[str, Collection[str]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)


def read(
    source: str | bytes | Mapping[str, Any],
    *,
    dimensions: Mapping[str, tuple[int, ...]] | None = None,
    categorical: Collection[str] | None = None,
    sources: Mapping[str, Data] | None = None,
    divergences: Mapping[str, Divergence] | None = None,
    trains: Mapping[str, Collection[str]] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Imported:
    """The task in a file of the visual editor, given as its text or as parsed JSON.

    dimensions: shapes of wires; categorical: the one-hot wires; sources: what data boxes draw; divergences, trains (the
    names of learners) and weights: of equations, of all outputs of one if the name of the output is left out. Wires,
    data boxes and equations are named by their labels, or as the task has them.

    What is not said is guessed as the editor does. A data box with two outputs is labelled data: an image of shape
    (1, 28, 28) and a class out of 10, and so are all wires of these labels; a wire R carries one number; other wires are
    vectors of 64. A box with several outputs draws them jointly from a data set; a box with one draws from a data set
    if it is an image (or of a shape with three dimensions), uniformly if it is a class, else a standard normal vector.
    An equation trains all its learners, with weight 1, by cross-entropy on a one-hot wire (kl against what is not
    drawn), and by the mean squared error on others. A fixed box whose label says what it does is that: a number (a
    constant), +, -, *, × 0.9, noise[0.1]; others are learners that no equation trains.

    Raises TaskError, in one line that names the item and the field, if the file is damaged or means no task, or an
    argument is about what is not there.
    """
    document = parse(source)
    if not document.equations:
        raise TaskError("the file has no equations, so it is no task")
    choices = Choices(dimensions or {}, categorical, sources or {}, divergences or {}, trains or {}, weights or {})
    return Reader(document, choices).imported()


class Reader:
    """What a file's items mean.

    origins: for the name of a source, which data box it is, which draw of it, and which of its outputs is the first;
    given: the learners that no equation trains unless it is told to.
    """

    def __init__(self, document: Document, choices: Choices) -> None:
        self.document, self.choices, self.names = document, choices, Names(document)
        self.origins: dict[str, tuple[str, int, int]] = {}
        self.given: set[Learner] = set()
        self._warnings: dict[str, None] = {}
        self._noises: dict[str, None] = {}
        self._functions: dict[str, Callable[..., Outputs]] = {}
        boxes = [box for box in document.boxes.values() if box.kind == "data" and len(box.outputs) == 2]
        pairs = [(one.label, two.label) for one, two in (box.outputs for box in boxes) if one.label != two.label]
        told = choices.categorical
        self._classes = {two for _, two in pairs} if told is None else set(told)
        self._images = {one for one, _ in pairs} - self._classes
        self._numbers = {id: str(number) for number, id in enumerate(document.equations, start=1)}
        self._labels = Counter(document.boxes[id].label for id in self.names.functions)
        self.types = {wire.label: self._type(wire.label) for wire in document.wires.values()}

    def imported(self) -> Imported:
        equations: dict[str, Equation] = {}
        known: set[str] = set()
        for pairing in self.document.equations.values():
            self._look_at_draws(pairing)
            base = self.names.equations[pairing.id]
            for name, lhs, rhs in self.sides(pairing):
                if name in known:
                    raise TaskError(f"{pairing}: field label: another equation is called {name} already")
                known |= {name, base, pairing.label}
                made = self._equation(name, (name, base, pairing.label), lhs, rhs)
                if made is not None:
                    equations[name] = made
        self._check_choices(known)
        if not equations:
            raise TaskError("no equation of the file has a learner to train")
        if self._noises and not self._images:
            self._warn(f"without labelled data (a box with two outputs), these draw noise: {', '.join(self._noises)}")
        return Imported(Task(equations), tuple(self._warnings), self.document.raw)

    def sides(self, pairing: Pairing) -> list[tuple[str, Term, Term]]:
        """Name, left and right side of the equation for each wire that goes into the output boxes."""
        base = self.names.equations[pairing.id]
        draws = _Draws(self, base, self._numbers[pairing.id] if len(self._numbers) > 1 else "")
        lhs, rhs = (self._arriving(diagram, draws) for diagram in (pairing.lhs, pairing.rhs))
        found = []
        for box, slot in lhs:
            output = self.names.outputs[box.id] + (f".{slot + 1}" if len(box.inputs) > 1 else "")
            found.append((base if len(lhs) == 1 else f"{base}.{output}", lhs[box, slot], rhs[box, slot]))
        return found

    def trainable(self, lhs: Term, rhs: Term) -> tuple[Learner, ...]:
        """The learners that an equation trains, if nobody says which."""
        return tuple(each for each in _reachable(lhs, rhs) if each not in self.given)

    # -------------------------------------------------------------------------------------------------- equations

    def _equation(self, name: str, names: tuple[str, ...], lhs: Term, rhs: Term) -> Equation | None:
        trained = self.trainable(lhs, rhs)
        told = _told(self.choices.trains, *names)
        if told is not None:
            present = {each.name: each for each in _reachable(lhs, rhs)}
            unknown = [each for each in told if each not in present]
            if unknown:
                raise TaskError(f"equation {name}: it trains some of {', '.join(present)}, not {unknown[0]}")
            trained = tuple(present[each] for each in told)
        if not trained:
            self._warn(f"equation {name}: left out, since it has no learner to train")
            return None
        divergence = _told(self.choices.divergences, *names) or self._divergence(name, lhs, rhs)
        weight = _told(self.choices.weights, *names)
        return equation(lhs, rhs, divergence, trained, 1.0 if weight is None else weight)

    def _divergence(self, name: str, lhs: Term, rhs: Term) -> Divergence:
        found = usual_divergence(lhs, rhs)
        if found == kl:
            self._warn(
                f"equation {name}: compared by kl, since cross-entropy is no divergence against what is not data"
            )
        return found

    def _arriving(self, diagram: Diagram, draws: _Draws) -> dict[tuple[Box, int], Term]:
        """What comes to the inputs of the output boxes."""
        found: dict[str, Outputs] = {}
        which = {node.id: place for nodes in diagram.draws.values() for place, node in enumerate(nodes)}
        for node in diagram.nodes:
            feeds = (diagram.feeds[node.id, slot] for slot in range(len(node.box.inputs)))
            inputs = tuple(found[id][output] for id, output in feeds)
            if node.box.kind == "data":
                found[node.id] = draws.draw(node.box, which[node.id])
            else:
                found[node.id] = inputs if node.box.kind == "output" else self._function(node.box)(*inputs)
        outputs = diagram.outputs.values()
        return {(node.box, slot): term for node in outputs for slot, term in enumerate(found[node.id])}

    # ------------------------------------------------------------------------------------------------------ items

    def _type(self, label: str) -> Type:
        name = self.names.wires[label]
        one_hot = label in self._classes or name in self._classes
        shape = _told(self.choices.dimensions, label, name)
        if shape is None:
            defaults = ((one_hot, CLASSES), (label in self._images, IMAGE), (name == R.name, R.shape), (True, VECTOR))
            shape = next(shape for holds, shape in defaults if holds)
        if not all(isinstance(length, int) and length > 0 for length in shape):
            raise TaskError(f"wire {shown(label)}: a shape is a tuple of positive numbers, not {shape}")
        return Type(name, tuple(shape), "categorical" if one_hot else "real")

    def _data(self, box: Box) -> Data:
        """What kind of source a data box is."""
        told = _told(self.choices.sources, box.label, self.names.data[box.id])
        if told is not None:
            if told not in get_args(Data):
                raise TaskError(f"{box}: its source is {', '.join(get_args(Data))}, not {told}")
            return told
        types = [self.types[wire.label] for wire in box.outputs]
        if len(types) > 1 or box.outputs[0].label in self._images or len(types[0].shape) == 3:
            return "dataset"
        if types[0].kind == "categorical":
            return "uniform"
        self._noises[str(box)] = None
        return "normal"

    def draw(self, box: Box, number: str, name: Callable[[str], str]) -> Outputs:
        """What a data box gives. number: of the equation; name: from the first part of a source's name to all of it."""
        kind, stem = self._data(box), self.names.data[box.id].rstrip("'")
        types = [self.types[wire.label] for wire in box.outputs]
        if kind == "dataset":
            values = {f"{self.names.value(box, slot)}{number}": type for slot, type in enumerate(types)}
            return tuple(Dataset(name(stem), values))
        law = Normal if kind == "normal" else Uniform
        stems = [stem] if len(types) == 1 else [f"{stem}_{slot + 1}" for slot in range(len(types))]
        return tuple(law(name(each), type).term for each, type in zip(stems, types, strict=True))

    def _function(self, box: Box) -> Callable[..., Outputs]:
        """A learner or a fixed box, from what goes in to what comes out."""
        if box.id not in self._functions:
            dom, cod = (tuple(self.types[wire.label] for wire in side) for side in (box.inputs, box.outputs))
            known = _labelled_function(box, dom, cod) if box.kind == "fixed" else None
            self._functions[box.id] = known or self._learner(box, dom, cod)
        return self._functions[box.id]

    def _learner(self, box: Box, dom: tuple[Type, ...], cod: tuple[Type, ...]) -> Callable[..., Outputs]:
        name = self.names.functions[box.id]
        if self._labels[box.label] > 1:
            self._warn(f"{box}: field label: another box has this label; in the task this one is {name}")
        learner = Learner(name, dom, cod[0] if len(cod) == 1 else product(*cod))
        if box.kind == "fixed":
            self.given.add(learner)
            self._warn(f"{box}: the file does not say what it computes; it is a learner that no equation trains")
        if len(cod) == 1:
            return lambda *inputs: (learner(*inputs),)
        return lambda *inputs: tuple(learner(*inputs))

    # --------------------------------------------------------------------------------------------------- warnings

    def _warn(self, line: str) -> None:
        self._warnings[line] = None

    def _look_at_draws(self, pairing: Pairing) -> None:
        sides = (pairing.lhs, pairing.rhs)
        for id in {**pairing.lhs.draws, **pairing.rhs.draws}:
            left, right = (len(side.draws.get(id, ())) for side in sides)
            if max(left, right) > 1:
                places = "; which is which on the two sides is told by their height" if left and right else ""
                self._warn(
                    f"{pairing}: {self.document.boxes[id]} is there {left} and {right} times: the draws in one diagram "
                    f"are independent{places}"
                )
        for side in dict.fromkeys(sides):
            self._look_for_paired_inputs(pairing, side)

    def _look_for_paired_inputs(self, pairing: Pairing, diagram: Diagram) -> None:
        """The editor's own example writes the value that the image was drawn with, so that put may do nothing."""
        boxes = {node.id: node.box for node in diagram.nodes}
        for node in (each for each in diagram.nodes if each.box.kind == "learner"):
            reads = sorted({diagram.feeds[node.id, slot] for slot in range(len(node.box.inputs))})
            for source in dict.fromkeys(id for id, _ in reads if boxes[id].kind == "data"):
                wires = [boxes[source].outputs[slot].label for id, slot in reads if id == source]
                back = {wire.label for wire in node.box.outputs}.intersection(wires)
                if len(wires) > 1 and back and self._data(boxes[source]) == "dataset":
                    others = [label for label in wires if label not in back] or wires[1:]
                    self._warn(
                        f"{pairing}: {node.box} reads {shown(' and '.join(wires))} of one draw of {boxes[source]}: giving "
                        f"{shown(' and '.join(sorted(back)))} back unchanged may solve it, unless "
                        f"{shown(' and '.join(others))} comes from a data box of its own"
                    )

    def _check_choices(self, equations: set[str]) -> None:
        """Raises TaskError if an argument is about what is not there."""
        wires = {*self.names.wires, *self.names.wires.values()}
        data = {*self.names.data.values(), *(self.document.boxes[id].label for id in self.names.data)}
        for told, known, what in (
            (self.choices.dimensions, wires, "wires"),
            (self.choices.categorical or (), wires, "wires"),
            (self.choices.sources, data, "data boxes"),
            (self.choices.divergences, equations, "equations"),
            (self.choices.trains, equations, "equations"),
            (self.choices.weights, equations, "equations"),
        ):
            for name in told:
                if name not in known:
                    raise TaskError(f"{name}: the file's {what} are {shown(', '.join(sorted(known)))}")


class _Draws:
    """The draws of one equation of the file, which its two sides share."""

    def __init__(self, reader: Reader, equation: str, number: str) -> None:
        self.reader, self.equation, self.number = reader, equation, number
        self.found: dict[tuple[str, int], Outputs] = {}
        self.taken: set[str] = set()

    def draw(self, box: Box, which: int) -> Outputs:
        """What a data box gives in this draw of it. A source is called BOX.EQUATION, with primes for further draws."""
        key = box.id, which
        if key not in self.found:
            name = self.reader.names.data[box.id]
            stem = name.rstrip("'")
            stems = {stem: 0, **{f"{stem}_{slot + 1}": slot for slot in range(len(box.outputs))}}
            primes = name[len(stem) :] + "'" * which
            while not self.taken.isdisjoint(f"{each}{primes}" for each in stems):
                primes += "'"
            for each, slot in stems.items():
                self.taken.add(f"{each}{primes}")
                self.reader.origins[f"{each}.{self.equation}{primes}"] = (*key, slot)
            self.found[key] = self.reader.draw(box, self.number, lambda each: f"{each}.{self.equation}{primes}")
        return self.found[key]


def _reachable(lhs: Term, rhs: Term) -> tuple[Learner, ...]:
    """The learners that an equation can train, in the order in which values pass them."""
    able = set(Equation(lhs, rhs, mse, ()).learners)
    passed = (term.op for side in (lhs, rhs) for term in side.walk())
    return tuple(dict.fromkeys(op for op in passed if isinstance(op, Learner) and op in able))


def usual_divergence(lhs: Term, rhs: Term) -> Divergence:
    """What the editor compares two wires by, unless it is told; kl in place of a cross-entropy that is none."""
    if lhs.type.kind != "categorical":
        return mse
    return cross_entropy if isinstance(rhs.op, Wire) else kl


def says_what_it_does(label: str) -> bool:
    """Whether a fixed box of this label is no mystery."""
    return as_number(label) is not None or label in ARITHMETIC or _with_number(label) is not None


def _with_number(label: str) -> Callable[[Term], Term] | None:
    """The box that a label such as `× 0.9` or `noise[0.1]` says."""
    for pattern, make in WITH_NUMBER:
        found = pattern.fullmatch(label)
        number = as_number(found[1]) if found else None
        if number is not None:
            return make(number)
    return None


def _labelled_function(box: Box, dom: tuple[Type, ...], cod: tuple[Type, ...]) -> Callable[..., Outputs] | None:
    """What a fixed box does, where its label says so."""
    number, function = as_number(box.label), _with_number(box.label)
    if number is not None and not dom and len(cod) == 1:
        try:
            value = constant(number, cod[0])
        except TaskError as error:
            raise TaskError(f"{box}: {error}") from None
        return lambda: (value,)
    if len(cod) != 1 or cod[0].kind != "real" or set(dom) != set(cod):
        return None
    if box.label in ARITHMETIC and len(dom) == 2:
        return lambda one, two: (ARITHMETIC[box.label](one, two),)
    if function is not None and len(dom) == 1:
        return lambda one: (function(one),)
    return None


T = TypeVar("T")


def _told(choices: Mapping[str, T], *names: str) -> T | None:
    """What is said under the first of these names that has something said."""
    return next((choices[name] for name in names if name in choices), None)
