"""The task language: learners, sources and equations.

A *learner* is a variable function of a given type; an *equation* asks two composites of learners to agree on the same
draw of their sources; a *task* is a set of equations. Nothing here knows a data set, a metric or an orchestrator.

>>> from pipeline.language import Dataset, Learner, Type, cross_entropy, equation, task
>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> s, v = Dataset("x", {"s": S, "v": V})
>>> get = Learner("get", (S,), V)
>>> print(task(classify=equation(get(s), v, cross_entropy, trains=get)))
classify : get(s) == v   [cross_entropy; trains get]   s, v ~ x
"""

from pipeline.language.compile import Program, compile_task, evaluate
from pipeline.language.divergence import (
    Divergence,
    bernoulli_nll,
    cross_entropy,
    gaussian_nll,
    kl,
    l1,
    mmd,
    mse,
    smoothed_cross_entropy,
    ssim,
)
from pipeline.language.task import Equation, Phase, Player, Ramp, Task, TaskError, equation, task
from pipeline.language.terms import (
    Box,
    Composite,
    Constant,
    Dataset,
    Draws,
    Fixed,
    Learner,
    Normal,
    ProjectedGradient,
    Source,
    Term,
    Type,
    Uniform,
    learners_of,
    noise,
    optimise,
    pair,
    sample,
    standard_normal,
)

__all__ = [
    "Box",
    "Composite",
    "Constant",
    "Dataset",
    "Divergence",
    "Draws",
    "Equation",
    "Fixed",
    "Learner",
    "Normal",
    "Phase",
    "Player",
    "Program",
    "ProjectedGradient",
    "Ramp",
    "Source",
    "Task",
    "TaskError",
    "Term",
    "Type",
    "Uniform",
    "bernoulli_nll",
    "compile_task",
    "cross_entropy",
    "equation",
    "evaluate",
    "gaussian_nll",
    "kl",
    "l1",
    "learners_of",
    "mmd",
    "mse",
    "noise",
    "optimise",
    "pair",
    "sample",
    "smoothed_cross_entropy",
    "ssim",
    "standard_normal",
    "task",
]
