"""Types, boxes, and the terms built from them.

A term is a random variable: a diagram of boxes (learners and fixed functions) fed by sources. All randomness lives in
the sources, boxes are functions. Terms are hash-consed, so the same composite is the same object:

>>> from pipeline.language import Dataset
>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> s, v = Dataset("x", {"s": S, "v": V})
>>> get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
>>> put(s, get(s)) is put(s, get(s))
True

A learner without a module is a variable: its name and type are all that it is.

>>> Learner("get", (S,), V) is get
True

Values on a wire, for a batch of n examples:

* real: a tensor (n, *shape);
* categorical: log-probabilities (n, k); data are one-hot, so their logarithm is 0 or -inf. Of shape (t, k) it is t
  classes side by side, independent of each other: a sentence of t words, each out of k;
* bernoulli: logits (n, *shape) of independent pixels;
* gaussian: mean and log-variance, (n, 2, *shape);
* product: a tuple of the parts' values.

**One convention at every box:** it receives probabilities (means, for bernoulli wires) and returns logits.
"""

from __future__ import annotations

import itertools
import math
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

Kind = Literal["real", "categorical", "bernoulli", "gaussian", "product"]
Value = Any  # a tensor, or a tuple of tensors on a product wire


class TaskError(ValueError):
    """A task that cannot mean anything: types that do not compose, an equation that trains nothing, and the like."""


@dataclass(frozen=True)
class Type:
    """The type of a wire: the values' name, the shape of one example, and how a value is encoded (see the module)."""

    name: str
    shape: tuple[int, ...] = ()
    kind: Kind = "real"
    parts: tuple[Type, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "categorical" and not self.shape:
            raise TaskError(f"type {self.name}: a categorical type has shape (k,) or (..., k), not {self.shape}")

    def __str__(self) -> str:
        if self.kind == "product":
            return " x ".join(map(str, self.parts))
        return f"{self.name}({'x'.join(map(str, self.shape))})"

    @property
    def single(self) -> bool:
        """Whether a value is one class, and not several side by side."""
        return self.kind == "categorical" and len(self.shape) == 1

    @property
    def full(self) -> str:
        """The type with its kind: a point's Z(2) and a gaussian's Z(2) read alike without it."""
        return f"{self} ({self.kind})"


def product(*parts: Type) -> Type:
    """The type of wires side by side."""
    return Type(" x ".join(part.name for part in parts), (), "product", parts)


R = Type("R")  # one number per example: what a divergence measures, what a critic says


class Wireable(Protocol):
    """What can be plugged into a box: a term, or a source with a single wire."""

    @property
    def term(self) -> Term: ...


class Term:
    """A node of the hash-consed graph; made by calling boxes, never directly. Equality is identity.

    axes: the terms upstream that stand for several values at once (see `weighing`), so that the value on this wire has
    that many rows per example; weighers: those whose weights an equation that mentions this term has to heed; size,
    depth: the number of boxes and sources, and of those in a row, when it is written out as a tree.

    Terms of one real type can be added, subtracted and multiplied, and scaled by a number:

    >>> from pipeline.language import Normal
    >>> x, y = Normal("x", R).term, Normal("y", R).term
    >>> x + 0.9 * y
    (x + 0.9 * y)
    """

    __slots__ = ("__weakref__", "axes", "depth", "inputs", "op", "serial", "size", "type", "weighers")
    _known: ClassVar[weakref.WeakValueDictionary[tuple[Any, ...], Term]] = weakref.WeakValueDictionary()
    _count: ClassVar[Iterator[int]] = itertools.count()

    op: Op
    inputs: tuple[Term, ...]
    type: Type
    serial: int
    axes: tuple[Term, ...]
    weighers: tuple[Term, ...]
    size: int
    depth: int

    def __new__(cls, op: Op, inputs: tuple[Term, ...], type: Type) -> Term:
        key = (op, *map(id, inputs))
        found = cls._known.get(key)
        if found is None:
            found = super().__new__(cls)
            found.op, found.inputs, found.type = op, inputs, type
            found.serial = next(cls._count)
            found.axes, found.weighers = op.axes(found), op.weighers(found)
            below = (*inputs, *op.inner)
            found.size = 1 + sum(each.size for each in below)
            found.depth = 1 + max((each.depth for each in below), default=0)
            cls._known[key] = found
        return found

    @property
    def term(self) -> Term:
        return self

    def __str__(self) -> str:
        names = _names.get()
        if self in names:
            return names[self]
        if not names and (self.size > ENDLESS or self.depth > DEEP):
            return f"{self.op.title}(... {self.size} boxes)"
        return self.op.show(self.inputs)

    __repr__ = __str__

    def __add__(self, other: Wireable) -> Term:
        return _arithmetic("+", self, other)

    def __sub__(self, other: Wireable) -> Term:
        return _arithmetic("-", self, other)

    def __mul__(self, other: Wireable | float) -> Term:
        return _scaled(self, float(other)) if isinstance(other, int | float) else _arithmetic("*", self, other)

    def __rmul__(self, other: float) -> Term:
        return _scaled(self, float(other))

    def __neg__(self) -> Term:
        return _scaled(self, -1.0)

    def __getitem__(self, index: int) -> Term:
        """One part of a product wire. Raises TaskError if there is none of that number."""
        parts = self.type.parts
        if not 0 <= index < len(parts):
            raise TaskError(f"`{self}` has no part {index}: its type is {self.type.full}")
        if isinstance(self.op, Tupling):
            return self.inputs[index]
        return Term(Part(index), (self,), parts[index])

    def __iter__(self) -> Iterator[Term]:
        """The parts of a product wire."""
        return (self[index] for index in range(len(self.type.parts)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Term, (self.op, self.inputs, self.type)

    def walk(self) -> Iterator[Term]:
        """This term and all that it is built from, each once, inputs first."""
        seen: set[Term] = set()
        stack: list[tuple[Term, bool]] = [(self, False)]
        while stack:
            term, ready = stack.pop()
            if term in seen:
                continue
            if ready:
                seen.add(term)
                yield term
            else:
                stack.append((term, True))
                stack.extend((below, False) for below in reversed(term.inputs))


# Of a text that nobody reads: its boxes (an unrolled loop's may be exponential in its length), and one in another.
ENDLESS, DEEP = 2000, 100
_names: ContextVar[Mapping[Term, str]] = ContextVar("names", default=MappingProxyType({}))


@contextmanager
def written_as(names: Mapping[Term, str]) -> Iterator[None]:
    """Within this, these terms are written by name."""
    token = _names.set(names)
    try:
        yield
    finally:
        _names.reset(token)


def expect_kind(type: Type, *kinds: Kind, of: str, wire: Term | None = None) -> None:
    """Raises TaskError, beginning with `of` and the wire, if a type is of none of these kinds."""
    if type.kind not in kinds:
        # Written down only now: the text of a wire may be long.
        shown = of if wire is None else f"{of} `{wire}`"
        raise TaskError(f"{shown}: a wire of kind {' or '.join(kinds)} is expected, not {type.full}")


def ordered(*groups: Sequence[Term]) -> tuple[Term, ...]:
    """The terms of all groups, each once, in the order in which they were made: inputs come before their use."""
    found = {term for group in groups for term in group}
    return tuple(sorted(found, key=lambda term: term.serial)) if len(found) > 1 else tuple(found)


class Op(ABC):
    """What a node does. Hashable; equal operations on the same inputs are the same term."""

    @property
    def hidden(self) -> bool:
        """Whether it stays unwritten among a box's arguments: the noise inside a random box."""
        return False

    @property
    def title(self) -> str:
        """What its box is called in a drawing."""
        return type(self).__name__.lower()

    @property
    def note(self) -> str:
        """What a drawing says beneath."""
        return ""

    @property
    def key(self) -> str:
        """What tells this operation from others, the same in every process."""
        return repr(self)

    @abstractmethod
    def show(self, inputs: tuple[Term, ...]) -> str: ...

    @property
    def inner(self) -> tuple[Term, ...]:
        """The diagrams that it works on as a whole, besides its inputs."""
        return ()

    def passing(self, term: Term) -> tuple[Term, ...]:
        """The inputs to which a gradient goes back."""
        return term.inputs

    def weighing(self, term: Term) -> tuple[Term, ...]:
        """The inputs that its weights depend on, if it has weights: a gradient goes back to these in any case."""
        return ()

    def axes(self, term: Term) -> tuple[Term, ...]:
        return ordered(*(below.axes for below in term.inputs))

    def weighers(self, term: Term) -> tuple[Term, ...]:
        return ordered(*(below.weighers for below in term.inputs))

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        """The value of a node from those of its inputs, all of the same number of rows."""
        raise NotImplementedError(self)


# ------------------------------------------------------------------------------------------------------------ boxes


@dataclass(frozen=True, eq=False)
class Box(Op):
    """A function of given type. Calling it on terms builds a term.

    A box without inputs is a learned constant: its function takes nothing and gives one example (1, *shape).
    """

    name: str
    dom: tuple[Type, ...]
    cod: Type

    def __post_init__(self) -> None:
        object.__setattr__(self, "dom", tuple(self.dom))

    def __call__(self, *wires: Wireable) -> Term:
        """Raises TaskError if the number or the types of the inputs do not fit."""
        inputs = tuple(wire.term for wire in wires)
        if len(inputs) != len(self.dom):
            raise TaskError(f"{self.name} takes {len(self.dom)} inputs, not {len(inputs)}")
        for position, (wire, expected) in enumerate(zip(inputs, self.dom, strict=True), start=1):
            if wire.type != expected:
                raise TaskError(
                    f"{self.name}: input {position} is a wire of type {expected.full}, "
                    f"but `{wire}` has type {wire.type.full}"
                )
        return Term(self, inputs, self.cod)

    @property
    def title(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        return self.name

    def show(self, inputs: tuple[Term, ...]) -> str:
        composite, arguments = composite_of(self, inputs)
        shown = [str(each) for each in arguments if not each.op.hidden]
        return f"{composite.name if composite else self.name}({', '.join(shown)})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        return self.apply(*inputs)

    def apply(self, *values: Value) -> Value:
        """Run the box on the values of its input wires: probabilities in, logits out."""
        received = (_received(value, type) for value, type in zip(values, self.dom, strict=True))
        return _returned(self.function()(*received), self.cod)

    @abstractmethod
    def function(self) -> Callable[..., Any]: ...


def _received(value: Value, type: Type) -> Value:
    """The one place where a wire's log-probabilities become a box's probabilities."""
    if type.kind == "product":
        return tuple(_received(each, part) for each, part in zip(value, type.parts, strict=True))
    if type.kind == "categorical":
        return value.exp()
    return value.sigmoid() if type.kind == "bernoulli" else value


def _returned(value: Value, type: Type) -> Value:
    if type.kind == "product":
        return tuple(_returned(each, part) for each, part in zip(value, type.parts, strict=True))
    return value.log_softmax(-1) if type.kind == "categorical" else value


@dataclass(frozen=True, eq=False)
class Learner(Box):
    """A box with trainable parameters: a torch module, or none yet while one only reasons or draws.

    Mentioning the same learner again shares its weights. Learners of the same name, type and module are the same.
    """

    module: nn.Module | None = None
    _known: ClassVar[weakref.WeakValueDictionary[tuple[Any, ...], Learner]] = weakref.WeakValueDictionary()

    def __new__(cls, name: str, dom: Sequence[Type], cod: Type, module: nn.Module | None = None) -> Learner:
        # A module is known by its identity, as long as it lives; and it does while the learner does.
        key = (cls, name, tuple(dom), cod, id(module))
        found = cls._known.get(key)
        if found is None:
            found = cls._known[key] = super().__new__(cls)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Learner, (self.name, self.dom, self.cod, self.module)

    def function(self) -> Callable[..., Any]:
        if self.module is None:
            raise TaskError(f"learner {self.name} has no module: it can be drawn, not run")
        return self.module

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [] if self.module is None else list(self.module.parameters())

    @property
    def independent(self) -> bool:
        """Whether each example is treated for itself, so that several calls may run as one larger batch."""
        mixing = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
        return self.module is not None and not any(isinstance(m, mixing) and m.training for m in self.module.modules())


@dataclass(frozen=True, eq=False)
class Fixed(Box):
    """A function without parameters; random boxes take their noise as an input, so they are functions too.

    raw: the body takes and gives the values as they are on the wires (log-probabilities, logits).
    """

    body: Callable[..., Any] = field(kw_only=True)
    raw: bool = field(default=False, kw_only=True)

    def function(self) -> Callable[..., Any]:
        return self.body

    def apply(self, *values: Value) -> Value:
        return self.body(*values) if self.raw else super().apply(*values)


class Composite:
    """Boxes one after another under one name, such as get = head after features; calling it calls them all.

    `parts` are the boxes, first to last; the name serves printing and drawing.
    """

    def __init__(self, name: str, *parts: Box) -> None:
        for first, second in itertools.pairwise(parts):
            if second.dom != (first.cod,):
                taken = ", ".join(type.full for type in second.dom)
                raise TaskError(f"{name}: {first.name} gives {first.cod.full}, but {second.name} takes {taken}")
        self.name, self.parts = name, parts
        _composites[parts[-1]] = self

    @property
    def dom(self) -> tuple[Type, ...]:
        return self.parts[0].dom

    @property
    def cod(self) -> Type:
        return self.parts[-1].cod

    def __call__(self, *wires: Wireable) -> Term:
        term = self.parts[0](*wires)
        for part in self.parts[1:]:
            term = part(term)
        return term

    def apply(self, *values: Value) -> Value:
        """Run all parts on the values of the input wires."""
        value = self.parts[0].apply(*values)
        for part in self.parts[1:]:
            value = part.apply(value)
        return value


_composites: weakref.WeakKeyDictionary[Box, Composite] = weakref.WeakKeyDictionary()


def composite_of(box: Box, inputs: tuple[Term, ...]) -> tuple[Composite | None, tuple[Term, ...]]:
    """The composite that ends in this box, if the whole of it was applied, with the inputs of its first part."""
    composite = _composites.get(box)
    if composite is None or _in_parts.get():
        return None, inputs
    arguments = inputs
    for part in reversed(composite.parts[:-1]):
        (term,) = arguments
        if term.op is not part:
            return None, inputs
        arguments = term.inputs
    return composite, arguments


_in_parts: ContextVar[bool] = ContextVar("in_parts", default=False)


@contextmanager
def written_in_parts() -> Iterator[None]:
    """Within this, composites are not known: names that are made of a term must not depend on who named its boxes."""
    token = _in_parts.set(True)
    try:
        yield
    finally:
        _in_parts.reset(token)


def learners_of(*boxes: Box | Composite | Sequence[Any]) -> tuple[Learner, ...]:
    """All learners in boxes, composites and sequences of these, in order, each once."""
    found: dict[Learner, None] = {}
    for box in boxes:
        if isinstance(box, Learner):
            found[box] = None
        elif isinstance(box, Composite):
            found.update(dict.fromkeys(learners_of(*box.parts)))
        elif isinstance(box, Sequence):
            found.update(dict.fromkeys(learners_of(*box)))
    return tuple(found)


@dataclass(frozen=True)
class Tupling(Op):
    """Wires side by side, as one wire of product type."""

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"({', '.join(map(str, inputs))})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        return tuple(inputs)


@dataclass(frozen=True)
class Part(Op):
    """One of the wires of a product."""

    index: int

    @property
    def title(self) -> str:
        return f"[{self.index}]"

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"{inputs[0]}[{self.index}]"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        return inputs[0][self.index]


def pair(*wires: Wireable) -> Term:
    """Several wires as one, so that an equation can compare joint values or joint laws."""
    terms = tuple(wire.term for wire in wires)
    return Term(Tupling(), terms, product(*(term.type for term in terms)))


# ------------------------------------------------------------------------------------------------------- arithmetic

_ARITHMETIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"+": torch.add, "-": torch.sub, "*": torch.mul}


@dataclass(frozen=True)
class Arithmetic(Op):
    """The sum, difference or product of two wires of one real type, coordinate by coordinate."""

    sign: str

    @property
    def title(self) -> str:
        return self.sign

    def show(self, inputs: tuple[Term, ...]) -> str:
        last = f"({inputs[1]})" if isinstance(inputs[1].op, Scaling) and self.sign == "*" else str(inputs[1])
        return f"({inputs[0]} {self.sign} {last})"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        return _ARITHMETIC[self.sign](*inputs)


@dataclass(frozen=True)
class Scaling(Op):
    """A real wire times a number."""

    factor: float

    @property
    def title(self) -> str:
        return f"× {number(self.factor)}"

    def show(self, inputs: tuple[Term, ...]) -> str:
        inner = f"({inputs[0]})" if isinstance(inputs[0].op, Scaling) else str(inputs[0])
        return f"{number(self.factor)} * {inner}"

    def compute(self, term: Term, inputs: Sequence[Value]) -> Value:
        return inputs[0] * self.factor


def number(value: float) -> str:
    """A number as short as it can be without loss: 20, 0.1."""
    return repr(value).removesuffix(".0")


def _arithmetic(sign: str, one: Term, other: Wireable) -> Term:
    if not hasattr(other, "term"):
        raise TaskError(f"`{one}` {sign} {other!r}: a wire is expected; `constant(number, type)` makes one of a number")
    two = other.term
    expect_kind(one.type, "real", of=f"{sign}:", wire=one)
    if one.type != two.type:
        raise TaskError(f"`{one}` {sign} `{two}`: {one.type.full} and {two.type.full} are not of one type")
    return Term(Arithmetic(sign), (one, two), one.type)


def _scaled(term: Term, factor: float) -> Term:
    expect_kind(term.type, "real", of=f"{number(factor)} *", wire=term)
    if not math.isfinite(factor):
        raise TaskError(f"{factor} * `{term}`: a finite number is expected")
    return Term(Scaling(factor), (term,), term.type)
