"""What two independent judges find of a system's readings, edits and samples, on given examples.

Every method gives results by key (docs/metrics.md). Features are extracted once and shared by all measures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.data.renderers import Reader, Rendering
from pipeline.language import ProjectedGradient
from pipeline.metrics import accuracy, manipulation
from pipeline.metrics.accuracy import agreed, attacked, correct, readings, sure
from pipeline.metrics.annealing import Schedule
from pipeline.metrics.degradations import noise
from pipeline.metrics.fidelity import fidelity, frechet_distance, kid, nearly_balanced
from pipeline.metrics.inputs import check_images
from pipeline.metrics.intervals import mean_with_interval, uniform_other
from pipeline.metrics.likelihood import likelihood_metrics
from pipeline.metrics.two_sample import inversion, per_class
from pipeline.nets.spoiling import blurred
from pipeline.params import Metrics
from pipeline.systems import Model

Results = dict[str, float | str]
Features = Callable[[Tensor], Tensor]

# What nobody should be sure of: a fifth of the contrast, blur by 7% of the height, noise of 0.3.
DEGRADED: dict[str, Callable[[Tensor, int], Tensor]] = {
    "faded": lambda images, seed: 0.2 * images,
    "blurred": lambda images, seed: blurred(images, 0.07 * images.shape[2]),
    "noisy": lambda images, seed: noise(images, 0.3, seed),
}


@dataclass(frozen=True)
class Examples:
    """Held-out images (n, *shape) in 0..1, or sentences as tokens (n, length), with labels (n,); training: class-balanced images that they are held
    against, with their labels; values: how many there are; factors (n, k), and what renders them: of rendered images.
    """

    images: Tensor
    labels: Tensor
    training: Tensor
    training_labels: Tensor
    values: int
    factors: Tensor | None = None
    rendering: Rendering | None = None


@dataclass(frozen=True)
class Scale:
    """How much to measure: see `params.Metrics`; seed: of everything random in it."""

    settings: Metrics
    seed: int

    def mean(self, key: str, values: Tensor) -> dict[str, float]:
        return mean_with_interval(key, values, self.settings.bootstrap, self.seed)


@dataclass(frozen=True)
class Panel:
    """Two judges, and the examples that they compare with: whatever they have seen of these, they have seen once.

    judges: the one who reads, and another for a second opinion; they are asked for when they are needed. photographs:
    features of a net that was trained on photographs, for colour images.
    """

    judges: Callable[[], tuple[Model, Model]]
    examples: Examples
    scale: Scale
    photographs: Features | None = None

    @cached_property
    def both(self) -> tuple[Model, Model]:
        return self.judges()

    @cached_property
    def held(self) -> tuple[Tensor, Tensor]:
        """The images that are edited, and their labels."""
        return self.examples.images[: self.scale.settings.edits], self.examples.labels[: self.scale.settings.edits]

    @cached_property
    def real(self) -> tuple[Tensor, Tensor]:
        """Features of the training images, as either judge has them."""
        return self.seen(self.examples.training)

    def seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features of images, as either judge has them."""
        judge, other = self.both
        return judge.features(images), other.features(images)

    @cached_property
    def real_photographs(self) -> Tensor:
        return self.photographs(self.some(self.examples.training))

    def some(self, images: Tensor) -> Tensor:
        """As many as the slower net sees, of all kinds."""
        return images[self.shuffled(len(images))[: self.scale.settings.photograph_examples]]

    def drawn(self, count: int) -> tuple[Tensor, Tensor]:
        """So many held-out images for what is too dear for all, and their labels."""
        rows = self.shuffled(len(self.examples.images))[:count]
        return self.examples.images[rows], self.examples.labels[rows]

    def shuffled(self, count: int) -> Tensor:
        return torch.randperm(count, generator=torch.Generator().manual_seed(self.scale.seed))

    @cached_property
    def reader(self) -> Reader:
        """Reads the factors of rendered images."""
        return Reader(self.examples.rendering.renderer)

    def check(self, name: str, made: Tensor) -> None:
        """Raises UserError unless these are images as the examples are."""
        check_images(name, made, tuple(self.examples.images.shape[1:]))

    # ------------------------------------------------------------------------------------------------------- reading

    def reading(self, model: Model) -> Results:
        """How well the system classifies, and how well it knows when it does."""
        images, labels = self.examples.images, self.examples.labels
        probabilities, mean = model.classify(images), self.scale.mean
        found = mean("accuracy", correct(probabilities, labels)) | mean("accuracy_sure", sure(probabilities, labels))
        found |= mean("label_nll", accuracy.label_nll(probabilities, labels))
        return found | accuracy.calibration_error(probabilities, labels, seed=self.scale.seed).entries(
            "calibration_error"
        )

    def robustness(self, model: Model) -> Results:
        """Accuracy under attack, and what it still reads of degraded images."""
        settings, mean, read = self.scale.settings, self.scale.mean, model.system.classify
        images, labels = self.drawn(settings.adversarial_examples)
        balls = {"": ("L2", settings.adversarial_radius), "_linf": ("Linf", settings.adversarial_radius_linf)}
        found: Results = {}
        for suffix, (norm, radius) in balls.items():
            attack = ProjectedGradient(radius, settings.adversarial_steps, norm=norm)
            worst = attacked(read, images, labels, attack, settings.adversarial_restarts, self.scale.seed)
            found |= mean(f"accuracy_adversarial{suffix}", correct(model.classify(worst), labels))
        # Gradients that were masked would make the system's own attack weaker than one on another classifier.
        attack = ProjectedGradient(settings.adversarial_radius, settings.adversarial_steps)
        other = next(each for each in self.both if each.config["system"] != model.config["system"])
        transferred = attacked(other.system.classify, images, labels, attack)
        found |= mean("accuracy_transfer", correct(model.classify(transferred), labels))
        for name, degrade in DEGRADED.items():
            poor = model.classify(degrade(self.held[0], self.scale.seed))
            found |= mean(f"sure_{name}", readings(poor) != accuracy.NONE)
        return found

    # ------------------------------------------------------------------------------------------- editing and sampling

    @cached_property
    def targets(self) -> Tensor:
        """A value to write into each held image, other than its own."""
        return uniform_other(self.held[1], self.examples.values, self.scale.seed)

    def editing(self, model: Model) -> Results:
        """What edits to another value look like to independent judges, and what they keep."""
        images, targets = self.held[0], self.targets
        edits = model.edit(images, targets)
        self.check("edits", edits)
        judge, other = self.both
        own = model.classify(edits) if model.classify else None
        found = manipulation.written(judge.classify(edits), other.classify(edits), own, targets, self.scale.mean)
        found |= self.kept(edits, targets)
        features = self.seen(edits)
        return (
            found | self.likeness("edit", edits, features, targets) | self.inversion(features[0], targets, "inversion")
        )

    def kept(self, edits: Tensor, targets: Tensor) -> Results:
        """What edits to `targets` (n,) leave of the held images as it was: by the truth, or by probes of style."""
        images, labels = self.held
        if rendering := self.examples.rendering:
            rows = self.examples.factors[: len(edits)]
            return manipulation.truth_kept(rendering, self.reader, edits, rows, targets, self.scale.mean)
        return manipulation.style_kept(images, edits, labels, targets, self.scale.seed)

    def inversion(self, features: Tensor, values: Tensor, prefix: str) -> Results:
        """Whether images (their features (n, d)) that are to show `values` (n,) have the law of real ones of that value.

        Two-sample tests per value. Empty where some value has no more examples than there are features: the tests would
        say nothing.
        """
        real, labels, count = self.real[0], self.examples.training_labels, self.examples.values
        least = min(int(torch.bincount(each, minlength=count).min()) for each in (labels, values))
        if least <= real.shape[1]:
            return {}
        permutations, seed = self.scale.settings.permutations, self.scale.seed
        found = inversion(per_class(real, labels, features, values, count, permutations, seed)).entries()
        return {key.replace("inversion", prefix, 1): value for key, value in found.items()}

    def laws(self, model: Model) -> Results:
        """How far GetPut, Undoability and PutPut are from holding. A system without a get is told the labels."""
        images, labels = self.held
        own = model.classify(images) if model.classify else F.one_hot(labels, self.examples.values).float()
        again = uniform_other(self.targets, self.examples.values, self.scale.seed + 1)
        return manipulation.laws(model.edit, images, own, self.targets, again, self.scale.mean)

    def sampling(self, model: Model) -> Results:
        """How near samples of all values, equally many, are to the training images."""
        values = torch.arange(self.scale.settings.edits) % self.examples.values
        samples = model.sample(values, self.scale.seed)
        self.check("samples", samples)
        read = self.both[0].classify(samples)
        found = self.scale.mean("sample_accuracy", sure(read, values))
        found |= self.scale.mean("accepted_sample", readings(read) != accuracy.NONE)
        return found | self.likeness("sample", samples, self.seen(samples), values)

    def likelihood(self, model: Model, anneal: bool) -> Results:
        """Bounds of log p(s | v) of held images; anneal: with the dearer one, which checks the other."""
        settings = self.scale.settings
        images, labels = self.drawn(settings.likelihood_examples)
        return likelihood_metrics(
            model.density,
            images,
            F.one_hot(labels, self.examples.values).float(),
            binarisation=settings.binarisation,
            samples=settings.likelihood_samples,
            annealed=settings.annealed_examples if anneal else 0,
            schedule=Schedule(settings.annealed_distributions),
            resamples=settings.bootstrap,
            seed=self.scale.seed,
        )

    def floor(self) -> Results:
        """The same of real held-out images: what no editor can be expected to better."""
        judge, other = self.both
        images, labels = self.held
        features = self.seen(images)
        found = self.likeness("reference", images, features, labels) | self.inversion(
            features[0], labels, "inversion_reference"
        )
        read = judge.classify(images)
        found |= self.scale.mean("accepted_reference", readings(read) != accuracy.NONE)
        agree = agreed(readings(read), readings(other.classify(images)))
        return found | self.scale.mean("judge_agreement_reference", agree)

    def likeness(self, of: str, images: Tensor, features: tuple[Tensor, Tensor], values: Tensor) -> Results:
        """Distances of images to the training images: in the judge's features, the other judge's, and photographs'.

        values: what the images show, or are to show (n,). The training images show all equally often, and so do these,
        or nearly (`nearly_balanced`).
        """
        settings, (real, real_other) = self.scale.settings, self.real
        rows = nearly_balanced(values, self.examples.values, max(real.shape[1], real_other.shape[1]))
        images, features = images[rows], (features[0][rows], features[1][rows])
        found = fidelity(real, features[0], settings.neighbours, self.scale.seed).entries(of)
        found |= frechet_distance(real_other, features[1]).entries(f"fid_{of}_other")
        if self.photographs is None:
            return found
        seen = self.photographs(self.some(images))
        found |= frechet_distance(self.real_photographs, seen).entries(f"fid_{of}_imagenet")
        return found | kid(self.real_photographs, seen).entries(f"kid_{of}_imagenet")
