"""What a representation is good for: how well labels are read from it, and how its codes lie to the factors.

Codes are (n, d) numbers, factors (n, k) integers from 0 up; both of the same n examples.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.inputs import check_features, check_finite, check_labels
from pipeline.metrics.intervals import Estimate


def knn_accuracy(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    values: int,
    neighbours: int = 1,
    standardise: bool = True,
) -> Estimate:
    """The share of test features whose nearest train features have their label; up (Donahue et al. 2017, table 1: 1-NN).

    train (n, d), test (m, d); labels integers in 0..values-1, each occurring in train. The distance is Euclidean;
    among equal votes the least label wins. Features are standardised by train's means and deviations, so that the scale
    of a feature says nothing. That is wrong where their scales do say something, as those of pixels do (nearly black
    ones would rule), and published figures are mostly of features as they are: `standardise` false. Raises UserError.
    """
    _check_sets(train, train_labels, test, test_labels, values)
    if not 1 <= neighbours <= len(train):
        raise UserError(f"neighbours: 1..{len(train)} expected, {neighbours} given")
    return _read(KNeighborsClassifier(neighbours), standardise, train, train_labels, test, test_labels)


def probe_accuracy(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    values: int,
    penalty: float = 1.0,
    iterations: int = 2000,
    standardise: bool = True,
) -> Estimate:
    """The share of test features that a linear classifier learnt on train reads right; up (Alain and Bengio 2016).

    Shapes, standardising and errors as in `knn_accuracy`. The classifier is multinomial logistic regression with
    penalty/2 |W|^2 beside the summed loss. Raises UserError too if it has not converged after `iterations`.
    """
    _check_sets(train, train_labels, test, test_labels, values)
    probe = LogisticRegression(C=1 / penalty, max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return _read(probe, standardise, train, train_labels, test, test_labels)
        except ConvergenceWarning:
            raise UserError(
                f"linear probe: not converged after {iterations} iterations; allow more or raise the penalty"
            ) from None


def traversal_monotonicity(readings: Tensor, resolution: float = 0.0, resamples: int = 1000, seed: int = 0) -> Estimate:
    """How steadily a reading grows along latent traversals: mean Spearman correlation with the step, in -1..1; up.

    readings (n, steps): n traversals, each read at three steps or more, in order. 1: it never falls and is not
    constant between steps; -1: it only falls; 0 for a reading that stays the same. Chosen over the share of steps that
    go up because that share calls each step on which a discrete reading waits a failure, and weighs the smallest dip
    like a fall. Readings are first rounded to multiples of `resolution`, if it is above 0: without it, steady changes
    too small to be seen count in full. The interval is a bootstrap over traversals.
    """
    check_finite("readings", readings)
    if readings.dim() != 2 or readings.shape[1] < 3:
        raise UserError(f"readings: (traversals, 3 steps or more) expected, {tuple(readings.shape)} given")
    if resolution > 0:
        readings = (readings.double() / resolution).round()
    ranks = stats.rankdata(readings.cpu().numpy(), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    steps = np.arange(readings.shape[1]) - (readings.shape[1] - 1) / 2
    scale = np.sqrt((ranks**2).sum(1) * (steps**2).sum())
    correlations = np.divide(ranks @ steps, scale, out=np.zeros(len(ranks)), where=scale > 0)
    return intervals.mean(torch.from_numpy(correlations), resamples, seed)


def binned(codes: Tensor, bins: int = 20) -> Tensor:
    """Codes (n, d) as bin numbers (n, d) int64: a code with at most `bins` values by its values, others in equal widths.

    Equal widths between the least and the greatest are Locatello et al.'s 2019 choice, 20 bins.
    """
    check_features("codes", codes)
    if bins < 2:
        raise UserError(f"bins: 2 or more expected, {bins} given")
    columns = []
    for column in codes.double().cpu().T.contiguous():
        values, index = column.unique(return_inverse=True)
        if len(values) > bins:
            edges = torch.linspace(float(column.min()), float(column.max()), bins + 1, dtype=torch.float64)
            index = torch.bucketize(column, edges[1:-1], right=True)
        columns.append(index)
    return torch.stack(columns, 1)


def mutual_information(codes: Tensor, factors: Tensor) -> Tensor:
    """I(code; factor) in nats of the empirical law of discrete codes (n, d) and factors (n, k): (d, k) float64.

    Chance alone makes it about (bins - 1)(values - 1)/(2n).
    """
    return _information(*_cells(codes, factors))[0]


def mutual_information_gap(
    codes: Tensor, factors: Tensor, bins: int = 20, resamples: int = 200, seed: int = 0
) -> Estimate:
    """MIG (Chen et al. 2018, eq. 6): how much more the best code tells of a factor than the next best, in 0..1; up.

    The mean over factors of (I(best code; factor) - I(second code; factor)) / H(factor); codes (n, d >= 2) `binned`.
    1 if each factor is one code's and no other code tells of it; 0 if a second code tells as much.
    """
    _check_factors(codes, factors)
    cells, shape = _cells(binned(codes, bins), factors)

    def gap(rows: np.ndarray | slice) -> float:
        information, entropies = _information(cells[rows], shape)
        best = information.sort(0, descending=True).values
        return float(((best[0] - best[1]) / entropies.clamp_min(1e-12)).mean())

    return intervals.over_examples(gap, len(codes), resamples, seed, 0.0, 1.0)


def separated_attribute_predictability(
    codes: Tensor, factors: Tensor, held_out: float = 0.5, resamples: int = 200, seed: int = 0
) -> Estimate:
    """SAP (Kumar et al. 2018, section 3): as the MIG, but by how well each code alone predicts a factor, in 0..1; up.

    The mean over factors of the difference of the two best codes' balanced accuracies. As there for discrete factors, a
    code predicts by thresholds on its value: a tree with one leaf a value, classes weighed alike, learnt on one half
    of the examples and measured on the other. With each of V-valued independent factors in a code of its own,
    1 - 1/V, since another code still guesses right once in V.
    """
    _check_factors(codes, factors)
    known, asked = _halves(codes, factors, held_out, seed)
    right, labels = np.empty((len(asked[0]), codes.shape[1], factors.shape[1])), asked[1]
    for code, factor in np.ndindex(right.shape[1:]):
        leaves = max(2, len(np.unique(known[1][:, factor])))
        tree = DecisionTreeClassifier(max_leaf_nodes=leaves, class_weight="balanced", random_state=seed)
        tree.fit(known[0][:, [code]], known[1][:, factor])
        right[:, code, factor] = tree.predict(asked[0][:, [code]]) == labels[:, factor]

    def gap(rows: np.ndarray | slice) -> float:
        scores = [_balanced(right[rows][:, :, factor], labels[rows][:, factor]) for factor in range(labels.shape[1])]
        best = np.sort(np.stack(scores, 1), 0)[::-1]
        return float((best[0] - best[1]).mean())

    return intervals.over_examples(gap, len(labels), resamples, seed, 0.0, 1.0)


@dataclass(frozen=True)
class Dci:
    """Disentanglement, completeness (of the model: their noise is that of its training, so over seeds), and
    informativeness with an interval over the held-out examples."""

    disentanglement: float
    completeness: float
    informativeness: Estimate
    importance: Tensor


def dci(
    codes: Tensor,
    factors: Tensor,
    held_out: float = 0.5,
    trees: int = 10,
    leaf: int = 5,
    resamples: int = 200,
    seed: int = 0,
) -> Dci:
    """DCI (Eastwood and Williams 2018, section 2), all in 0..1; up.

    A random forest, theirs for codes that need not be linear in the factors, reads each factor from all codes;
    importance (d, k) is each code's share of the decrease in Gini impurity. Every split may use any code: a forest
    that chooses from a few would lay importance on codes that tell nothing. Informativeness is the mean over factors
    of the accuracy on held-out examples (for numbers they take an error; factors here are discrete).
    """
    _check_factors(codes, factors)
    if factors.shape[1] < 2:
        raise UserError("factors: two or more expected; with one every code is disentangled")
    known, asked = _halves(codes, factors, held_out, seed)
    importance, right = [], []
    for factor in range(factors.shape[1]):
        forest = RandomForestClassifier(trees, max_features=None, min_samples_leaf=leaf, random_state=seed)
        forest.fit(known[0], known[1][:, factor])
        importance.append(torch.from_numpy(forest.feature_importances_))
        right.append(torch.from_numpy(forest.predict(asked[0]) == asked[1][:, factor]))
    table = torch.stack(importance, 1)
    informativeness = intervals.mean(torch.stack(right, 1).double().mean(1), resamples, seed)
    return Dci(disentanglement(table), completeness(table), informativeness, table)


def disentanglement(importance: Tensor) -> float:
    """Whether a code serves one factor: 1 - the entropy, base k, of its row's shares, weighed by the row's sum.

    importance (d, k >= 2), from 0 up; 0 if it is all 0. In 0..1; up (Eastwood and Williams 2018, eq. 2).
    """
    rows, weights = _concentration(importance)
    return float((rows * weights).sum() / weights.sum()) if weights.any() else 0.0


def completeness(importance: Tensor) -> float:
    """Whether a factor lies in one code: the mean over factors of 1 - the entropy, base d, of its column's shares.

    importance (d >= 2, k); a column of zeros counts as 0. In 0..1; up (Eastwood and Williams 2018, eq. 3).
    """
    columns, _ = _concentration(importance.T)
    return float(columns.mean())


def _concentration(table: Tensor) -> tuple[Tensor, Tensor]:
    """1 - the entropy of each row's shares in units of its greatest, and the rows' sums: (r, c) -> (r,), (r,)."""
    check_features("importance", table)
    if table.shape[1] < 2 or table.min() < 0:
        raise UserError(
            f"importance: two codes and two factors or more, from 0 up, expected, {tuple(table.shape)} given"
        )
    sums = table.double().sum(1)
    shares = table.double() / sums.clamp_min(1e-30).unsqueeze(1)
    entropies = torch.special.entr(shares).sum(1) / np.log(table.shape[1])
    return torch.where(sums > 0, 1 - entropies, 0.0).clamp(0, 1), sums


def _read(
    classifier: ClassifierMixin,
    standardise: bool,
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
) -> Estimate:
    # In float64: the mean of a constant float32 feature can be off by rounding, which standardising would blow up.
    model = make_pipeline(StandardScaler() if standardise else None, classifier)
    model.fit(train.double().cpu().numpy(), train_labels.cpu().numpy())
    read = torch.from_numpy(model.predict(test.double().cpu().numpy()))
    return intervals.share(read == test_labels.cpu())


def _halves(
    codes: Tensor, factors: Tensor, held_out: float, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Codes and factors to learn from, and those held out."""
    if not 0 < held_out < 1:
        raise UserError(f"held_out: a share between 0 and 1 expected, {held_out} given")
    parts = train_test_split(codes.double().cpu().numpy(), factors.cpu().numpy(), test_size=held_out, random_state=seed)
    return (parts[0], parts[2]), (parts[1], parts[3])


def _balanced(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean over classes of the share that is right: (n, d), (n,) -> (d,)."""
    return np.mean([right[labels == value].mean(0) for value in np.unique(labels)], 0)


def _cells(codes: Tensor, factors: Tensor) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """The cell of each example in each pair's table, (n, d k), cells numbered through all tables; (d, k, bins, values).

    One count of these is all the tables at once: a bootstrap makes some hundred times as many as there are pairs.
    """
    left, right = codes.cpu().numpy(), factors.cpu().numpy()
    bins, values = int(left.max()) + 1, int(right.max()) + 1
    inside = left[:, :, None] * values + right[:, None, :]
    shape = (left.shape[1], right.shape[1], bins, values)
    return inside.reshape(len(left), -1) + np.arange(inside[0].size) * bins * values, shape


def _information(cells: np.ndarray, shape: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    """I(code; factor) (d, k) and H(factor) (k,) in nats, of the examples whose cells these are."""
    counts = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape)
    joint = torch.from_numpy(counts / len(cells))
    code, factor, both = (torch.special.entr(law).sum(-1) for law in (joint.sum(3), joint.sum(2), joint.flatten(2)))
    return (code + factor - both).clamp_min(0), factor[0]


def _check_sets(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, values: int) -> None:
    check_features("train", train)
    check_features("test", test, train.shape[1])
    check_labels("train labels", train_labels, len(train), values, every=True)
    check_labels("test labels", test_labels, len(test), values)


def _check_factors(codes: Tensor, factors: Tensor) -> None:
    check_features("codes", codes)
    if codes.shape[1] < 2:
        raise UserError("codes: two dimensions or more expected; a gap is between two codes")
    if factors.dim() != 2 or factors.is_floating_point() or len(factors) != len(codes):
        raise UserError(f"factors: ({len(codes)}, k) integers expected, {factors.dtype} {tuple(factors.shape)} given")
    if factors.numel() and factors.min() < 0:
        raise UserError(f"factors: integers from 0 up expected, {int(factors.min())} given")
    same = [str(column) for column, factor in enumerate(factors.T) if (factor == factor[0]).all()]
    if same:
        raise UserError(f"factors: {', '.join(same)} has one value only; leave it out")
