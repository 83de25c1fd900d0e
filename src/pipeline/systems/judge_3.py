"""The second pair of eyes on validation: built like judge_2, guard and all, trained on the examples of judge_1.

What looks good to one set of features may look poor to another: features of pooled convolutions hardly notice that
edits are too much alike. So every choice has a second opinion, and judge_2 takes no part in any.
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
