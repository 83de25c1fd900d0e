"""get of sentences, made careful, so that only a sentence like the data is read with certainty.

    classify : get(s) == v
    unsure   : half(v) == get(mixed(s, s', m))     half(v) = v with probability 1/2, any value otherwise

mixed(s, s', m) is s with some words of another sentence s'. A put that wants to be read has to leave a whole sentence,
and not only a word that gives the value away.
"""

import pydantic
from torch import nn

from pipeline.language import Composite, Fixed, Learner, Phase, Type, cross_entropy, equation, kl, task
from pipeline.nets.sentences import ConvolvedWords
from pipeline.systems import _sentences
from pipeline.systems.base import Inputs, Recipe, System

KINDS = ("sentences",)


class Settings(Recipe):
    """features: width of the penultimate layer; unsure: weight of that equation."""

    features: int = pydantic.Field(default=96, gt=0)
    unsure: float = pydantic.Field(default=1.0, ge=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    inputs = _sentences.expected(inputs)
    S, V, F = inputs.S, inputs.V, Type("F", (settings.features,))
    features = Learner("features", (S,), F, ConvolvedWords(inputs.words, settings.features))
    head = Learner("head", (F,), V, nn.Linear(settings.features, len(inputs.values)))
    get = Composite("get", features, head)
    half = Fixed("half", (V,), V, body=lambda value: ((value + 1 / len(inputs.values)) / 2).log())

    s, v = inputs.x
    careful = task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        unsure=equation(half(v), get(_sentences.mixed(inputs)), kl, trains=get, weight=settings.unsure),
    )
    return System(
        task=careful,
        phases=(Phase("fit", careful, settings.steps),),
        kept=(features, head),
        boxes={"get": get},
        classify=lambda words: get.apply(words).exp(),
        features=features.apply,
    )
