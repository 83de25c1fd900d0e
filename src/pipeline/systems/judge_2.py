"""The judge that reports on test data: wide strided 5x5 convolutions and a guard. It never chooses anything.

Of sentences: a recurrent net that reads forwards and backwards (`_sentences`).
"""

from pipeline.nets.images import WideFeatures
from pipeline.nets.sentences import ReadWords
from pipeline.systems import _judge, _sentences
from pipeline.systems._judge import Settings
from pipeline.systems.base import Inputs, System

__all__ = ["Settings", "build"]

KINDS = ("images", "sentences")


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    if isinstance(inputs, _sentences.SentenceInputs):
        return _sentences.judge(settings, inputs, ReadWords(inputs.words, settings.features))
    return _judge.judge(settings, inputs, WideFeatures(inputs.shape, settings.features))
