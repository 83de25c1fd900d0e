"""The gallery: patterns of machine learning as tasks, a few equations each.

A pattern is a function from wires and learners to a `Task`; called with nothing it gives an example without modules, to
read, draw and reason about. Every public function of this package's modules that returns a task is a pattern, so a new
one needs no entry anywhere:

>>> "vae" in names()
True
>>> print(example("autoencoder"))
recon : dec(enc(x)) == x   [mse; trains enc, dec]   x ~ data
where
  data ~ data(x: X(2))
  enc : X(2) -> Z(1)
  dec : Z(1) -> X(2)

With wires and learners of one's own, of any types that fit each other:

>>> from pipeline.language import Dataset, Learner, Type
>>> S, C = Type("S", (1, 28, 28)), Type("C", (32,))
>>> photos, look, paint = Dataset("photos", {"s": S}), Learner("look", (S,), C), Learner("paint", (C,), S)
>>> print(find("denoising_autoencoder")(photos, look, paint, std=0.5).equations["recon"])
paint(look(noise[0.5](s))) == s   [mse; trains look, paint]   s ~ photos
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pipeline.language.task import Task, TaskError

Pattern = Callable[..., Task]


def families() -> tuple[str, ...]:
    """The names of this package's modules, each a family of patterns."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def members(family: str) -> tuple[str, ...]:
    """The names of a family's patterns, in the order in which they are defined."""
    module = importlib.import_module(f"{__name__}.{family}")
    functions = (each for name, each in vars(module).items() if inspect.isfunction(each) and not name.startswith("_"))
    own = (each for each in functions if each.__module__ == module.__name__)
    return tuple(each.__name__ for each in own if inspect.signature(each, eval_str=True).return_annotation is Task)


@functools.cache
def _all() -> Mapping[str, Pattern]:
    found = {}
    for family in families():
        module = importlib.import_module(f"{__name__}.{family}")
        found.update({name: getattr(module, name) for name in members(family)})
    return MappingProxyType(dict(sorted(found.items())))


def names() -> tuple[str, ...]:
    """All patterns, in alphabetical order."""
    return tuple(_all())


def find(name: str) -> Pattern:
    """The function that makes a pattern's task. Raises TaskError with the known names."""
    if name not in _all():
        raise TaskError(f"unknown pattern `{name}`: expected one of {', '.join(names())}")
    return _all()[name]


def example(name: str) -> Task:
    """A pattern on small wires, its learners without modules. Raises TaskError for an unknown one."""
    return find(name)()
