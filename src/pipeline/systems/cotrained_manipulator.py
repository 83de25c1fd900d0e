"""The manipulator with a get that is not given but trained along with put, from nothing.

    classify : get(s) == v                      trains get
    putget   : get(put(s, a)) == a              trains put, and get if `trains` is all
    getput   : put(s, get(s)) == s              trains put and get
    undo     : put(put(s, a), get(s)) == s      trains put and get

`all` is the task as it was drawn first (Rodatz et al. 2024), `mixed` keeps get from meeting put half way. Either lets
the two agree on marks that only get can see; how far they do, `collusion_gap` tells.
"""

from dataclasses import replace
from typing import Literal

from torch import nn

from pipeline.language import Composite, Learner, Phase, Task, Type, Uniform, equation
from pipeline.nets.images import Features
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, System


class Settings(manipulator.Settings):
    """trains: whether get learns from all four equations, or from all but putget (`mixed`)."""

    trains: Literal["all", "mixed"] = "all"


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    F = Type("F", (128,))
    features = Learner("features", (inputs.S,), F, Features(inputs.shape, 128))
    head = Learner("head", (F,), inputs.V, nn.Linear(128, len(inputs.values)))
    get, put = Composite("get", features, head), manipulator.writer(settings, inputs)
    four = manipulator.four_equations(settings, get, put, inputs.x, Uniform("a", inputs.V))
    both = together(four, get, ("putget", "getput", "undo") if settings.trains == "all" else ("getput", "undo"))
    system = manipulator.editor(settings, get, put, both)
    return replace(system, phases=(Phase("fit", both, settings.steps),))


def together(task: Task, get: Composite, names: tuple[str, ...]) -> Task:
    """The task in which the equations of these names train get too."""
    found = {name: task.equations[name] for name in names}
    more = {
        name: equation(each.lhs, each.rhs, each.divergence, trains=(*each.trains, get), weight=each.weight)
        for name, each in found.items()
    }
    return task.with_equations(**more)
