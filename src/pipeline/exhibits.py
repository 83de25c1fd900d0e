"""What `pipeline generate` shows: for each way of generation a labelled picture, and figures (docs/generation.md)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from pipeline import data, generation, pictures, systems
from pipeline.errors import UserError
from pipeline.metrics import accuracy, style
from pipeline.metrics.evaluation import JUDGES, as_floats
from pipeline.metrics.fidelity import class_balanced, frechet_distance
from pipeline.metrics.intervals import share, uniform_other
from pipeline.metrics.two_sample import inversion
from pipeline.systems import Model

Figures = dict[str, Any]

MEASURED = 2000  # images that figures of edits are of
PIXELS = 10**8  # of all images that are held at a time; where it is less, figures are of fewer images
SAMPLED = 10_000  # samples that distances of laws are of
STARTS = ("smooth", "uniform")
SMOOTH = 0.07  # of the height: the blur of smooth noise
BEYOND = (-0.5, 1.5)  # how far an offset is followed
STEPS = 8
CELL, MARGIN, LINE = 56, 6, 14  # pixels: the least width of an image, about labels, of a line of text
GROUND, INK = 255, 0


@dataclass(frozen=True)
class Request:
    """How images are generated. value: the only one to write, or None for all in turn (styles and steer: for a random
    other one of each image); count: images, or samples of each value; steps: of a walk, or of a steering; start: what
    noise to begin from; components: of the law of codes that is fitted, or None for the system's own prior where it has
    one."""

    how: str
    value: int | None = None
    count: int = 10
    steps: int = STEPS
    seed: int = 0
    start: str = STARTS[0]
    components: int | None = None


@dataclass(frozen=True)
class Subject:
    """A trained model, with the data and the judges that it has under a root."""

    model: Model
    root: Path

    def __post_init__(self) -> None:
        """Raises UserError if the model is of sentences."""
        if "words" in self.model.config:
            raise UserError(f"{self.model.config['data']} has sentences; images alone are generated")

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.model.config["values"])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.model.config["shape"])

    @cached_property
    def prepared(self) -> Path:
        """The folder of the model's data set. Raises UserError, which says how to prepare it, if it is not there."""
        name = self.model.config["data"]
        places = (self.root / "data" / "prepared" / name, self.root / "runs" / "data" / name)
        for place in places:
            if (place / "info.json").exists():
                return place
        how = f"`dvc repro prepare@{name}`" if name in data.names() else "`pipeline train` with the folder of images"
        raise UserError(f"{places[0]}: no prepared data; {how} prepares them")

    def examples(self, split: str) -> tuple[Tensor, Tensor]:
        """Images in 0..1 and labels of a split of the data, as many as are held at a time.

        Raises UserError if they are not there, or not of the model's shape.
        """
        loaded, most = data.load(self.prepared, split), PIXELS // math.prod(self.shape)
        if tuple(loaded.images.shape[1:]) != self.shape:
            found = tuple(loaded.images.shape[1:])
            raise UserError(
                f"{self.prepared}: images of shape {found}, but the model's are {self.shape}; prepare those"
            )
        return as_floats(loaded.images[:most]), loaded.labels[:most]

    @cached_property
    def test(self) -> tuple[Tensor, Tensor]:
        """Of a user's folder, which has no test split, the validation split."""
        own = self.model.config["data"] not in data.names() and not (self.prepared / "test.safetensors").exists()
        return self.examples("validation" if own else "test")

    def drawn(self, count: int, seed: int, other_than: int | None = None) -> tuple[Tensor, Tensor]:
        """So many test images, or all, at random, and their labels; other_than: a value that none of them shows."""
        images, labels = self.test
        rows = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        rows = rows[labels[rows] != other_than] if other_than is not None else rows
        return images[rows[:count]], labels[rows[:count]]

    @cached_property
    def judge(self) -> Model | None:
        """The judge who reports on test data, if it has been trained."""
        folder = self.root / "models" / self.model.config["data"] / JUDGES["test"].judge
        return systems.load(folder) if (folder / "config.json").exists() else None

    @property
    def readers(self) -> dict[str, generation.Read]:
        """Who reads the images, by what is added to the names of figures: the judge, and the model's own get."""
        found = {"": self.judge and self.judge.classify, "_own": self.model.classify}
        return {suffix: classify for suffix, classify in found.items() if classify}

    def present(self, images: Tensor, labels: Tensor) -> Tensor:
        """The values that images show as the model's get reads them; a model without one is told the labels."""
        return self.model.classify(images) if self.model.classify else F.one_hot(labels, len(self.values)).float()


@dataclass(frozen=True)
class Way:
    """picture and figures: of a subject and a request; options: which of a request's it heeds, beside count and seed."""

    picture: Callable[[Subject, Request], Image.Image]
    figures: Callable[[Subject, Request], Figures]
    options: tuple[str, ...] = ()


def show(subject: Subject, request: Request) -> Image.Image:
    """The picture of a request."""
    return way(request.how).picture(subject, request)


def measure(subject: Subject, request: Request) -> Figures:
    """Its figures, numbers of six digits. They are of more images than the picture shows."""
    return rounded(way(request.how).figures(subject, request))


def way(how: str) -> Way:
    """Raises UserError with the known ways."""
    if how not in WAYS:
        raise UserError(f"--how {how}: expected one of {', '.join(WAYS)}")
    return WAYS[how]


def check_options(how: str, given: Sequence[str]) -> None:
    """given: the options that were set. Raises UserError for a way that is not known, or has no use for one of them."""
    unused = [option for option in given if option not in way(how).options]
    if unused:
        users = ", ".join(name for name, each in WAYS.items() if unused[0] in each.options)
        raise UserError(f"--{unused[0]}: of no use to --how {how}, only to {users}")


def rounded(figure: Any) -> Any:
    """Numbers of six digits, in dicts and lists as deep as they are."""
    if isinstance(figure, dict):
        return {key: rounded(each) for key, each in figure.items()}
    if isinstance(figure, list | tuple):
        return [rounded(each) for each in figure]
    return float(f"{figure:.6g}") if isinstance(figure, float) else figure


# -------------------------------------------------------------------------------------------------------- style transfer


def chosen(subject: Subject, request: Request) -> list[int]:
    """The values that are written."""
    return list(range(len(subject.values))) if request.value is None else [request.value]


def styles_picture(subject: Subject, request: Request) -> Image.Image:
    images, labels = subject.drawn(request.count, request.seed)
    values = chosen(subject, request)
    rows = torch.cat((images[:, None], generation.written(subject.model, images, values)), 1)
    return sheet(rows, names(subject, labels), ["s", *names(subject, values)])


def styles_figures(subject: Subject, request: Request) -> Figures:
    """How often what is written is read, and how well style is kept: correlations of its probes within values."""
    images, labels = subject.drawn(MEASURED, request.seed, request.value)
    targets = aims(subject, request, labels)
    edits = generation.editing(subject.model)(images, targets)
    found: Figures = {"images": len(images)}
    for suffix, classify in subject.readers.items():
        found |= share(accuracy.sure(classify(edits), targets)).entries(f"write_accuracy{suffix}")
    for name, probe in style.PROBES.items():
        found |= style.preserved(probe(images), probe(edits), labels, targets).entries(f"style_{name}")
    return found


def aims(subject: Subject, request: Request, labels: Tensor) -> Tensor:
    """A value for each image: the one that is asked for, or another than its own."""
    if request.value is None:
        return uniform_other(labels, len(subject.values), request.seed)
    return torch.full_like(labels, request.value)


# ------------------------------------------------------------------------------------------------------------ from noise


def measured(subject: Subject, request: Request) -> int:
    """How many images the figures of several steps are of."""
    each = math.prod(subject.shape) * (request.steps + 1)
    return max(1, min(MEASURED, PIXELS // each))


def from_noise(subject: Subject, request: Request, count: int) -> generation.Walk:
    smooth = SMOOTH * subject.shape[1] if request.start == STARTS[0] else 0.0
    start = generation.noise(count, subject.shape, request.seed, smooth)
    return generation.repeated(subject.model, start, in_turn(subject, request, count), request.steps)


def in_turn(subject: Subject, request: Request, count: int) -> Tensor:
    """So many values (count,), each of the chosen ones in turn."""
    values = torch.tensor(chosen(subject, request))
    return values[torch.arange(count) % len(values)]


def noise_picture(subject: Subject, request: Request) -> Image.Image:
    walk = from_noise(subject, request, request.count)
    return sheet(walk.images.transpose(0, 1), names(subject, walk.values[0]), numbered(request.steps))


def numbered(steps: int) -> list[str]:
    return ["s", *(str(step) for step in range(1, steps + 1))]


def noise_figures(subject: Subject, request: Request) -> Figures:
    """How far each step moves, how it is read, and how far the first and the last images are from the data in law and
    variety; beside what the same does to test images."""
    count = measured(subject, request)
    walk = from_noise(subject, request, count)
    last, values = walk.images[-1], walk.values[-1]
    found: Figures = {"images": count, "start": request.start, "moved": means(walk.moves)}
    found |= readings(subject, walk) | {"spread": generation.spread(last, values)}
    for suffix, classify in subject.readers.items():
        found |= share(accuracy.sure(classify(last), values)).entries(f"sure_last{suffix}")
    found |= distances(subject, request, {"fid_first": walk.images[1], "fid_last": last})
    images, labels = subject.drawn(count, request.seed, request.value)
    of_data = generation.repeated(subject.model, images, aims(subject, request, labels), request.steps)
    return found | {
        "moved_from_data": means(of_data.moves),
        "spread_from_data": generation.spread(of_data.images[1], of_data.values[0]),
        "spread_real": real_spread(subject.test, walk.values[0]),
    }


def real_spread(examples: tuple[Tensor, Tensor], values: Tensor) -> float:
    """How various real images (n, ...) with labels (n,) are that show one of the values."""
    images, labels = examples
    shown = torch.isin(labels, values)
    return generation.spread(images[shown], labels[shown])


def means(steps: Tensor) -> list[float]:
    """The mean of each step: (steps, n) -> steps of them."""
    return steps.double().mean(1).tolist()


def readings(subject: Subject, walk: generation.Walk) -> Figures:
    """How surely what was written is read after each step: mean probabilities."""
    return {f"read{suffix}": means(walk.read(classify)) for suffix, classify in subject.readers.items()}


# ---------------------------------------------------------------------------------------------------------------- chains


def chain_picture(subject: Subject, request: Request) -> Image.Image:
    """Each chain above what one put from its start gives. All chains write the same values, which head the columns."""
    images, labels = subject.drawn(request.count, request.seed)
    drawn = generation.random_values(request.steps, 1, len(subject.values), request.seed)
    chain = generation.walk(subject.model, images, drawn.expand(-1, len(images)))
    direct = generation.written(subject.model, images, drawn[:, 0].tolist())
    both = torch.stack((chain.images.transpose(0, 1), torch.cat((images[:, None], direct), 1)), 1)
    heads = [line for name in names(subject, labels) for line in (f"{name} chain", f"{name} one put")]
    return sheet(both.flatten(0, 1), heads, ["s", *names(subject, drawn[:, 0])])


def chain_figures(subject: Subject, request: Request) -> Figures:
    """How far chains are from one put from their start, beside how far other images' edits are."""
    images, _ = subject.drawn(measured(subject, request), request.seed)
    drawn = generation.random_values(request.steps, len(images), len(subject.values), request.seed)
    chain = generation.walk(subject.model, images, drawn)
    return {
        "images": len(images),
        "drift": means(generation.drift(subject.model, chain)),
        "drift_of_strangers": float(generation.strangeness(subject.model, images, drawn[-1]).double().mean()),
        "moved": means(chain.moves),
        **readings(subject, chain),
    }


# ----------------------------------------------------------------------------------------------------------------- codes


def has_prior(subject: Subject, request: Request) -> bool:
    """Whether samples are to be the system's own."""
    return subject.model.sample is not None and request.components is None


def samples(subject: Subject, request: Request, values: Tensor) -> Tensor:
    """An image of each value (n,): from the system's own prior, or from codes of a law that is fitted."""
    if has_prior(subject, request):
        return subject.model.sample(values, request.seed)
    # A system without codes is refused before its data are asked for.
    generation.coder(subject.model)
    images, labels = subject.examples("train")
    count = len(subject.values)
    law = generation.fitted(subject.model, images, labels, count, request.components or 1, request.seed)
    return law.sample(values, count, request.seed)


def latent_picture(subject: Subject, request: Request) -> Image.Image:
    values = chosen(subject, request)
    made = samples(subject, request, torch.tensor(values).repeat_interleave(request.count))
    return sheet(made.unflatten(0, (len(values), -1)), names(subject, values), [])


def latent_figures(subject: Subject, request: Request) -> Figures:
    """How samples are read, how far their law is from that of training images, and how various they are."""
    values = in_turn(subject, request, SAMPLED)
    made = samples(subject, request, values)
    components = "the model's own prior" if has_prior(subject, request) else request.components or 1
    found: Figures = {"images": SAMPLED, "components": components}
    for suffix, classify in subject.readers.items():
        found |= share(accuracy.sure(classify(made), values)).entries(f"sample_accuracy{suffix}")
    found |= {
        "spread": generation.spread(made, values),
        "spread_real": real_spread(subject.examples("train"), values),
    }
    return found | distances(subject, request, {"fid_sample": made})


def distances(subject: Subject, request: Request, made: dict[str, Tensor]) -> Figures:
    """Frechet distances of images, by key, to training images of the values that are written, equally many of each.

    In the judge's features. None without a judge, or of fewer images than features, which have no covariance.
    """
    if subject.judge is None:
        return {}
    images, labels = subject.examples("train")
    real = subject.judge.features(images[balanced(labels, chosen(subject, request))])
    if min(len(each) for each in (real, *made.values())) <= real.shape[1]:
        return {}
    found: Figures = {}
    for key, each in made.items():
        found |= frechet_distance(real, subject.judge.features(each)).entries(key)
    return found


def balanced(labels: Tensor, values: Sequence[int]) -> Tensor:
    """Rows of equally many examples of each of the values, SAMPLED in all at most."""
    rows = torch.isin(labels, torch.tensor(values)).nonzero()[:, 0]
    kind = torch.searchsorted(torch.tensor(values), labels[rows])
    return rows[class_balanced(kind, len(values), SAMPLED // len(values))]


# ------------------------------------------------------------------------------------------------- the Bayesian inverse


def inverse_picture(subject: Subject, request: Request) -> Image.Image:
    """For each value, edits of random test images to it, above real ones."""
    lines, heads = [], []
    for value in range(len(subject.values)):
        images, _ = subject.drawn(request.count, request.seed + value)
        made = generation.editing(subject.model)(images, torch.full((len(images),), value))
        pool, labels = subject.test
        real = pool[labels == value][: len(made)]
        lines += [made, torch.cat((real, torch.ones(len(made) - len(real), *real.shape[1:])))]
        heads += [f"{subject.values[value]} made", f"{subject.values[value]} real"]
    return sheet(torch.stack(lines), heads, [])


def inverse_figures(subject: Subject, request: Request) -> Figures:
    """Two-sample tests, value by value, of edits of one half of the test images against the other half.

    Halves of one set, so that what is found is the editor's doing; `tests_real`: the same of the first half as it is.
    """
    images, labels = subject.drawn(SAMPLED, request.seed)
    half, count = len(images) // 2, len(subject.values)
    made, targets = generation.inverted(subject.model, images[:half], count, request.seed)
    found: Figures = {"images": half, "spread": generation.spread(made, targets)}
    found |= {"spread_real": generation.spread(images, labels)}
    for suffix, classify in subject.readers.items():
        found |= share(accuracy.sure(classify(made), targets)).entries(f"write_accuracy{suffix}")
    if subject.judge is None:
        return found | {"tests": "not made: no judge of these data has been trained"}
    features = subject.judge.features
    known, known_labels = features(images[half:]), labels[half:]
    try:
        tested = generation.judged(known, known_labels, features(made), targets, count, request.seed)
        real = generation.judged(known, known_labels, features(images[:half]), labels[:half], count, request.seed)
    except UserError as error:
        return found | {"tests": f"not made: {error}"}
    return found | {"tests": verdict(subject, tested), "tests_real": verdict(subject, real)}


def verdict(subject: Subject, found: generation.Verdict) -> Figures:
    """A verdict as it is written."""
    return {
        "passes": found.passes,
        "rejected": names(subject, found.rejected),
        **inversion(list(found.tests)).entries(),
        "p_mmd": [each.mmd.p_value for each in found.tests],
        "p_c2st": [each.classifier.p_value for each in found.tests],
    }


# -------------------------------------------------------------------------------------------------------------- steering


def amounts(subject: Subject, steps: int) -> list[float]:
    """How much of the value is written: beyond 0 and 1 where an offset can be followed."""
    low, high = BEYOND if generation.has_offset(subject.model) else (0.0, 1.0)
    return torch.linspace(low, high, steps + 1).tolist()


def steering(subject: Subject, request: Request, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The images at each amount (t, n, ...): by the offset where there is one, else by the value's probabilities."""
    along = amounts(subject, request.steps)
    if generation.has_offset(subject.model):
        return generation.steered(subject.model, images, targets, along)
    generation.editing(subject.model)
    return generation.blended(subject.model, images, subject.present(images, labels), targets, along)


def steer_picture(subject: Subject, request: Request) -> Image.Image:
    images, labels = subject.drawn(request.count, request.seed, request.value)
    targets = aims(subject, request, labels)
    steered = steering(subject, request, images, labels, targets).transpose(0, 1)
    pairs = zip(names(subject, labels), names(subject, targets), strict=True)
    heads = ["s", *(f"{amount:.4g}" for amount in amounts(subject, request.steps))]
    return sheet(torch.cat((images[:, None], steered), 1), [f"{old} to {new}" for old, new in pairs], heads)


def steer_figures(subject: Subject, request: Request) -> Figures:
    """How the value is read as more of it is written, and for which share of the images that never falls.

    `within`: between 0 and 1, where an offset is followed beyond.
    """
    images, labels = subject.drawn(measured(subject, request), request.seed, request.value)
    targets = aims(subject, request, labels)
    steered = steering(subject, request, images, labels, targets)
    by_offset, along = generation.has_offset(subject.model), amounts(subject, request.steps)
    within = torch.tensor([0 <= amount <= 1 for amount in along])
    found: Figures = {
        "images": len(images),
        "by": "offset" if by_offset else "probabilities",
        "amounts": along,
    }
    for suffix, classify in subject.readers.items():
        read = torch.stack([generation.of_value(classify(each), targets) for each in steered])
        found[f"read{suffix}"] = means(read)
        found |= share(generation.monotone(read)).entries(f"monotone{suffix}")
        found |= share(generation.monotone(read, slack=0.0)).entries(f"monotone_strictly{suffix}")
        if by_offset and within.any():
            found |= share(generation.monotone(read[within])).entries(f"monotone_within{suffix}")
    return found


WAYS = {
    "styles": Way(styles_picture, styles_figures, ("to",)),
    "noise": Way(noise_picture, noise_figures, ("to", "steps", "start")),
    "chain": Way(chain_picture, chain_figures, ("steps",)),
    "latent": Way(latent_picture, latent_figures, ("to", "components")),
    "inverse": Way(inverse_picture, inverse_figures),
    "steer": Way(steer_picture, steer_figures, ("to", "steps")),
}


# -------------------------------------------------------------------------------------------------------------- pictures


def names(subject: Subject, values: Tensor | Sequence[int]) -> list[str]:
    return [subject.values[int(value)] for value in values]


def sheet(images: Tensor, rows: Sequence[str], columns: Sequence[str]) -> Image.Image:
    """Images (rows, columns, channels, height, width), a name before each row, and above each column if there are."""
    scale = max(1, round(CELL / images.shape[-1]))
    strip = pictures.grid(images.flatten(0, 1), images.shape[1], scale=scale)
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left = int(max(pen.textlength(name) for name in rows)) + 2 * MARGIN
    top = LINE if columns else 0
    page = Image.new("RGB", (left + strip.width, top + strip.height), (GROUND,) * 3)
    page.paste(strip, (left, top))
    pen = ImageDraw.Draw(page)
    down, across = ((side + pictures.GAP) * scale for side in images.shape[-2:])
    for line, name in enumerate(rows):
        pen.text((MARGIN, top + line * down + (down - LINE) // 2), name, INK)
    for line, name in enumerate(columns):
        name = shortened(name, across - 2, pen)
        pen.text((left + line * across + (across - int(pen.textlength(name))) // 2, 0), name, INK)
    return page


def shortened(name: str, width: int, pen: ImageDraw.ImageDraw) -> str:
    """As much of a name as the width has room for."""
    while len(name) > 1 and pen.textlength(name) > width:
        name = name[:-1]
    return name
