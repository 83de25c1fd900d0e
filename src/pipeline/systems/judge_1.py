"""The judge of validation: pooled 3x3 convolutions. It never sees test data, nor the examples of any other system."""

from pipeline.nets.images import PooledFeatures
from pipeline.systems._judge import judge
from pipeline.systems.base import Inputs, Recipe, System


class Settings(Recipe):
    features: int = 96


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    return judge(settings, inputs, settings.features, PooledFeatures(inputs.shape, settings.features))
