"""The judge of validation: pooled 3x3 convolutions and a guard. It learned from no test data, nor from what any system learned from.

Of sentences: convolutions over 5 words (`_sentences`).
"""

from pipeline.nets.images import PooledFeatures
from pipeline.nets.sentences import ConvolvedWords
from pipeline.systems import _judge, _sentences
from pipeline.systems.base import Inputs, System

KINDS = ("images", "sentences")


class Settings(_judge.Settings):
    features: int = 96


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    if isinstance(inputs, _sentences.SentenceInputs):
        return _sentences.judge(settings, inputs, ConvolvedWords(inputs.words, settings.features, reach=5))
    return _judge.judge(settings, inputs, PooledFeatures(inputs.shape, settings.features))
