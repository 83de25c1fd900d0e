"""Sentences that people wrote, labelled by tense, past or present: of the Brown corpus, 4 to 16 words and marks long."""

from pathlib import Path

import torch
from torch import Tensor

from pipeline.data.base import DataSet, Examples
from pipeline.data.sentences import UNK, Vocabulary, brown

STRANGE = 3  # words of a sentence, at most, that have no token of their own
EVERY = 5  # one sample of so many is for the test

VOCABULARY = Vocabulary(brown.COMMON, brown.LONGEST + 2)


def decode(folder: Path) -> tuple[Examples, Examples]:
    """The training and test examples in a folder of the samples. No sample is in both, nor any row of tokens twice."""
    names = list(brown.SOURCE.files)
    held = names[EVERY - 1 :: EVERY]
    seen: set[tuple[int, ...]] = set()
    test = examples(folder, held, seen)
    return examples(folder, [name for name in names if name not in held], seen), test


def examples(folder: Path, samples: list[str], seen: set[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """The sentences (n, length) int16 of these samples whose tokens tell a tense, and labels (n,); none of those that were
    seen, to which they are added."""
    sentences, labels = brown.labelled(brown.decode(folder, samples=samples))
    tokens = VOCABULARY.encode(sentence.words for sentence in sentences)
    telling = torch.tensor([_tells(sentence) for sentence in sentences], dtype=torch.bool)
    used = telling & ((tokens == UNK).sum(1) <= STRANGE)
    for place, row in enumerate(map(tuple, tokens.tolist())):
        used[place] &= row not in seen
        seen.add(row)
    return tokens[used].to(torch.int16), labels[used]


def _tells(sentence: brown.Tagged) -> bool:
    """Whether the tense can be read from the tokens: one of the words that tell it has one."""
    words = zip(sentence.words, sentence.tags, strict=True)
    return any(word in VOCABULARY.numbers and brown.tense((tag,)) is not None for word, tag in words)


DATASET = DataSet((VOCABULARY.length, len(VOCABULARY)), brown.TENSES, brown.SOURCE, decode, VOCABULARY.names)
