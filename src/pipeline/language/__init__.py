"""The task language: learners, sources and equations.

A *learner* is a variable function of a given type; an *equation* asks two composites of learners to agree on the same
draw of their sources; a *task* is a set of equations. Nothing here knows a data set, a metric or an orchestrator.

>>> from pipeline.language import Dataset, Learner, Type, cross_entropy, equation, task
>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> s, v = Dataset("x", {"s": S, "v": V})
>>> get = Learner("get", (S,), V)
>>> print(task(classify=equation(get(s), v, cross_entropy, trains=get)))
classify : get(s) == v   [cross_entropy; trains get]   s, v ~ x
where
  x ~ data(s: S(4), v: V(2) categorical)
  get : S(4) -> V(2) categorical
"""

from pipeline.language.binding import ProjectedGradient, derivative, optimise
from pipeline.language.boxes import concrete, likeliest, noise, parametric, sample, stop_gradient, straight_through
from pipeline.language.compile import Program, compile_task, evaluate, loss
from pipeline.language.divergence import (
    Divergence,
    Kernel,
    bernoulli_nll,
    cross_entropy,
    frechet,
    gaussian,
    gaussian_nll,
    info_nce,
    inverse_multiquadratic,
    kl,
    l1,
    linear,
    mmd,
    mmd_with,
    mse,
    polynomial,
    sliced_wasserstein,
    smoothed_cross_entropy,
    ssim,
    unbiased_mmd,
    unbiased_mmd_with,
)
from pipeline.language.notation import parse
from pipeline.language.sources import (
    Constant,
    Dataset,
    Draws,
    Gumbel,
    Mixture,
    Normal,
    Source,
    Uniform,
    constant,
    standard_normal,
    uniform,
)
from pipeline.language.task import Equation, Phase, Player, Ramp, Refinement, Task, TaskError, equation, task
from pipeline.language.terms import Box, Composite, Fixed, Learner, R, Term, Type, learners_of, pair, product
from pipeline.language.weighing import drawn, every, expected, log_mean_exp, repeated, reweighted

__all__ = [
    "Box",
    "Composite",
    "Constant",
    "Dataset",
    "Divergence",
    "Draws",
    "Equation",
    "Fixed",
    "Gumbel",
    "Kernel",
    "Learner",
    "Mixture",
    "Normal",
    "Phase",
    "Player",
    "Program",
    "ProjectedGradient",
    "R",
    "Ramp",
    "Refinement",
    "Source",
    "Task",
    "TaskError",
    "Term",
    "Type",
    "Uniform",
    "bernoulli_nll",
    "compile_task",
    "concrete",
    "constant",
    "cross_entropy",
    "derivative",
    "drawn",
    "equation",
    "evaluate",
    "every",
    "expected",
    "frechet",
    "gaussian",
    "gaussian_nll",
    "info_nce",
    "inverse_multiquadratic",
    "kl",
    "l1",
    "learners_of",
    "likeliest",
    "linear",
    "log_mean_exp",
    "loss",
    "mmd",
    "mmd_with",
    "mse",
    "noise",
    "optimise",
    "pair",
    "parametric",
    "parse",
    "polynomial",
    "product",
    "repeated",
    "reweighted",
    "sample",
    "sliced_wasserstein",
    "smoothed_cross_entropy",
    "ssim",
    "standard_normal",
    "stop_gradient",
    "straight_through",
    "task",
    "unbiased_mmd",
    "unbiased_mmd_with",
    "uniform",
]
