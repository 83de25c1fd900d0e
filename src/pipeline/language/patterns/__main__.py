"""The gallery as a page with pictures: `python -m pipeline.language.patterns docs/gallery`.

Writes a picture of each pattern into the folder, and the page beside it (docs/gallery.md). What the tests measured is
taken from figures.json in the folder; they leave it there when they are run at full length:

    PATTERN_FIGURES=docs/gallery/figures.json python -m pytest tests/unit/language/patterns -m slow
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.language.draw import draw
from pipeline.language.patterns import example, families, find, members
from pipeline.language.task import Task

Figures = Mapping[str, Mapping[str, str]]  # of each pattern: of each test, what it measured

INTRODUCTION = """\
# The gallery

Patterns of machine learning as tasks, a few equations each: `pipeline.language.patterns`. A pattern is a function from
wires and learners to a task; called with nothing it gives the bare task shown here.

```python
from pipeline.language import Dataset, Learner, Type
from pipeline.language.patterns.autoencoders import autoencoder

S, C = Type("S", (1, 28, 28)), Type("C", (32,))
photos, look, paint = Dataset("photos", {"s": S}), Learner("look", (S,), C), Learner("paint", (C,), S)
task = autoencoder(photos, look, paint)
```

`pipeline list` names all patterns, `pipeline describe vae --draw vae.svg` shows one (a system of the same name comes
first), `patterns.find("vae")` is the function. Every public function of the package that gives a task is a pattern.

*Trained* says what small learners came to on small data, at full length, and the known answer beside it. This page and
its pictures are made by `python -m pipeline.language.patterns docs/gallery`.
"""


def page(folder: str, figures: Figures) -> str:
    """The page's text, for pictures in this folder beside it."""
    parts = [INTRODUCTION]
    for family in families():
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n\n{_doc(family)}\n")
        parts += ["\n\n".join(_section(name, folder, figures.get(name, {}))) + "\n" for name in members(family)]
    return "\n".join(parts)


def _doc(family: str) -> str:
    return inspect.getdoc(importlib.import_module(f"pipeline.language.patterns.{family}")) or ""


def _section(name: str, folder: str, figures: Mapping[str, str]) -> Iterator[str]:
    made = example(name)
    yield f"### {name}"
    yield inspect.getdoc(find(name)) or ""
    yield f"```\n{equations(made)}\n```"
    yield f"![{name}]({folder}/{name}.svg)"
    steps = [f"`{each.text}`" for each in made.refinements if each.kind == "fill"]
    if steps:
        yield f"*Refinement:* {', then '.join(steps)}."
    if figures:
        yield f"*Trained:* {'; '.join(figures.values())}."


def equations(task: Task) -> str:
    """The text of a task up to where its names come from, but with the terms that got names of their own."""
    lines = str(task).splitlines()
    where = lines.index("where")
    named = [line.strip() for line in lines[where + 1 :] if " = " in line]
    return "\n".join([*lines[:where], *(["where", *(f"  {line}" for line in named)] if named else [])])


def write(folder: Path) -> None:
    """Make the folder's pictures, and the page beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for family in families():
        for name in members(family):
            draw(example(name), folder / f"{name}.svg")
    file = folder / "figures.json"
    figures = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    folder.with_suffix(".md").write_text(page(folder.name, figures), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pipeline.language.patterns FOLDER")
    write(Path(sys.argv[1]))
