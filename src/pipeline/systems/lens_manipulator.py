"""A lens, the manipulator without `undo`: to see what that equation is for.

    classify : get(s) == v
    putget   : get(put(s, a)) == a
    getput   : put(s, get(s)) == s

They admit a put that writes one and the same image of each value, whatever s was, except where s has the value already.
"""

from dataclasses import replace

from pipeline.language import Uniform, task
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, System
from pipeline.systems.manipulator import Settings

__all__ = ["Settings", "build"]

GIVEN = "classifier"


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, put = manipulator.reader(given), manipulator.writer(settings, inputs)
    edit = manipulator.four_equations(settings, get, put, inputs.x, Uniform("a", inputs.V))
    kept = {name: each for name, each in edit.equations.items() if name != "undo"}
    system = manipulator.editor(settings, get, put, task(**kept))
    return replace(system, laws={"undo": edit.equations["undo"], **system.laws})
