"""Manipulation of sentences: put keeps a word or says another in its place.

    classify : get(s) == v
    putget   : get(said(put(s, a))) == a
    getput   : put(s, get(s)) == s
    undo     : put(said(put(s, a)), get(s)) == s
    repair   : put(mixed(s, s', m), get(s)) == s
    law      : (features(said(put(s, a))), a) == (features(s'), a)                          [unbiased_mmd]
    speaks   : speech(s) == s                                                               [trains speech]
    typical  : surprisal(speech(t), t) == surprisal(speech(s'), s'), t = said(put(s, a))      [sliced_wasserstein]

The four equations with words for pixels. put gives a distribution for each word, and `said` the words that are drawn of it
(straight through: Bengio et al. 2013), since what is read has to be a text; getput and undo are cross-entropies, minus the
log-probability of the sentence, here over its length. (s', a) is an independent draw of the data, features the classifier
up to its last layer.

With `decided` getput, undo and repair write likeliest(get(s)) for get(s): values in putget are certain, and get is in doubt
about real sentences, by which put could tell that it is to copy.

Keeping all words solves all of the four but putget, and a put that is sure to keep them all learns nothing any more. `repair`
keeps it from that: of a sentence with some words of another, and the value, it is to say the sentence (a denoising, Vincent
et al. 2008). What does not go with the value is then what is to be replaced, by words that go with the rest.

`typical` says that edits are as likely sentences as those of the data, no less and no more: the laws of minus the
log-probability of a word agree, under a model of speech that learns from the data while put does. The first steps are of
`repair` and `speaks` alone.
"""

import pydantic

from pipeline.language import Learner, cross_entropy, equation, learners_of, task
from pipeline.nets.sentences import NextWord, Rewriter
from pipeline.systems import _sentences, manipulator
from pipeline.systems.base import Inputs, System

KINDS, GIVEN = ("sentences",), "sentence_classifier"
FIRST = ("repair", "speaks")


class Settings(_sentences.Settings):
    """width: of the nets; repairing: weight of repair, per word; mixed: the share of the words of another sentence there;
    the others: see `_sentences.Settings`."""

    width: int = pydantic.Field(default=96, gt=0)
    repairing: float = pydantic.Field(default=5.0, gt=0)
    mixed: float = pydantic.Field(default=_sentences.SHARE, gt=0, lt=1)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    inputs = _sentences.expected(inputs)
    put = Learner("put", (inputs.S, inputs.V), inputs.S, Rewriter(inputs.words, len(inputs.values), settings.width))
    speech = Learner("speech", (inputs.S,), inputs.S, NextWord(inputs.words, settings.width))
    (s, _), get, word = inputs.x, manipulator.reader_in_parts(given), settings.repairing / inputs.shape[0]
    own = _sentences.to_write(settings, get(s))
    repair = equation(put(_sentences.mixed(inputs, settings.mixed), own), s, cross_entropy, trains=put, weight=word)

    made, _, _ = _sentences.equations(settings, inputs, get, put, (put,), speech)
    edit = task(**made, repair=repair)
    return System(
        task=edit,
        phases=_sentences.phases(settings, edit, get, FIRST),
        kept=(put, *learners_of(get)),
        boxes={"get": get, "put": put},
        classify=lambda words: get.apply(words).exp(),
        edit=lambda words, values: put.apply(words, values.log()),
    )
