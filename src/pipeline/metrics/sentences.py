"""What two independent judges, a grammar's reader and a language model find of an editor of sentences.

As `panel`, of which this is the form for sentences; what concerns pixels has no place here. A sentence is a row of
tokens (n, length) int64. All results are by key (docs/metrics.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.data.renderers import edits as right_edits
from pipeline.data.renderers import kept
from pipeline.data.sentences import Reader, Sentence, Vocabulary
from pipeline.errors import UserError
from pipeline.metrics.intervals import uniform_other
from pipeline.metrics.panel import Panel, Results
from pipeline.metrics.text import KneserNey, bleu, perplexity
from pipeline.systems import Model


@dataclass(frozen=True)
class SentencePanel(Panel):
    """vocabulary: what tokens stand for; corpus: sentences (n, length) that the language model learns, of the judge."""

    vocabulary: Vocabulary | None = None
    corpus: Tensor | None = None

    def said(self, tokens: Tensor) -> list[Sentence]:
        return self.vocabulary.decode(tokens)

    @cached_property
    def reader(self) -> Reader:
        """Reads the factors of sentences of the grammar."""
        return Reader(self.examples.rendering.renderer)

    @cached_property
    def speech(self) -> KneserNey:
        """A model of real sentences, none of which an editor or this split has."""
        return KneserNey.fit(self.said(self.corpus), self.vocabulary.names)

    @cached_property
    def perplexity_reference(self) -> float:
        return self.perplexity(self.held[0])["perplexity"]

    def perplexity(self, tokens: Tensor) -> Results:
        settings = self.scale.settings
        return perplexity(self.speech, self.said(tokens), settings.bootstrap, self.scale.seed).entries("perplexity")

    def check(self, name: str, made: Tensor) -> None:
        """Raises UserError unless these are sentences as the examples are."""
        length = self.examples.images.shape[1]
        if made.dtype != torch.int64 or tuple(made.shape[1:]) != (length,):
            raise UserError(f"{name}: tokens (n, {length}) int64 expected, {tuple(made.shape)} {made.dtype} given")

    def robustness(self, model: Model) -> Results:
        """Nothing: the attacks and degradations that are measured are of pixels."""
        return {}

    def kept(self, edits: Tensor, targets: Tensor) -> Results:
        """How near edits are to the source, and where there is a grammar, to the truth."""
        images, _ = self.held
        settings, seed, said = self.scale.settings, self.scale.seed, self.said(edits)
        found = bleu(said, [[each] for each in self.said(images)], resamples=settings.bootstrap, seed=seed).entries(
            "bleu_source"
        )
        found |= _renamed(self.perplexity(edits), "perplexity_edit")
        found["perplexity_ratio"] = found["perplexity_edit"] / self.perplexity_reference
        return found | self.truth(said, targets) if self.examples.rendering else found

    def truth(self, said: Sequence[Sentence], targets: Tensor) -> Results:
        """How often edits are sentences of the grammar, the true edit, and have the other factors as they were."""
        rendering, mean, rows = self.examples.rendering, self.scale.mean, self.examples.factors[: len(said)]
        settings, seed = self.scale.settings, self.scale.seed
        right = rendering.renderer.render(right_edits(rendering, rows, targets)[:, 0])
        reading, counted = self.reader(said), kept(rendering, rows, targets)
        same = (reading.rows == rows) & counted
        exact = torch.tensor([one == other for one, other in zip(said, right, strict=True)])
        found = mean("preservation_other_accuracy", same.double().sum(1) / counted.double().sum(1))
        found |= mean("grammatical_edit", reading.distances == 0) | mean("exact_edit", exact)
        return found | bleu(said, [[each] for each in right], resamples=settings.bootstrap, seed=seed).entries(
            "bleu_edit"
        )

    def laws(self, model: Model) -> Results:
        """How far GetPut, Undoability and PutPut are from holding, in words. A system without a get is told the
        labels."""
        images, labels = self.held
        own = model.classify(images) if model.classify else F.one_hot(labels, self.examples.values).float()
        again = uniform_other(self.targets, self.examples.values, self.scale.seed + 1)
        edits = model.edit(images, self.targets)
        pairs = {
            "getput": (model.edit(images, own), images),
            "undo": (model.edit(edits, own), images),
            "putput": (model.edit(edits, again), model.edit(images, again)),
        }
        found: Results = {}
        for law, (made, wanted) in pairs.items():
            errors = word_errors(self.said(made), self.said(wanted))
            found |= self.scale.mean(f"{law}_word_error", errors)
        return found

    def floor(self) -> Results:
        """The same of real held-out sentences."""
        return super().floor() | _renamed(self.perplexity(self.held[0]), "perplexity_reference")


def word_errors(said: Sequence[Sentence], wanted: Sequence[Sentence]) -> Tensor:
    """Word error rates (n,): how many words have to be put in, left out or replaced to make the wanted sentence
    (Levenshtein 1966), over the number of its words, 1 at least; down. 0 for equal sentences, over 1 possible."""
    rates = [distance(one, other) / max(1, len(other)) for one, other in zip(said, wanted, strict=True)]
    return torch.tensor(rates, dtype=torch.float64)


def distance(one: Sentence, other: Sentence) -> int:
    """The least number of words put in, left out or replaced that makes one sentence of the other."""
    row = list(range(len(other) + 1))
    for place, word in enumerate(one, 1):
        before, row = row, [place]
        for column, wanted in enumerate(other, 1):
            row.append(min(before[column] + 1, row[-1] + 1, before[column - 1] + (word != wanted)))
    return row[-1]


def _renamed(entries: Results, key: str) -> Results:
    return {name.replace("perplexity", key, 1): value for name, value in entries.items()}
