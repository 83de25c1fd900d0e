"""Manipulation of sentences: a sentence is its value and the rest, comp(s), from which rec says it.

    classify : get(s) == v
    putget   : get(said(put(s, a))) == a
    getput   : put(s, get(s)) == s
    undo     : rec(get(s), comp(said(put(s, a)))) == s
    keep     : comp(said(put(s, a))) == comp(s)
    free     : (comp(s), v) == (comp(s), a)     [mmd]
    real     : critic(s) == 1                   [trains critic]
    made     : critic(said(put(s, a))) == 0     [trains critic]
    like     : critic(said(put(s, a))) == 1     [trains comp, rec]

with put(s, a) = rec(a, comp(s)). It is the complement form (`complement_manipulator`) with words for pixels: rec gives a
distribution for each word, and `said` the words that are drawn of it (straight through: Bengio et al. 2013), since what is
read has to be a text. getput and undo are cross-entropies, minus the log-probability of the sentence, here over its
length. `free` says that the rest has nothing of the value: then rec, which says the sentences of the data from their own
rests and values, says such sentences from any value. What it says that is no sentence of the data all the same, a critic
finds, in a game (Goodfellow et al. 2014). The first steps are of getput and `free` alone: there is little to say of edits
before there are sentences.
"""

from dataclasses import replace

import pydantic
from torch import nn

from pipeline.language import (
    Composite,
    Equation,
    Learner,
    Phase,
    Player,
    Type,
    Uniform,
    bernoulli_nll,
    constant,
    cross_entropy,
    equation,
    learners_of,
    mmd,
    mse,
    pair,
    smoothed_cross_entropy,
    straight_through,
    task,
)
from pipeline.nets.sentences import ConvolvedWords, Slots, SlotWriter
from pipeline.systems import _sentences, complement_manipulator, manipulator
from pipeline.systems.base import Inputs, Recipe, System

KINDS, GIVEN = ("sentences",), "sentence_classifier"
FIRST = ("getput", "free")


class Settings(Recipe):
    """slots, width: of the rest; temperature: of the draw of words, whose gradient it is; smoothing: of the cross-entropy
    of putget; reading: its weight; reconstruction: that of getput and undo, per word; keep, free, like: weights of these;
    critic: its width; rebuilding: the share of the steps that are of getput and free alone."""

    slots: int = pydantic.Field(default=16, gt=0)
    width: int = pydantic.Field(default=8, gt=0)
    temperature: float = pydantic.Field(default=1.0, gt=0)
    smoothing: float = pydantic.Field(default=0.1, ge=0, lt=1)
    reading: float = pydantic.Field(default=3.0, gt=0)
    reconstruction: float = pydantic.Field(default=5.0, gt=0)
    keep: float = pydantic.Field(default=1.0, ge=0)
    free: float = pydantic.Field(default=100.0, ge=0)
    like: float = pydantic.Field(default=1.0, ge=0)
    critic: int = pydantic.Field(default=64, gt=0)
    rebuilding: float = pydantic.Field(default=0.4, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    inputs = _sentences.expected(inputs)
    get, (comp, rec) = manipulator.reader(given), halves(settings, inputs)
    reads = nn.Sequential(ConvolvedWords(inputs.words, settings.critic), nn.Linear(settings.critic, 1), nn.Flatten(0))
    critic = Learner("critic", (inputs.S,), Type("G", (), "bernoulli"), reads)
    made = equations(settings, inputs, get, comp, rec, critic)

    players = (Player("critic", (critic,)), Player("editor", (comp, rec)))
    edit = task(**made, players=(Player("get", learners_of(get)), *players))
    first, fit = task(**{name: made[name] for name in FIRST}), replace(edit.frozen(get), players=players)
    steps = round(settings.rebuilding * settings.steps)
    return replace(
        complement_manipulator.editor(settings, get, comp, rec, edit),
        phases=(Phase("rebuild", first, steps), Phase("fit", fit, settings.steps - steps)),
    )


def halves(settings: Settings, inputs: _sentences.SentenceInputs) -> tuple[Learner, Learner]:
    """comp : S -> C and rec : V x C -> S."""
    C = Type("C", (settings.slots, settings.width))
    comp = Learner("comp", (inputs.S,), C, Slots(inputs.words, *C.shape))
    return comp, Learner("rec", (inputs.V, C), inputs.S, SlotWriter(inputs.shape, *C.shape, len(inputs.values)))


def equations(
    settings: Settings,
    inputs: _sentences.SentenceInputs,
    get: Learner | Composite,
    comp: Learner,
    rec: Learner,
    critic: Learner,
) -> dict[str, Equation]:
    (s, v), a = inputs.x, Uniform("a", inputs.V).term
    both, word = (comp, rec), settings.reconstruction / inputs.shape[0]
    zero, one = (constant(value, Type("G", ())) for value in (0, 1))
    said = straight_through(settings.temperature)(rec(a, comp(s)))
    return {
        "classify": equation(get(s), v, cross_entropy, trains=get),
        "putget": equation(
            get(said), a, smoothed_cross_entropy(settings.smoothing), trains=both, weight=settings.reading
        ),
        "getput": equation(rec(get(s), comp(s)), s, cross_entropy, trains=both, weight=word),
        "undo": equation(rec(get(s), comp(said)), s, cross_entropy, trains=both, weight=word),
        "keep": equation(comp(said), comp(s), mse, trains=both, weight=settings.keep),
        "free": equation(pair(comp(s), v), pair(comp(s), a), mmd, trains=comp, weight=settings.free),
        "real": equation(critic(s), one, bernoulli_nll, trains=critic),
        "made": equation(critic(said), zero, bernoulli_nll, trains=critic),
        "like": equation(critic(said), one, bernoulli_nll, trains=both, weight=settings.like),
    }
