"""Nets for learners that come without one, sized by the types of their wires."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.language import Type
from pipeline.nets.images import Features

HIDDEN, FEATURES = 64, 128


class Default(nn.Module):
    """All inputs, flattened and side by side, then one hidden layer of 64 ReLU units, then the output's numbers.

    Images whose height and width are multiples of 4 go through two convolutions (`images.Features`) first. Without
    inputs it is one example (1, *shape) of learned numbers. dom, cod: the types of its wires; values come and go as the
    language says (probabilities in, logits out; a gaussian's mean and log-variance are (n, 2, *shape)).
    """

    def __init__(self, dom: Sequence[Type], cod: Type) -> None:
        super().__init__()
        taken, self.given = list(_leaves(dom)), list(_leaves([cod]))
        self.nested = cod.kind == "product"
        self.sizes = [_size(type) for type in self.given]
        self.readers = nn.ModuleList(
            Features(type.shape, FEATURES) if _is_image(type) else nn.Flatten() for type in taken
        )
        width = sum(FEATURES if _is_image(type) else _size(type) for type in taken)
        if taken:
            self.layers = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, sum(self.sizes)))
        else:
            self.constant = nn.Parameter(0.1 * torch.randn(1, sum(self.sizes)))

    def forward(self, *values: Any) -> Any:
        read = [reader(_columns(value)) for reader, value in zip(self.readers, _tensors(values), strict=True)]
        numbers = self.layers(torch.cat(read, 1)) if read else self.constant
        parts = zip(self.given, numbers.split(self.sizes, 1), strict=True)
        made = [part.reshape(len(part), *_shape(type)) for type, part in parts]
        return tuple(made) if self.nested else made[0]

    @property
    def summary(self) -> str:
        """For people: what it is made of."""
        convolved = any(isinstance(reader, Features) for reader in self.readers)
        first = "two convolutions and " if convolved else ""
        body = f"{first}a hidden layer of {HIDDEN}" if len(self.readers) else "learned numbers"
        return f"{body}, {sum(parameter.numel() for parameter in self.parameters()):,} parameters"


def _leaves(types: Iterable[Type]) -> Iterator[Type]:
    for type in types:
        if type.kind == "product":
            yield from _leaves(type.parts)
        else:
            yield type


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, tuple):
            yield from _tensors(value)
        else:
            yield value


def _columns(value: Tensor) -> Tensor:
    """A single number per example is a column."""
    return value.unsqueeze(1) if value.dim() == 1 else value


def _is_image(type: Type) -> bool:
    sides = type.shape[1:]
    return type.kind in ("real", "bernoulli") and len(type.shape) == 3 and all(side % 4 == 0 for side in sides)


def _shape(type: Type) -> tuple[int, ...]:
    return (2, *type.shape) if type.kind == "gaussian" else type.shape


def _size(type: Type) -> int:
    return int(torch.Size(_shape(type)).numel())
