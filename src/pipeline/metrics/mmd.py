"""Maximum mean discrepancy: how far two samples are apart, seen through a kernel.

A kernel is a function of (n, d) and (m, d) to (n, m), computed in its arguments' type. Kernels of large samples are met
in blocks of rows, so that memory grows with the examples and not with their pairs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics.intervals import Estimate, by_standard_error

Kernel = Callable[[Tensor, Tensor], Tensor]
ROWS = 256


def cubic(x: Tensor, y: Tensor) -> Tensor:
    """(x.y / d + 1)^3, the kernel of KID (Binkowski et al. 2018, eq. 4): (n, d), (m, d) -> (n, m)."""
    return torch.addmm(x.new_ones(1, 1), x, y.T, alpha=1 / x.shape[1]).pow_(3)


def gaussian(*bandwidths: float) -> Kernel:
    """exp(-|x - y|^2 / (2 s^2)), the mean over the bandwidths s (Gretton et al. 2012, section 8)."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        distances = squared_distances(x, y)
        each = [(distances * (-0.5 / bandwidth**2)).exp_() for bandwidth in bandwidths]
        return each[0] if len(each) == 1 else torch.stack(each).mean(0)

    return kernel


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x - y|^2 >= 0: (n, d), (m, d) -> (n, m). Rounds by about a millionth of |x|^2 in float32: centre them first."""
    found = torch.addmm(y.square().sum(1), x, y.T, alpha=-2)
    return found.add_(x.square().sum(1, keepdim=True)).clamp_min_(0)


def median_distance(features: Tensor, seed: int, most: int = 1000) -> float:
    """The median distance of two different rows among at most `most` of them, drawn by the seed: a usual bandwidth.

    Raises UserError if all rows are the same.
    """
    rows = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))[:most]
    distances = torch.pdist(features[rows].double())
    apart = distances[distances > 0]
    if not len(apart):
        raise UserError("features: all examples are the same; a bandwidth needs some that differ")
    return float(apart.median())


@dataclass(frozen=True)
class _Means:
    """Means of a kernel matrix over its rows (n,) and columns (m,), float64, and of its entries' squares."""

    rows: Tensor
    columns: Tensor
    squares: float


def _between(x: Tensor, y: Tensor, kernel: Kernel) -> _Means:
    """Over all pairs of an example of x and one of y."""
    rows, columns, squares = [], torch.zeros(len(y), dtype=torch.float64, device=x.device), 0.0
    for start in range(0, len(x), ROWS):
        block = kernel(x[start : start + ROWS], y)
        rows.append(block.sum(1).double())
        columns += block.sum(0)
        squares += _square_sum(block)
    return _Means(torch.cat(rows) / len(y), columns / len(x), squares / (len(x) * len(y)))


def _within(x: Tensor, kernel: Kernel) -> _Means:
    """Over all pairs of two different examples, each met once."""
    sums, squares, others = torch.zeros(len(x), dtype=torch.float64, device=x.device), 0.0, len(x) - 1
    for start in range(0, len(x), ROWS):
        end = start + ROWS
        block = kernel(x[start:end], x[start:])
        square, rest = block[:, :ROWS].fill_diagonal_(0), block[:, ROWS:]
        sums[start:end] += block.sum(1)
        sums[end:] += rest.sum(0)
        squares += _square_sum(square) + 2 * _square_sum(rest)
    return _Means(sums / others, sums / others, squares / (len(x) * others))


def _square_sum(block: Tensor) -> float:
    return float(torch.linalg.vector_norm(block)) ** 2


def _interaction(means: _Means) -> float:
    """Variance of what the kernel has beyond a sum of a function of its one and one of its other argument."""
    rows, columns = means.rows.square().mean(), means.columns.square().mean()
    return means.squares - float(rows + columns - means.rows.mean().square())


def mmd(x: Tensor, y: Tensor, kernel: Kernel) -> Estimate:
    """The unbiased estimate of the squared MMD of samples (n, d), (m, d) (Gretton et al. 2012, eq. 3), over all pairs.

    E k(x, x') + E k(y, y') - 2 E k(x, y), each over pairs of different examples; 0 is expected under equal laws, so it
    may be negative; down. The standard error is that of a U-statistic by Hoeffding's decomposition, to second order, so
    that it holds under equal laws as well, where the first order vanishes (Sutherland and Deka 2019).
    """
    xx, yy, xy = _within(x, kernel), _within(y, kernel), _between(x, y, kernel)
    value = float(xx.rows.mean() + yy.rows.mean() - 2 * xy.rows.mean())
    return by_standard_error(value, _error((xx.rows - xy.rows, yy.rows - xy.columns), (xx, yy), (xy,)))


def mmd_difference(x: Tensor, y: Tensor, z: Tensor, kernel: Kernel) -> tuple[float, float]:
    """MMD^2(x, y) - MMD^2(x, z), unbiased, and its standard error, as in `mmd`; k(x, x') cancels."""
    yy, zz, xy, xz = _within(y, kernel), _within(z, kernel), _between(x, y, kernel), _between(x, z, kernel)
    value = float(yy.rows.mean() - 2 * xy.rows.mean() - zz.rows.mean() + 2 * xz.rows.mean())
    first = (xz.rows - xy.rows, yy.rows - xy.columns, zz.rows - xz.columns)
    return value, _error(first, (yy, zz), (xy, xz))


def _error(first: tuple[Tensor, ...], within: tuple[_Means, ...], between: tuple[_Means, ...]) -> float:
    """Standard error of a sum of means of kernels, of weight 1 within samples and 2 between them.

    first: half of what each example of each sample adds. Means of finitely many kernels, these hold the second-order
    variance twice, so that it is taken off once.
    """
    linear = sum(float(4 * terms.var() / len(terms)) for terms in first)
    pairs = sum(2 * _interaction(means) / (len(means.rows) * (len(means.rows) - 1)) for means in within)
    pairs += sum(4 * _interaction(means) / (len(means.rows) * len(means.columns)) for means in between)
    return math.sqrt(max(linear - pairs, pairs, 0.0))
