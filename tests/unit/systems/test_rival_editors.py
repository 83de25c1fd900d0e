"""Editors that are not trained to edit, on classifiers whose answer is known."""

import torch

from pipeline import systems
from pipeline.systems.base import Inputs
from pipeline.systems.latent_shift import gradient, shifted

CONFIG = {"shape": [1, 16, 16], "values": ["a", "b", "c"], "seed": 0}
CLASSIFIER = {**CONFIG, "system": "classifier", "settings": {"steps": 1}, "given": None}
INPUTS = Inputs((1, 16, 16), ("a", "b", "c"))


def read(codes: torch.Tensor) -> torch.Tensor:
    """The value is the greatest of three coordinates."""
    return (4 * codes).log_softmax(1)


def test_a_code_moves_by_the_least_length_at_which_the_value_is_read() -> None:
    codes = torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    wanted = torch.eye(3)[[1, 1]]
    lengths = torch.tensor([0.1, 0.5, 1.0, 2.0]).repeat(2, 1)
    found = shifted(codes, wanted, read, lengths, certain=0.5)
    assert read(found).argmax(1).tolist() == [1, 1]
    moved = (found - codes).norm(dim=1)
    torch.testing.assert_close(moved, torch.tensor([1.0, 0.1]))
    # Half a unit would not have been enough: the gradient goes along b - a.
    assert read(codes[:1] + (found - codes)[:1] / 2).argmax(1).tolist() == [0]
    # Who wants more certainty goes further.
    farther = shifted(codes, wanted, read, lengths, certain=0.99)
    torch.testing.assert_close((farther - codes).norm(dim=1), torch.tensor([2.0, 0.1]))


def test_where_no_length_will_do_the_likeliest_is_taken() -> None:
    codes, wanted = torch.tensor([[9.0, 0.0, 0.0]]), torch.eye(3)[[2]]
    found = shifted(codes, wanted, read, torch.tensor([[0.1, 0.2, 0.3]]), certain=0.5)
    torch.testing.assert_close((found - codes).norm(dim=1), torch.tensor([0.3]))


def test_what_else_is_edited_changes_no_edit() -> None:
    config = {**CONFIG, "system": "latent_shift", "settings": {"steps": 1}, "given": CLASSIFIER}
    model = systems.model(config, systems.build(config, INPUTS))
    images, values = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1, 0])
    together = model.edit(images, values)
    alone = torch.cat([model.edit(image[None], value[None]) for image, value in zip(images, values, strict=True)])
    torch.testing.assert_close(alone, together)


def test_a_gradient_is_there_where_gradients_are_switched_off() -> None:
    with torch.inference_mode():
        found = gradient(torch.tensor([1.0, 2.0]), lambda point: point.square().sum())
    assert found.tolist() == [2, 4]


def test_a_counterfactual_raises_the_likelihood_of_the_value_and_stays_near() -> None:
    config = {**CONFIG, "system": "counterfactual", "settings": {"steps": 60}, "given": CLASSIFIER}
    model = systems.model(config, systems.build(config, INPUTS))
    images, targets = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    edits = model.edit(images, targets)
    before, after = (model.classify(each)[torch.arange(20), targets] for each in (images, edits))
    assert (after > before).all()
    assert 0 <= float(edits.min()) <= float(edits.max()) <= 1
    assert float((edits - images).square().flatten(1).sum(1).max()) < 30
    assert model.parameters == 0


def test_latent_shift_edits_through_its_autoencoder() -> None:
    config = {**CONFIG, "system": "latent_shift", "settings": {"steps": 1}, "given": CLASSIFIER}
    system = systems.build(config, INPUTS)
    model, images = systems.model(config, system), torch.rand(4, 1, 16, 16)
    edits = model.edit(images, torch.tensor([0, 1, 2, 0]))
    assert edits.shape == images.shape
    assert model.edit(images, model.classify(images)).shape == images.shape, "values may come from a get"
    assert not torch.equal(edits, system.boxes["dec"].apply(system.boxes["enc"].apply(images)))
