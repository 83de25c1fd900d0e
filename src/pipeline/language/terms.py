"""Types, boxes, sources, and the terms built from them.

A term is a random variable: a diagram of boxes (learners and fixed functions) fed by sources. All randomness lives in
the sources, boxes are functions. Terms are hash-consed, so the same composite is the same object:

>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> s, v = Dataset("x", {"s": S, "v": V})
>>> get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
>>> put(s, get(s)) is put(s, get(s))
True

Two mentions of a source are one draw; independence needs another source, or `again`:

>>> x = Normal("z", S)
>>> x.term is Normal("z", S).term, x.term is x.again().term
(True, False)

Values on a wire, for a batch of n examples:

* real: a tensor (n, *shape);
* categorical: log-probabilities (n, k); data are one-hot, so their logarithm is 0 or -inf;
* bernoulli: logits (n, *shape) of independent pixels;
* gaussian: mean and log-variance, (n, 2, *shape);
* product: a tuple of the parts' values.

**One convention at every box:** it receives probabilities (means, for bernoulli wires) and returns logits.
"""

from __future__ import annotations

import hashlib
import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.language.divergence import Divergence

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
        if self.kind == "categorical" and len(self.shape) != 1:
            raise TaskError(f"type {self.name}: a categorical type has shape (k,), not {self.shape}")

    def __str__(self) -> str:
        if self.kind == "product":
            return " x ".join(map(str, self.parts))
        return f"{self.name}({'x'.join(map(str, self.shape))})"

    @property
    def full(self) -> str:
        """The type with its kind: a point's Z(2) and a gaussian's Z(2) read alike without it."""
        return f"{self} ({self.kind})"


class Term:
    """A node of the hash-consed graph; made by calling boxes, never directly. Equality is identity."""

    __slots__ = ("__weakref__", "inputs", "op", "type")
    _known: ClassVar[weakref.WeakValueDictionary[tuple[Any, ...], Term]] = weakref.WeakValueDictionary()

    op: Op
    inputs: tuple[Term, ...]
    type: Type

    def __new__(cls, op: Op, inputs: tuple[Term, ...], type: Type) -> Term:
        key = (op, *map(id, inputs))
        found = cls._known.get(key)
        if found is None:
            found = super().__new__(cls)
            found.op, found.inputs, found.type = op, inputs, type
            cls._known[key] = found
        return found

    def __str__(self) -> str:
        return self.op.show(self.inputs)

    __repr__ = __str__

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


def _expect(type: Type, *kinds: Kind, of: str) -> None:
    if type.kind not in kinds:
        raise TaskError(f"{of}: a wire of kind {' or '.join(kinds)} is expected, not {type.full}")


class Op(ABC):
    """What a node does. Hashable; equal operations on the same inputs are the same term."""

    @abstractmethod
    def show(self, inputs: tuple[Term, ...]) -> str: ...


# ---------------------------------------------------------------------------------------------------------- sources


@dataclass(frozen=True)
class Draws:
    """Which draw is wanted: the step of a run with this seed, so many examples, on this device.

    A draw is a function of (seed, source name, step): there is no generator state to save or restore.
    """

    seed: int
    step: int
    batch: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def generator(self, name: str) -> torch.Generator:
        return seeded(self.device, self.seed, name, self.step)


def seeded(device: torch.device, *key: int | str) -> torch.Generator:
    """A generator whose state is a function of the key alone."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=7).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little"))


@dataclass(frozen=True)
class Source(ABC):
    """A distribution without input. The same name is the same draw, in all equations of a task."""

    name: str

    @property
    @abstractmethod
    def wires(self) -> tuple[tuple[str, Type], ...]: ...

    @abstractmethod
    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        """One value per wire, `draws.batch` examples each. Raises TaskError if the source has no data."""

    @property
    def implicit(self) -> bool:
        """Whether it stays unnamed when a term is written down: the noise inside a random box, a constant."""
        return False

    def again(self) -> Source:
        """The same distribution, drawn independently."""
        return replace(self, name=f"{self.name}'")

    def __iter__(self) -> Iterator[Term]:
        for index, (_, type) in enumerate(self.wires):
            yield Term(Wire(self, index), (), type)

    @property
    def term(self) -> Term:
        """The only wire of a source that has just one."""
        (term,) = self
        return term


@dataclass(frozen=True)
class Wire(Op):
    """One wire of a source's joint draw."""

    source: Source
    index: int

    @property
    def hidden(self) -> bool:
        return isinstance(self.source, Normal) and self.source.hidden

    def show(self, inputs: tuple[Term, ...]) -> str:
        return self.source.wires[self.index][0]


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a data set. Two tables are equal only if they are the same object."""

    columns: tuple[Tensor, ...]


@dataclass(frozen=True)
class Dataset(Source):
    """Examples drawn without replacement, shuffled anew each epoch; several wires are one joint draw.

    table: one tensor per wire, once there are data: uint8 (read as 0..255 -> 0..1) or floating for real wires, int64
    class indices for categorical ones. A batch is a slice of the epoch's permutation; a rest too small is left out.
    """

    types: Mapping[str, Type] = field(hash=False)
    table: Table | None = field(default=None, repr=False)
    order: tuple[str, ...] = field(init=False, repr=False)  # mappings are equal in any order, wires are not

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", tuple(self.types))

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        primes = "'" * (len(self.name) - len(self.name.rstrip("'")))
        return tuple((name + primes, type) for name, type in self.types.items())

    def bind(self, *columns: Tensor) -> Dataset:
        """The same source with data.

        Raises TaskError if the number, the lengths or the shapes of the columns do not fit, or a class is none of its
        type's.
        """
        if len(columns) != len(self.types):
            raise TaskError(f"source {self.name}: {len(self.types)} columns expected, {len(columns)} given")
        for (wire, type), column in zip(self.types.items(), columns, strict=True):
            expected = () if type.kind == "categorical" else type.shape
            if tuple(column.shape[1:]) != expected:
                raise TaskError(
                    f"source {self.name}, wire {wire}: examples of shape {expected} expected, "
                    f"{tuple(column.shape[1:])} given"
                )
            if len(column) != len(columns[0]):
                raise TaskError(
                    f"source {self.name}, wire {wire}: {len(columns[0])} examples expected, {len(column)} given"
                )
            if type.kind == "categorical" and len(column):
                low, high = int(column.min()), int(column.max())
                if low < 0 or high >= type.shape[0]:
                    raise TaskError(
                        f"source {self.name}, wire {wire}: classes 0..{type.shape[0] - 1} expected, {low}..{high} given"
                    )
        return replace(self, table=Table(columns))

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        if self.table is None:
            raise TaskError(f"source {self.name} has no data: bind() it before training")
        columns = self.table.columns
        count = len(columns[0])
        if count < draws.batch:
            raise TaskError(f"source {self.name}: a batch of {draws.batch} is more than its {count} examples")
        epoch, position = divmod(draws.step, count // draws.batch)
        order = _permutation(count, draws.seed, self.name, epoch)
        rows = order[position * draws.batch : (position + 1) * draws.batch].to(columns[0].device)
        return tuple(
            encode(column[rows].to(draws.device), type) for column, (_, type) in zip(columns, self.wires, strict=True)
        )


_orders: dict[tuple[int, int, str], tuple[int, Tensor]] = {}


def _permutation(count: int, seed: int, name: str, epoch: int) -> Tensor:
    """The epoch's order; the last one of each source is remembered."""
    key = (count, seed, name)
    if key not in _orders or _orders[key][0] != epoch:
        generator = seeded(torch.device("cpu"), seed, name, "epoch", epoch)
        _orders[key] = (epoch, torch.randperm(count, generator=generator))
    return _orders[key][1]


def encode(column: Tensor, type: Type) -> Tensor:
    """Raw data as the value of a wire: class indices -> log one-hot, bytes -> 0..1."""
    if type.kind == "categorical":
        value = torch.full((len(column), *type.shape), -torch.inf, device=column.device)
        return value.scatter_(1, column.long().unsqueeze(1), 0.0)
    if column.dtype == torch.uint8:
        return column.to(torch.get_default_dtype()).div_(255)
    return column


@dataclass(frozen=True)
class Normal(Source):
    """Independent standard normal coordinates; `hidden` for the noise inside a random box, `of` what it is applied to.

    Raises TaskError if the type is not real.
    """

    type: Type
    hidden: bool = False
    of: Term | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _expect(self.type, "real", of=f"source {self.name}")

    @property
    def implicit(self) -> bool:
        return self.hidden

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return ((self.name, self.type),)

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        generator = draws.generator(self.name)
        return (torch.randn(draws.batch, *self.type.shape, generator=generator, device=draws.device),)


@dataclass(frozen=True)
class Uniform(Source):
    """A uniform class on a categorical wire; uniform on [0, 1] in each coordinate of a real one.

    Raises TaskError for a type of another kind.
    """

    type: Type

    def __post_init__(self) -> None:
        _expect(self.type, "real", "categorical", of=f"source {self.name}")

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return ((self.name, self.type),)

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        generator = draws.generator(self.name)
        if self.type.kind == "categorical":
            classes = (draws.batch,)
            index = torch.randint(self.type.shape[0], classes, generator=generator, device=draws.device)
            return (encode(index, self.type),)
        return (torch.rand(draws.batch, *self.type.shape, generator=generator, device=draws.device),)


@dataclass(frozen=True)
class Constant(Source):
    """The same number in every coordinate, in every draw."""

    type: Type
    value: float = 0.0

    @property
    def implicit(self) -> bool:
        return True

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return ((self.name, self.type),)

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        leading = (draws.batch, 2) if self.type.kind == "gaussian" else (draws.batch,)
        return (torch.full((*leading, *self.type.shape), self.value, device=draws.device),)


def standard_normal(type: Type) -> Term:
    """The constant N(0, 1) on a gaussian wire: mean 0 and log-variance 0."""
    return Constant("N(0,1)", type).term


# ------------------------------------------------------------------------------------------------------------ boxes


@dataclass(frozen=True, eq=False)
class Box(Op):
    """A function of given type. Calling it on terms builds a term; two boxes are never the same box."""

    name: str
    dom: tuple[Type, ...]
    cod: Type

    def __call__(self, *wires: Term | Source) -> Term:
        """Raises TaskError if the number or the types of the inputs do not fit."""
        inputs = tuple(wire.term if isinstance(wire, Source) else wire for wire in wires)
        if len(inputs) != len(self.dom):
            raise TaskError(f"{self.name} takes {len(self.dom)} inputs, not {len(inputs)}")
        for position, (wire, expected) in enumerate(zip(inputs, self.dom, strict=True), start=1):
            if wire.type != expected:
                raise TaskError(
                    f"{self.name}: input {position} is a wire of type {expected.full}, "
                    f"but `{wire}` has type {wire.type.full}"
                )
        return Term(self, inputs, self.cod)

    def show(self, inputs: tuple[Term, ...]) -> str:
        composite, arguments = _composite_of(self, inputs)
        shown = [str(each) for each in arguments if not (isinstance(each.op, Wire) and each.op.hidden)]
        return f"{composite or self.name}({', '.join(shown)})"

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

    Mentioning the same learner again shares its weights.
    """

    module: nn.Module | None = None

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
    """A function without parameters; random boxes take their noise as an input, so they are functions too."""

    body: Callable[..., Any] = field(kw_only=True)

    def function(self) -> Callable[..., Any]:
        return self.body


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

    def __call__(self, *wires: Term | Source) -> Term:
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


def _composite_of(box: Box, inputs: tuple[Term, ...]) -> tuple[str | None, tuple[Term, ...]]:
    """The composite that ends in this box, if the whole of it was applied, with the inputs of its first part."""
    composite = _composites.get(box)
    if composite is None:
        return None, inputs
    arguments = inputs
    for part in reversed(composite.parts[:-1]):
        (term,) = arguments
        if term.op is not part:
            return None, inputs
        arguments = term.inputs
    return composite.name, arguments


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


def pair(*wires: Term | Source) -> Term:
    """Several wires as one, so that an equation can compare joint values or joint laws."""
    terms = tuple(wire.term if isinstance(wire, Source) else wire for wire in wires)
    parts = tuple(term.type for term in terms)
    return Term(Tupling(), terms, Type(" x ".join(part.name for part in parts), (), "product", parts))


# ----------------------------------------------------------------------------------------------------- random boxes

_fixed: dict[tuple[Any, ...], Fixed] = {}


def _shared(key: tuple[Any, ...], make: Callable[[], Fixed]) -> Fixed:
    """The same fixed box for the same description, so that its applications are hash-consed."""
    return _fixed.setdefault(key, make())


def noise(std: float) -> Callable[[Term], Term]:
    """The box x -> x + std * e, with e standard normal. Applied twice to the same wire it is the same draw.

    Raises TaskError if the wire is not real.

    >>> x = Normal("x", Type("S", (2,))).term
    >>> noise(0.1)(x) is noise(0.1)(x)
    True
    """

    def apply(term: Term) -> Term:
        type = term.type
        _expect(type, "real", of=f"noise: `{term}`")
        box = _shared(
            ("noise", std, type),
            lambda: Fixed("noise", (type, type), type, body=lambda x, e: torch.add(x, e, alpha=std)),
        )
        return box(term, Normal(f"e[{term}]", type, hidden=True, of=term))

    return apply


def sample(term: Term) -> Term:
    """A reparameterised draw from the gaussian on a wire: mean + exp(log-variance / 2) * e (Kingma & Welling 2014).

    Raises TaskError if the wire is not gaussian.
    """
    _expect(term.type, "gaussian", of=f"sample: `{term}`")
    real = Type(term.type.name, term.type.shape)
    box = _shared(
        ("sample", term.type),
        lambda: Fixed("sample", (term.type, real), real, body=lambda q, e: q[:, 0] + (q[:, 1] / 2).exp() * e),
    )
    return box(term, Normal(f"e[{term}]", real, hidden=True, of=term))


# ----------------------------------------------------------------------------------------------- inner optimisation


@dataclass(frozen=True)
class ProjectedGradient:
    """Normalised gradient steps in an L2 ball round the start (Madry et al. 2018), values kept within bounds.

    radius: in the units of the wire; steps: gradient steps; stride: length of one step over radius (2.5 / steps if
    absent); maximise: ascend or descend; bounds: the least and greatest value of a coordinate.
    """

    radius: float
    steps: int
    stride: float | None = None
    maximise: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)

    def solve(self, start: Tensor, gradient: Callable[[Tensor], Tensor]) -> Tensor:
        """The last iterate, of the shape of `start`; `gradient` maps a point to the objective's gradient there."""
        length = self.radius * (2.5 / self.steps if self.stride is None else self.stride)
        length = length if self.maximise else -length
        origin = start.detach()
        point = origin
        for _ in range(self.steps):
            moved = point + length * _unit(gradient(point)) - origin
            norm = _norm(moved)
            point = (origin + moved * (self.radius / norm.clamp_min(self.radius))).clamp_(*self.bounds)
        return point


def _norm(x: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x.reshape(len(x), -1), dim=1)
    return norm.view(-1, *[1] * (x.dim() - 1))


def _unit(x: Tensor) -> Tensor:
    return x / _norm(x).clamp_min(torch.finfo(x.dtype).tiny)


@dataclass(frozen=True, eq=False)
class Variable(Op):
    """The wire that an inner optimisation moves."""

    name: str

    def show(self, inputs: tuple[Term, ...]) -> str:
        return self.name


@dataclass(frozen=True)
class Optimum(Op):
    """The point, near its first input, where divergence(lhs, rhs) is extremal in the variable."""

    variable: Term
    lhs: Term
    rhs: Term
    divergence: Divergence
    solver: ProjectedGradient

    def show(self, inputs: tuple[Term, ...]) -> str:
        name = "argmax" if self.solver.maximise else "argmin"
        return f"{name}[{self.variable} near {inputs[0]}: {self.divergence.name}({self.lhs}, {self.rhs})]"

    def body(self) -> tuple[Term, ...]:
        """The terms that depend on the variable, inputs first."""
        moving: dict[Term, None] = {}
        for side in (self.lhs, self.rhs):
            for term in side.walk():
                if term is self.variable or any(below in moving for below in term.inputs):
                    moving[term] = None
        return tuple(moving)


def optimise(
    start: Term, objective: Callable[[Term], tuple[Term, Term]], divergence: Divergence, solver: ProjectedGradient
) -> Term:
    """The wire's value near `start` that maximises (or minimises) divergence(*objective(wire)).

    The result is a constant for all learners: by the envelope theorem the gradient of the outer loss at an inner
    optimum does not pass through the optimum's position (Danskin). So a robust classifier is an equation:
    ``equation(get(optimise(s, lambda t: (get(t), v), cross_entropy, attack)), v, cross_entropy, trains=get)``.

    Raises TaskError if `start` is not real, the divergence cannot compare the two sides, or neither side depends on
    the wire.
    """
    _expect(start.type, "real", of=f"optimise: `{start}`")
    variable = Term(_variable(start.type, len(_open)), (), start.type)
    _open.append(variable)
    try:
        lhs, rhs = objective(variable)
    finally:
        _open.pop()
    optimum = Optimum(variable, lhs, rhs, divergence, solver)
    complaint = divergence.accepts(lhs.type, rhs.type)
    if complaint:
        raise TaskError(
            f"optimise: {divergence}: {complaint}, but `{lhs}` is {lhs.type.full} and `{rhs}` is {rhs.type.full}"
        )
    moving = set(optimum.body())
    if not moving & {lhs, rhs}:
        raise TaskError(f"optimise: neither `{lhs}` nor `{rhs}` depends on the wire that is to move")
    outer: dict[Term, None] = {start: None}
    for term in [*moving, lhs, rhs]:
        outer.update({below: None for below in (term, *term.inputs) if below not in moving})
    return Term(optimum, tuple(sorted(outer, key=lambda term: (term is not start, str(term)))), start.type)


_open: list[Term] = []  # the variables of the objectives that are being written, outermost first
_variables: dict[tuple[Type, int], Variable] = {}


def _variable(type: Type, depth: int) -> Variable:
    """One variable per type and depth: bodies are compared by structure, as if bound variables had no names."""
    return _variables.setdefault((type, depth), Variable("t" + "'" * depth))
