"""Small learners by their types, and what tests of patterns measure again and again."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.language import Dataset, Draws, Learner, Mixture, Task, Term, Type, evaluate


class Net(nn.Module):
    """A network on all its inputs side by side; without hidden layers it is affine."""

    def __init__(self, dom: Sequence[Type], cod: Type, *hidden: int, activation: type[nn.Module] = nn.Tanh) -> None:
        super().__init__()
        self.out = (2, *cod.shape) if cod.kind == "gaussian" else cod.shape
        widths = [sum(torch.Size(type.shape).numel() for type in dom), *hidden, torch.Size(self.out).numel()]
        self.layers = nn.Sequential()
        for before, after in itertools.pairwise(widths):
            self.layers.extend([nn.Linear(before, after), activation()])
        del self.layers[-1]

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layers(torch.cat([each.flatten(1) for each in inputs], 1)).view(-1, *self.out)


class Point(nn.Module):
    """A learned constant."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(value.unsqueeze(0))

    def forward(self) -> Tensor:
        return self.value


class Table(nn.Module):
    """Every function of categorical wires, or a mixture of its values where the inputs are uncertain."""

    def __init__(self, dom: Sequence[Type], cod: Type) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(*(type.shape[0] for type in dom), *cod.shape))
        self.probabilities = cod.kind == "categorical"

    def forward(self, *inputs: Tensor) -> Tensor:
        values = self.values.log_softmax(-1).exp() if self.probabilities else self.values
        made = torch.einsum("na, a... -> n...", inputs[0], values)
        for weights in inputs[1:]:
            made = torch.einsum("na, na... -> n...", weights, made)
        return made.clamp_min(1e-12).log() if self.probabilities else made


def mlp(name: str, dom: tuple[Type, ...], cod: Type, *hidden: int, activation: type[nn.Module] = nn.Tanh) -> Learner:
    return Learner(name, dom, cod, Net(dom, cod, *hidden or (32, 32), activation=activation))


def affine(name: str, dom: tuple[Type, ...], cod: Type) -> Learner:
    return Learner(name, dom, cod, Net(dom, cod))


def table(name: str, dom: tuple[Type, ...], cod: Type) -> Learner:
    return Learner(name, dom, cod, Table(dom, cod))


def point(name: str, cod: Type, value: Tensor) -> Learner:
    return Learner(name, (), cod, Point(value))


def furnished(task: Task, rows: int = 20) -> Task:
    """The task with a random module for each learner and random data for each data set."""
    modules = {
        each: Learner(
            each.name, each.dom, each.cod, Net(each.dom, each.cod, 5) if each.dom else Point(_random(each.cod))
        )
        for each in task.learners
    }
    data = {each: each.bind(*(_column(type, rows) for type in each.types.values())) for each in datasets(task)}
    return task.with_learners(modules).with_sources(data)


def datasets(task: Task) -> list[Dataset]:
    sources = (part for each in task.sources for part in (each.sources if isinstance(each, Mixture) else (each,)))
    return [each for each in sources if isinstance(each, Dataset)]


def _random(type: Type) -> Tensor:
    return torch.randn((2, *type.shape) if type.kind == "gaussian" else type.shape)


def _column(type: Type, rows: int) -> Tensor:
    if type.kind == "categorical":
        return torch.randint(type.shape[0], (rows,))
    return torch.randn(rows, *type.shape)


@torch.no_grad()
def value(term: Term, count: int, seed: int = 1000) -> Tensor:
    """The term's value on `count` examples."""
    made: Tensor = evaluate(term, Draws(seed, 0, count))
    return made
