"""The judge of validation: pooled 3x3 convolutions and a guard. It never sees test data, nor what any system learned from."""

from pipeline.nets.images import PooledFeatures
from pipeline.systems import _judge
from pipeline.systems.base import Inputs, System


class Settings(_judge.Settings):
    features: int = 96


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    return _judge.judge(settings, inputs, PooledFeatures(inputs.shape, settings.features))
