"""Sentences as rows of numbers of one length: BOS, the words' numbers, EOS, and PAD to the end."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pipeline.data.sentences.sentence import Sentence, checked
from pipeline.data.sentences.words import Words
from pipeline.errors import UserError

MARKS = ("<pad>", "<bos>", "<eos>", "<unk>")
PAD, BOS, EOS, UNK = range(len(MARKS))


@dataclass(frozen=True)
class Vocabulary:
    """words: those that have numbers of their own, from len(MARKS) on; length: of a row, two more than the longest
    sentence has words. Raises UserError for a word that is there twice, or is a mark."""

    words: Words
    length: int

    def __post_init__(self) -> None:
        twice = [word for word, count in Counter(self.names).items() if count > 1]
        if twice:
            raise UserError(f"vocabulary: `{twice[0]}` is in it twice, or is a mark")

    def __len__(self) -> int:
        """How many numbers there are, with the marks."""
        return len(self.names)

    @cached_property
    def names(self) -> Words:
        """The marks and the words, by number."""
        return (*MARKS, *self.words)

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.names)}

    def encode(self, sentences: Iterable[Sentence]) -> Tensor:
        """The rows (n, length) int64; a word that has no number is UNK.

        Raises UserError for a sentence of more than length - 2 words, or one that is no sequence of words.
        """
        sentences = checked(sentences)
        rows = torch.full((len(sentences), self.length), PAD)
        for place, sentence in enumerate(sentences):
            if len(sentence) > self.length - 2:
                raise UserError(
                    f"sentence {place}: at most {self.length - 2} words expected, {len(sentence)} found: "
                    + " ".join(sentence)
                )
            rows[place, : len(sentence) + 2] = torch.tensor(
                [BOS, *(self.numbers.get(word, UNK) for word in sentence), EOS]
            )
        return rows

    def decode(self, tokens: Tensor) -> list[Sentence]:
        """The sentences of rows (n, m) int64 of any length, 0..len-1.

        A sentence ends at the first EOS or PAD, or with its row; BOS at its beginning is no word of it, other marks are
        its words, as MARKS has them. Raises UserError for other rows.
        """
        if tokens.dim() != 2 or tokens.dtype != torch.int64:
            raise UserError(f"tokens: (n, length) torch.int64 expected, {tuple(tokens.shape)} {tokens.dtype} given")
        wrong = tokens[(tokens < 0) | (tokens >= len(self))]
        if len(wrong):
            raise UserError(f"tokens: numbers in 0..{len(self) - 1} expected, {int(wrong[0])} given")
        return [self._sentence(row) for row in tokens.tolist()]

    def _sentence(self, row: list[int]) -> Sentence:
        end = next((place for place, number in enumerate(row) if number in (EOS, PAD)), len(row))
        start = 1 if row[:1] == [BOS] else 0
        return tuple(self.names[number] for number in row[start:end])


def ended(tokens: Tensor) -> Tensor:
    """The rows (n, m) with PAD for all that comes after their first EOS or PAD: what is no part of their sentences."""
    ends = (tokens == EOS) | (tokens == PAD)
    after = ends.cumsum(1) - ends.long() > 0
    return tokens.masked_fill(after, PAD)


def common(sentences: Iterable[Sentence], most: int) -> Words:
    """The words that occur most often, `most` at most: the commonest first, equally common ones by the alphabet."""
    counts = Counter(word for sentence in sentences for word in sentence)
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[:most])
