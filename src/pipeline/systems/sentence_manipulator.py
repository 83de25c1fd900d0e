"""Manipulation of sentences: a sentence is its value and the rest, comp(s), from which rec says it.

    classify : get(s) == v
    putget   : get(said(put(s, a))) == a
    getput   : put(s, get(s)) == s
    undo     : rec(get(s), comp(said(put(s, a)))) == s
    keep     : comp(said(put(s, a))) == comp(s)
    free     : (comp(s), v) == (comp(s), a)       [mmd]

with put(s, a) = rec(a, comp(s)). It is the complement form (`complement_manipulator`) with words for pixels: rec gives a
distribution for each word, and `said` the words that are drawn of it (straight through: Bengio et al. 2013), since what is
read has to be a text. getput and undo are cross-entropies, minus the log-probability of the sentence, here over its
length. `free` says that the rest has nothing of the value: then rec, which writes sentences of the data from their own
rests and values, writes such sentences from any value. The first steps are of getput and `free` alone: there is little to say about edits
before there are sentences.
"""

from dataclasses import replace

import pydantic

from pipeline.language import (
    Composite,
    Learner,
    Phase,
    Task,
    Type,
    Uniform,
    cross_entropy,
    equation,
    mmd,
    mse,
    pair,
    smoothed_cross_entropy,
    straight_through,
    task,
)
from pipeline.nets.sentences import Slots, SlotWriter
from pipeline.systems import _sentences, complement_manipulator, manipulator
from pipeline.systems.base import Inputs, Recipe, System

KINDS, GIVEN = ("sentences",), "sentence_classifier"


class Settings(Recipe):
    """slots, width: of the rest; temperature: of the draw of words, whose gradient it is; smoothing: of the cross-entropy
    of putget; reconstruction: weight of getput and undo, per word; keep, free: weights of these; rebuilding: the share of
    the steps that are of getput and free alone."""

    slots: int = pydantic.Field(default=16, gt=0)
    width: int = pydantic.Field(default=8, gt=0)
    temperature: float = pydantic.Field(default=1.0, gt=0)
    smoothing: float = pydantic.Field(default=0.1, ge=0, lt=1)
    reconstruction: float = pydantic.Field(default=5.0, gt=0)
    keep: float = pydantic.Field(default=1.0, ge=0)
    free: float = pydantic.Field(default=1.0, ge=0)
    rebuilding: float = pydantic.Field(default=0.5, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    inputs = _sentences.expected(inputs)
    get, (comp, rec) = manipulator.reader(given), halves(settings, inputs)
    made = equations(settings, inputs, get, comp, rec)
    steps = round(settings.rebuilding * settings.steps)
    alone = task(**{name: made.equations[name] for name in ("getput", "free")}).frozen(get)
    system = complement_manipulator.editor(settings, get, comp, rec, made)
    return replace(
        system, phases=(Phase("rebuild", alone, steps), Phase("fit", made.frozen(get), settings.steps - steps))
    )


def halves(settings: Settings, inputs: _sentences.SentenceInputs) -> tuple[Learner, Learner]:
    """comp : S -> C and rec : V x C -> S."""
    C = Type("C", (settings.slots, settings.width))
    comp = Learner("comp", (inputs.S,), C, Slots(inputs.words, *C.shape))
    return comp, Learner("rec", (inputs.V, C), inputs.S, SlotWriter(inputs.shape, *C.shape, len(inputs.values)))


def equations(
    settings: Settings, inputs: _sentences.SentenceInputs, get: Learner | Composite, comp: Learner, rec: Learner
) -> Task:
    (s, v), a = inputs.x, Uniform("a", inputs.V).term
    both, word = (comp, rec), settings.reconstruction / inputs.shape[0]
    said = straight_through(settings.temperature)(rec(a, comp(s)))
    return task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(said), a, smoothed_cross_entropy(settings.smoothing), trains=both),
        getput=equation(rec(get(s), comp(s)), s, cross_entropy, trains=both, weight=word),
        undo=equation(rec(get(s), comp(said)), s, cross_entropy, trains=both, weight=word),
        keep=equation(comp(said), comp(s), mse, trains=both, weight=settings.keep),
        free=equation(pair(comp(s), v), pair(comp(s), a), mmd, trains=comp, weight=settings.free),
    )
