"""Reading factors from sentences: of all sentences of the grammar, those that are nearest.

What a system makes of a sentence may not be quite in the grammar. Where the nearest sentences agree on a factor it can
be read all the same; where they do not ("praised our terrible soup" has no sentiment), the text does not tell. Nothing
is learned, so no system can have learned to please the reader.

A word put in, left out, or in another's place counts WORD, but LIGHT if only function words are left out or put for
each other. And "terrible" is nearer to "wonderful" than to "great", "praises" to "praised" than to "loved": where the
same choice is said as the one or the other, by what the sentence agrees with (sentiment, tense, negation, number), it
counts one more than the number of things by which it is.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.data.sentences.grammar import SHARED, Grammar, Phrases, Shared
from pipeline.data.sentences.sentence import Sentence, checked
from pipeline.data.sentences.words import FUNCTION_WORDS, Words

UNREAD = -1
BATCH = 500  # sentences at a time
WORD, LIGHT = 4, 2
FAR = 10_000  # farther than any sentence is

# How far each sentence's first 0, 1, ... words are from some words of the grammar: (length + 1, n) int16.
Far = np.ndarray


@dataclass(frozen=True)
class Reading:
    """rows: (n, k) int64, of the nearest sentences: UNREAD where they differ in a factor; distances: (n,) int64, how
    far these are: 0 for a sentence of the grammar, WORD or less where one word is wrong."""

    rows: Tensor
    distances: Tensor


class Reader:
    """Reads sentences, of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.replacing = _replacing(grammar)
        self.patterns = [(shared, _pattern(slots)) for shared, slots in grammar.phrases.items()]
        self.meanings = {
            shared: [{_spaced(words): numbers for numbers, words in said.items()} for said in slots]
            for shared, slots in grammar.phrases.items()
        }

    def __call__(self, sentences: Iterable[Sentence]) -> Reading:
        """Sentences of any words. Thousands of the grammar are read in a second, thousands of others in several.

        Raises UserError if one is no sequence of words.
        """
        sentences = checked(sentences)
        places = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        rows = torch.full((len(places), len(self.grammar.factors)), UNREAD)
        distances = torch.zeros(len(places), dtype=torch.int64)
        others = []
        for sentence, place in places.items():
            if row := self.parse(sentence):
                rows[place] = torch.tensor(row)
            else:
                others.append(sentence)
        for start in range(0, len(others), BATCH):
            part = others[start : start + BATCH]
            here = [places[sentence] for sentence in part]
            rows[here], distances[here] = self._nearest(part)
        order = [places[sentence] for sentence in sentences]
        return Reading(rows[order], distances[order])

    def parse(self, sentence: Sentence) -> list[int] | None:
        """The row of a sentence of the grammar, None of another one."""
        text = _spaced(sentence)
        for shared, pattern in self.patterns:
            if found := pattern.fullmatch(text):
                meanings = zip(self.meanings[shared], found.groups(), strict=True)
                return self._row(shared, [meaning[said] for meaning, said in meanings])
        return None

    def _row(self, shared: Shared, chosen: list[tuple[int, ...]]) -> list[int]:
        row = [UNREAD] * len(self.grammar.factors)
        for name in SHARED:
            row[self.grammar.places[name]] = getattr(shared, name)
        for columns, numbers in zip(self.grammar.columns, chosen, strict=True):
            for column, number in zip(columns, numbers, strict=True):
                row[column] = number
        return row

    def _nearest(self, sentences: Sequence[Sentence]) -> tuple[Tensor, Tensor]:
        """rows (n, k) and distances (n,) as Reading has them, of at least one sentence."""
        least = [np.full((size, len(sentences)), FAR, np.int16) for size in self.grammar.sizes]
        texts = _Texts(sentences, self.grammar.words, self.replacing)
        for shared, slots in self.grammar.phrases.items():
            for slot, numbers, distances in texts.fits(slots):
                chosen = dict(zip(self.grammar.columns[slot], numbers, strict=True))
                chosen |= {self.grammar.places[name]: getattr(shared, name) for name in SHARED}
                for column, number in chosen.items():
                    np.minimum(least[column][number], distances, out=least[column][number])
        distances = least[0].min(0)
        nearest = [each == distances for each in least]
        rows = [np.where(each.sum(0) == 1, each.argmax(0), UNREAD) for each in nearest]
        return torch.from_numpy(np.stack(rows, 1)), torch.from_numpy(distances.astype(np.int64))


class _Texts:
    """Sentences, to be compared with what slots say: forwards, and backwards."""

    def __init__(self, sentences: Sequence[Sentence], vocabulary: Words, replacing: np.ndarray) -> None:
        self.forwards = _costs(sentences, vocabulary, replacing)
        self.backwards = _costs([sentence[::-1] for sentence in sentences], vocabulary, replacing)
        lengths = np.array([len(sentence) for sentence in sentences])
        steps = np.arange(lengths.max() + 1, dtype=np.int16)[:, None]
        self.start = np.repeat(WORD * steps, len(sentences), 1)
        self.rest, self.within = (lengths - steps).clip(0), lengths >= steps

    def fits(self, slots: list[Phrases]) -> Iterator[tuple[int, tuple[int, ...], np.ndarray]]:
        """For each slot and each thing it can say, by its numbers: how far (n,) the nearest sentence is that says it."""
        before, after = self.start, self._after(slots)
        for slot, said in enumerate(slots):
            reached = _through(before, said.values(), self.forwards)
            for numbers, words in said.items():
                yield slot, numbers, (reached[words] + after[slot + 1]).min(0)
            before = _best(reached, said.values())

    def _after(self, slots: list[Phrases]) -> list[Far]:
        """How far all but the first 0, 1, ... words are from what the last slots can say: from all, all but one, ..."""
        states = [self.start]
        for said in reversed(slots):
            phrases = [words[::-1] for words in said.values()]
            states.append(_best(_through(states[-1], phrases, self.backwards), phrases))
        turned = [np.take_along_axis(state, self.rest, 0) for state in states]
        return [np.where(self.within, state, FAR) for state in reversed(turned)]


def _replacing(grammar: Grammar) -> np.ndarray:
    """How far each word is from each (words + 1, words) int16; the last row is of a word that the grammar has not."""
    places = {word: place for place, word in enumerate(grammar.words)}
    light = np.array([*(word in FUNCTION_WORDS for word in places), False])
    result = np.where(light[:, None] & light[:-1], LIGHT, WORD).astype(np.int16)
    for (first, second), difference in _alike(grammar).items():
        result[places[first], places[second]] = min(1 + difference, WORD)
    np.fill_diagonal(result, 0)
    return result


def _alike(grammar: Grammar) -> dict[tuple[str, str], int]:
    """By how few shared things two sentences may differ that make the same choice and say it with these two words, and
    alike otherwise."""
    result: dict[tuple[str, str], int] = {}
    for (one, slots), (other, others) in itertools.permutations(grammar.phrases.items(), 2):
        difference = sum(mine != yours for mine, yours in zip(one, other, strict=True))
        for said, also in zip(slots, others, strict=True):
            for numbers in said.keys() & also.keys():
                mine, yours = set(said[numbers]), set(also[numbers])
                if len(mine - yours) == len(yours - mine) == 1:
                    pair = (mine - yours).pop(), (yours - mine).pop()
                    result[pair] = min(result.get(pair, difference), difference)
    return result


def _weight(word: str) -> int:
    """How much it counts that a word is left out."""
    # "did praise" lacks a "not" as much as it has the wrong auxiliary.
    return LIGHT if word in FUNCTION_WORDS or word == "not" else WORD


def _costs(sentences: Sequence[Sentence], vocabulary: Words, replacing: np.ndarray) -> dict[str, np.ndarray]:
    """For each word of the vocabulary, how far each word of each sentence is from it: (length, n) int16."""
    numbers = {word: number for number, word in enumerate(vocabulary)}
    written = np.full((max(map(len, sentences)), len(sentences)), len(numbers))
    for column, sentence in enumerate(sentences):
        written[: len(sentence), column] = [numbers.get(word, len(numbers)) for word in sentence]
    return {word: replacing[written, number] for word, number in numbers.items()}


def _through(state: Far, phrases: Collection[Words], costs: dict[str, np.ndarray]) -> dict[Words, Far]:
    """The state after each phrase, and after each beginning of one."""
    reached = {(): state}
    for length in range(1, max(map(len, phrases)) + 1):
        beginnings = list(dict.fromkeys(words[:length] for words in phrases if len(words) >= length))
        before = np.stack([reached[words[:-1]] for words in beginnings])
        after = _one_more(before, [words[-1] for words in beginnings], costs)
        reached |= zip(beginnings, after, strict=True)
    return reached


def _one_more(states: Far, words: list[str], costs: dict[str, np.ndarray]) -> Far:
    """Each state (m, length + 1, n) after one more word of the grammar, of m: it is left out, or some word stands for
    it, and then come others."""
    result = states + np.array([_weight(word) for word in words], np.int16)[:, None, None]
    np.minimum(result[:, 1:], states[:, :-1] + np.stack([costs[word] for word in words]), out=result[:, 1:])
    steps = WORD * np.arange(states.shape[1], dtype=np.int16)[:, None]
    return np.minimum.accumulate(result - steps, axis=1) + steps


def _best(reached: dict[Words, Far], phrases: Collection[Words]) -> Far:
    return np.minimum.reduce([reached[words] for words in phrases])


def _pattern(slots: list[Phrases]) -> re.Pattern[str]:
    """Of sentences in which each word is followed by a space: a group a slot."""
    groups = ("|".join(re.escape(_spaced(words)) for words in said.values()) for said in slots)
    return re.compile("".join(f"({group})" for group in groups))


def _spaced(words: Words) -> str:
    return "".join(f"{word} " for word in words)
