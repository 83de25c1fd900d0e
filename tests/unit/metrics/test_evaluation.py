"""Each measure on a case whose answer is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import linalg

from pipeline.errors import UserError
from pipeline.metrics import fixtures, keys, style
from pipeline.metrics.fidelity import class_balanced, frechet_distance, nearly_balanced
from pipeline.metrics.intervals import mean_with_interval, uniform_other
from pipeline.metrics.panel import Examples, Panel, Scale
from pipeline.params import Metrics
from pipeline.systems import Model
from tests.unit.metrics.known_style import bar


def test_frechet_distance_of_two_gaussians_is_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(200_000, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.5])
    second = torch.randn(200_000, 3, generator=generator) * torch.tensor([2.0, 2.0, 1.5]) + torch.tensor(
        [1.0, 0.0, 2.0]
    )
    expected = 1 + 4 + (1 - 2) ** 2 + (0.5 - 1.5) ** 2
    assert frechet_distance(first, second).value == pytest.approx(expected, rel=0.01)


def test_frechet_distance_equals_the_formula_with_a_matrix_root() -> None:
    generator = np.random.default_rng(1)
    mixing = generator.normal(size=(2, 12, 12))
    first, second = (generator.normal(size=(400, 12)) @ each for each in mixing)
    covariances = np.cov(first.T), np.cov(second.T)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    mean = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected = mean + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(torch.tensor(first), torch.tensor(second)).value == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(torch.tensor(first), torch.tensor(first)).value == pytest.approx(0, abs=1e-6)


def test_intervals_hold_the_mean_and_shrink_with_the_root_of_the_examples() -> None:
    widths = []
    for count in (400, 6400):
        values = torch.rand(count, generator=torch.Generator().manual_seed(count)) < 0.3
        found = mean_with_interval("k", values, 500, 0)
        assert found["k_low"] < found["k"] < found["k_high"]
        assert found["k_high"] - found["k_low"] == pytest.approx(4 * math.sqrt(0.21 / count), rel=0.25)
        widths.append(found["k_high"] - found["k_low"])
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)
    assert mean_with_interval("k", torch.full((5,), 0.5), 10, 0) == {"k": 0.5, "k_low": 0.5, "k_high": 0.5}


def test_a_share_of_all_is_not_certain() -> None:
    """Wilson's interval of n hits in n is n / (n + z^2) .. 1."""
    found = mean_with_interval("k", torch.ones(50, dtype=torch.bool), 10, 0)
    assert (found["k"], found["k_high"]) == (1, pytest.approx(1))
    assert found["k_low"] == pytest.approx(50 / (50 + 1.959964**2), abs=1e-6)


def test_other_values_are_uniform_and_never_the_own_one() -> None:
    labels = torch.arange(10).repeat(9000)
    other = uniform_other(labels, 10, 0)
    assert not (other == labels).any()
    assert torch.bincount(other, minlength=10).float().std() / 9000 < 0.02


def test_class_balanced_takes_as_many_of_each_class_as_the_rarest_has() -> None:
    labels = torch.tensor([0, 0, 1, 2, 2, 2, 1, 0])
    assert labels[class_balanced(labels, 3, 9)].tolist() == [0, 0, 1, 1, 2, 2]
    assert labels[class_balanced(labels, 3, 1)].tolist() == [0, 1, 2]


def test_nearly_balanced_takes_all_unless_a_class_is_rare() -> None:
    even, uneven = torch.tensor([0] * 4 + [1] * 5), torch.tensor([0] * 2 + [1] * 8)
    assert nearly_balanced(even, 2, width=3).tolist() == list(range(9))
    assert torch.bincount(uneven[nearly_balanced(uneven, 2, width=3)]).tolist() == [2, 2]
    assert nearly_balanced(uneven, 2, width=4).tolist() == list(range(10)), "four would be too few for four features"


def test_real_images_of_uneven_classes_are_at_no_distance_from_even_ones() -> None:
    """The classes are held 1 : 4, the training images are balanced: only the shares of classes differ."""
    asked = panel()
    images, labels = asked.examples.images, asked.examples.labels
    rows = torch.cat([(labels < 2).nonzero().flatten()[::4], (labels >= 2).nonzero().flatten()])
    balanced = class_balanced(labels, 4, 60)
    uneven = Examples(images[rows], labels[rows], images[balanced], labels[balanced], 4)
    found = Panel(asked.judges, uneven, asked.scale).floor()
    all_of_them = frechet_distance(reader_features(images[balanced]), reader_features(images[rows])).value
    assert found["fid_reference"] < all_of_them / 3


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.5])
def test_slant_of_a_leaning_bar_is_its_shear(shift: float) -> None:
    assert float(style.slant(bar(shift, 3))) == pytest.approx(shift, abs=0.03)


@pytest.mark.parametrize("width", [2, 4, 6])
def test_stroke_of_a_long_bar_is_nearly_its_width(width: int) -> None:
    assert float(style.stroke(bar(0.0, width))) == pytest.approx(width * 20 / (20 + width), rel=0.1)


def test_style_is_compared_within_classes() -> None:
    classes = torch.arange(2).repeat(50)
    inner = torch.randn(100, generator=torch.Generator().manual_seed(0)).double()
    kept = style.preserved(inner + 10 * classes, 3 * inner - 5 * classes, classes, 1 - classes)
    assert kept.value == pytest.approx(1, abs=1e-6)
    assert kept.low <= kept.value <= kept.high


PROTOTYPES = torch.zeros(4, 1, 8, 8)
for value in range(4):
    PROTOTYPES[value, 0, 2 * value : 2 * value + 2] = 1


def reader(images: torch.Tensor) -> torch.Tensor:
    return (images.flatten(1) @ PROTOTYPES.flatten(1).T * 3).softmax(1)


def reader_features(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)[:, ::8]


def editor(edit, classify=reader, name: str = "editor") -> Model:
    return Model({"system": name}, None, classify, reader_features, edit, None)


def panel() -> Panel:
    """Bars, at a height that says the class, of 4 to 8 pixels in length and any brightness from 0.6 on."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (300,), generator=generator)
    lengths = torch.randint(4, 9, (300, 1, 1, 1), generator=generator)
    brightness = 0.6 + 0.4 * torch.rand(300, 1, 1, 1, generator=generator)
    images = PROTOTYPES[labels] * brightness * (torch.arange(8) < lengths)
    settings = Metrics(edits=300, bootstrap=20, adversarial_radius=1.0, adversarial_steps=2, adversarial_examples=10)
    judges = editor(None, name="judge_2"), editor(None, name="judge_1")
    return Panel(lambda: judges, Examples(images, labels, images, labels, 4), Scale(settings, 0))


def chosen(values: torch.Tensor) -> torch.Tensor:
    return values.argmax(1) if values.dim() == 2 else values


def test_identity_writes_nothing_and_keeps_all() -> None:
    same = editor(lambda images, values: images)
    found = panel().editing(same)
    assert found["write_accuracy"] == 0
    assert found["style_stroke"] > 0.95  # the same strokes, standardised among other ones
    assert found["fid_edit"] == pytest.approx(0, abs=1e-6)  # the training images themselves: a distance is no proof
    kept = panel().laws(same)
    assert kept["getput_mse"] == kept["undo_mse"] == kept["putput_mse"] == 0


def test_one_prototype_a_class_writes_all_and_undoes_nothing() -> None:
    prototype = editor(lambda images, values: PROTOTYPES[chosen(values)])
    found = panel().editing(prototype)
    assert found["write_accuracy"] == found["write_accuracy_own"] == found["judge_agreement"] == 1
    assert found["collusion_gap"] == found["style_stroke"] == found["information_stroke"] == 0
    assert found["recall_edit"] < 0.1
    broken = panel().laws(prototype)
    assert broken["undo_mse"] > 0.005
    assert broken["putput_mse"] == 0


def test_a_mark_that_only_get_reads_is_a_collusion_gap() -> None:
    hidden = fixtures.hidden_mark(reader, 4)
    one_hot = torch.eye(4)
    own = editor(lambda images, values: hidden.put(images, one_hot[chosen(values)]), hidden.get)
    found = panel().editing(own)
    assert found["write_accuracy_own"] == 1
    assert found["collusion_gap"] > 0.95
    assert found["collusion_gap_low"] > 0.9


def test_judges_that_read_nothing_do_not_agree() -> None:
    dark = panel().editing(editor(lambda images, values: images * 0.01))
    assert dark["accepted_edit"] == dark["judge_agreement"] == 0


def test_two_values_are_put_one_after_the_other() -> None:
    """Of two values the second to be written is the one that was there: a put that stacks its edits is found out."""
    asked = panel()
    rows = asked.examples.labels < 2
    two = Examples(*[each[rows] for each in (asked.examples.images, asked.examples.labels)] * 2, 2)
    stacking = editor(lambda images, values: (images + 0.1 + 0.2 * chosen(values).view(-1, 1, 1, 1)).clamp(0, 1))
    first_two = editor(None, classify=lambda images: reader(images)[:, :2], name="judge_2")
    assert Panel(lambda: (first_two, first_two), two, asked.scale).laws(stacking)["putput_mse"] > 0.001


def test_the_dear_measures_see_a_seeded_sample() -> None:
    asked = panel()
    images, labels = asked.drawn(100)
    again, _ = Panel(asked.judges, asked.examples, Scale(asked.scale.settings, 1)).drawn(100)
    assert len(images) == len(labels) == 100
    assert torch.equal(images, panel().drawn(100)[0])
    assert not torch.equal(images, asked.examples.images[:100])
    assert not torch.equal(images, again)


def test_edits_that_are_no_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"edits: pixels in 0\.\.1 expected"):
        panel().editing(editor(lambda images, values: images + 1))
    with pytest.raises(UserError, match="edits: 300 of 300 hold NaN"):
        panel().editing(editor(lambda images, values: images * torch.nan))


def test_real_images_have_a_floor_of_nothing() -> None:
    floor = panel().floor()
    assert floor["fid_reference"] == pytest.approx(0, abs=1e-6)
    assert floor["precision_reference"] == floor["coverage_reference"] == floor["judge_agreement_reference"] == 1


def test_directions_of_keys() -> None:
    assert keys.better("validation_accuracy", 0.9, 0.8)
    assert not keys.better("accuracy", 0.8, 0.8)
    assert keys.better("validation_fid_edit", 3.0, 4.0)
    assert keys.better("collusion_gap", -0.01, 0.02)
    assert keys.find("validation_undo_mse_low").name == "undo_mse"


def test_a_floor_is_of_the_same_tests_as_the_edits() -> None:
    """Of 300 examples of each of 4 values, in 8 features."""
    same = editor(lambda images, values: images)
    edits, floor = panel().editing(same), panel().floor()
    of_edits = {key.removeprefix("inversion_") for key in edits if key.startswith("inversion_")}
    of_real = {key.removeprefix("inversion_reference_") for key in floor if key.startswith("inversion_reference_")}
    assert of_edits == of_real
    assert edits["inversion_mmd"] > floor["inversion_reference_mmd"]


def test_every_key_that_is_measured_has_a_meaning_and_a_group() -> None:
    editing = editor(lambda images, values: PROTOTYPES[chosen(values)])
    asked = panel()
    found = asked.reading(editing) | asked.editing(editing) | asked.laws(editing) | asked.floor()
    for name in keys.metrics(found):
        assert keys.find(name).meaning, name
        assert keys.find(name).group != "other", name


def test_colour_images_are_seen_by_the_net_of_photographs_too() -> None:
    asked = panel()
    seen = Panel(asked.judges, asked.examples, asked.scale, lambda images: images.flatten(1)[:, :16])
    found = seen.floor()
    assert found["fid_reference_imagenet"] == pytest.approx(0, abs=1e-6)
    assert "kid_reference_imagenet_low" in found
    assert keys.find("fid_reference_imagenet").meaning


def test_an_attack_on_another_judge_shows_masked_gradients() -> None:
    """A classifier with probabilities so sharp that their gradient vanishes, beside one that it copies."""

    def sharp(images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(1) @ PROTOTYPES.flatten(1).T * 1e4).softmax(1)

    def system(classify) -> SimpleNamespace:
        return SimpleNamespace(classify=classify)

    judge = Model({"system": "judge_2"}, system(reader), reader, None, None, None)
    masked = Model({"system": "masked"}, system(sharp), sharp, None, None, None)
    asked = panel()
    found = Panel(lambda: (judge, judge), asked.examples, asked.scale).robustness(masked)
    assert found["accuracy_transfer"] <= found["accuracy_adversarial"]
    assert set(found) >= {"accuracy_adversarial_linf", "sure_faded", "sure_blurred", "sure_noisy"}
