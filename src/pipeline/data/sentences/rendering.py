"""Data sets made of a grammar: as those made of a renderer, with sentences for pictures."""

from functools import partial

import torch
from torch import Tensor

from pipeline.data.base import DataSet
from pipeline.data.renderers import Rendering
from pipeline.data.renderers.rendering import Columns
from pipeline.data.sentences.grammar import ENGLISH


class SentenceRendering(Rendering):
    """A grammar's sentences with labels that tell one factor; `renderer` is the grammar."""

    def examples(self, rows: Tensor, size: int = 0) -> Columns:
        """The sentences (n, length) int16, labels (n,) and factors of rows (n, k); sentences have no size.

        Raises UserError as `Grammar.render` does.
        """
        tokens = self.renderer.vocabulary.encode(self.renderer.render(rows))
        return tokens.to(torch.int16), self.label(rows), rows


def said(factor: str) -> DataSet:
    """The data set of English sentences whose labels are the values of a factor. Raises UserError if there is none."""
    values, words = ENGLISH.values(factor), ENGLISH.vocabulary
    rendering = SentenceRendering(ENGLISH, factor, tuple(range(len(values))))
    shape = (words.length, len(words))
    return DataSet(shape, values, rendering, partial(rendering.decode, size=0), words.names)
