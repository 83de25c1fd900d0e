"""Tasks as text, as on a blackboard, and back: ``parse(str(task)) == task``.

One line per equation, then the players if it is a game, then what the names mean:

    putget : get(put(s, a)) == a   [cross_entropy; trains put]   s ~ x; a ~ a
    where
      x ~ data(s: S(1x28x28), v: V(10) categorical)
      a ~ uniform(V(10) categorical)
      get : S(1x28x28) -> V(10) categorical
      put : S(1x28x28) x V(10) categorical -> S(1x28x28)

Terms are written as calls (so Python's own grammar reads them), primes as they are; a subterm that is long and occurs
several times gets a name of its own, ``h1 = ...``. What text cannot carry (modules, data, the bodies of fixed boxes,
divergences that are not the library's) is taken from another task:

>>> from pipeline.language import Dataset, Fixed, Learner, Type, equation, mse, task
>>> X = Type("X", (4,))
>>> half, f, x = Fixed("half", (X,), X, body=lambda x: x / 2), Learner("f", (X,), X), Dataset("x", {"x": X})
>>> halving = task(halve=equation(f(x), half(x.term), mse, trains=f))
>>> parse(str(halving), using=halving) == halving
True
>>> parse("e : f(x) == x   [mse; trains f]\\nwhere\\n  x ~ normal(X(4))\\n  f : X(4) -> X(3)")
Traceback (most recent call last):
pipeline.language.terms.TaskError: equation e: mse: both sides must have the same type, but `f(x)` is X(3) (real) and `x` is X(4) (real)
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, cast, get_args

from pipeline.language import boxes as library
from pipeline.language import divergence as divergences
from pipeline.language import weighing
from pipeline.language.binding import Binder, Derivative, Optimum, ProjectedGradient, Variable, bind, bound_wire
from pipeline.language.divergence import Divergence, Measured
from pipeline.language.sources import (
    Dataset,
    Gumbel,
    Mixture,
    Normal,
    Source,
    Uniform,
    Wire,
    constant,
    standard_normal,
    uniform,
)
from pipeline.language.task import Equation, Play, Player, Ramp, Task, TaskError, equation
from pipeline.language.terms import (
    Box,
    Composite,
    Fixed,
    Kind,
    Learner,
    Term,
    Type,
    composite_of,
    number,
    pair,
    product,
    written_as,
)

LONG = 16  # boxes and wires in a subterm that is worth a name of its own if it is shared
DEEP = 25  # boxes in a row that are worth one in any case: Python's parser takes no more than 200 parentheses


# ---------------------------------------------------------------------------------------------------------- writing


def written(task: Task) -> str:
    """The text of a task."""
    terms = _terms(task)
    names = {**_qualified(terms), **_shared(task)}
    width = max(map(len, task.equations), default=0)
    with written_as(names):
        lines = [f"{name:{width}} : {each}" for name, each in task.equations.items()]
    if task.players:
        players = ", ".join(_player(player) for player in task.players)
        lines.append(f"players {task.play}: {players}")
    shown = [f"  {each}" for each in _declarations(task, terms, names)]
    return "\n".join([*lines, "where", *shown] if shown else lines)


def _player(player: Player) -> str:
    learners = " ".join(learner.name for learner in player.learners)
    return f"{player.name} ({learners})" + (f" x {player.steps}" if player.steps > 1 else "")


def _terms(task: Task) -> list[Term]:
    """All terms of a task, each once, inputs first; those of bound diagrams too."""
    found: dict[Term, None] = {}
    for each in task.equations.values():
        for side in (each.lhs, each.rhs):
            found.update(dict.fromkeys(_all_below(side)))
    return list(found)


def _all_below(term: Term) -> Iterator[Term]:
    for below in term.walk():
        if isinstance(below.op, Binder):
            for body in below.op.bodies:
                yield from _all_below(body)
        yield below


def _qualified(terms: list[Term]) -> dict[Term, str]:
    """Names for the wires of sources that have a wire's name in common: source.wire."""
    sources = dict.fromkeys(part for term in terms if isinstance(term.op, Wire) for part in _with_parts(term.op.source))
    known = Counter(name for source in sources if not source.implicit for name, _ in source.wires)
    return {
        term: f"{term.op.source.name}.{term}"
        for term in terms
        if isinstance(term.op, Wire) and not term.op.source.implicit and known[str(term)] > 1
    }


def _shared(task: Task) -> dict[Term, str]:
    """Names for subterms that are long and used several times, or deep; inputs first."""
    terms = _terms(task)
    used = Counter(below for term in terms for below in (*term.inputs, *term.op.inner))
    unnamed = _moving(terms) | _inside_composites(terms)
    taken = {word for term in terms if not term.inputs for word in str(term).split(".")}
    taken.update(term.op.name for term in terms if isinstance(term.op, Box))
    names: dict[Term, str] = {}
    sizes: dict[Term, int] = {}
    depths: dict[Term, int] = {}
    for term in terms:
        below = [each for each in (*term.inputs, *term.op.inner) if each not in names]
        sizes[term] = 1 + len(term.inputs) + sum(sizes[each] for each in below)
        depths[term] = 1 + max((depths[each] for each in below), default=0)
        shared = sizes[term] >= LONG and used[term] > 1
        if (shared or depths[term] >= DEEP) and term not in unnamed:
            names[term] = next(name for name in (f"h{n}" for n in count(1)) if name not in taken)
            taken.add(names[term])
    return names


def _moving(terms: list[Term]) -> set[Term]:
    """The terms that depend on a bound wire, and have no meaning outside."""
    found: set[Term] = set()
    for term in terms:
        if isinstance(term.op, Variable) or any(below in found for below in term.inputs):
            found.add(term)
    return found


def _inside_composites(terms: list[Term]) -> set[Term]:
    """The terms that a composite, which is written as one box, passes through."""
    found: set[Term] = set()
    for term in terms:
        composite, inputs = composite_of(term.op, term.inputs) if isinstance(term.op, Box) else (None, ())
        if composite is not None:
            below = term.inputs[0]
            while below not in inputs:
                found.add(below)
                below = below.inputs[0]
    return found


def _declarations(task: Task, terms: list[Term], names: Mapping[Term, str]) -> Iterator[str]:
    sources: dict[Source, None] = {}
    boxes: dict[Box, None] = {}
    composites: dict[str, Composite] = {}
    for term in terms:
        if isinstance(term.op, Wire):
            sources.update(dict.fromkeys(_with_parts(term.op.source)))
        elif isinstance(term.op, Box) and not _of_library(term):
            boxes[term.op] = None
            composite = composite_of(term.op, term.inputs)[0]
            if composite is not None:
                composites[composite.name] = composite
    for source in sources:
        if not source.implicit:
            yield f"{source.name} ~ {_source(source)}"
    for box in boxes:
        dom = " x ".join(map(type_text, box.dom))
        fixed = "   (fixed)" if isinstance(box, Fixed) else ""
        yield f"{box.name} : {dom}{' ' if dom else ''}-> {type_text(box.cod)}{fixed}"
    for composite in composites.values():
        yield f"{composite.name} = {' ; '.join(part.name for part in composite.parts)}"
    for term, name in names.items():
        if not isinstance(term.op, Wire):
            rest = {each: other for each, other in names.items() if each is not term}
            with written_as(rest):
                yield f"{name} = {term}"


def _with_parts(source: Source) -> tuple[Source, ...]:
    return (*source.sources, source) if isinstance(source, Mixture) else (source,)


def _of_library(term: Term) -> bool:
    return isinstance(term.op, Fixed) and any(below.op.hidden for below in term.inputs)


def type_text(type: Type) -> str:
    """A type as it is declared: S(1x28x28), V(10) categorical, (S(4) x V(2) categorical)."""
    if type.kind == "product":
        return f"({' x '.join(map(type_text, type.parts))})"
    return str(type) if type.kind == "real" else f"{type} {type.kind}"


def _source(source: Source) -> str:
    if isinstance(source, Dataset):
        return f"data({', '.join(f'{wire}: {type_text(type)}' for wire, type in source.types.items())})"
    if isinstance(source, Mixture):
        parts = zip(source.probabilities, source.sources, strict=True)
        return f"mixture({', '.join(f'{number(share)} {part.name}' for share, part in parts)})"
    ((_, type),) = source.wires
    return f"{type_of_source(source)}({type_text(type)})"


def type_of_source(source: Source) -> str:
    return type(source).__name__.lower()


# ---------------------------------------------------------------------------------------------------------- parsing

PRIME = "ʹ"  # a letter to Python, unlike the apostrophe
_EQUATION = re.compile(
    r"(?P<name>\S+)\s+: (?P<lhs>.+?) == (?P<rhs>.+?)   \[(?P<how>.*); trains (?P<trains>[^\]]*)\](   \S.* ~ \S.*)?"
)
_PLAYER = re.compile(r"(?P<name>\S+) \((?P<learners>[^)]*)\)(?: x (?P<steps>\d+))?")
_KINDS: tuple[Kind, ...] = get_args(Kind)


def parse(text: str, using: Task | None = None) -> Task:
    """The task of a text.

    using: a task that has what text cannot carry, by name: learners with modules, sources with data, fixed boxes,
    divergences. Raises TaskError that names the line at fault.
    """
    lines = [line.rstrip() for line in text.strip().splitlines()]
    split = lines.index("where") if "where" in lines else len(lines)
    names = _Names.of(using)
    lets = []
    for line in filter(None, map(str.strip, lines[split + 1 :])):
        if " = " in line and " ; " not in line and not names.composite_parts(line):
            lets.append(line)
        else:
            with _at(line):
                names.declare(line)
    for line in lets:
        name, _, term = line.partition(" = ")
        with _at(line):
            names.terms[name] = _Reader(names).read(term)
    equations: dict[str, Equation] = {}
    players: tuple[Player, ...] = ()
    play: Play = "simultaneous"
    for line in filter(None, lines[:split]):
        with _at(line):
            if line.startswith("players "):
                play, players = _players(line, names)
            else:
                name, each = _equation(line, names)
                if name in equations:
                    raise TaskError(f"another equation is called {name} already")
                equations[name] = each
    return Task(equations, players, play)


@contextmanager
def _at(line: str) -> Iterator[None]:
    try:
        yield
    except TaskError as error:
        raise TaskError(f"in `{line}`: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError) as error:
        # A call with too few or too many arguments, a number that is none, parentheses within parentheses without end.
        reason = str(error) or type(error).__name__
        raise TaskError(f"in `{line}`: this cannot be read ({reason})") from None


def _equation(line: str, names: _Names) -> tuple[str, Equation]:
    found = _EQUATION.fullmatch(line)
    if found is None:
        raise TaskError("an equation is expected, `name : lhs == rhs   [divergence; trains learners]`")
    divergence, _, weight = found["how"].partition(" x ")
    measure = names.divergence(divergence)
    lhs, rhs = _Reader(names).sides(_node(found["lhs"]), _node(found["rhs"]), measure)
    trains = tuple(names.trained(name) for name in found["trains"].split(", "))
    return found["name"], equation(lhs, rhs, measure, trains, _weight(weight))


def _weight(text: str) -> float | Ramp:
    if not text:
        return 1.0
    values, _, stretch = text.partition(" over ")
    try:
        if ".." not in values:
            return float(values)
        start, end = map(float, values.split(".."))
        begin, finish = map(float, (stretch or "0..1").split(".."))
    except ValueError:
        raise TaskError(f"weight `{text}`: a number, `0..5` or `0..5 over 0.1..0.9` is expected") from None
    return Ramp(start, end, begin, finish)


def _players(line: str, names: _Names) -> tuple[Play, tuple[Player, ...]]:
    play, _, rest = line.removeprefix("players ").partition(": ")
    if play not in get_args(Play):
        raise TaskError(f"play {play}: {' or '.join(get_args(Play))} is expected")
    players = []
    for text in re.split(r", (?=\S+ \()", rest):
        found = _PLAYER.fullmatch(text)
        if found is None:
            raise TaskError(f"`{text}`: a player is expected, `NAME (LEARNER LEARNER) x STEPS`")
        learners = tuple(names.learner(name) for name in found["learners"].split())
        players.append(Player(found["name"], learners, int(found["steps"] or 1)))
    return cast(Play, play), tuple(players)


@dataclass
class _Names:
    """What names mean while a text is read."""

    boxes: dict[str, Box] = field(default_factory=dict)
    composites: dict[str, Composite] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    divergences: dict[str, Divergence] = field(default_factory=dict)
    terms: dict[str, Term] = field(default_factory=dict)
    given: _Names | None = None

    @classmethod
    def of(cls, task: Task | None) -> _Names:
        known = cls()
        if task is not None:
            for term in _terms(task):
                if isinstance(term.op, Wire):
                    known.sources.update({each.name: each for each in _with_parts(term.op.source)})
                elif isinstance(term.op, Box):
                    known.boxes.setdefault(term.op.name, term.op)
                    composite = composite_of(term.op, term.inputs)[0]
                    if composite is not None:
                        known.composites[composite.name] = composite
                elif isinstance(term.op, Measured | Optimum):
                    known.divergences[str(term.op.divergence)] = term.op.divergence
            known.divergences.update({str(each.divergence): each.divergence for each in task.equations.values()})
        return cls(given=known)

    def composite_parts(self, line: str) -> bool:
        """Whether a line `name = part` declares a composite of one part."""
        return line.partition(" = ")[2] in self.boxes

    def declare(self, line: str) -> None:
        name = line.partition(" ")[0]
        if name in {*self.sources, *self.boxes, *self.composites}:
            raise TaskError(f"{name} is declared already")
        if " ~ " in line:
            name, _, text = line.partition(" ~ ")
            self.sources[name] = source = self._known(name, _read_source(name, text, self))
            for index, wire in enumerate(source):
                self.terms[source.wires[index][0]] = wire
                self.terms[f"{name}.{source.wires[index][0]}"] = wire
        elif " = " in line:
            name, _, parts = line.partition(" = ")
            given = self.given.composites.get(name) if self.given else None
            boxes = tuple(self.box(part) for part in parts.split(" ; "))
            self.composites[name] = given if given and given.parts == boxes else Composite(name, *boxes)
        elif " : " in line:
            name, _, text = line.partition(" : ")
            self.boxes[name] = self._declared(name, text)
        else:
            raise TaskError("a source `x ~ ...`, a box `f : A -> B` or a name `h = ...` is expected")

    def _known(self, name: str, source: Source) -> Source:
        """The source of the given task, if it is the same but for its data."""
        given = self.given.sources.get(name) if self.given else None
        same = given is not None and type(given) is type(source) and given.wires == source.wires
        return given if given is not None and same else source

    def _declared(self, name: str, text: str) -> Box:
        text, _, fixed = text.partition("   ")
        dom, arrow, cod = text.rpartition("-> ")
        if not arrow:
            raise TaskError(f"box {name}: `A x B -> C` is expected")
        types = read_types(dom.strip()), read_types(cod)[0]
        given = self.given.boxes.get(name) if self.given else None
        if given is not None and (given.dom, given.cod) == types:
            return given
        if fixed:
            raise TaskError(f"box {name} is fixed: its body must be given by another task, of the same type")
        return Learner(name, *types)

    def box(self, name: str) -> Box:
        if name not in self.boxes:
            raise TaskError(f"box {name} is not declared")
        return self.boxes[name]

    def learner(self, name: str) -> Learner:
        box = self.box(name)
        if not isinstance(box, Learner):
            raise TaskError(f"box {name} is fixed, so nothing can train it")
        return box

    def trained(self, name: str) -> Learner | Composite:
        return self.composites[name] if name in self.composites else self.learner(name)

    def divergence(self, text: str) -> Divergence:
        """A divergence by its name: one of the library's, or of the given task."""
        if self.given and text in self.given.divergences:
            return self.given.divergences[text]
        made = _library_value(text)
        if not isinstance(made, Divergence):
            raise TaskError(f"divergence {text} is not known")
        return made


def _library_value(text: str) -> Any:
    """What an expression such as `mmd_with(gaussian(0.5))` means among divergences and kernels, or None."""
    known = {name: value for name, value in vars(divergences).items() if not name.startswith("_")}
    allowed = {
        name: each for name, each in known.items() if isinstance(each, Divergence) or hasattr(each, "cache_info")
    }

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return allowed[node.id]
        if isinstance(node, ast.Constant):
            return node.value
        assert isinstance(node, ast.Call)
        return value(node.func)(*map(value, node.args))

    try:
        return value(ast.parse(text, mode="eval").body)
    except (SyntaxError, KeyError, AssertionError, TypeError, ValueError):
        return None


# ------------------------------------------------------------------------------------------------- types and sources

_TYPE = re.compile(r"(?P<name>[^()]+)\((?P<shape>[\dx]*)\)")


def read_types(text: str) -> tuple[Type, ...]:
    """The types in `S(4) x V(2) categorical x (A(1) x B(2))`. Raises TaskError."""
    types = []
    while text:
        if text.startswith("("):
            inside = _balanced(text)
            types.append(product(*read_types(inside)))
            text = text[len(inside) + 2 :]
        else:
            found = _TYPE.match(text)
            if found is None:
                raise TaskError(f"type `{text}`: `NAME(2x3)` is expected, and a kind that is not real")
            text = text[found.end() :]
            kind: Kind = next((kind for kind in _KINDS if text.startswith(f" {kind}")), "real")
            text = text.removeprefix(f" {kind}")
            shape = tuple(int(length) for length in found["shape"].split("x")) if found["shape"] else ()
            types.append(Type(found["name"], shape, kind))
        if text and not text.startswith(" x "):
            raise TaskError(f"` x ` is expected between types, not `{text}`")
        text = text.removeprefix(" x ")
    return tuple(types)


def _balanced(text: str) -> str:
    """What is between the first parenthesis and its partner."""
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return text[1:place]
    raise TaskError(f"`{text}`: a parenthesis is not closed")


_SOURCES: dict[str, Callable[[str, Type], Source]] = {"normal": Normal, "uniform": Uniform, "gumbel": Gumbel}


def _read_source(name: str, text: str, names: _Names) -> Source:
    kind, _, _ = text.partition("(")
    inside = _balanced(text.removeprefix(kind)) if "(" in text else ""
    if kind == "data":
        wires = (wire.partition(": ") for wire in re.split(r", (?=[^ ]+: )", inside))
        return Dataset(name, {wire: read_types(type)[0] for wire, _, type in wires})
    if kind == "mixture":
        parts = [part.partition(" ") for part in inside.split(", ")]
        unknown = [part for _, _, part in parts if part not in names.sources]
        if unknown:
            raise TaskError(f"source {unknown[0]} is not declared")
        return Mixture(name, tuple(names.sources[part] for _, _, part in parts), tuple(float(p) for p, _, _ in parts))
    if kind in _SOURCES:
        return _SOURCES[kind](name, read_types(inside)[0])
    raise TaskError(f"source {name}: data, mixture, {', '.join(_SOURCES)} are expected, not `{text}`")


# ------------------------------------------------------------------------------------------------------------ terms

_WITH_NUMBER: dict[str, Callable[[Any], Callable[[Term], Term]]] = {
    "noise": library.noise,
    "concrete": library.concrete,
    "straight_through": library.straight_through,
    "repeated": weighing.repeated,
}
_PLAIN: dict[str, Callable[..., Term]] = {
    "sample": library.sample,
    "stop_gradient": library.stop_gradient,
    "likeliest": library.likeliest,
    "every": weighing.every,
    "drawn": weighing.drawn,
    "reweighted": weighing.reweighted,
}
_OVER = {"expected": weighing.expected, "log_mean_exp": weighing.log_mean_exp}


class _Reader:
    """Reads one term; `bound` are the wires bound round it."""

    def __init__(self, names: _Names, bound: Mapping[str, Term] | None = None) -> None:
        self.names, self.bound = names, bound or {}

    def sides(self, lhs: ast.expr, rhs: ast.expr, divergence: Divergence) -> tuple[Term, Term]:
        """Both sides of a divergence; a constant on one side is of a type that it can compare with the other's."""
        try:
            left = self.term(lhs)
        except _Untyped:
            right = self.term(rhs)
            return self.term(lhs, _compared_with(right.type, divergence)), right
        return left, self.term(rhs, left.type)

    def read(self, text: str, expected: Type | None = None) -> Term:
        return self.term(_node(text), expected)

    def term(self, node: ast.expr, expected: Type | None = None) -> Term:
        match node:
            case ast.Constant(value=float() | int() as value):
                return constant(value, _numbers_of(_typed(expected, str(value))))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float() | int() as value)):
                return constant(-value, _numbers_of(_typed(expected, str(-value))))
            case ast.Name() | ast.Attribute():
                return self._named(_text(node), expected)
            case ast.Tuple(elts=parts):
                types = expected.parts if expected else (None,) * len(parts)
                return pair(*(self.term(part, type) for part, type in zip(parts, types, strict=True)))
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as index)):
                return self.term(value)[index]
            case ast.BinOp(left=left, op=operation, right=right):
                return self._arithmetic(left, operation, right, expected)
            case ast.Call():
                return self._call(node, expected)
        raise TaskError(f"`{_text(node)}` is not a term")

    def _named(self, name: str, expected: Type | None) -> Term:
        if name in self.bound:
            return self.bound[name]
        if name in self.names.terms:
            return self.names.terms[name]
        if name == "uniform":
            return uniform(_typed(expected, name))
        raise TaskError(f"`{name}` is not declared")

    def _arithmetic(self, left: ast.expr, operation: ast.operator, right: ast.expr, expected: Type | None) -> Term:
        factor = _number(left)
        if isinstance(operation, ast.Mult) and factor is not None:
            return self.term(right, expected) * factor
        try:
            one = self.term(left, expected)
            two = self.term(right, one.type)
        except _Untyped:
            two = self.term(right, expected)
            one = self.term(left, two.type)
        match operation:
            case ast.Add():
                return one + two
            case ast.Sub():
                return one - two
            case ast.Mult():
                return one * two
        raise TaskError(f"`{_text(left)}` and `{_text(right)}`: only +, - and * are known")

    def _call(self, node: ast.Call, expected: Type | None) -> Term:
        text = _text(node.func)
        keywords = {each.arg: each.value for each in node.keywords if each.arg}
        if isinstance(node.func, ast.Subscript):
            name, value = _text(node.func.value), _number(node.func.slice)
            if name not in _WITH_NUMBER or value is None:
                raise TaskError(f"box {text} is not known")
            (argument,) = node.args
            return _WITH_NUMBER[name](value)(self.term(argument))
        if text in self.names.boxes or text in self.names.composites:
            box = self.names.composites.get(text) or self.names.boxes[text]
            if len(node.args) != len(box.dom):
                raise TaskError(f"{text} takes {len(box.dom)} inputs, not {len(node.args)}")
            return box(*(self.term(each, type) for each, type in zip(node.args, box.dom, strict=True)))
        if text == "N":
            return standard_normal(_typed(expected, "N(0,1)"))
        if text == "derivative":
            return self._derivative(node, keywords)
        if text in ("argmax", "argmin"):
            return self._optimum(node, keywords, maximise=text == "argmax")
        if text in _OVER:
            return _OVER[text](self.term(node.args[0]), over=self.term(keywords["over"]))
        if text in _PLAIN:
            return _PLAIN[text](*map(self.term, node.args))
        return self._measured(text, *node.args)

    def _measured(self, text: str, *sides: ast.expr) -> Term:
        try:
            divergence = self.names.divergence(text)
        except TaskError:
            raise TaskError(f"box {text} is not declared") from None
        lhs, rhs = sides
        return divergence(*self.sides(lhs, rhs, divergence))

    def _bound(self, keywords: Mapping[str, ast.expr]) -> tuple[Term, Term, _Reader]:
        """Where a bound wire starts, the wire, and a reader of what is inside."""
        name = next(each for each in keywords if each.rstrip(PRIME) == "t")
        start = self.term(keywords[name])
        shown = name.replace(PRIME, "'")
        variable = bound_wire(start.type, shown.count("'"))
        return start, variable, _Reader(self.names, {**self.bound, shown: variable})

    def _derivative(self, node: ast.Call, keywords: Mapping[str, ast.expr]) -> Term:
        at, variable, inside = self._bound(keywords)
        of = inside.term(node.args[0])
        along = [self.term(keywords["along"], of.type)] if "along" in keywords else []
        return bind(Derivative(variable, of, bool(along)), at, *along)

    def _optimum(self, node: ast.Call, keywords: Mapping[str, ast.expr], maximise: bool) -> Term:
        start, variable, inside = self._bound(keywords)
        objective = node.args[0]
        if not isinstance(objective, ast.Call):
            raise TaskError(f"`{_text(objective)}`: a divergence of two terms is expected")
        lhs = inside.term(objective.args[0])
        rhs = inside.term(objective.args[1], lhs.type)
        settings = {name: ast.literal_eval(keywords[name]) for name in keywords if name.rstrip(PRIME) != "t"}
        solver = ProjectedGradient(**settings, maximise=maximise)
        return bind(Optimum(variable, lhs, rhs, self.names.divergence(_text(objective.func)), solver), start)


class _Untyped(TaskError):
    """A constant where nothing says its type."""


def _typed(type: Type | None, shown: str) -> Type:
    if type is None:
        raise _Untyped(f"the type of the constant {shown} cannot be told from what it meets")
    return type


def _node(text: str) -> ast.expr:
    try:
        return ast.parse(text.replace("'", PRIME), mode="eval").body
    except SyntaxError:
        raise TaskError(f"`{text}` is not a term") from None


def _compared_with(type: Type, divergence: Divergence) -> Type:
    """The type of a constant on the left: the right side's, or for a likelihood a distribution's over it."""
    laws = (type, *(replace(type, kind=kind) for kind in ("gaussian", "bernoulli")))
    return next((law for law in laws if divergence.accepts(law, type) is None), type)


def _numbers_of(type: Type) -> Type:
    """The type of a number that is compared with a wire, which may have a distribution over numbers."""
    return type if type.kind == "categorical" else Type(type.name, type.shape)


def _number(node: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, int | float) else None


def _text(node: ast.expr) -> str:
    return ast.unparse(node).replace(PRIME, "'")
