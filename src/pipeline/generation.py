"""Images made by a trained editor put : S x V -> S (docs/generation.md).

    written     put(s, a)                             one image, every value
    walk        s_{t+1} = put(s_t, a_t)               repeated from noise, or a chain from real images
    CodeLaw     rec(a, c)                             c drawn from a law that was fitted to codes of real images
    inverted    put(s, a)                             s ~ data, a ~ A independent: the Bayesian inverse of get
    steered     dec(comp(s) + t offset(a))            where put is dec(comp(s) + offset(a))
    blended     put(s, (1 - t) get(s) + t a)          for any editor

Images are float32 (n, channels, height, width) in 0..1; values are class indices (n,) int64, or probabilities
(n, values). What is random is a function of the seed. UserError says what a model lacks, or an argument should be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.nn import functional as F

from pipeline.errors import UserError
from pipeline.language import Composite, Learner
from pipeline.metrics.inputs import check_enough, check_features, check_images, check_labels
from pipeline.metrics.manipulation import Put, squared_error
from pipeline.metrics.two_sample import LEVEL, ClassTests, per_class
from pipeline.nets.spoiling import blurred
from pipeline.systems import Model, batched

Read = Callable[[Tensor], Tensor]  # images -> probabilities (n, values)

SLACK = 0.01
PERMUTATIONS = 199


def editing(model: Model) -> Put:
    """The model's put. Raises UserError if it has none."""
    if model.edit is None:
        raise UserError(f"{model.config['system']}: this model does not edit; a manipulator does")
    return model.edit


def written(model: Model, images: Tensor, values: Sequence[int]) -> Tensor:
    """put(s, a) of every image (n, ...) and value (v of them): (n, v, ...). A row has one style, a column one value."""
    put = editing(model)
    check_images("images", images)
    count = len(values)
    made = put(images.repeat_interleave(count, 0), torch.tensor(values).repeat(len(images)))
    return made.unflatten(0, (len(images), count))


# ------------------------------------------------------------------------------------------------------------- walks


@dataclass(frozen=True)
class Walk:
    """Images (steps + 1, n, ...), the start first, and the values (steps, n) that the steps wrote into them."""

    images: Tensor
    values: Tensor

    @property
    def moves(self) -> Tensor:
        """How far each step went, in mean squared difference of pixels: (steps, n).

        Where PutPut holds and one value is written again and again, the first step arrives: 0 from the second one on.
        """
        return torch.stack([squared_error(new, old) for old, new in zip(self.images, self.images[1:], strict=False)])

    def read(self, classify: Read) -> Tensor:
        """The probability that a classifier gives, after each step, to the value that it wrote: (steps, n)."""
        return torch.stack(
            [of_value(classify(images), each) for images, each in zip(self.images[1:], self.values, strict=True)]
        )


def of_value(probabilities: Tensor, values: Tensor) -> Tensor:
    """The probabilities (n, values) of the values (n,): (n,)."""
    return probabilities.gather(1, values[:, None])[:, 0]


def walk(model: Model, start: Tensor, values: Tensor) -> Walk:
    """s_{t+1} = put(s_t, a_t) from the images `start` (n, ...); values: (steps, n) int64."""
    put = editing(model)
    check_images("start", start)
    if values.dim() != 2 or values.shape[1] != len(start) or not len(values):
        raise UserError(f"values: (steps, {len(start)}) class indices expected, {tuple(values.shape)} given")
    images = [start]
    for wanted in values:
        images.append(put(images[-1], wanted))
    return Walk(torch.stack(images), values)


def repeated(model: Model, start: Tensor, values: Tensor, steps: int) -> Walk:
    """One value for each image, written `steps` times; values: (n,) int64."""
    return walk(model, start, values.expand(steps, -1))


def random_values(steps: int, n: int, values: int, seed: int) -> Tensor:
    """Values (steps, n), uniform and independent: what a chain writes."""
    return torch.randint(values, (steps, n), generator=torch.Generator().manual_seed(seed))


def drift(model: Model, chain: Walk) -> Tensor:
    """How far s_{t+1} is from put(s_0, a_t), in mean squared difference of pixels: (steps, n).

    PutPut says that it is 0: the last value written counts, and style stays that of s_0.
    """
    put, start = editing(model), chain.images[0]
    direct = (put(start, values) for values in chain.values)
    return torch.stack([squared_error(made, each) for made, each in zip(chain.images[1:], direct, strict=True)])


def strangeness(model: Model, images: Tensor, values: Tensor) -> Tensor:
    """How far put(s, a) is from put(s', a), s' another of the images: (n,). A drift of that size has lost the style."""
    put = editing(model)
    return squared_error(put(images, values), put(images.roll(1, 0), values))


def noise(count: int, shape: Sequence[int], seed: int, smooth: float = 0.0) -> Tensor:
    """Images without content: pixels uniform in 0..1, independent; (count, *shape).

    smooth: above 0, they are blurred by a Gaussian of so many pixels, and each is stretched to 0..1 again.
    """
    images = torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))
    if not smooth:
        return images
    soft = blurred(images, smooth)
    low, high = soft.amin((1, 2, 3), keepdim=True), soft.amax((1, 2, 3), keepdim=True)
    return (soft - low) / (high - low)


# ------------------------------------------------------------------------------------------------------------- codes


@dataclass(frozen=True)
class Coder:
    """encode: images -> codes (n, d); decode: codes, probabilities of values (n, values) -> images.

    told: whether decode heeds the values; if not, they are in the code.
    """

    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor, Tensor], Tensor]
    told: bool


def coder(model: Model) -> Coder:
    """The codes of a system whose boxes are comp and rec, comp, dec and offset, or enc and dec.

    A code that is a Gaussian is its mean. Raises UserError for a system without such boxes.
    """
    boxes = {} if model.system is None else model.system.boxes
    encoder, decoder = boxes.get("comp") or boxes.get("enc"), boxes.get("rec") or boxes.get("dec")
    if encoder is None or decoder is None or len(encoder.dom) != 1:
        raise UserError(
            f"{model.config['system']}: a system without codes; one of the boxes comp and rec, or enc and dec, is expected"
        )
    offset, told = boxes.get("offset"), len(decoder.dom) == 2
    # Whichever of its two inputs the decoder takes first.
    value_first = told and decoder.dom[0].kind == "categorical"

    def decode(codes: Tensor, values: Tensor) -> Tensor:
        codes = codes.unflatten(1, encoder.cod.shape)
        if offset is not None:
            return image_of(decoder, codes + offset.apply(values.log()))
        if not told:
            return image_of(decoder, codes)
        return image_of(decoder, *((values.log(), codes) if value_first else (codes, values.log())))

    return Coder(
        batched(lambda images: mean_of(encoder, images).flatten(1)),
        batched(decode),
        told or offset is not None,
    )


def mean_of(box: Learner | Composite, *values: Tensor) -> Tensor:
    """What a box gives, or the mean of it where it gives Gaussians."""
    made = box.apply(*values)
    return made[:, 0] if box.cod.kind == "gaussian" else made


def image_of(box: Learner | Composite, *values: Tensor) -> Tensor:
    """The image that a decoder gives, whether as pixels or as the law of pixels."""
    made = mean_of(box, *values)
    return made.sigmoid() if box.cod.kind == "bernoulli" else made


@dataclass(frozen=True)
class CodeLaw:
    """Laws of codes by value: mixtures of Gaussians. Where the decoder is told the value, one law serves them all."""

    coder: Coder
    mixtures: tuple[GaussianMixture, ...]

    def sample(self, values: Tensor, count: int, seed: int) -> Tensor:
        """An image of each of the values (n,) int64, `count` values in all: (n, ...)."""
        random = np.random.default_rng(seed)
        kinds = torch.zeros_like(values) if self.coder.told else values
        codes = torch.empty(len(values), self.mixtures[0].n_features_in_)
        for kind, mixture in enumerate(self.mixtures):
            rows = kinds == kind
            codes[rows] = torch.from_numpy(draws(mixture, int(rows.sum()), random)).float()
        return self.coder.decode(codes, F.one_hot(values, count).float())


def fitted(model: Model, images: Tensor, labels: Tensor, values: int, components: int = 1, seed: int = 0) -> CodeLaw:
    """The law of the codes of images (n, ...) with labels (n,), as a mixture of so many Gaussians.

    Where the decoder is not told the value, the codes of each value have a law of their own. Raises UserError for a
    system without codes, or for fewer codes than a covariance needs.
    """
    codes = coder(model)
    check_images("images", images)
    check_labels("labels", labels, len(images), values, every=not codes.told)
    points = codes.encode(images)
    groups = [points] if codes.told else [points[labels == value] for value in range(values)]
    return CodeLaw(codes, tuple(mixture(each, components, seed) for each in groups))


def mixture(points: Tensor, components: int, seed: int) -> GaussianMixture:
    """A mixture of Gaussians with full covariances, fitted to points (n, d)."""
    check_features("codes", points, more_than_width=True)
    check_enough("codes", points, components, f"a mixture of {components} Gaussians")
    return GaussianMixture(components, random_state=seed % 2**32).fit(points.double().numpy())


def draws(law: GaussianMixture, count: int, random: np.random.Generator) -> np.ndarray:
    """Points (count, d) of a mixture. Its own method would group them by component, and draw the same ones each time."""
    which = random.choice(len(law.weights_), count, p=law.weights_)
    normal = random.standard_normal((count, law.n_features_in_))
    return law.means_[which] + np.einsum("nij,nj->ni", np.linalg.cholesky(law.covariances_)[which], normal)


# ------------------------------------------------------------------------------------------------- the Bayesian inverse


def inverted(model: Model, images: Tensor, values: int, seed: int) -> tuple[Tensor, Tensor]:
    """put(s, a) of every image s (n, ...) and a value a drawn uniformly and independently: edits (n, ...), values (n,).

    If the style of the data is independent of the value, and put keeps it, an edit to a has the law p(s | get(s) = a).
    """
    (wanted,) = random_values(1, len(images), values, seed)
    check_images("images", images)
    return editing(model)(images, wanted), wanted


@dataclass(frozen=True)
class Verdict:
    """Two-sample tests of each value: whether images made have the law of the real ones."""

    tests: tuple[ClassTests, ...]

    @property
    def rejected(self) -> tuple[int, ...]:
        """The values whose images are told from real ones, by either test, at 5% over all values and both tests."""
        level = LEVEL / (2 * len(self.tests))
        least = [min(each.mmd.p_value, each.classifier.p_value) for each in self.tests]
        return tuple(value for value, p_value in enumerate(least) if p_value <= level)

    @property
    def passes(self) -> bool:
        return not self.rejected


def judged(real: Tensor, labels: Tensor, made: Tensor, targets: Tensor, values: int, seed: int = 0) -> Verdict:
    """Whether images made for `targets` (m,) have, value by value, the law of real ones with `labels` (n,).

    real (n, d), made (m, d): features of a judge; of independent images, or nothing is proved. As many permutations as
    the level needs. Raises UserError that names a value with too few examples.
    """
    permutations = max(PERMUTATIONS, math.ceil(4 * values / LEVEL) - 1)
    return Verdict(tuple(per_class(real, labels, made, targets, values, permutations, seed)))


def spread(images: Tensor, values: Tensor) -> float:
    """The variance of pixels between images of one value, averaged over pixels and values: variety, 0 if all are alike.

    images (n, ...), values (n,) int64; a value with a single image has no variance and is left out.
    Raises UserError where all have.
    """
    groups = [images[values == value] for value in values.unique()]
    several = [group.double().var(0).mean() for group in groups if len(group) > 1]
    if not several:
        raise UserError("spread: two images or more of one value expected")
    return float(torch.stack(several).mean())


# ---------------------------------------------------------------------------------------------------------- steering


def has_offset(model: Model) -> bool:
    """Whether put is dec(comp(s) + offset(a)), so that its codes can be steered."""
    return model.system is not None and {"comp", "dec", "offset"} <= set(model.system.boxes)


def steered(model: Model, images: Tensor, values: Tensor, amounts: Sequence[float]) -> Tensor:
    """dec(comp(s) + t offset(v)) for each t in `amounts`, any real numbers: (t, n, ...).

    images (n, ...), values (n,) int64. At t = 1 it is put(s, v); at 0 no value has been written. Raises UserError for a
    system without an offset.
    """
    if not has_offset(model):
        raise UserError(f"{model.config['system']}: no offset to steer by; an offset_manipulator has one")
    check_images("images", images)
    boxes = model.system.boxes
    wanted = F.one_hot(values, boxes["offset"].dom[0].shape[0]).float().log()

    def moved(images: Tensor, wanted: Tensor, amount: Tensor) -> Tensor:
        return boxes["dec"].apply(boxes["comp"].apply(images) + amount[:, None] * boxes["offset"].apply(wanted))

    run = batched(moved)
    return torch.stack([run(images, wanted, torch.full((len(images),), float(amount))) for amount in amounts])


def blended(model: Model, images: Tensor, present: Tensor, values: Tensor, amounts: Sequence[float]) -> Tensor:
    """put(s, (1 - t) p + t v) for each t in `amounts`, in 0..1: (t, n, ...).

    images (n, ...); present: p, the probabilities (n, values) of the values that they show, get(s) where there is a
    get; values: v (n,) int64.
    """
    put = editing(model)
    check_images("images", images)
    outside = [amount for amount in amounts if not 0 <= amount <= 1]
    if outside:
        raise UserError(f"amounts: probabilities are blended by amounts in 0..1, {outside[0]:g} given")
    wanted = F.one_hot(values, present.shape[1]).to(present)
    return torch.stack([put(images, torch.lerp(present, wanted, float(amount))) for amount in amounts])


def monotone(probabilities: Tensor, slack: float = SLACK) -> Tensor:
    """Whether the probability of the value that is steered to never falls as t grows: (t, n) -> (n,) bool.

    Never more than `slack` below the most that it has been, so that small falls that add up count as one. The share of
    images for which it holds is the monotonicity of a steering.
    """
    return (probabilities.cummax(0).values - probabilities).amax(0) <= slack
