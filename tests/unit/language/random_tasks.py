"""Random well-typed tasks: diagrams over shared sources and learners with every operation of the language."""

import random
from collections.abc import Callable

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.language import (
    Composite,
    Dataset,
    Equation,
    Fixed,
    Learner,
    Mixture,
    Normal,
    Player,
    ProjectedGradient,
    R,
    Task,
    TaskError,
    Term,
    Type,
    Uniform,
    bernoulli_nll,
    concrete,
    constant,
    cross_entropy,
    derivative,
    drawn,
    equation,
    every,
    expected,
    frechet,
    gaussian_nll,
    kl,
    l1,
    likeliest,
    linear,
    log_mean_exp,
    mmd,
    mse,
    noise,
    optimise,
    pair,
    repeated,
    reweighted,
    sample,
    sliced_wasserstein,
    smoothed_cross_entropy,
    standard_normal,
    stop_gradient,
    straight_through,
    task,
    uniform,
)
from pipeline.language.weighing import Axis

S, V = Type("S", (4,)), Type("V", (3,), "categorical")
Q, P = Type("S", (4,), "gaussian"), Type("S", (4,), "bernoulli")
ROWS = 12  # of the data sets
MOST_ROWS = 30  # per example: enumerations within enumerations multiply


class Net(nn.Module):
    """A small network on all its inputs side by side, perhaps with a layer that mixes examples."""

    def __init__(self, width: int, out: tuple[int, ...], mixing: bool = False) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(5) if mixing else nn.Tanh()
        self.layers = nn.Sequential(nn.Linear(width, 5), middle, nn.Linear(5, torch.Size(out).numel()))
        self.out = out

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layers(torch.cat([each.flatten(1) for each in inputs], 1)).view(-1, *self.out)


class Point(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(1, *shape))

    def forward(self) -> Tensor:
        return self.value


def width(type: Type) -> int:
    return (2 if type.kind == "gaussian" else 1) * torch.Size(type.shape).numel()


def learner(name: str, dom: tuple[Type, ...], cod: Type, bare: bool, mixing: bool = False) -> Learner:
    out = (2, *cod.shape) if cod.kind == "gaussian" else cod.shape
    return Learner(name, dom, cod, None if bare else Net(sum(map(width, dom)), out, mixing))


class Diagrams:
    """Grows a pool of terms by applying one operation after another."""

    def __init__(self, choose: Callable, bare: bool) -> None:
        self.choose = choose
        self.learners = [
            learner("f", (S,), S, bare),
            learner("g", (S, S), S, bare),
            learner("mixed", (S,), S, bare, mixing=True),
            learner("get", (S,), V, bare),
            learner("put", (S, V), S, bare),
            learner("name", (V,), V, bare),
            learner("enc", (S,), Q, bare),
            learner("dec", (S,), P, bare),
            learner("energy", (S,), R, bare),
            Learner("origin", (), S, None if bare else Point(4)),
        ]
        self.shift = Fixed("shift", (S,), S, body=lambda value: value * 2 - 1)
        head = learner("head", (S,), V, bare)
        self.read = Composite("read", self.learners[0], head)
        table = Dataset("x", {"s": S, "v": V})
        other = Dataset("y", {"s": S})
        if not bare:
            table = table.bind(torch.rand(ROWS, 4), torch.arange(ROWS) % 3)
            other = other.bind(torch.rand(ROWS, 4))
        self.pool: list[Term] = [
            *table,
            *other,
            Normal("z", S).term,
            Uniform("a", V).term,
            Mixture("m", (Normal("z", S), Uniform("u", S)), (0.5, 0.5)).term,
        ]
        if not bare:
            self.pool.append(next(iter(table.again())))

    def of(self, *types: Type) -> Term:
        """A wire of one of these types, rather a late one: diagrams are to grow deep."""
        found = [term for term in self.pool if term.type in types]
        return self.choose(self.choose([found, found[-4:], found[-2:]]))

    def grow(self) -> None:
        """One more term, if the operation that is chosen has wires to go on."""
        made = self.choose(
            [
                self.apply,
                self.apply,
                self.apply,
                lambda: self.choose([noise(0.1), lambda t: 0.5 * t, stop_gradient])(self.of(S)),
                lambda: self.of(S) + self.of(S),
                lambda: self.of(R) - self.of(R),
                lambda: sample(self.of(Q)),
                lambda: self.choose([concrete(0.7), straight_through(0.5), likeliest, every, drawn])(self.of(V)),
                lambda: repeated(2)(self.of(S, V)),
                lambda: reweighted(self.of(S, V), self.of(R)),
                self.average,
                lambda: self.choose([mse, l1])(self.of(S), self.of(S)),
                lambda: kl(self.of(V), self.of(V)),
                lambda: derivative(lambda t: self.learners[8](self.learners[0](t)), self.of(S)),
                lambda: derivative(lambda t: self.learners[1](t, self.of(S)), self.of(S), along=self.of(S)),
                lambda: optimise(
                    self.of(S), lambda t: (self.read(t), self.pool[1]), cross_entropy, ProjectedGradient(0.5, 2)
                ),
                lambda: pair(self.of(S), self.of(V))[self.choose([0, 1])],
                lambda: self.shift(self.of(S)),
                lambda: self.read(self.of(S)),
            ]
        )
        try:
            term = made()
        except (IndexError, TaskError):  # no such wire yet, or a weighed value inside a bound diagram
            return
        count = 1
        for axis in term.axes:
            count *= axis.op.size(axis)
        if count <= MOST_ROWS:
            self.pool.append(term)

    def apply(self) -> Term:
        box = self.choose(self.learners)
        return box(*(self.of(type) for type in box.dom))

    def average(self) -> Term:
        over = self.choose([term for term in self.pool if isinstance(term.op, Axis)])
        if self.choose([True, False]):
            return log_mean_exp(self.of(R), over=over)
        return expected(self.of(S, V, P), over=over)

    def equation(self) -> Equation | None:
        """A random equation that trains some of what it reaches."""
        kind = self.choose(["mse", "mse", "kl", "q", "nll", "data", "linear", "law", "smooth", "uniform"])
        try:
            lhs, rhs, divergence = {
                "mse": lambda: (self.of(S), self.of(S), mse),
                "kl": lambda: (self.of(V), self.of(V), kl),
                "q": lambda: (self.of(Q), standard_normal(Q), kl),
                "nll": lambda: (self.of(P), self.of(S), bernoulli_nll),
                "data": lambda: (self.of(V), self.pool[1], cross_entropy),
                "linear": lambda: (self.of(R), constant(-1), linear),
                "law": lambda: (self.of(S), self.of(S), self.choose([mmd, frechet, sliced_wasserstein(3)])),
                "smooth": lambda: (self.of(V), self.pool[1], smoothed_cross_entropy(0.1)),
                "uniform": lambda: (self.of(V), uniform(V), kl),
            }[kind]()
        except IndexError:
            return None
        if kind == "q" and self.choose([True, False]) and lhs.type == Q:
            rhs, divergence = self.of(S), gaussian_nll
        reached = equation(lhs, rhs, divergence, trains=()).learners
        unknowable = divergence is kl and lhs.type == V and any(isinstance(t.op, Axis) for t in (lhs, rhs))
        # The divergence of a certain class from another is infinite, and its gradient none.
        certain = divergence is kl and lhs.type == V and _certain(rhs)
        if not reached or lhs is rhs or unknowable or certain:
            return None
        count = self.choose(range(1, len(reached) + 1))
        weight = self.choose([1.0, 1.0, 2.5, 20.0])
        return equation(lhs, rhs, divergence, trains=reached[:count], weight=weight)


def _certain(term: Term) -> bool:
    """Whether the wire may say of a class that it is impossible."""
    return not (isinstance(term.op, Learner) or str(term) == "uniform")


@st.composite
def tasks(draw: Callable, bare: bool = False, most: int = 10) -> Task:
    """Tasks of up to four equations; `bare`: on learners without modules and sources without data.

    Choices come from a seed: hypothesis' own lean to the first option, and most tasks would be trivial.
    """
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    diagrams = Diagrams(chance.choice, bare)
    for _ in range(draw(st.integers(2, most))):
        diagrams.grow()
    equations: dict[str, Equation] = {}
    for name in ("one", "two", "three", "four"):
        each = diagrams.equation()
        try:
            if each is not None:
                task(**{name: each})
                equations[name] = each
        except TaskError:  # a law of weighed values, say
            continue
    if not equations:
        (s, *_) = diagrams.pool
        equations["one"] = equation(diagrams.learners[0](s), s, mse, trains=diagrams.learners[0])
    made = task(**equations)
    if bare and draw(st.booleans()):
        players = tuple(Player(each.name, (each,)) for each in made.trained)
        made = Task(equations, players, chance.choice(["simultaneous", "alternating"]))
    return made
