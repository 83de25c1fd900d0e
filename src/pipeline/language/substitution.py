"""Substitution: the same diagram with other boxes and other sources.

>>> from pipeline.language import Learner, Normal, Type
>>> S, Z = Type("S", (4,)), Type("Z", (2,))
>>> f, enc, dec = Learner("f", (S,), S), Learner("enc", (S,), Z), Learner("dec", (Z,), S)
>>> substitute(f(f(Normal("x", S))), {f: lambda x: dec(enc(x))}, {})
dec(enc(dec(enc(x))))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.language.binding import Binder, bind, bound
from pipeline.language.sources import Mixture, Noise, Source, Wire, moved_noise
from pipeline.language.terms import Learner, TaskError, Term

Diagram = Callable[..., Term]  # from the wires that a box takes to the wire that it gives


def substitute(
    term: Term,
    boxes: Mapping[Learner, Diagram],
    sources: Mapping[Source, Source],
    done: dict[Term, Term] | None = None,
) -> Term:
    """The term with every application of a learner replaced by a diagram, and every source by another of the same wires.

    done: what is known already, and what is found; for several terms one after another.
    Raises TaskError if a diagram's wire has another type than the learner's.
    """
    done = {} if done is None else done
    for each in term.walk():
        if each not in done:
            done[each] = _replaced(each, boxes, sources, done)
    return done[term]


def _replaced(
    term: Term, boxes: Mapping[Learner, Diagram], sources: Mapping[Source, Source], done: dict[Term, Term]
) -> Term:
    op, inputs = term.op, tuple(done[below] for below in term.inputs)
    if isinstance(op, Wire):
        return Term(Wire(_source(op.source, boxes, sources, done), op.index), (), term.type)
    if isinstance(op, Binder):
        with bound(op.variable):
            bodies = [substitute(body, boxes, sources, done) for body in op.bodies]
        return bind(op.with_bodies(bodies), inputs[0], *inputs[1 : op.given])
    if not isinstance(op, Learner) or op not in boxes:
        return Term(op, inputs, term.type)
    made = boxes[op](*inputs)
    if made.type != term.type:
        raise TaskError(
            f"{op.name} gives {term.type.full}, but `{made}`, which is to stand for it, gives {made.type.full}"
        )
    return made


def _source(
    source: Source, boxes: Mapping[Learner, Diagram], sources: Mapping[Source, Source], done: dict[Term, Term]
) -> Source:
    if isinstance(source, Mixture) and source not in sources:
        return replace(source, sources=tuple(_source(part, boxes, sources, done) for part in source.sources))
    if not isinstance(source, Noise) or source.of is None:
        return sources.get(source, source)
    of = substitute(source.of, boxes, sources, done)
    return source if of is source.of else moved_noise(source, of)
