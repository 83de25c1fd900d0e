"""The judge that reports on test data: wide strided 5x5 convolutions. It never chooses anything."""

from pipeline.nets.images import WideFeatures
from pipeline.systems._judge import judge
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    features: int = 128


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    return judge(settings, inputs, settings.features, WideFeatures(inputs.shape, settings.features))
