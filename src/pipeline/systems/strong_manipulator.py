"""Strong manipulation (Rodatz et al. 2024, task 3.2): the manipulator with PutPut as a fifth equation.

    putput : put(put(s, a), b) == put(s, b)     a, b values drawn independently of s and of one another

Only the last value that is written counts. With getput it implies undo; of two values undo implies it in turn.
"""

import pydantic

from pipeline.language import Uniform
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"


class Settings(manipulator.Settings):
    """coherence: weight of putput."""

    coherence: float = pydantic.Field(default=20.0, gt=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = manipulator.reader(given), manipulator.writer(settings, inputs)
    x, a = inputs.x, Uniform("a", inputs.V)
    edit = manipulator.four_equations(settings, get, put, x, a)
    strong = edit.with_equations(putput=manipulator.putput(put, x, a, settings.coherence))
    return manipulator.editor(settings, get, put, strong)
