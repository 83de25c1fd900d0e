"""What systems on sentences share: the data as they see them, what spoils a sentence, and the equations of manipulators.

    mixed(s, s', m)     s with the words of s' at the places where m, uniform in 0..1, is below a share
    surprisal(q, s)     minus the log-probability of a word of s under q, the mean over its places, in nats

A judge of sentences is a classifier, and a guard that tells sentences like the data from mixed ones:

    classify : judge(s) == v
    real     : guard(s) == 1
    degraded : guard(mixed(s, s', m)) == 0

As for pictures (`_judge`), what is read is g judge(s) + (1 - g) uniform, with g the guard's probability that s is like the
data. Some mixed sentences are sentences like the data, so g is not quite 1.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pydantic
import torch
from torch import Tensor, nn

from pipeline.language import (
    Composite,
    Equation,
    Fixed,
    Learner,
    Phase,
    R,
    Task,
    Term,
    Type,
    Uniform,
    cross_entropy,
    equation,
    likeliest,
    pair,
    sliced_wasserstein,
    smoothed_cross_entropy,
    straight_through,
    task,
    unbiased_mmd,
)
from pipeline.language.terms import Wireable
from pipeline.nets.sentences import ReadWords
from pipeline.systems import _judge
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


def surprisal(inputs: SentenceInputs) -> Fixed:
    """See above: S x S -> R."""

    def body(guess: Tensor, words: Tensor) -> Tensor:
        return -(words.exp() * guess).sum(2).mean(1)

    return Fixed("surprisal", (inputs.S, inputs.S), R, body=body, raw=True)


def judge(settings: _judge.Settings, inputs: SentenceInputs, module: nn.Module) -> System:
    """module: words -> the features, (n, settings.features)."""
    s, _ = inputs.x
    return _judge.guarded(settings, inputs, module, lambda: ReadWords(inputs.words, settings.guard), s, mixed(inputs))


class Settings(Recipe):
    """temperature: of the draw of words, whose gradient it is; smoothing: of the cross-entropy of putget; reading: its
    weight; reconstruction: that of getput and undo, per word; law, typical: weights of these; decided: whether
    what equations write for get(s) is the value that is likeliest, or the probabilities that get gives; pretraining: the
    share of the steps that are of the first equations alone."""

    learning_rate: float = pydantic.Field(default=3e-3, gt=0)
    temperature: float = pydantic.Field(default=1.0, gt=0)
    smoothing: float = pydantic.Field(default=0.1, ge=0, lt=1)
    reading: float = pydantic.Field(default=3.0, gt=0)
    reconstruction: float = pydantic.Field(default=5.0, gt=0)
    law: float = pydantic.Field(default=20.0, gt=0)
    typical: float = pydantic.Field(default=5.0, gt=0)
    decided: bool = False
    pretraining: float = pydantic.Field(default=0.4, gt=0, lt=1)


def equations(
    settings: Settings,
    inputs: SentenceInputs,
    get: Composite,
    put: Callable[[Wireable, Wireable], Term],
    trains: tuple[Learner, ...],
    speech: Learner,
) -> tuple[dict[str, Equation], Term, Term]:
    """The equations that both forms have, of the learners `trains` that put is made of; what is said of s; and the value
    that is said."""
    (s, v), (real, a) = inputs.x, inputs.x.again()
    features, word = get.parts[0], settings.reconstruction / inputs.shape[0]
    said, cost = straight_through(settings.temperature)(put(s, a)), surprisal(inputs)
    reading, like = smoothed_cross_entropy(settings.smoothing), pair(features(real), a)
    usual, own = cost(speech(real), real), to_write(settings, get(s))
    made = {
        "classify": equation(get(s), v, cross_entropy, trains=get),
        "putget": equation(get(said), a, reading, trains=trains, weight=settings.reading),
        "getput": equation(put(s, own), s, cross_entropy, trains=trains, weight=word),
        "undo": equation(put(said, own), s, cross_entropy, trains=trains, weight=word),
        "law": equation(pair(features(said), a), like, unbiased_mmd, trains=trains, weight=settings.law),
        "speaks": equation(speech(s), s, cross_entropy, trains=speech, weight=1 / inputs.shape[0]),
        "typical": equation(
            cost(speech(said), said), usual, sliced_wasserstein(1), trains=trains, weight=settings.typical
        ),
    }
    return made, said, a


def to_write(settings: Settings, value: Term) -> Term:
    """What is written of a value that get has read."""
    return likeliest(value) if settings.decided else value


def phases(settings: Settings, edit: Task, get: Composite, first: Iterable[str]) -> tuple[Phase, Phase]:
    """The equations of these names alone, then all, get as it is."""
    steps = round(settings.pretraining * settings.steps)
    pretrain = task(**{name: edit.equations[name] for name in first})
    return Phase("pretrain", pretrain, steps), Phase("fit", edit.frozen(get), settings.steps - steps)
