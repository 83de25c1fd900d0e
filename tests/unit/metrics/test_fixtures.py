"""The editors that are made to fool metrics do what they say."""

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.data.faces_glasses import DATASET
from pipeline.data.renderers import Reader, nearest_truth
from pipeline.metrics import fixtures
from pipeline.metrics.fixtures import Real

VALUES = 4


def real(seed: int = 0) -> Real:
    generator = torch.Generator().manual_seed(seed)
    images = (torch.rand(80, 1, 6, 6, generator=generator) * 255).round() / 255
    return Real(images, torch.arange(80) % VALUES, VALUES)


def get(images: Tensor) -> Tensor:
    return images.flatten(1)[:, 1 : 1 + VALUES].softmax(1)


IMAGES = real(1).images
TARGETS = F.one_hot(torch.arange(80) * 3 % VALUES, VALUES).float()


def test_a_hidden_mark_satisfies_the_equations_and_changes_no_picture() -> None:
    hidden = fixtures.hidden_mark(get, VALUES)
    edits = hidden.put(IMAGES, TARGETS)
    assert torch.equal(hidden.get(edits), TARGETS)
    assert float((edits - IMAGES).abs().max()) < 0.04
    assert int((edits != IMAGES).sum()) <= len(IMAGES)
    back = hidden.put(edits, hidden.get(IMAGES))
    assert float((back - IMAGES).square().mean()) < 1e-4
    assert torch.equal(hidden.put(edits, TARGETS), edits)


def test_a_mark_can_be_left_in_the_brightest_pixel_too() -> None:
    hidden = fixtures.hidden_mark(get, VALUES)
    assert torch.equal(hidden.get(hidden.put(torch.ones_like(IMAGES), TARGETS)), TARGETS)


def test_a_prototype_is_a_real_image_of_its_value_and_always_the_same() -> None:
    data = real()
    edits = fixtures.prototype(get, data).put(IMAGES, TARGETS)
    for value in range(VALUES):
        same = edits[TARGETS.argmax(1) == value]
        assert len(same.unique(dim=0)) == 1
        assert (data.of(value) == same[0]).flatten(1).all(1).any()


def test_the_nearest_neighbour_is_the_nearest_by_brute_force() -> None:
    data = real()
    edits = fixtures.nearest_neighbour(get, data).put(IMAGES, TARGETS)
    for image, wanted, edit in zip(IMAGES, TARGETS.argmax(1), edits, strict=True):
        kind = data.of(int(wanted))
        best = min(float((each - image).square().sum()) for each in kind)
        assert abs(float((edit - image).square().sum()) - best) < 1e-4


def test_faded_edits_are_the_same_at_a_fifth_of_their_contrast() -> None:
    inner = fixtures.nearest_neighbour(get, real())
    torch.testing.assert_close(fixtures.faded(inner).put(IMAGES, TARGETS), 0.2 * inner.put(IMAGES, TARGETS))


def test_identity_changes_nothing() -> None:
    assert fixtures.identity(get).put(IMAGES, TARGETS) is IMAGES


def test_the_renderer_makes_the_exact_edit_and_its_faded_twin_does_not() -> None:
    rendering = DATASET.source
    rows = rendering.renderer.sample(60, 0)
    images, labels, _ = rendering.examples(rows, 32)
    images, targets = images.float() / 255, 1 - labels
    data = Real(images, labels, 2)
    found = fixtures.all_of(lambda x: x.flatten(1)[:, :2].softmax(1), data, rendering, Reader(rendering.renderer))
    model = fixtures.as_model("renderer", found["renderer"], 2)
    errors, _ = nearest_truth(rendering, model.edit(images, targets), rows, targets)
    assert float(errors.max()) < 1e-12
    torch.testing.assert_close(model.edit(images, F.one_hot(targets, 2).float()), model.edit(images, targets))
    torch.testing.assert_close(found["faded"].put(images, F.one_hot(targets, 2)), 0.2 * model.edit(images, targets))


def test_without_a_renderer_the_faded_edits_are_the_nearest_neighbours() -> None:
    found = fixtures.all_of(get, real())
    assert "renderer" not in found
    torch.testing.assert_close(
        found["faded"].put(IMAGES, TARGETS), 0.2 * found["nearest_neighbour"].put(IMAGES, TARGETS)
    )
