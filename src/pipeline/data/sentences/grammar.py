"""A grammar of English whose sentences are a function of named factors, each with a stated finite set of values.

A sentence is a row of slots: opening, subject, predicate, determiner, adjective, topic. What a slot says is chosen by
factors of its own, and agrees with what all slots share: sentiment, tense, negation, and the number of the subject. So
a sentiment is said by two or three words that must agree, a tense by a verb and an opening, a negation by "not" or
"never". Each slot's choice shows whatever the others say: no two rows have the same sentence (`reading` inverts this).
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.data.renderers import Factor, Renderer
from pipeline.data.sentences import words as lexicon
from pipeline.data.sentences.sentence import Sentence
from pipeline.data.sentences.tokens import Vocabulary
from pipeline.data.sentences.words import Verb, Words
from pipeline.errors import UserError

PAST, PRESENT, FUTURE = range(3)


class Shared(NamedTuple):
    """What all slots of a sentence agree with: the numbers of the three factors' values, and the subject's number."""

    sentiment: int
    tense: int
    negation: int
    plural: bool


SHARED = Shared._fields[:3]  # that are factors

Say = Callable[[Shared, tuple[str, ...]], Words | None]


@dataclass(frozen=True)
class Slot:
    """factors: that choose what is said here; say: what is shared and the values' names -> the words, None where that
    cannot be said (a subject of another number)."""

    factors: tuple[str, ...]
    say: Say


# A slot's words by the numbers of its factors' values.
Phrases = dict[tuple[int, ...], Words]


@dataclass(frozen=True)
class Grammar:
    """Sentences, a function of their factors.

    A row of factors is (k,) int64: of each factor, the number of its value. A sentence is a tuple of words in lower
    case. slots: in the order of the sentence, each with the factors that choose what it says.
    """

    name: str
    factors: tuple[Factor, ...]
    slots: tuple[Slot, ...]

    # A table of factors means the same for sentences as for pictures, and is the same code.
    sizes = Renderer.sizes
    described = Renderer.described
    count = Renderer.count
    column = Renderer.column
    values = Renderer.values
    rows = Renderer.rows
    numbers = Renderer.numbers
    changed = Renderer.changed
    check = Renderer.check

    def sample(self, count: int, seed: int) -> Tensor:
        """So many different combinations (count, k), drawn at random. Raises UserError if there are fewer."""
        if not 0 <= count <= self.count:
            raise UserError(f"{self.name}: {count} combinations of factors asked for, there are {self.count}")
        generator = torch.Generator().manual_seed(seed)
        # There are too many to shuffle them all; of so many, few are drawn twice.
        drawn: dict[int, None] = {}
        while len(drawn) < count:
            numbers = torch.randint(self.count, (count - len(drawn),), generator=generator)
            drawn |= dict.fromkeys(numbers.tolist())
        return self.rows(torch.tensor(list(drawn), dtype=torch.int64))

    def render(self, rows: Tensor) -> list[Sentence]:
        """The sentences of rows (n, k). Raises UserError if the rows are not this grammar's."""
        self.check(rows)
        return [self._said(row) for row in rows.tolist()]

    def _said(self, row: list[int]) -> Sentence:
        slots = zip(self.phrases[self.shared(row)], self.columns, strict=True)
        parts = (said[tuple(row[column] for column in columns)] for said, columns in slots)
        return tuple(itertools.chain.from_iterable(parts))

    def shared(self, row: list[int]) -> Shared:
        """What the slots of a row's sentence agree with."""
        sentiment, tense, negation = (row[self.places[name]] for name in SHARED)
        return Shared(sentiment, tense, negation, plural=self.plurals[row[self.places["subject"]]])

    @cached_property
    def places(self) -> dict[str, int]:
        """The column of each factor."""
        return {factor.name: self.column(factor.name) for factor in self.factors}

    @cached_property
    def plurals(self) -> tuple[bool, ...]:
        return tuple(lexicon.SUBJECTS[name].plural for name in self.values("subject"))

    @cached_property
    def columns(self) -> list[tuple[int, ...]]:
        """Of each slot, the columns of the factors that choose what it says."""
        return [tuple(self.column(name) for name in slot.factors) for slot in self.slots]

    @cached_property
    def phrases(self) -> dict[Shared, list[Phrases]]:
        """All that each slot can say, by what is shared."""
        numbers = itertools.product(*(range(self.sizes[self.column(name)]) for name in SHARED), (False, True))
        return {shared: [self._phrases(slot, shared) for slot in self.slots] for shared in map(Shared._make, numbers)}

    def _phrases(self, slot: Slot, shared: Shared) -> Phrases:
        names = [list(enumerate(self.values(name))) for name in slot.factors]
        said = {}
        for choice in itertools.product(*names):
            numbers, values = zip(*choice, strict=True)
            phrase = slot.say(shared, values)
            if phrase is not None:
                said[numbers] = phrase
        return said

    @cached_property
    def longest(self) -> int:
        """How many words the longest sentence has."""
        return max(sum(max(map(len, said.values())) for said in slots) for slots in self.phrases.values())

    @cached_property
    def words(self) -> Words:
        """All words of all sentences, in alphabetical order."""
        slots = itertools.chain.from_iterable(self.phrases.values())
        return tuple(sorted({word for said in slots for phrase in said.values() for word in phrase}))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """All words, in rows for the longest sentence."""
        return Vocabulary(self.words, self.longest + 2)


def opening(shared: Shared, values: tuple[str, ...]) -> Words:
    """None; a time or place; a period seen from now ("next summer"); or a comment of the sentiment."""
    (value,) = values
    if value in lexicon.PERIODS:
        return lexicon.DEICTIC[shared.tense], value
    if value in lexicon.COMMENTS:
        return (lexicon.COMMENTS[value][shared.sentiment],)
    return lexicon.OPENINGS[value]


def subject(shared: Shared, values: tuple[str, ...]) -> Words | None:
    name, modifier = values
    determiner, noun, plural = lexicon.SUBJECTS[name]
    return (determiner, *_unless_none(modifier), noun) if plural == shared.plural else None


def predicate(shared: Shared, values: tuple[str, ...]) -> Words:
    """The verb, with its auxiliaries, negation and adverb, and what follows it up to its object."""
    name, adverb = values
    verb = lexicon.PREDICATES[name][shared.sentiment]
    never = bool(shared.negation) and adverb == "ever"
    negation = ("not",) if shared.negation and not never else ()
    adverbs = {"plain": (), "ever": ("never",) if never else ("always",)}.get(adverb, (adverb,))
    if shared.tense == FUTURE:
        return ("will", *negation, *adverbs, verb.base or "be", *verb.rest)
    if verb.copular:
        return (_be(shared), *negation, *adverbs, *verb.rest)
    if negation:
        return (_do(shared), *negation, *adverbs, verb.base, *verb.rest)
    return (*adverbs, _finite(verb, shared), *verb.rest)


def _be(shared: Shared) -> str:
    singular, plural = {PAST: ("was", "were"), PRESENT: ("is", "are")}[shared.tense]
    return plural if shared.plural else singular


def _do(shared: Shared) -> str:
    if shared.tense == PAST:
        return "did"
    return "do" if shared.plural else "does"


def _finite(verb: Verb, shared: Shared) -> str:
    if shared.tense == PAST:
        return verb.past
    return verb.base if shared.plural else verb.third


def adjective(shared: Shared, values: tuple[str, ...]) -> Words:
    (value,) = values
    return (lexicon.ADJECTIVES[value][shared.sentiment],) if value in lexicon.ADJECTIVES else ()


def as_named(shared: Shared, values: tuple[str, ...]) -> Words:
    (value,) = values
    return _unless_none(value)


def _unless_none(value: str) -> Words:
    return () if value == "none" else (value,)


def _factors(**values: Iterable[str]) -> tuple[Factor, ...]:
    return tuple(Factor(name, tuple(each)) for name, each in values.items())


ENGLISH = Grammar(
    "sentences",
    _factors(
        sentiment=lexicon.SENTIMENTS,
        subject=lexicon.SUBJECTS,
        tense=lexicon.TENSES,
        negation=lexicon.NEGATIONS,
        opening=(*lexicon.OPENINGS, *lexicon.PERIODS, *lexicon.COMMENTS),
        modifier=lexicon.MODIFIERS,
        predicate=lexicon.PREDICATES,
        adverb=lexicon.ADVERBS,
        determiner=lexicon.DETERMINERS,
        adjective=("none", *lexicon.ADJECTIVES),
        topic=lexicon.TOPICS,
    ),
    (
        Slot(("opening",), opening),
        Slot(("subject", "modifier"), subject),
        Slot(("predicate", "adverb"), predicate),
        Slot(("determiner",), as_named),
        Slot(("adjective",), adjective),
        Slot(("topic",), as_named),
    ),
)
