"""The metric keys: what each means, which direction is better, and which table it belongs to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Direction = Literal["up", "down", "zero", "none"]
# The tables of a comparison, in their order.
Group = Literal[
    "reading",
    "editing",
    "fidelity",
    "laws",
    "preservation",
    "likelihood",
    "coverage",
    "representation",
    "compression",
    "text",
    "training",
    "other",
    "size",
]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Key:
    """A metric. Adding one here is all that tables and pages need."""

    name: str
    meaning: str
    direction: Direction
    group: Group = "other"


KEYS = (
    Key("accuracy", "share of test images that the system's own classifier reads right", "up", "reading"),
    Key(
        "accuracy_sure",
        "share of test images whose label gets a probability over half way from chance to certainty",
        "up",
        "reading",
    ),
    Key("label_nll", "negative log-likelihood of the labels, nats per example", "down", "reading"),
    Key("calibration_error", "expected difference of confidence and accuracy, 15 bins", "down", "reading"),
    Key("accuracy_adversarial", "accuracy under an L2 attack by projected gradient", "up", "reading"),
    Key("accuracy_adversarial_linf", "accuracy under a Linf attack by projected gradient", "up", "reading"),
    Key(
        "accuracy_transfer",
        "accuracy under an L2 attack on another classifier; below accuracy_adversarial gradients are masked",
        "none",
        "reading",
    ),
    Key(
        "sure_faded",
        "share of test images in which some value is read that surely at a fifth of their contrast",
        "down",
        "reading",
    ),
    Key(
        "sure_blurred",
        "share of test images in which some value is read that surely at a blur of 7% of their height",
        "down",
        "reading",
    ),
    Key(
        "sure_noisy",
        "share of test images in which some value is read that surely at noise of standard deviation 0.3",
        "down",
        "reading",
    ),
    Key("error_100", "test error at 100 labels, in %", "down", "reading"),
    Key("error_600", "test error at 600 labels, in %", "down", "reading"),
    Key("error_1000", "test error at 1000 labels, in %", "down", "reading"),
    Key("error_3000", "test error at 3000 labels, in %", "down", "reading"),
    Key("write_accuracy", "share of edits put(s, a) that an independent judge reads as a", "up", "editing"),
    Key("write_accuracy_own", "the same, read by the system's own get", "up", "editing"),
    Key(
        "collusion_gap",
        "write_accuracy_own - write_accuracy: marks that only get can see, and images that the judge takes for none",
        "zero",
        "editing",
    ),
    Key("accepted_edit", "share of edits in which the judge reads some value", "up", "editing"),
    Key("judge_agreement", "share of edits on which both judges agree", "up", "editing"),
    Key("sample_accuracy", "share of samples of a value that the judge reads as that value", "up", "editing"),
    Key("accepted_sample", "share of samples in which the judge reads some value", "up", "editing"),
    Key("switch_accuracy", "share of attribute switches that the judge reads as switched", "up", "editing"),
    Key("switch_variety", "spread of the generated attribute's styles relative to that of real ones", "up", "editing"),
    Key(
        "accepted_reference",
        "share of real test images in which the judge reads some value: the ceiling",
        "none",
        "editing",
    ),
    Key("judge_agreement_reference", "share of real test images on which both judges agree", "none", "editing"),
    Key(
        "fid_edit",
        "Frechet distance of edits to class-balanced training images, in a judge's features",
        "down",
        "fidelity",
    ),
    Key(
        "fid_sample",
        "Frechet distance of samples made without any test image to class-balanced training images, in a judge's features",
        "down",
        "fidelity",
    ),
    Key(
        "fid_reference",
        "Frechet distance of real test images: the floor to class-balanced training images, in a judge's features",
        "none",
        "fidelity",
    ),
    Key(
        "fid_infinity_edit",
        "the same extrapolated to infinitely many examples, without bias: edits",
        "down",
        "fidelity",
    ),
    Key(
        "fid_infinity_sample",
        "the same extrapolated to infinitely many examples, without bias: samples made without any test image",
        "down",
        "fidelity",
    ),
    Key(
        "fid_infinity_reference",
        "the same extrapolated to infinitely many examples, without bias: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key("fid_edit_other", "Frechet distance in the other judge's features: edits", "down", "fidelity"),
    Key(
        "fid_sample_other",
        "Frechet distance in the other judge's features: samples made without any test image",
        "down",
        "fidelity",
    ),
    Key(
        "fid_reference_other",
        "Frechet distance in the other judge's features: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key(
        "fid_edit_imagenet", "Frechet distance in features of an ImageNet CNN, colour images: edits", "down", "fidelity"
    ),
    Key(
        "fid_sample_imagenet",
        "Frechet distance in features of an ImageNet CNN, colour images: samples made without any test image",
        "down",
        "fidelity",
    ),
    Key(
        "fid_reference_imagenet",
        "Frechet distance in features of an ImageNet CNN, colour images: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key(
        "kid_edit", "kernel distance (unbiased squared MMD, cubic kernel) to training images: edits", "down", "fidelity"
    ),
    Key(
        "kid_sample",
        "kernel distance (unbiased squared MMD, cubic kernel) to training images: samples made without any test image",
        "down",
        "fidelity",
    ),
    Key(
        "kid_reference",
        "kernel distance (unbiased squared MMD, cubic kernel) to training images: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key(
        "kid_edit_imagenet", "kernel distance in features of an ImageNet CNN, colour images: edits", "down", "fidelity"
    ),
    Key(
        "kid_sample_imagenet",
        "kernel distance in features of an ImageNet CNN, colour images: samples made without any test image",
        "down",
        "fidelity",
    ),
    Key(
        "kid_reference_imagenet",
        "kernel distance in features of an ImageNet CNN, colour images: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key("precision_edit", "share within the 5-neighbour balls of training images: edits", "up", "fidelity"),
    Key(
        "precision_sample",
        "share within the 5-neighbour balls of training images: samples made without any test image",
        "up",
        "fidelity",
    ),
    Key(
        "precision_reference",
        "share within the 5-neighbour balls of training images: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key("recall_edit", "share of training images within 5-neighbour balls of these: edits", "up", "fidelity"),
    Key(
        "recall_sample",
        "share of training images within 5-neighbour balls of these: samples made without any test image",
        "up",
        "fidelity",
    ),
    Key(
        "recall_reference",
        "share of training images within 5-neighbour balls of these: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key("density_edit", "training balls that hold one of these, over 5; 1 under equal laws: edits", "up", "fidelity"),
    Key(
        "density_sample",
        "training balls that hold one of these, over 5; 1 under equal laws: samples made without any test image",
        "up",
        "fidelity",
    ),
    Key(
        "density_reference",
        "training balls that hold one of these, over 5; 1 under equal laws: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key("coverage_edit", "share of training balls that hold one of these: edits", "up", "fidelity"),
    Key(
        "coverage_sample",
        "share of training balls that hold one of these: samples made without any test image",
        "up",
        "fidelity",
    ),
    Key(
        "coverage_reference",
        "share of training balls that hold one of these: real test images: the floor",
        "none",
        "fidelity",
    ),
    Key("inversion_mmd", "squared MMD of edits to a and real images of a, mean over values", "down", "fidelity"),
    Key("inversion_mmd_rejected", "share of values for which that is significant at 5%", "down", "fidelity"),
    Key(
        "inversion_c2st",
        "held-out accuracy at which a classifier tells the two apart, mean over values; 1/2 is best",
        "down",
        "fidelity",
    ),
    Key("inversion_c2st_rejected", "share of values for which that is significant at 5%", "down", "fidelity"),
    Key("inversion_fid", "Frechet distance within values, mean over these", "down", "fidelity"),
    Key("inversion_reference_mmd", "the same of real test images: the floor", "none", "fidelity"),
    Key("inversion_reference_mmd_rejected", "the same of real test images: the floor", "none", "fidelity"),
    Key("inversion_reference_c2st", "the same of real test images: the floor", "none", "fidelity"),
    Key("inversion_reference_c2st_rejected", "the same of real test images: the floor", "none", "fidelity"),
    Key("inversion_reference_fid", "the same of real test images: the floor", "none", "fidelity"),
    Key("getput_mse", "mean squared error of put(s, get(s)) against s, per pixel in 0..1", "down", "laws"),
    Key("undo_mse", "mean squared error of put(put(s, a), get(s)) against s", "down", "laws"),
    Key("putput_mse", "mean squared error of put(put(s, a), b) against put(s, b)", "down", "laws"),
    Key("getput_word_error", "word error rate of put(s, get(s)) against s", "down", "laws"),
    Key("undo_word_error", "word error rate of put(put(s, a), get(s)) against s", "down", "laws"),
    Key("putput_word_error", "word error rate of put(put(s, a), b) against put(s, b)", "down", "laws"),
    Key(
        "preservation_mse",
        "mean squared error of put(s, a) against the exact edit, where images are rendered",
        "down",
        "preservation",
    ),
    Key(
        "preservation_other_accuracy",
        "share of the other factors that are read of put(s, a) as they were",
        "up",
        "preservation",
    ),
    Key("exact_edit", "share of edits that are the true edit, word for word", "up", "preservation"),
    Key("bleu_edit", "BLEU-4 of edits against the true edits", "up", "preservation"),
    Key("bleu_source", "BLEU-4 of edits against the sentences that were edited", "none", "preservation"),
    Key("style_slant", "correlation of slant in s and put(s, a), standardised within classes", "up", "preservation"),
    Key(
        "style_stroke",
        "correlation of stroke width in s and put(s, a), standardised within classes",
        "up",
        "preservation",
    ),
    Key(
        "style_aspect",
        "correlation of height over width in s and put(s, a), standardised within classes",
        "up",
        "preservation",
    ),
    Key("style_ink", "correlation of mean pixel in s and put(s, a), standardised within classes", "up", "preservation"),
    Key(
        "information_slant",
        "mutual information of slant in s and put(s, a), standardised within classes, nats",
        "up",
        "preservation",
    ),
    Key(
        "information_stroke",
        "mutual information of stroke width in s and put(s, a), standardised within classes, nats",
        "up",
        "preservation",
    ),
    Key(
        "information_aspect",
        "mutual information of height over width in s and put(s, a), standardised within classes, nats",
        "up",
        "preservation",
    ),
    Key(
        "information_ink",
        "mutual information of mean pixel in s and put(s, a), standardised within classes, nats",
        "up",
        "preservation",
    ),
    Key("elbo", "evidence lower bound of log p(x), nats per example", "up", "likelihood"),
    Key("rate", "KL(q(z | x) || p(z)), nats per example", "down", "likelihood"),
    Key("distortion", "-E_q log p(x | z), nats per example", "down", "likelihood"),
    Key(
        "nll_bound",
        "upper bound of the negative log-likelihood by importance samples, nats per example",
        "down",
        "likelihood",
    ),
    Key("nll_samples", "importance samples of nll_bound", "none", "likelihood"),
    Key("bits_per_dim", "nll_bound in bits per dimension", "down", "likelihood"),
    Key(
        "nll_ais",
        "negative log-likelihood by annealed importance sampling, nats per example, on fewer examples",
        "down",
        "likelihood",
    ),
    Key("nll_ais_gap", "what bidirectional annealing leaves open on the model's own data, nats", "zero", "likelihood"),
    Key("modes_covered", "modes of a toy mixture with a sample among 10,000", "up", "coverage"),
    Key("modes_covered_high_quality", "modes with a sample within 3 standard deviations", "up", "coverage"),
    Key("high_quality_share", "share of samples within 3 standard deviations of the nearest mode", "up", "coverage"),
    Key(
        "spread_discrepancy",
        "Kolmogorov-Smirnov distance of the distances to the nearest mode to their true law",
        "down",
        "coverage",
    ),
    Key("modes_effective", "exp of the entropy of the mode histogram", "up", "coverage"),
    Key("modes_kl", "KL divergence of the mode histogram to the mixture's weights, nats", "down", "coverage"),
    Key("modes_js", "Jensen-Shannon divergence of the two, nats", "down", "coverage"),
    Key("precision_at_recall", "precision over bins of a discrete feature at recall 0.9", "up", "coverage"),
    Key("recall_at_precision", "recall over bins of a discrete feature at precision 0.9", "up", "coverage"),
    Key("support_iou", "intersection over union of the values that two laws of a feature have", "up", "coverage"),
    Key("total_variation", "total variation distance of two laws of a feature", "down", "coverage"),
    Key("knn_accuracy", "accuracy of the nearest neighbour on encoder features", "up", "representation"),
    Key("probe_accuracy", "accuracy of a linear probe on encoder features", "up", "representation"),
    Key(
        "traversal_monotonicity",
        "Spearman correlation of a reading with the step of a latent traversal",
        "up",
        "representation",
    ),
    Key("mig", "mutual information gap of codes and factors", "up", "representation"),
    Key("sap", "separated attribute predictability", "up", "representation"),
    Key("dci_disentanglement", "DCI: how far each code tells of one factor", "up", "representation"),
    Key("dci_completeness", "DCI: how far each factor is in one code", "up", "representation"),
    Key("dci_informativeness", "DCI: how well factors are predicted from codes", "up", "representation"),
    Key("bits_per_example", "rate of a codec", "down", "compression"),
    Key("bits_per_pixel", "rate of a codec", "down", "compression"),
    Key("mse", "mean squared error of decodings, pixels in 0..1", "down", "compression"),
    Key("psnr", "peak signal-to-noise ratio, dB", "up", "compression"),
    Key("bd_rate", "Bjontegaard rate difference to a named curve, %", "down", "compression"),
    Key("bd_psnr", "Bjontegaard PSNR difference to a named curve, dB", "up", "compression"),
    Key("decoding_variance", "variance of a pixel among repeated decodings", "none", "compression"),
    Key("grammatical_edit", "share of edits that are sentences of the grammar", "up", "text"),
    Key("perplexity_edit", "of edits under a model of real sentences", "down", "text"),
    Key("perplexity_ratio", "perplexity_edit over perplexity_reference: 1 is as likely as real ones", "none", "text"),
    Key("perplexity_forward", "of samples under a model of real sentences", "down", "text"),
    Key("perplexity_reverse", "of real sentences under a model of samples", "down", "text"),
    Key("perplexity_reference", "of held-out real sentences under a model of real ones: the floor", "none", "text"),
    Key("unknown_share", "share of words that the model of the other side never met", "down", "text"),
    Key("bleu", "BLEU-4 against references", "up", "text"),
    Key("self_bleu", "BLEU-4 of samples against one another: high where they are alike", "none", "text"),
    Key("self_bleu_reference", "the same of as many real sentences", "none", "text"),
    Key("loss", "sum of the losses of all equations by their weights", "down", "training"),
    Key("seeds", "trainings with different seeds; figures are means over them", "none", "size"),
    Key("parameters", "trainable parameters of what is kept for use", "none", "size"),
)

_BY_NAME = {key.name: key for key in KEYS}
_PLACES = {key.name: place for place, key in enumerate(KEYS)}
_END = re.compile(r"_(?:low|high|seed_\d+)$")


def find(name: str) -> Key:
    """The key of a metric's name. Its `validation_` twin, the ends of its interval (`_low`, `_high`) and its values for
    single seeds (`_seed_<s>`) share it."""
    twin = name.removeprefix("validation_")
    found = _BY_NAME.get(twin) or _BY_NAME.get(stem(twin))
    return found or Key(stem(twin), "", "none")


def stem(name: str) -> str:
    """A name without `_low`, `_high` or `_seed_<s>` at its end."""
    return _END.sub("", name)


def metrics(names: Iterable[str]) -> set[str]:
    """Those of the names that are no interval's end and no single seed's value of another."""
    known = set(names)
    return {name for name in known if stem(name) == name or stem(name) not in known}


def ordered(names: Iterable[str]) -> list[str]:
    """As in KEYS; names that are not there follow by the alphabet."""
    return sorted(set(names), key=lambda name: (_PLACES.get(name, len(KEYS)), name))


def better(name: str, new: float, old: float) -> bool:
    """Whether `new` is strictly better than `old` in the metric's direction; a metric without one is read as up."""
    direction = find(name).direction
    if direction == "zero":
        return abs(new) < abs(old)
    return new < old if direction == "down" else new > old
