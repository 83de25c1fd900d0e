"""Terms as string diagrams: which boxes there are, and which wire goes where.

A term is a morphism of a free Markov category: boxes on wires that may be copied and discarded, fed by states. A
subterm mentioned twice, or a source drawn once and used twice, is one box or state whose wire is copied; a wire of a
joint source that nothing uses is discarded; `pair` is wires side by side, no box, and a part of a product is one of
them. What `expected` and `log_mean_exp` are taken over is no wire into them but a name, `i`, of the wire with several
values.

>>> from pipeline.language import Dataset, Learner, Type
>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> x = Dataset("x", {"s": S, "v": V})
>>> get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
>>> s, v = x
>>> print(diagram(get(put(s, v))))
x >> put >> get
>>> print(diagram(get(s)))
x >> S @ Copy(V, 0) >> get
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.language.binding import Derivative
from pipeline.language.sources import Constant, Source, Wire
from pipeline.language.terms import (
    Box,
    Learner,
    Op,
    Part,
    Term,
    Tupling,
    Type,
    composite_of,
    learners_of,
)
from pipeline.language.weighing import Expected

Port = tuple[int, int]  # a node's place in `Wiring.nodes`, and which of its outputs
Kind = Literal["box", "source", "constant", "open"]


@dataclass(frozen=True)
class Node:
    """A box or a state.

    kind: `source`; `constant`, a state that is no source: a number, or a learner without inputs; `open`: a wire that
    comes from outside; note: what a box is about, beyond its name; inputs: the ports that it reads; outputs: name and
    type of each wire that it gives (no name: the type says enough); learners: whose parameters it has; op: what it
    does, unless it is a source; random: whether it has noise of its own; source: what it draws from, if it is one.
    """

    kind: Kind
    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[tuple[str, Type], ...]
    note: str = ""
    learners: tuple[Learner, ...] = ()
    op: Op | None = None
    random: bool = False
    source: Source | None = None


@dataclass
class Wiring:
    """Nodes, inputs before their use, and the ports that go out.

    letters: the names of the wires that an expectation is taken over; border: the source whose wires come from outside.
    """

    nodes: list[Node] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    letters: Mapping[Term, str] = field(default_factory=dict)
    border: Source | None = None
    _found: dict[Term, tuple[Port, ...]] = field(default_factory=dict)
    _states: dict[Source, list[tuple[Port, ...]]] = field(default_factory=dict)

    def uses(self) -> dict[Port, list[Port]]:
        """For each port its readers, as (node, which input); node -1 is the outside."""
        found: dict[Port, list[Port]] = {
            (node, output): [] for node, each in enumerate(self.nodes) for output in range(len(each.outputs))
        }
        for node, each in enumerate(self.nodes):
            for slot, port in enumerate(each.inputs):
                found[port].append((node, slot))
        for slot, port in enumerate(self.outputs):
            found[port].append((-1, slot))
        return found

    def add(self, term: Term) -> tuple[Port, ...]:
        """The ports that carry a term's value (several on a product wire), after adding what they need."""
        pending = [term]
        while pending:
            each = pending[-1]
            missing = [below for below in _needed(each) if below not in self._found]
            if missing and each not in self._found:
                pending.extend(reversed(missing))
            else:
                pending.pop()
                if each not in self._found:
                    self._found[each] = self._ports(each)
        return self._found[term]

    def _ports(self, term: Term) -> tuple[Port, ...]:
        """The ports of a term whose inputs are known."""
        op = term.op
        if isinstance(op, Wire):
            return self._state(op.source)[op.index]
        if isinstance(op, Tupling):
            return tuple(port for below in term.inputs for port in self._found[below])
        if isinstance(op, Part):
            first = sum(len(parts_of(part)) for part in term.inputs[0].type.parts[: op.index])
            return self._found[term.inputs[0]][first : first + len(parts_of(term.type))]
        return self._append(self._node(term))

    def _node(self, term: Term) -> Node:
        """The box that draws a term: a composite applied as a whole is one."""
        op, outputs = term.op, tuple((self.letters.get(term, ""), part) for part in parts_of(term.type))
        name, learners = op.title, learners_of(op) if isinstance(op, Box) else ()
        composite = composite_of(op, term.inputs)[0] if isinstance(op, Box) else None
        if composite is not None:
            name, learners = composite.name, learners_of(composite)
        if isinstance(op, Derivative):
            learners = tuple(dict.fromkeys(_inside(op)))
        note = f"over {self.letters[term.inputs[1]]}" if isinstance(op, Expected) else op.note
        read = _needed(term)[:1] if isinstance(op, Expected) else _needed(term)
        inputs = tuple(port for below in read for port in self._found[below])
        random = any(below.op.hidden for below in term.inputs)
        return Node("box" if inputs else "constant", name, inputs, outputs, note, learners, op, random)

    def _state(self, source: Source) -> list[tuple[Port, ...]]:
        """The ports of each wire of a source."""
        if source not in self._states:
            named = [[(name, part) for part in parts_of(type)] for name, type in source.wires]
            if source == self.border:
                made = tuple(self._append(Node("open", "", (), (each,)))[0] for wire in named for each in wire)
            else:
                kind: Kind = "constant" if isinstance(source, Constant) else "source"
                shown = [("" if name == source.name else name, type) for wire in named for name, type in wire]
                made = self._append(Node(kind, source.name, (), tuple(shown), source=source))
            ports = iter(made)
            self._states[source] = [tuple(next(ports) for _ in wire) for wire in named]
        return self._states[source]

    def _append(self, node: Node) -> tuple[Port, ...]:
        self.nodes.append(node)
        return tuple((len(self.nodes) - 1, output) for output in range(len(node.outputs)))


def _inside(derivative: Derivative) -> Iterator[Learner]:
    """The learners that a derivative depends on, besides those outside."""
    for term in derivative.body():
        if isinstance(term.op, Learner):
            yield term.op
        elif isinstance(term.op, Derivative):
            yield from _inside(term.op)


def _needed(term: Term) -> tuple[Term, ...]:
    """What is drawn before a term: the inputs of its box, those of the first part if that is a composite, and no noise."""
    inputs = composite_of(term.op, term.inputs)[1] if isinstance(term.op, Box) else term.inputs
    return tuple(below for below in inputs if not below.op.hidden)


def wiring(*terms: Term, letters: Mapping[Term, str] | None = None, border: Source | None = None) -> Wiring:
    """The wiring of terms side by side, on the same draw of their sources.

    letters: names for the wires that expectations are taken over (`letters_of(*terms)` if absent); border: a source
    whose wires come from outside.
    """
    found = Wiring(letters=letters_of(*terms) if letters is None else letters, border=border)
    if border is not None:
        found._state(border)
    for term in terms:
        found.outputs.extend(found.add(term))
    return found


def letters_of(*terms: Term) -> dict[Term, str]:
    """A letter for each wire that terms take an expectation over: i, j, and so on, in the order in which they are made."""
    walked = dict.fromkeys(below for term in terms for below in term.walk())
    over = {term.inputs[1] for term in walked if isinstance(term.op, Expected)}
    wires = [term for term in walked if term in over]
    return {term: "ijklmn"[place] if place < 6 else f"i{place}" for place, term in enumerate(wires)}


def diagram(*terms: Term) -> Any:
    """The discopy diagram (`discopy.markov.Diagram`) of terms side by side: from no wires to the terms' wires.

    Wires are named by their types, boxes and states by their names. Two terms are the same wiring if the diagrams'
    hypergraphs are equal: ``diagram(f).to_hypergraph() == diagram(g).to_hypergraph()``.
    """
    from discopy import markov

    found = wiring(*terms)
    uses = found.uses()
    boxes: list[Any] = []
    wires: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = []
    carrier: dict[Port, Any] = {}  # what a reader, (node, which input), reads
    for place, node in enumerate(found.nodes):
        dom, cod = ([found.nodes[n].outputs[k][1] for n, k in node.inputs], [type for _, type in node.outputs])
        letter = node.outputs[0][0] if node.kind == "box" else ""
        name = " ".join(filter(None, (node.name, node.note, letter)))
        boxes.append(markov.Box(name, markov.Ty(*(t.name for t in dom)), markov.Ty(*(t.name for t in cod))))
        given = tuple((place, output) for output in range(len(cod)))
        wires.append((tuple(carrier[place, slot] for slot in range(len(dom))), given))
        for port, type in zip(given, cod, strict=True):
            # discopy would add copies and discards itself, but confuses their legs in larger diagrams.
            readers = uses[port]
            copies = tuple((*port, leg) for leg in range(len(readers)))
            if len(readers) != 1:
                boxes.append(markov.Copy(markov.Ty(type.name), len(readers)))
                wires.append(((port,), copies))
            carrier.update(zip(readers, copies if len(readers) > 1 else [port], strict=False))
    outside = tuple(carrier[-1, slot] for slot in range(len(found.outputs)))
    cod = markov.Ty(*(found.nodes[n].outputs[k][1].name for n, k in found.outputs))
    return markov.Hypergraph(markov.Ty(), cod, tuple(boxes), ((), tuple(wires), outside)).to_diagram()


def parts_of(type: Type) -> tuple[Type, ...]:
    """A product's factors, all the way down."""
    return tuple(part for each in type.parts for part in parts_of(each)) if type.kind == "product" else (type,)
