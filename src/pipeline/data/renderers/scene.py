"""What a renderer is: pictures that are a function of named factors, each with a stated finite set of values.

A picture is GRID x GRID sample points, each of one material. A pixel is the mean over its block of points of their
materials' colours, times the light that falls on it. All sums are of whole numbers, so the bytes are the same on every
machine, whatever the order of summation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pipeline.errors import UserError

GRID = 256  # sample points a side
SIZES = (32, 64)  # pixels a side; both divide GRID by a power of two
FULL = 256  # light that leaves the colours as they are
CHUNK = 8  # arrangements of materials worked on at a time: few, so that they stay in the cache
ROWS = 256  # pictures worked on at a time

Row = tuple[int, ...]


@dataclass(frozen=True)
class Factor:
    """One way in which pictures differ. values: names, or numbers where order and distance mean something."""

    name: str
    values: tuple[str | float, ...]


def full_light(rows: Tensor) -> Tensor:
    return torch.full((len(rows), 2), FULL)


@dataclass(frozen=True)
class Renderer:
    """Pictures in three channels, a function of their factors.

    A row of factors is (k,) int64: of each factor, the number of its value. arranging: the factors that decide which
    material is where; materials: one value of each of these -> (GRID, GRID) uint8; colours: rows (n, k) -> the
    materials' colours (n, materials, 3), whole numbers 0..255; light: rows -> (n, 2), whole numbers 0..FULL: at the
    left edge and at the right edge, linear between.
    """

    name: str
    factors: tuple[Factor, ...]
    arranging: tuple[str, ...]
    materials: Callable[[Row], np.ndarray]
    colours: Callable[[Tensor], Tensor]
    light: Callable[[Tensor], Tensor] = full_light

    @property
    def sizes(self) -> Row:
        """How many values each factor has."""
        return tuple(len(factor.values) for factor in self.factors)

    @property
    def described(self) -> list[dict[str, object]]:
        """The factors as JSON has them."""
        return [{"name": factor.name, "values": list(factor.values)} for factor in self.factors]

    @property
    def count(self) -> int:
        """How many combinations of factors there are."""
        return math.prod(self.sizes)

    def column(self, name: str) -> int:
        """Which column of the rows a factor is. Raises UserError with the known names."""
        names = [factor.name for factor in self.factors]
        if name not in names:
            raise UserError(f"{self.name}: no factor `{name}`: expected one of {', '.join(names)}")
        return names.index(name)

    def values(self, name: str) -> tuple[str, ...]:
        """A factor's values as names. Raises UserError as `column` does."""
        return tuple(map(str, self.factors[self.column(name)].values))

    def rows(self, numbers: Tensor) -> Tensor:
        """The combinations (n, k) int64 of these numbers (n,) in 0..count-1: the last factor varies fastest."""
        return torch.stack(torch.unravel_index(numbers, self.sizes), 1)

    def numbers(self, rows: Tensor) -> Tensor:
        """The number (n,) of each combination (n, k)."""
        steps = [math.prod(self.sizes[place + 1 :]) for place in range(len(self.sizes))]
        return (rows * torch.tensor(steps)).sum(1)

    def sample(self, count: int, seed: int) -> Tensor:
        """So many different combinations (count, k), drawn at random. Raises UserError if there are fewer."""
        if not 0 <= count <= self.count:
            raise UserError(f"{self.name}: {count} combinations of factors asked for, there are {self.count}")
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(seed))
        return self.rows(order[:count])

    def changed(self, rows: Tensor, name: str, values: Tensor | int) -> Tensor:
        """The same rows with another value of one factor: a number for all, or one each (n,).

        Raises UserError if there is no such factor or value.
        """
        new = rows.clone()
        new[:, self.column(name)] = torch.as_tensor(values)
        self.check(new)
        return new

    def check(self, rows: Tensor) -> None:
        """Raises UserError unless the rows are (n, k) int64, each entry one of its factor's values."""
        if rows.dim() != 2 or rows.shape[1] != len(self.factors) or rows.dtype != torch.int64:
            wanted = f"(n, {len(self.factors)}) torch.int64"
            raise UserError(f"{self.name}: factors {wanted} expected, {tuple(rows.shape)} {rows.dtype} given")
        wrong = ((rows < 0) | (rows >= torch.tensor(self.sizes))).nonzero()
        if len(wrong):
            row, column = wrong[0].tolist()
            last = self.sizes[column] - 1
            raise UserError(
                f"{self.name}: {self.factors[column].name} in 0..{last} expected, {int(rows[row, column])} given"
            )

    def render(self, rows: Tensor, size: int) -> Tensor:
        """The pictures of rows (n, k): uint8 (n, 3, size, size). Equal rows give equal bytes.

        Raises UserError if the rows are not this renderer's, or the size is none of SIZES.
        """
        self.check(rows)
        if size not in SIZES:
            raise UserError(f"{self.name}: size {' or '.join(map(str, SIZES))} expected, {size} given")
        images = torch.empty(len(rows), 3, size, size, dtype=torch.uint8)
        kinds, which = torch.unique(self.arranged(rows), dim=0, return_inverse=True)
        for start in range(0, len(kinds), CHUNK):
            shares = self.shares(kinds[start : start + CHUNK], size)
            here = ((which >= start) & (which < start + CHUNK)).nonzero().flatten()
            for part in here.split(ROWS):
                images[part] = self._lit(rows[part], shares[which[part] - start], size)
        return images

    def arranged(self, rows: Tensor) -> Tensor:
        """What decides which material is where: the columns `arranging` of the rows."""
        return rows[:, [self.column(name) for name in self.arranging]]

    def shares(self, kinds: Tensor, size: int) -> Tensor:
        """How much of each pixel each material has, of arrangements (n, arranging): (n, materials, size * size)."""
        maps = torch.from_numpy(np.stack([self.materials(tuple(kind)) for kind in kinds.tolist()]))
        count = self.colours(torch.zeros(1, len(self.factors), dtype=torch.int64)).shape[1]
        # Blocks are powers of two, and so are the denominators: no rounding.
        means = [avg_pool2d((maps == material).float(), GRID // size).flatten(1) for material in range(count)]
        return torch.stack(means, 1)

    def _lit(self, rows: Tensor, shares: Tensor, size: int) -> Tensor:
        points = (GRID // size) ** 2
        # Whole numbers below 2**24: float32 holds them exactly.
        sums = torch.bmm(self.colours(rows).float().transpose(1, 2), shares * points).to(torch.int32)
        middles = 2 * torch.arange(size) + 1
        left, right = self.light(rows).unsqueeze(2).unbind(1)
        light = (left * (2 * size - middles) + right * middles).to(torch.int32)
        total = sums.unflatten(2, (size, size)) * light[:, None, None, :]
        whole = points * FULL * 2 * size
        return torch.div(2 * total + whole, 2 * whole, rounding_mode="floor").to(torch.uint8)
