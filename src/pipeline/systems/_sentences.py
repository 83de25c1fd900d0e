"""What systems on sentences share: the data as they see them, and what spoils a sentence.

    mixed(s, s', m)     s with the words of s' at the places where m, uniform in 0..1, is below a share

A judge of sentences is a classifier, and a guard that tells sentences like the data from mixed ones:

    classify : judge(s) == v
    real     : guard(s) == 1
    degraded : guard(mixed(s, s', m)) == 0

As for pictures (`_judge`), what is read is g judge(s) + (1 - g) uniform, with g the guard's probability that s is like the
data. Some mixed sentences are sentences like the data, so g is not quite 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.language import Fixed, Term, Type, Uniform
from pipeline.nets.sentences import ReadWords
from pipeline.systems import _judge
from pipeline.systems.base import Inputs, System, TaskError

SHARE = 0.3  # of the places of a mixed sentence are another's


@dataclass(frozen=True)
class SentenceInputs(Inputs):
    """Labelled sentences: s carries a distribution over the vocabulary for each word.

    shape: (length, words); words: how these are spelt, by their tokens. Examples to be bound are tokens (n, length).
    """

    words: tuple[str, ...] = ()

    @property
    def S(self) -> Type:
        return Type("S", self.shape, "categorical")


def expected(inputs: Inputs) -> SentenceInputs:
    """The inputs, of which a system asks that they are sentences. Raises TaskError if they are images."""
    if not isinstance(inputs, SentenceInputs):
        raise TaskError(f"sentences are expected, not images of shape {inputs.shape}")
    return inputs


def mixed(inputs: SentenceInputs, share: float = SHARE) -> Term:
    """A sentence of x with some words of an independent draw, `share` of the places: see above."""
    M = Type("M", inputs.shape[:1])

    def body(words: Tensor, others: Tensor, chance: Tensor) -> Tensor:
        return torch.where((chance < share).unsqueeze(-1), others, words)

    box = Fixed("mixed", (inputs.S, inputs.S, M), inputs.S, body=body, raw=True)
    (s, _), (other, _) = inputs.x, inputs.x.again()
    return box(s, other, Uniform("m", M))


def judge(settings: _judge.Settings, inputs: SentenceInputs, module: nn.Module) -> System:
    """module: words -> the features, (n, settings.features)."""
    s, _ = inputs.x
    return _judge.guarded(settings, inputs, module, lambda: ReadWords(inputs.words, settings.guard), s, mixed(inputs))
