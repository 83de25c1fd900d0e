"""How near a set of images is to the data: distances of two samples of features that were extracted once.

Features are (n, d) floats, one row an example, such as a judge's; every function takes the real ones first. Moments are
in float64. Kernels and distances are computed in float32 in blocks of rows, and summed in float64.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics.inputs import check_enough, check_features, check_labels
from pipeline.metrics.intervals import NORMAL_95, Estimate, by_standard_error
from pipeline.metrics.mmd import ROWS, cubic, mmd, squared_distances

NEIGHBOURS = 5
# A covariance of fewer examples a dimension has a bias that is no longer linear in 1 / n.
EXAMPLES_A_DIMENSION = 2
# A singular value below this share of the largest is rounding.
RANK = 1e-10
# What float32 adds to a squared distance is below this share of the squared norm.
ROUNDING = 2e-6


@dataclass(frozen=True)
class Moments:
    """Mean (d,), unbiased covariance (d, d), both float64, and number of the examples that they are of."""

    mean: Tensor
    covariance: Tensor
    count: int

    @staticmethod
    def of(features: Tensor) -> "Moments":
        """Of features (n, d), n >= 2."""
        centred = features.to(torch.float64, copy=True)
        mean = centred.mean(0)
        rows = centred.sub_(mean).cpu().numpy()
        # numpy's product of a matrix with its own transpose takes half the time of torch's.
        covariance = torch.from_numpy(rows.T @ rows / (len(rows) - 1))
        return Moments(mean, covariance.to(mean.device), len(rows))

    def update(self, features: Tensor) -> "Moments":
        """Of these examples and further ones (n, d), n >= 2, as if they had come at once (Chan et al. 1979)."""
        other = Moments.of(features)
        count, shift = self.count + other.count, other.mean - self.mean
        scatter = (self.count - 1) * self.covariance + (other.count - 1) * other.covariance
        scatter = scatter + torch.outer(shift, shift) * (self.count * other.count / count)
        return Moments(self.mean + shift * (other.count / count), scatter / (count - 1), count)


def frechet(real: Moments, fake: Moments) -> float:
    """|a - b|^2 + tr(A + B - 2 (A B)^(1/2)): the squared Frechet or 2-Wasserstein distance of two normal laws; down.

    a, b are the means and A, B the covariances (Dowson and Landau 1982). The trace of the root is the sum of the
    singular values of A^(1/2) B^(1/2), which holds for singular A or B too.
    """
    kept = torch.linalg.svdvals(_root(real.covariance) @ _root(fake.covariance)).sum()
    spread = real.covariance.trace() + fake.covariance.trace() - 2 * kept
    return max(0.0, float((real.mean - fake.mean).square().sum() + spread))


def _root(covariance: Tensor) -> Tensor:
    """The symmetric positive root of a covariance (d, d)."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def frechet_distance(real: Tensor, fake: Tensor) -> Estimate:
    """Frechet distance (FID; Heusel et al. 2017, eq. 6) of features (n, d), (m, d), n and m above d; at least 0; down.

    That of the normal laws of their means a, b and covariances A, B; see `frechet`. The interval is by the delta
    method, with the influence of an example x of the fake ones

        2 (b - a).(x - b) + (x - b)' G (x - b) - tr(G B),   G = 1 - A^(1/2) (A^(1/2) B A^(1/2))^(-1/2) A^(1/2)

    and the like of a real one. It is about what is expected at these sizes, which is above the distance of the laws:
    see `frechet_infinity`. Raises UserError for bad features.
    """
    _check(real, fake, more_than_width=True)
    left, right = Moments.of(real), Moments.of(fake)
    return by_standard_error(frechet(left, right), _frechet_error(real, fake, left, right), least=0.0)


def frechet_infinity(real: Tensor, fake: Tensor, seed: int = 0, parts: int = 8) -> Estimate:
    """The Frechet distance at infinitely many examples (Chong and Forsyth 2020): unbiased, so it may be negative; down.

    Both samples, in an order drawn by the seed, are cut into k = 1, 2, ... `parts` parts, as far as each has two
    examples a dimension; the distance of two parts, averaged over the k pairs, is a line in 1 / size and so in k, and
    its value at k = 0 is returned. (Chong and Forsyth thin out the fake sample alone, and keep the real one's bias.)
    The interval is `frechet_distance`'s, moved. Raises UserError for bad features, or if two parts are too many.
    """
    _check(real, fake, more_than_width=True)
    counts = _parts(real, fake, parts)
    least = 2 * EXAMPLES_A_DIMENSION * real.shape[1]
    for name, sample in (("real", real), ("fake", fake)):
        check_enough(name, sample, least, f"the limit of a distance in {real.shape[1]} dimensions")
    return _extrapolated(real, fake, counts, _frechet_error(real, fake, Moments.of(real), Moments.of(fake)), seed)


def _parts(real: Tensor, fake: Tensor, most: int) -> range:
    return range(1, 1 + min(most, min(len(real), len(fake)) // (EXAMPLES_A_DIMENSION * real.shape[1])))


def _extrapolated(real: Tensor, fake: Tensor, counts: range, error: float, seed: int) -> Estimate:
    generator = torch.Generator().manual_seed(seed)
    left, right = (each[torch.randperm(len(each), generator=generator)] for each in (real, fake))
    means = []
    for count in counts:
        pairs = zip(left.tensor_split(count), right.tensor_split(count), strict=True)
        means.append(np.mean([frechet(Moments.of(a), Moments.of(b)) for a, b in pairs]))
    # A mean over k parts of size n / k has a variance that grows as k (beside what all k share).
    _, at_infinity = np.polyfit(counts, means, 1, w=np.array(counts) ** -0.5)
    return by_standard_error(float(at_infinity), error)


def _frechet_error(real: Tensor, fake: Tensor, left: Moments, right: Moments) -> float:
    """Standard error of the distance by its influence function."""
    shift = right.mean - left.mean
    by_real, by_fake = _slopes(left.covariance, right.covariance)
    own, other = _influence(real, left.mean, -shift, by_real), _influence(fake, right.mean, shift, by_fake)
    return math.sqrt(float(own.var() / len(own) + other.var() / len(other)))


def _slopes(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives (d, d) of the distance by the two covariances: 1 less the optimal transport map from either law.

    Where there is no spread to transport, the inverse in the map is the pseudo-inverse.
    """
    left, right = _root(real), _root(fake)
    u, values, vh = torch.linalg.svd(left @ right)
    inverse = torch.where(values > RANK * values[0], 1 / values, 0.0)
    from_fake, from_real = left @ (u * inverse) @ u.T @ left, right @ (vh.T * inverse) @ vh @ right
    one = torch.eye(len(values), dtype=values.dtype, device=values.device)
    return one - from_real, one - from_fake


def _influence(features: Tensor, mean: Tensor, shift: Tensor, slope: Tensor) -> Tensor:
    """What each example adds to the distance, to first order and but for a constant: (n, d) -> (n,)."""
    blocks = (block.double() - mean for block in features.split(ROWS))
    return torch.cat([block @ (2 * shift) + ((block @ slope) * block).sum(1) for block in blocks])


def kid(real: Tensor, fake: Tensor) -> Estimate:
    """Kernel distance (KID; Binkowski et al. 2018): the unbiased squared MMD under (x.y / d + 1)^3, over all pairs.

    0 is expected under equal laws, so it may be negative; down. Features (n, d), (m, d). Raises UserError for bad ones.
    """
    _check(real, fake)
    for name, sample in (("real", real), ("fake", fake)):
        check_enough(name, sample, 2, "a mean over pairs")
    return mmd(real.float(), fake.float(), cubic)


@dataclass(frozen=True)
class Neighbourhoods:
    """Each a share in 0..1, but for density, whose expectation under equal laws is 1; up."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def neighbourhoods(real: Tensor, fake: Tensor, neighbours: int = NEIGHBOURS) -> Neighbourhoods:
    """How the balls about one sample's points, out to the k-th nearest other one (k = `neighbours`), hold the other's.

    precision: share of fake points in some real ball; recall: of real points in some fake ball (Kynkaanniemi et al.
    2019, eq. 1-3); density: number of real balls that hold a fake point, mean over these, by k; coverage: share of real
    balls that hold a fake point (Naeem et al. 2020, eq. 5-6). Features (n, d), (m, d). Raises UserError for bad
    features or too few.

    The intervals are by the jackknife over the examples of both samples, with the balls of the others left as they are.
    In trials with 250 to 1,000 skewed examples in 6 and 16 dimensions they held the expectation of precision, recall
    and coverage in 89 to 99% of draws, and that of density in 87 to 99%, down to about 0.15; below 0.1, where the balls
    of a few outliers decide, that of precision in 79% at worst and that of density in 73%.
    """
    _check(real, fake)
    for name, sample in (("real", real), ("fake", fake)):
        check_enough(name, sample, neighbours + 1, f"the nearest neighbour no. {neighbours}")
    centre = real.double().mean(0)
    x, y = (real - centre).float(), (fake - centre).float()
    real_radii, fake_radii = _radii(x, neighbours), _radii(y, neighbours)
    real_places, fake_places = _places(x), _places(y)
    of_balls, of_real, of_fake = [], [], torch.zeros(len(y), 2, device=y.device)
    blocks = zip(x.split(ROWS), real_radii.split(ROWS), real_places.split(ROWS), strict=True)
    for block, radii, places in blocks:
        distances = squared_distances(block, y)
        held = (distances <= radii[:, None]).float()
        of_fake += held.T @ places
        of_balls.append(held @ fake_places)
        of_real.append((distances <= fake_radii).float() @ fake_places)
    return Neighbourhoods(
        precision=_met(of_fake, len(x)),
        recall=_met(torch.cat(of_real), len(y)),
        density=_density(of_fake[:, 0].double(), torch.cat(of_balls)[:, 0].double(), neighbours),
        coverage=_met(torch.cat(of_balls), len(y)),
    )


def _places(points: Tensor) -> Tensor:
    """A one and the index of each point (n, 2): summed over those that a point meets, how many, and if one, which."""
    places = torch.arange(len(points), dtype=torch.float32, device=points.device)
    return torch.stack((torch.ones_like(places), places), 1)


def _met(sums: Tensor, others: int) -> Estimate:
    """The share of points that meet some of the other sample's, from their sums (n, 2) of `_places`.

    The variance is that over the points plus that of what each other one alone meets; these count twice the noise of
    which meet, so that it is taken off once. Wilson's interval, of as many points as would have that variance.
    """
    counts, which = sums.unbind(1)
    number, share = len(counts), float((counts > 0).double().mean())
    alone = torch.bincount(which[counts == 1].long(), minlength=others).double() / number
    own = share * (1 - share) / number
    variance = own + float((alone - alone.mean()).square().sum()) - float(alone.sum()) / number
    return _wilson(share, number * own / max(variance, own) if own else number)


def _wilson(share: float, number: float) -> Estimate:
    """A share with Wilson's interval, which has a width at 0 and 1 too; number: of independent examples, above 0."""
    square = NORMAL_95**2 / number
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return Estimate(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def _density(by_fake: Tensor, by_real: Tensor, neighbours: int) -> Estimate:
    """From how many balls hold each fake point (m,), and how many of these each ball holds (n,); as in `_met`."""
    scale = 1 / (len(by_fake) * neighbours)
    value = float(by_fake.sum()) * scale
    variance = float(by_fake.var() * len(by_fake) + by_real.var() * len(by_real)) * scale**2 - value * scale
    return by_standard_error(value, math.sqrt(max(variance, 0.0)), least=0.0)


def _radii(points: Tensor, neighbours: int) -> Tensor:
    """The squared distance of each point's k-th nearest other one (n,), and what rounding may add to it."""
    nearest = [
        squared_distances(block, points).topk(neighbours + 1, largest=False).values[:, -1]
        for block in points.split(ROWS)
    ]
    return torch.cat(nearest) + ROUNDING * points.square().sum(1)


@dataclass(frozen=True)
class Fidelity:
    """Each as the function of its name has it; infinity is None where the examples are too few to extrapolate."""

    fid: Estimate
    fid_infinity: Estimate | None
    kid: Estimate
    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate

    def entries(self, of: str) -> dict[str, float]:
        """As they are written: fid_<of>, fid_<of>_low, ..., with `of` edit or sample."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        pairs = [each.entries(f"{name}_{of}") for name, each in named.items() if each is not None]
        return {key: value for pair in pairs for key, value in pair.items()}


def fidelity(real: Tensor, fake: Tensor, neighbours: int = NEIGHBOURS, seed: int = 0, parts: int = 8) -> Fidelity:
    """All measures of this module, of features (n, d) and (m, d), n and m above d; what they share is computed once.

    Raises UserError for bad features or too few.
    """
    _check(real, fake, more_than_width=True)
    left, right = Moments.of(real), Moments.of(fake)
    error = _frechet_error(real, fake, left, right)
    counts = _parts(real, fake, parts)
    near = neighbourhoods(real, fake, neighbours)
    return Fidelity(
        fid=by_standard_error(frechet(left, right), error, least=0.0),
        fid_infinity=_extrapolated(real, fake, counts, error, seed) if len(counts) > 1 else None,
        kid=kid(real, fake),
        precision=near.precision,
        recall=near.recall,
        density=near.density,
        coverage=near.coverage,
    )


def fidelity_per_class(
    real: Tensor,
    real_labels: Tensor,
    fake: Tensor,
    fake_labels: Tensor,
    values: int,
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
) -> list[Fidelity]:
    """`fidelity` of the examples of each class 0..values-1, more than d of either sort in each. Raises UserError."""
    check_labels("real labels", real_labels, len(real), values, every=True)
    check_labels("fake labels", fake_labels, len(fake), values, every=True)
    found = []
    for value in range(values):
        try:
            found.append(fidelity(real[real_labels == value], fake[fake_labels == value], neighbours, seed))
        except UserError as error:
            raise UserError(f"class {value}: {error}") from None
    return found


def class_balanced(labels: Tensor, values: int, most: int) -> Tensor:
    """Indices of equally many examples of each class, the first ones of each: (k,) int64.

    As many as the rarest class has, and at most so many.
    """
    count = min(most, int(torch.bincount(labels, minlength=values).min()))
    return torch.cat([(labels == value).nonzero().flatten()[:count] for value in range(values)])


def nearly_balanced(labels: Tensor, values: int, width: int, least: float = 0.75) -> Tensor:
    """Indices of all examples if the rarest class has `least` of an even share or more, else of `class_balanced` ones.

    A law of other shares of classes is far from a balanced one, whatever its images look like. All are taken too where
    balanced ones would be too few for features of that width.
    """
    rarest = int(torch.bincount(labels, minlength=values).min())
    if rarest * values >= least * len(labels) or rarest * values <= width:
        return torch.arange(len(labels))
    return class_balanced(labels, values, rarest)


def _check(real: Tensor, fake: Tensor, more_than_width: bool = False) -> None:
    check_features("real", real, None, more_than_width)
    check_features("fake", fake, real.shape[1], more_than_width)
