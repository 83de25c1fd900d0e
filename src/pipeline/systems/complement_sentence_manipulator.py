"""Manipulation of sentences by a complement: a sentence is its value and the rest, comp(s), from which rec says it.

    classify, putget, getput, undo, law, speaks, typical as in `sentence_manipulator`, with put(s, a) = rec(a, comp(s)), and
    keep        : comp(said(put(s, a))) == comp(s)
    independent : (comp(s), v) == (comp(s), a)      [mmd]

It is `complement_manipulator` with words for pixels. rec plans a sentence as a whole: where `sentence_manipulator` does
well if a value is said by some words in the place of others, this one can say it in more words or in fewer.
`independent` says that the rest has nothing of the value: then rec, which says the sentences of the data from their own
rests and values, says such sentences from any value. The first steps are of getput, `independent` and `speaks` alone:
there is little to say of edits before there are sentences.
"""

from dataclasses import replace

import pydantic

from pipeline.language import Learner, Term, Type, equation, mmd, mse, pair, task
from pipeline.language.terms import Wireable
from pipeline.nets.sentences import NextWord, Slots, SlotWriter
from pipeline.systems import _sentences, complement_manipulator, manipulator
from pipeline.systems.base import Inputs, System

KINDS, GIVEN = ("sentences",), "sentence_classifier"
FIRST = ("getput", "independent", "speaks")


class Settings(_sentences.Settings):
    """slots, width: of the rest; speech: width of that net; keep, independent: weights of these; the others: see
    `_sentences.Settings`."""

    slots: int = pydantic.Field(default=16, gt=0)
    width: int = pydantic.Field(default=8, gt=0)
    speech: int = pydantic.Field(default=96, gt=0)
    keep: float = pydantic.Field(default=1.0, ge=0)
    independent: float = pydantic.Field(default=100.0, ge=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    inputs = _sentences.expected(inputs)
    (s, v), get, (comp, rec) = inputs.x, manipulator.reader_in_parts(given), halves(settings, inputs)
    speech = Learner("speech", (inputs.S,), inputs.S, NextWord(inputs.words, settings.speech))

    def put(words: Wireable, value: Wireable) -> Term:
        return rec(value, comp(words))

    made, said, a = _sentences.equations(settings, inputs, get, put, (comp, rec), speech)
    made["keep"] = equation(comp(said), comp(s), mse, trains=(comp, rec), weight=settings.keep)
    made["independent"] = equation(pair(comp(s), v), pair(comp(s), a), mmd, trains=comp, weight=settings.independent)
    edit = task(**made)
    return replace(
        complement_manipulator.editor(settings, get, comp, rec, edit),
        phases=_sentences.phases(settings, edit, get, FIRST),
    )


def halves(settings: Settings, inputs: _sentences.SentenceInputs) -> tuple[Learner, Learner]:
    """comp : S -> C and rec : V x C -> S."""
    C = Type("C", (settings.slots, settings.width))
    comp = Learner("comp", (inputs.S,), C, Slots(inputs.words, *C.shape))
    return comp, Learner("rec", (inputs.V, C), inputs.S, SlotWriter(inputs.shape, *C.shape, len(inputs.values)))
