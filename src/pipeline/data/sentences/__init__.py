"""English sentences from a grammar of named factors: the truth of every edit is known exactly, factors can be read back.

And sentences that people wrote, with a label that their tags tell (`brown`). `rendering` makes data sets of the grammar.
"""

from pipeline.data.sentences.grammar import ENGLISH, Grammar
from pipeline.data.sentences.reading import UNREAD, Reader, Reading
from pipeline.data.sentences.sentence import Sentence
from pipeline.data.sentences.tokens import BOS, EOS, MARKS, PAD, UNK, Vocabulary, common, ended

__all__ = [
    "BOS",
    "ENGLISH",
    "EOS",
    "MARKS",
    "PAD",
    "UNK",
    "UNREAD",
    "Grammar",
    "Reader",
    "Reading",
    "Sentence",
    "Vocabulary",
    "common",
    "ended",
]
