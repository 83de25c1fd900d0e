"""What systems on sentences share: the data as they see them, and what spoils a sentence.

    mixed(s, s', m)     s with the words of s' at the places where m, uniform in 0..1, is below a share

A judge of sentences is a classifier, and a guard that tells sentences like the data from mixed ones:

    classify : judge(s) == v
    real     : guard(s) == 1
    degraded : guard(mixed(s, s', m)) == 0

As for pictures (`_judge`), what is read is g judge(s) + (1 - g) uniform, with g the guard's probability that s is like the
data. Some mixed sentences are sentences like the data, so g is not quite 1.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pipeline.language import (
    Composite,
    Fixed,
    Learner,
    Phase,
    Term,
    Type,
    Uniform,
    bernoulli_nll,
    constant,
    cross_entropy,
    equation,
    task,
)
from pipeline.nets.sentences import ReadWords
from pipeline.systems.base import Inputs, Recipe, System, TaskError

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

    def bound(self, images: Tensor, labels: Tensor) -> "SentenceInputs":
        """The same with examples: sentences (n, length) of integers, labels (n,) int64."""
        copy = replace(self)
        object.__setattr__(copy, "x", self.x.bind(images, labels))
        return copy


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


def judge(settings: Recipe, inputs: SentenceInputs, module: nn.Module) -> System:
    """module: words -> the features, (n, settings.features); settings: those of `_judge`."""
    S, V, F, G = inputs.S, inputs.V, Type("F", (settings.features,)), Type("G", ())
    features = Learner("features", (S,), F, module)
    head = Learner("head", (F,), V, nn.Linear(settings.features, len(inputs.values)))
    read = Composite("judge", features, head)
    seen = nn.Sequential(ReadWords(inputs.words, settings.guard), nn.Linear(settings.guard, 1), nn.Flatten(0))
    guard = Learner("guard", (S,), replace(G, kind="bernoulli"), seen)

    s, v = inputs.x
    careful = task(
        classify=equation(read(s), v, cross_entropy, trains=read),
        real=equation(guard(s), constant(1, G), bernoulli_nll, trains=guard),
        degraded=equation(guard(mixed(inputs)), constant(0, G), bernoulli_nll, trains=guard),
    )

    def classify(words: Tensor) -> Tensor:
        like = guard.apply(words).sigmoid()[:, None]
        return like * read.apply(words).exp() + (1 - like) / len(inputs.values)

    return System(
        task=careful,
        phases=(Phase("fit", careful, settings.steps),),
        kept=(features, head, guard),
        classify=classify,
        features=features.apply,
    )
