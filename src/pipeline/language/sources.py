"""Sources: distributions without input. All randomness of a task is in them.

Two mentions of a source are one draw; independence needs another source, or `again`:

>>> x = Normal("z", Type("S", (4,)))
>>> x.term is Normal("z", Type("S", (4,))).term, x.term is x.again().term
(True, False)

A draw is a function of (seed, name, step) alone:

>>> now = Draws(seed=0, step=3, batch=2)
>>> bool((x.draw(now)[0] == x.draw(now)[0]).all()), bool((x.draw(now)[0] == x.again().draw(now)[0]).any())
(True, False)
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pipeline.language.terms import Op, R, TaskError, Term, Type, expect_kind, number, written_as, written_in_parts


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

    @property
    def rows_of(self) -> Term | None:
        """The term for each of whose rows it is drawn, if that is not once for each example."""
        return None

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
        return self.source.rows_of is not None

    @property
    def key(self) -> str:
        return f"{self.source.name}[{self.index}]"

    def show(self, inputs: tuple[Term, ...]) -> str:
        return self.source.wires[self.index][0]

    def axes(self, term: Term) -> tuple[Term, ...]:
        return self.source.rows_of.axes if self.source.rows_of else ()


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a data set. Two tables are equal only if they are the same object."""

    columns: tuple[Tensor, ...]


@dataclass(frozen=True)
class Dataset(Source):
    """Examples drawn without replacement, shuffled anew each epoch; several wires are one joint draw.

    table: one tensor per wire, once there are data: uint8 (read as 0..255 -> 0..1) or floating for real wires, int64
    class indices for categorical ones, (n,) or (n, ...). A batch is a slice of the epoch's permutation; a rest too small is left out.
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
            expected = type.shape[:-1] if type.kind == "categorical" else type.shape
            if tuple(column.shape[1:]) != expected:
                raise TaskError(
                    f"source {self.name}, wire {wire}: examples of shape {expected} expected, "
                    f"{tuple(column.shape[1:])} given"
                )
            if type.kind not in ("real", "categorical"):
                raise TaskError(f"source {self.name}, wire {wire}: data are real or categorical, not {type.full}")
            if type.kind == "real" and column.dtype != torch.uint8 and not column.is_floating_point():
                raise TaskError(f"source {self.name}, wire {wire}: bytes or floats are expected, not {column.dtype}")
            if type.kind == "categorical" and (column.is_floating_point() or column.dtype == torch.bool):
                raise TaskError(f"source {self.name}, wire {wire}: class indices are expected, not {column.dtype}")
            if len(column) != len(columns[0]):
                raise TaskError(
                    f"source {self.name}, wire {wire}: {len(columns[0])} examples expected, {len(column)} given"
                )
            if type.kind == "categorical" and len(column):
                low, high = int(column.min()), int(column.max())
                if low < 0 or high >= type.shape[-1]:
                    raise TaskError(
                        f"source {self.name}, wire {wire}: classes 0..{type.shape[-1] - 1} expected, "
                        f"{low}..{high} given"
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
        return value.scatter_(-1, column.long().unsqueeze(-1), 0.0)
    if column.dtype == torch.uint8:
        return column.to(torch.get_default_dtype()).div_(255)
    return column.to(torch.get_default_dtype())


@dataclass(frozen=True)
class Noise(Source):
    """Independent coordinates of one law; `of`: what it is applied to, if it is the noise inside a random box."""

    type: Type
    of: Term | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        expect_kind(self.type, "real", of=f"source {self.name}")

    @property
    def implicit(self) -> bool:
        return self.of is not None

    @property
    def rows_of(self) -> Term | None:
        return self.of

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return ((self.name, self.type),)


@dataclass(frozen=True)
class Normal(Noise):
    """Independent standard normal coordinates. Raises TaskError if the type is not real."""

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        generator = draws.generator(self.name)
        return (torch.randn(draws.batch, *self.type.shape, generator=generator, device=draws.device),)


@dataclass(frozen=True)
class Gumbel(Noise):
    """Independent standard Gumbel coordinates, -log(-log(u)): the place of the largest of log p + g has law p.

    Raises TaskError if the type is not real.
    """

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        generator = draws.generator(self.name)
        exponential = torch.empty(draws.batch, *self.type.shape, device=draws.device)
        return (-exponential.exponential_(generator=generator).clamp_min_(torch.finfo(exponential.dtype).tiny).log(),)


def hidden_noise(law: type[Noise], letter: str, term: Term, type: Type) -> Term:
    """The noise of a random box that is applied to a term: the same application is the same draw."""
    return law(f"{letter}[{label(term)}]", type, of=term).term


def moved_noise(source: Noise, of: Term) -> Source:
    """The noise of a random box, when what it is applied to becomes another term."""
    return replace(source, name=f"{source.name.partition('[')[0]}[{label(of)}]", of=of)


@dataclass(frozen=True)
class Uniform(Source):
    """A uniform class on a categorical wire, or classes that are independent; uniform on [0, 1] in each coordinate of a
    real one.

    Raises TaskError for a type of another kind.
    """

    type: Type

    def __post_init__(self) -> None:
        expect_kind(self.type, "real", "categorical", of=f"source {self.name}")

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return ((self.name, self.type),)

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        generator = draws.generator(self.name)
        if self.type.kind == "categorical":
            classes = (draws.batch, *self.type.shape[:-1])
            index = torch.randint(self.type.shape[-1], classes, generator=generator, device=draws.device)
            return (encode(index, self.type),)
        return (torch.rand(draws.batch, *self.type.shape, generator=generator, device=draws.device),)


@dataclass(frozen=True)
class Constant(Source):
    """The same value in every draw.

    value: a number for every coordinate, or all numbers of one example, as they are on the wire.
    """

    type: Type
    value: float | tuple[float, ...] = 0.0

    @property
    def implicit(self) -> bool:
        return True

    @property
    def certain(self) -> bool:
        """Whether it is one class of a categorical wire, and no distribution over several."""
        return self.type.kind == "categorical" and isinstance(self.value, tuple) and max(self.value) == 0

    def apart(self, other: Constant) -> bool:
        """Whether the two are different elements of one type; of two distributions over classes that is not said."""
        comparable = self.type.kind != "categorical" or (self.certain and other.certain)
        return self.type == other.type and self.value != other.value and comparable

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return ((self.name, self.type),)

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        shape = (2, *self.type.shape) if self.type.kind == "gaussian" else self.type.shape
        if isinstance(self.value, tuple):
            one = torch.tensor(self.value, device=draws.device, dtype=torch.get_default_dtype()).view(shape)
            return (one.expand(draws.batch, *shape),)
        return (torch.full((draws.batch, *shape), self.value, device=draws.device),)


def constant(value: float, type: Type = R) -> Term:
    """The constant state: this number in every coordinate of a real wire, or this class of a categorical one
    (at each place, if it carries several).

    Raises TaskError for a type of another kind, or a class that it lacks.

    >>> constant(1), constant(2, Type("V", (3,), "categorical"))
    (1, 2)
    """
    expect_kind(type, "real", "categorical", of=f"constant {number(float(value))}")
    name = number(float(value))
    if type.kind == "real":
        return Constant(name, type, float(value)).term
    if value not in range(type.shape[-1]):
        raise TaskError(f"constant {name}: {type.full} has the classes 0..{type.shape[-1] - 1}")
    one_hot = tuple(0.0 if k == value else -torch.inf for k in range(type.shape[-1]))
    return Constant(name, type, one_hot * math.prod(type.shape[:-1])).term


def uniform(type: Type) -> Term:
    """The uniform distribution as a constant on a categorical wire (a `Uniform` source draws a class instead).

    Raises TaskError for a type of another kind.
    """
    expect_kind(type, "categorical", of="uniform")
    return Constant("uniform", type, -math.log(type.shape[-1])).term


def standard_normal(type: Type) -> Term:
    """The constant N(0, 1) on a gaussian wire: mean 0 and log-variance 0. Raises TaskError for another kind."""
    expect_kind(type, "gaussian", of="N(0, 1)")
    return Constant("N(0,1)", type).term


@dataclass(frozen=True)
class Mixture(Source):
    """Each example comes from one of several sources of the same wires, chosen with these probabilities.

    What it makes larger is the support: `task.enlarge(x, Mixture("x or noise", (x, z), (0.5, 0.5)))`.
    Raises TaskError if the sources' wires differ, or the probabilities are not positive or do not sum to 1.
    """

    sources: tuple[Source, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        types = {tuple(type for _, type in source.wires) for source in self.sources}
        if len(types) != 1:
            raise TaskError(f"source {self.name}: the parts of a mixture must have the same wires")
        if min(self.probabilities) <= 0 or abs(sum(self.probabilities) - 1) > 1e-6:
            raise TaskError(f"source {self.name}: positive probabilities that sum to 1 are expected")
        if len(self.sources) != len(self.probabilities):
            raise TaskError(f"source {self.name}: {len(self.sources)} probabilities are expected")

    @property
    def wires(self) -> tuple[tuple[str, Type], ...]:
        return self.sources[0].wires

    def again(self) -> Mixture:
        """The parts are drawn anew as well."""
        return replace(self, name=f"{self.name}'", sources=tuple(source.again() for source in self.sources))

    def draw(self, draws: Draws) -> tuple[Tensor, ...]:
        shares = torch.tensor(self.probabilities, device=draws.device)
        which = torch.multinomial(shares, draws.batch, replacement=True, generator=draws.generator(self.name))
        columns = zip(*(source.draw(draws) for source in self.sources), strict=True)
        return tuple(_chosen(torch.stack(column), which) for column in columns)


def _chosen(parts: Tensor, which: Tensor) -> Tensor:
    """parts: (sources, n, ...); which: (n,), whose row is taken."""
    return parts[which, torch.arange(len(which), device=which.device)]


def label(term: Term) -> str:
    """A term's text; of a long one only a digest, which is the same in every process."""
    if term.size > LONG:
        return _digest(term)
    with written_in_parts(), written_as({}):
        return str(term)


LONG = 60  # boxes and sources in a text that one still wants to read


def _digest(term: Term) -> str:
    digests: dict[Term, str] = {}
    for each in term.walk():
        key = (each.op.key, *(digests[below] for below in each.inputs))
        digests[each] = hashlib.blake2b(repr(key).encode(), digest_size=6).hexdigest()
    return digests[term]
