"""Terms, equations and tasks as string diagrams.

A term graph is a morphism of a free Markov category: boxes on wires that may be copied and discarded, fed by states.
discopy builds and draws it; this module only translates. Diagrams read from top to bottom.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pipeline.language.task import Equation, Task
from pipeline.language.terms import Box, Learner, Optimum, Source, Term, Wire


def diagram(*terms: Term) -> Any:
    """The discopy diagram of several terms side by side: sources as states at the top, shared draws copied."""
    from discopy import markov

    order = list(dict.fromkeys(below for term in terms for below in term.walk()))
    sources = list(dict.fromkeys(term.op.source for term in order if isinstance(term.op, Wire)))
    used = [source for source in sources if not source.implicit or _needed(source, order)]

    def build(*_: Any) -> tuple[Any, ...]:
        values: dict[Term, Any] = {}
        for source in used:
            wires = list(source)
            made = _state(source)()
            values.update(zip(wires, made if isinstance(made, tuple) else (made,), strict=True))
        for term in order:
            if term not in values and not _hidden(term):
                values[term] = _box(term)(*(values[below] for below in term.inputs if not _hidden(below)))
        return tuple(values[term] for term in terms)

    cod = _object(*terms)
    return markov.Diagram.from_callable(markov.Ty(), cod)(build)


def _needed(source: Source, order: list[Term]) -> bool:
    return any(isinstance(term.op, Wire) and term.op.source == source and not term.op.hidden for term in order)


def _hidden(term: Term) -> bool:
    return isinstance(term.op, Wire) and term.op.hidden


def _object(*terms: Term) -> Any:
    from discopy import markov

    result = markov.Ty()
    for term in terms:
        result = result @ markov.Ty(term.type.name)
    return result


def _state(source: Source) -> Any:
    from discopy import markov

    cod = markov.Ty(*(type.name for _, type in source.wires))
    return markov.Box(source.name, markov.Ty(), cod)


def _box(term: Term) -> Any:
    from discopy import markov

    op = term.op
    name = op.name if isinstance(op, Box) else ("argmax" if isinstance(op, Optimum) else "pair")
    box = markov.Box(name, _object(*(below for below in term.inputs if not _hidden(below))), _object(term))
    if isinstance(op, Learner):
        box.color = "yellow"
    return box


def svg(each: Equation, name: str) -> str:
    """An equation as SVG: its two sides next to each other, fed by the same sources. The same bytes every time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure, axes = _figure(each)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        pyplot.close(figure)
    return text.getvalue()


def _figure(each: Equation) -> Any:
    from matplotlib import pyplot

    sides = [diagram(each.lhs), diagram(each.rhs)]
    widths = [max(2.0, side.width if isinstance(side.width, float | int) else side.width()) for side in sides]
    figure, axes = pyplot.subplots(1, 2, figsize=(1.1 * sum(widths), 1 + 0.6 * max(len(side) for side in sides)),
                                   gridspec_kw={"width_ratios": widths})
    return figure, axes
