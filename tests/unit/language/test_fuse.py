"""The step in torch.compile's hands is the step."""

import shutil

import pytest
import torch

# Now, before any test: torch's compiler would import setuptools through it in the midst of a run, and once found the
# standard library's distutils in the place of its own.
import torch.utils.cpp_extension
from torch import nn

from pipeline.language import (
    Dataset,
    Draws,
    Learner,
    TaskError,
    Type,
    compile_task,
    constant,
    derivative,
    equation,
    mse,
    noise,
    task,
)

X = Type("X", (6,))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_fused_step_is_the_plain_step() -> None:
    torch.manual_seed(0)
    f = Learner("f", (X,), X, nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)))
    x = Dataset("x", {"x": X}).bind(torch.rand(40, 6)).term
    made = task(back=equation(f(noise(0.1)(x)), x, mse, trains=f), twice=equation(f(f(x)), x, mse, trains=f))
    found = []
    for fuse in (None, "default"):
        (move,) = compile_task(made, fuse=fuse).moves
        for step in (0, 1):
            losses = move.losses(Draws(0, step, 8))
            move.backward(losses)
        found.append([*losses.values(), *(parameter.grad.clone() for parameter in f.parameters)])
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-6)


def test_derivatives_are_not_fused() -> None:
    f = Learner("f", (X,), X, nn.Linear(6, 6))
    x = Dataset("x", {"x": X}).bind(torch.rand(40, 6)).term
    made = task(flat=equation(derivative(f, x), constant(0, X), mse, trains=f))
    with pytest.raises(TaskError, match="cannot differentiate twice"):
        compile_task(made, fuse="default")
