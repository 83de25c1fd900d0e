"""Which data sets there are: the modules of this package that define `DATASET`."""

import importlib
import pkgutil
from types import ModuleType

from pipeline.errors import UserError


def names() -> list[str]:
    return sorted(name for name in _modules() if hasattr(_module(name), "DATASET"))


def find(name: str) -> ModuleType:
    """The module of a data set. Raises UserError with the known names."""
    if name not in names():
        raise UserError(f"unknown data set `{name}`: expected one of {', '.join(names())}")
    return _module(name)


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(importlib.import_module("pipeline.data").__path__)]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"pipeline.data.{name}")
