"""A user's trained classifier as a system that others start from: frozen, whatever it is made of.

FILE.py:CALLABLE means a torch module or a function that takes images (n, *shape) in 0..1 and gives logits or
probabilities (n, values), or a class or function without arguments that makes one of these.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.language import Learner, cross_entropy, equation, task
from pipeline.systems.base import Inputs, System
from pipeline.systems.own.files import blamed, run
from pipeline.systems.own.system import EXAMPLES

Scores = Literal["logits", "probabilities"]
EXPECTED = "a torch module, a function of images, or a function without arguments that makes one is expected"
STEADY = 1e-4  # by which probabilities may differ


class Classifier(nn.Module):
    """Images (n, *shape) in 0..1 -> logits (n, values); always in evaluation mode, since it is not trained here."""

    def __init__(self, inner: nn.Module | Callable[[Tensor], Tensor], scores: Scores) -> None:
        super().__init__()
        self.inner, self.scores = inner, scores
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Classifier":
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        found = self.inner(images).to(images.dtype)
        return found if self.scores == "logits" else found.clamp_min(torch.finfo(found.dtype).tiny).log()


def build(path: Path, name: str, inputs: Inputs, scores: Scores) -> System:
    """The system of a classifier that `path` has under `name`: nothing is left to train.

    Raises UserError if the file fails, or holds no such classifier.
    """
    get = Learner("get", (inputs.S,), inputs.V, Classifier(read(path, name), scores))
    s, v = inputs.x
    return System(
        task=task(classify=equation(get(s), v, cross_entropy, trains=get)),
        phases=(),
        kept=(get,),
        boxes={"get": get},
        classify=lambda images: get.apply(images).exp(),
    )


def read(path: Path, name: str) -> nn.Module | Callable[[Tensor], Tensor]:
    """What a file, which is run, has under that name. Raises UserError that names the file, and the line at fault."""
    module = vars(run(path))
    if name not in module:
        raise UserError(f"{path}: there is nothing called {name} in it; {EXPECTED}")
    found = module[name]
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UserError(f"{path}:{name}: this is of type {type(found).__name__}; {EXPECTED}")
    if _arguments(found) == 1 and not inspect.isclass(found):
        return found
    with blamed(path):
        made = found()
    if not isinstance(made, nn.Module) and not inspect.isroutine(made):
        raise UserError(f"{path}:{name}: what it returns is of type {type(made).__name__}; a torch module is expected")
    return made


def scores_of(path: Path, name: str, inputs: Inputs) -> Scores:
    """Whether a classifier gives logits or probabilities.

    Raises UserError if it cannot take such images, gives anything else, or lets no gradient through to the images.
    """
    where, classifier = f"{path}:{name}", read(path, name)
    if isinstance(classifier, nn.Module):
        classifier.eval()
    images = torch.rand(EXAMPLES, *inputs.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with blamed(path):
        try:
            given = classifier(images)
        except RuntimeError as error:
            raise UserError(f"{where}: cannot take images {_shape(images)}: {str(error).splitlines()[0]}") from None
    wanted = (EXAMPLES, len(inputs.values))
    if not isinstance(given, Tensor) or tuple(given.shape) != wanted:
        got = _shape(given) if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise UserError(
            f"{where}: gives {got} for {EXAMPLES} images, {wanted} is expected: a number for each of "
            f"{', '.join(inputs.values)}, in this order"
        )
    if not bool(given.isfinite().all()):
        raise UserError(f"{where}: what it gives is not finite")
    _check_gradient(where, given, images)
    rows = given.detach()
    summing_to_one = bool(((rows.sum(1) - 1).abs() < 1e-4).all()) and float(rows.min()) >= 0
    return "probabilities" if summing_to_one else "logits"


def _check_gradient(where: str, given: Tensor, images: Tensor) -> None:
    slope = None
    if given.requires_grad:
        (slope,) = torch.autograd.grad(given.square().sum(), images, allow_unused=True)
    if slope is None or not bool(slope.isfinite().all()) or not bool(slope.any()):
        raise UserError(
            f"{where}: no gradient reaches the images, so nothing can be learned from it; leave out `no_grad`, `detach`, "
            "rounding and `argmax`"
        )


def check_steady(where: str, system: System, other: System, inputs: Inputs) -> None:
    """Raises UserError unless a classifier says the same of an image every time, whatever else it is shown, and as `other`
    does, which was made anew from what was kept of it."""
    images = torch.rand(EXAMPLES, *inputs.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, again, anew = (each.classify(images) for each in (system, system, other))
        alone = torch.cat([system.classify(image) for image in images.split(1)])
    if not torch.allclose(first, again, atol=STEADY) or not torch.allclose(first, alone, atol=STEADY):
        raise UserError(
            f"{where}: what it says of an image changes from call to call, or with the others in the batch; put its module "
            "into evaluation mode: `.eval()`"
        )
    if not torch.allclose(first, anew, atol=STEADY):
        raise UserError(
            f"{where}: made from its copy elsewhere it answers otherwise: what is kept are the parameters and buffers of a "
            "torch module, so let it be one, or make one"
        )


def _arguments(found: Callable[..., Any]) -> int:
    """How many arguments it must be given."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except ValueError:
        return 1  # some built-in functions have no signature
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in kinds and each.default is inspect.Parameter.empty for each in parameters)


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
