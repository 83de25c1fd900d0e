"""The manipulator with one more equation, which compares laws instead of values.

    law : (features(put(s, a)), a) == (features(s'), v')    [mmd]    (s', v') an independent draw of the data

features is the classifier up to its last layer. The four equations let put write any image that get reads as a; this
one asks that edits to a look, to the classifier, like real images of a.
"""

import pydantic

from pipeline.language import Composite, Learner, Source, Uniform, equation, mmd, pair
from pipeline.language.task import Equation
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, System

GIVEN = "classifier"


class Settings(manipulator.Settings):
    """law: weight of the law-matching equation."""

    law: float = pydantic.Field(default=5.0, gt=0)


def law(get: Composite, put: Learner, x: Source, a: Source, weight: float) -> Equation:
    features, (s, _), (real, label) = get.parts[0], x, x.again()
    return equation(pair(features(put(s, a)), a), pair(features(real), label), mmd, trains=put, weight=weight)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = manipulator.reader_in_parts(given), manipulator.writer(settings, inputs)
    x, a = inputs.x, Uniform("a", inputs.V)
    edit = manipulator.four_equations(settings, get, put, x, a)
    matched = edit.with_equations(law=law(get, put, x, a, settings.law))
    return manipulator.editor(settings, get, put, matched)
