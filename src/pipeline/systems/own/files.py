"""Files with a user's task: plain Python that gives it a name, or a file of the visual editor.

What is wrong with one is said in one line: the file, the line of it, and what happened there.
"""

import functools
import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline import language
from pipeline.errors import UserError
from pipeline.language import Dataset, Task, TaskError
from pipeline.language.hints import hint
from pipeline.systems.base import Inputs

Made = tuple[Task, tuple[str, ...]]  # a task, and a line for each thing that its reader had to guess

NAME = "task"
EXPECTED = "a Task, or a function from the inputs to one, is expected"
WRITTEN = re.compile(r"(?P<path>.+\.(?:py|json))(?::(?P<name>.*))?", re.DOTALL)


@dataclass(frozen=True)
class TaskFile:
    """A user's task.

    path: its file; name: of the task in it; make: from the data's types to the task and what is to be said of it;
    settings: those that the file gives.
    """

    path: Path
    name: str
    make: Callable[[Inputs], Made]
    settings: Mapping[str, Any]

    def task(self, inputs: Inputs) -> Task:
        """The task on these data's types, its sources unbound. Raises UserError that names the line at fault."""
        with blamed(self.path):
            return self.make(inputs)[0]

    def warnings(self, inputs: Inputs) -> tuple[str, ...]:
        """What a reader of the file had to guess, a line each."""
        with blamed(self.path):
            return self.make(inputs)[1]


def find(text: str) -> TaskFile | None:
    """The task that FILE.py:TASK, FILE.py or FILE.json means; None if the text is none of these.

    Raises UserError if there is no such file, it is no Python, it fails when it is run, or holds no such task.
    """
    found = WRITTEN.fullmatch(text)
    return read(Path(found["path"]), found["name"] or NAME) if found else None


def read(path: Path, name: str = NAME) -> TaskFile:
    """The task of that name in a file, which is run. Raises UserError as `find` does."""
    content = _content(path)
    if path.name in ("config.json", "metrics.json"):
        raise UserError(
            f"{path}: a model's folder has a file of that name, beside which this one is kept; call it otherwise"
        )
    if path.suffix == ".json":
        if name != NAME:
            raise UserError(f"{path}:{name}: a file of the visual editor holds one task; leave `:{name}` out")
        return TaskFile(path, name, functools.partial(_imported, content), {})
    module = _module(path, content)
    settings = getattr(module, "settings", {})
    if not isinstance(settings, dict):
        raise UserError(f'{path}: settings: a dict such as {{"steps": 500}} is expected, not {settings!r}')
    return TaskFile(path, name, _maker(path, name, module), settings)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, expected a Python file") from None


def run(path: Path) -> ModuleType:
    """A Python file as a module: its code is run. Raises UserError that names the line at fault."""
    return _module(path, _content(path))


def _module(path: Path, content: bytes) -> ModuleType:
    try:
        code = compile(content, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: not Python that can be read: {error}") from None
    module = ModuleType(f"task_{hashlib.sha256(content).hexdigest()[:12]}")
    module.__file__ = str(path)
    # Where dataclasses and the like look up the names of the module that a class is from.
    sys.modules[module.__name__] = module
    with blamed(path):
        exec(code, vars(module))
    return module


def _maker(path: Path, name: str, module: ModuleType) -> Callable[[Inputs], Made]:
    """What the name stands for, as a function of the inputs."""
    found = vars(module).get(name)
    # With `import *` the language's own function has the default name.
    if found is None or found is language.task:
        known = [f"{path}:{each}" for each, value in vars(module).items() if _is_task(value, module)]
        has = f"there is {', '.join(known[:5])}" if known else EXPECTED
        raise UserError(f"{path}: there is no task called {name} in it; {has}")
    if isinstance(found, Task):
        return lambda inputs: (found, ())
    if not inspect.isroutine(found) and not isinstance(found, functools.partial):
        raise UserError(f"{path}:{name}: this is of type {type(found).__name__}; {EXPECTED}")
    try:
        inspect.signature(found).bind(None)
    except TypeError as error:
        raise UserError(f"{path}:{name}: a function of one argument, the inputs, is expected: {error}") from None
    except ValueError:
        pass  # some built-in functions have no signature

    def make(inputs: Inputs) -> Made:
        made = found(inputs)
        if not isinstance(made, Task):
            raise UserError(f"{path}:{name}: what it returns is of type {type(made).__name__}; a Task is expected")
        return made, ()

    return make


def _is_task(value: Any, module: ModuleType) -> bool:
    return isinstance(value, Task) or (inspect.isfunction(value) and value.__module__ == module.__name__)


def _imported(content: bytes, inputs: Inputs) -> Made:
    """The task of a visual editor's file, its images and values of the types of the data."""
    from pipeline.language import interchange

    guessed = interchange.read(content).task
    drawn = [type for source in guessed.sources if isinstance(source, Dataset) for type in source.types.values()]
    images = {type.name: inputs.S.shape for type in drawn if len(type.shape) == 3}
    values = {type.name: inputs.V.shape for type in drawn if type.kind == "categorical"}
    read = interchange.read(content, dimensions=images | values)
    return read.task, read.warnings


# ----------------------------------------------------------------------------------------------------------- errors


@contextmanager
def blamed(path: Path, anywhere: bool = True) -> Iterator[None]:
    """Turn what goes wrong in a user's code into a UserError that names the line of the file.

    anywhere: also what goes wrong where no line of the file is at work.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        line = _line(error, path)
        if line is None and not anywhere:
            raise
        raise UserError(f"{path}{f':{line}' if line else ''}: {_said(error, path)}") from None


def _line(error: BaseException, path: Path) -> int | None:
    """The line of the file that was at work last."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else None


def _said(error: BaseException, path: Path) -> str:
    """The error, and what may mend it."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    suggested = ""
    if isinstance(error, TaskError):
        said, suggested = str(error), hint(str(error))
    elif isinstance(error, AttributeError) and error.name == "term":
        suggested = "a wire is expected here, which a box gives when it is applied to its inputs"
    elif isinstance(error, ValueError) and traceback.extract_tb(error.__traceback__)[-1].name == "term":
        suggested = "this source has several wires; s, v = x takes them apart"
    elif isinstance(error, ModuleNotFoundError) and path.with_name(f"{error.name}.py").exists():
        suggested = "such a file stands alone, so that its copy loads with the model: put the other file's code into it"
    elif isinstance(error, FileNotFoundError):
        suggested = (
            "where the model is loaded later that file may be missing, and the model keeps the weights itself: read it "
            "only if it exists"
        )
    return f"{said}; {suggested}" if suggested else said
