"""Terms as string diagrams: which boxes there are, and which wire goes where.

A term is a morphism of a free Markov category: boxes on wires that may be copied and discarded, fed by states. A
subterm mentioned twice, or a source drawn once and used twice, is one box or state whose wire is copied; a wire of a
joint source that nothing uses is discarded; `pair` is wires side by side, and a part of a product one of them: no box.

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

from dataclasses import dataclass, field
from typing import Any

from pipeline.language.sources import Constant, Source, Wire
from pipeline.language.terms import Box, Composite, Learner, Part, Term, Tupling, Type, composite_of, learners_of

Port = tuple[int, int]  # a node's place in `Wiring.nodes`, and which of its outputs


@dataclass(frozen=True)
class Node:
    """A box or, if `source`, a state.

    note: what a box is about, beyond its name; inputs: the ports that it reads; outputs: name and type of each wire
    that it gives (no name: the type says enough); learners: whose parameters it has.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[tuple[str, Type], ...]
    note: str = ""
    source: Source | None = None
    learners: tuple[Learner, ...] = ()

    @property
    def constant(self) -> bool:
        return isinstance(self.source, Constant)


@dataclass
class Wiring:
    """Nodes, inputs before their use, and the ports that go out."""

    nodes: list[Node] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    _found: dict[Term | Source, tuple[Port, ...]] = field(default_factory=dict)

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
        if isinstance(term.op, Wire):
            return self._added(term.op.source)[term.op.index]
        if isinstance(term.op, Tupling):
            return tuple(port for below in term.inputs for port in self.add(below))
        if isinstance(term.op, Part):
            (whole,) = term.inputs
            first = sum(len(parts_of(type)) for type in whole.type.parts[: term.op.index])
            return self.add(whole)[first : first + len(parts_of(term.type))]
        if term not in self._found:
            name, note, learners, arguments = _read(term)
            inputs = tuple(port for below in arguments if not below.op.hidden for port in self.add(below))
            outputs = tuple(("", part) for part in parts_of(term.type))
            self._found[term] = self._append(Node(name, inputs, outputs, note, None, learners))
        return self._found[term]

    def _added(self, source: Source) -> list[tuple[Port, ...]]:
        """The ports of each wire of a source."""
        wires = [(name, part) for name, type in source.wires for part in parts_of(type)]
        if source not in self._found:
            shown = tuple(("" if name == source.name else name, type) for name, type in wires)
            self._found[source] = self._append(Node(source.name, (), shown, source=source))
        ports = iter(self._found[source])
        return [tuple(next(ports) for _ in parts_of(type)) for _, type in source.wires]

    def _append(self, node: Node) -> tuple[Port, ...]:
        self.nodes.append(node)
        return tuple((len(self.nodes) - 1, output) for output in range(len(node.outputs)))


def wiring(*terms: Term) -> Wiring:
    """The wiring of terms side by side, on the same draw of their sources."""
    found = Wiring()
    for term in terms:
        found.outputs.extend(found.add(term))
    return found


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
        name = f"{node.name} {node.note}".rstrip()
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


def _read(term: Term) -> tuple[str, str, tuple[Learner, ...], tuple[Term, ...]]:
    """Name, note, learners and inputs of the box that draws a term: a composite applied as a whole is one box."""
    op = term.op
    if not isinstance(op, Box):
        return op.title, op.note, (), term.inputs
    composite, inputs = composite_of(op, term.inputs)
    whole: Box | Composite = composite or op
    return whole.name, "", learners_of(whole), inputs
