"""Games between learners that have no input: mixed strategies are learned constants."""

import torch
from torch import Tensor

from pipeline.language.divergence import kl, linear
from pipeline.language.sources import constant
from pipeline.language.task import Player, Task, equation, task
from pipeline.language.terms import Fixed, Learner, R, Type

V = Type("V", (3,), "categorical")
ROW, ROW_PAST, COLUMN, COLUMN_PAST = (Learner(name, (), V) for name in ("row", "row_past", "column", "column_past"))


def bilinear(payoffs: Tensor) -> Fixed:
    """The box of a matrix game: from a strategy for the rows (m) and one for the columns (n), the expected payoff.

    payoffs: (m, n).
    """
    rows, columns = (Type("V", (count,), "categorical") for count in payoffs.shape)
    return Fixed("payoff", (rows, columns), R, body=lambda p, q: torch.einsum("ni, ij, nj -> n", p, payoffs.to(p), q))


PAYOFF = bilinear(torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]))


def nash(
    payoff: Fixed = PAYOFF,
    row: Learner = ROW,
    column: Learner = COLUMN,
    row_past: Learner = ROW_PAST,
    column_past: Learner = COLUMN_PAST,
    weight: float = 1.0,
) -> Task:
    """A mixed Nash equilibrium of a zero-sum game: each strategy is the best against the other.

    Two lines, `rows` and `columns`, are the game; but players who follow their gradients circle round its equilibrium.
    So each is drawn to a past of its own, which follows it: this damps the circling, and leaves the equilibrium where
    it is, since there both agree (after Perolat et al. 2021 and Sokota et al. 2023).
    """
    return task(
        rows=equation(payoff(row(), column()), constant(1), linear, trains=row),
        columns=equation(payoff(row(), column()), constant(-1), linear, trains=column),
        calm_row=equation(row(), row_past(), kl, trains=(row, row_past), weight=weight),
        calm_column=equation(column(), column_past(), kl, trains=(column, column_past), weight=weight),
        players=(Player("rows", (row, row_past)), Player("columns", (column, column_past))),
    )
