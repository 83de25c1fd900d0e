"""A task as a Python file that builds it, for a person to go on from."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pipeline.language.boxes import noise
from pipeline.language.interchange.names import as_number
from pipeline.language.sources import Constant, Dataset, Normal, Source, Uniform, Wire, constant
from pipeline.language.task import Equation, Ramp, Task, TaskError
from pipeline.language.terms import Arithmetic, Learner, Part, Scaling, Term, Type, number

WIDTH = 120


def script(task: Task, title: str) -> str:
    """A Python file whose `task` equals this one, data and modules apart. title: its docstring.

    Raises TaskError for what `read` does not make, such as fixed boxes with a body, bound wires, games.
    """
    if task.players:
        raise TaskError("a game of players is not written as Python")
    return _Script(task).text(title)


class _Script:
    """Chooses the variables: learners have their own names, others give way to them.

    imports: what is used of the language, and what it is called; values: the variables of the sources' wires.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.taken = {"task", *(learner.name for learner in task.learners)}
        self.imports: dict[str, str] = {}
        self.types: dict[Type, str] = {}
        self.values: dict[Source, list[str]] = {}

    def text(self, title: str) -> str:
        equations = self._variable("equations")
        learners = [self._learner(each) for each in self.task.learners]
        defined = ["\n".join(self._equation(equations, name, each)) for name, each in self.task.equations.items()]
        types = [f"{variable} = {self._definition(type)}" for type, variable in self.types.items()]
        task = f"task = {self._use('Task')}({equations})"
        imports = [name if name == used else f"{name} as {used}" for name, used in sorted(self.imports.items())]
        plain = "".join(letter if letter.isprintable() and letter not in '"\\' else "_" for letter in title)
        blocks = [
            [f'"""{plain}"""'],
            ["from pipeline.language import (", *(f"    {each}," for each in imports), ")"],
            types,
            learners,
            [f"{equations} = {{}}"],
            *([each] for each in defined),
            [task],
        ]
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    def _use(self, name: str) -> str:
        """What a name of the language is called here."""
        if name not in self.imports:
            self.imports[name] = self._variable(name)
        return self.imports[name]

    def _variable(self, name: str) -> str:
        """A variable of this name, or of one like it."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _type(self, type: Type) -> str:
        if type.kind == "product":
            return f"{self._use('product')}({', '.join(map(self._type, type.parts))})"
        if type not in self.types:
            self._use("Type")
            self.types[type] = self._variable(_identifier(type.name))
        return self.types[type]

    def _definition(self, type: Type) -> str:
        kind = "" if type.kind == "real" else f", {_quoted(type.kind)}"
        return f"{self._use('Type')}({_quoted(type.name)}, {type.shape}{kind})"

    def _learner(self, learner: Learner) -> str:
        dom = _tuple([self._type(type) for type in learner.dom])
        return f"{learner.name} = {self._use('Learner')}({_quoted(learner.name)}, {dom}, {self._type(learner.cod)})"

    def _equation(self, equations: str, name: str, each: Equation) -> list[str]:
        """The lines that define the sources and the equation."""
        lines = [self._source(source) for source in each.sources if not source.implicit and source not in self.values]
        trains = [learner.name for learner in each.trains]
        arguments = [
            self._term(each.lhs),
            self._term(each.rhs),
            self._divergence(str(each.divergence)),
            f"trains={trains[0] if len(trains) == 1 else _tuple(trains)}",
        ]
        if isinstance(each.weight, Ramp):
            ramp = each.weight
            arguments.append(f"weight={self._use('Ramp')}{(ramp.start, ramp.end, ramp.begin, ramp.finish)}")
        elif each.weight != 1:
            arguments.append(f"weight={number(float(each.weight))}")
        start = f"{equations}[{_quoted(name)}] = {self._use('equation')}("
        line = f"{start}{', '.join(arguments)})"
        broken = [start, *(f"    {argument}," for argument in arguments), ")"]
        return [*lines, *([line] if len(line) <= WIDTH else broken)]

    def _source(self, source: Source) -> str:
        self.values[source] = variables = [self._variable(_identifier(name)) for name, _ in source.wires]
        start = f"{self._use(type(source).__name__)}({_quoted(source.name)}, "
        if isinstance(source, Dataset):
            types = ", ".join(f"{_quoted(name)}: {self._type(type)}" for name, type in source.types.items())
            return f"{', '.join(variables)}{',' if len(variables) == 1 else ''} = {start}{{{types}}})"
        if isinstance(source, Normal | Uniform):
            return f"{variables[0]} = {start}{self._type(source.type)}).term"
        raise TaskError(f"source {source.name} is not written as Python")

    def _term(self, term: Term) -> str:
        op, inputs = term.op, [self._term(below) for below in term.inputs if not below.op.hidden]
        if isinstance(op, Learner):
            return f"{op.name}({', '.join(inputs)})"
        if isinstance(op, Part):
            return f"{inputs[0]}[{op.index}]"
        if isinstance(op, Arithmetic):
            return f"({inputs[0]} {op.sign} {inputs[1]})"
        if isinstance(op, Scaling):
            return f"({number(op.factor)} * {inputs[0]})"
        if isinstance(op, Wire) and op.source in self.values:
            return self.values[op.source][op.index]
        if isinstance(op, Wire) and isinstance(op.source, Constant):
            value = as_number(op.source.name)
            if value is not None and constant(value, term.type) is term:
                return f"{self._use('constant')}({number(value)}, {self._type(term.type)})"
        std = as_number(op.title.removeprefix("noise[").removesuffix("]"))
        if std is not None and noise(std)(term.inputs[0]) is term:
            return f"{self._use('noise')}({number(std)})({inputs[0]})"
        raise TaskError(f"`{term}` is not written as Python")

    def _divergence(self, text: str) -> str:
        """A divergence of the library, whose text is Python."""
        from pipeline import language

        used = re.findall(r"\b[a-z]\w*", text)
        if not used or not set(used) <= set(language.__all__):
            raise TaskError(f"divergence {text} is not the language's, and not written as Python")
        return re.sub(r"\b[a-z]\w*", lambda found: self._use(found[0]), text)


def _identifier(name: str) -> str:
    """A name with dots and primes as a variable."""
    return name.replace(".", "_").replace("'", "_")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
