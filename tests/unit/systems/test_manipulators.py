"""The variants of the manipulator: what each demands, and of whom."""

import pytest
import torch

from pipeline import systems
from pipeline.language.reason import models
from pipeline.systems.base import Inputs, System

CONFIG = {"shape": [1, 16, 16], "values": ["a", "b", "c"], "seed": 0}
CLASSIFIER = {**CONFIG, "system": "classifier", "settings": {"steps": 1}, "given": None}
FOUR = ["classify", "putget", "getput", "undo"]


def built(name: str, **settings: object) -> System:
    config = {**CONFIG, "system": name, "settings": {"steps": 8, **settings}, "given": CLASSIFIER}
    return systems.build(config, Inputs((1, 16, 16), ("a", "b", "c")))


@pytest.mark.parametrize(
    ("name", "equations", "trained"),
    [
        ("lens_manipulator", FOUR[:3], ["put"]),
        ("strong_manipulator", [*FOUR, "putput"], ["put"]),
        ("complement_manipulator", [*FOUR, "keep"], ["comp", "rec"]),
        ("offset_manipulator", [*FOUR, "keep"], ["comp", "offset", "dec"]),
        ("cotrained_manipulator", FOUR, ["features", "head", "put"]),
        ("sampling_manipulator", [*FOUR, "law", "keep", "independent", "rest", "made"], ["comp", "rec"]),
    ],
)
def test_each_variant_has_its_equations_and_trains_its_learners(
    name: str, equations: list[str], trained: list[str]
) -> None:
    system = built(name)
    assert list(system.task.equations) == equations
    assert [learner.name for learner in system.phases[0].task.trained] == trained


def test_the_second_reading_of_the_offset_adds_an_autoencoder() -> None:
    assert "recon" in built("offset_manipulator", autoencoder=1.0).task.equations


@pytest.mark.parametrize("name", ["complement_manipulator", "offset_manipulator", "sampling_manipulator"])
def test_editing_does_what_the_equations_say_put_is(name: str) -> None:
    """put(s, a) of the equation putget, computed by the task's own terms, is what `edit` gives."""
    system = built(name)
    images, values = torch.rand(5, 1, 16, 16), torch.eye(3)[[0, 1, 2, 0, 1]]
    boxes = system.boxes
    code = boxes["comp"].apply(images)
    if "offset" in boxes:
        expected = boxes["dec"].apply(code + boxes["offset"].apply(values.log()))
    else:
        expected = boxes["rec"].apply(values.log(), code)
    torch.testing.assert_close(system.edit(images, values), expected)
    assert 0 <= float(expected.detach().min()) <= float(expected.detach().max()) <= 1


def test_an_offset_is_a_learned_vector_of_each_value() -> None:
    offset = built("offset_manipulator").boxes["offset"]
    assert [tuple(weight.shape) for weight in offset.parameters] == [(32, 3)]


def test_mixed_co_training_keeps_get_from_meeting_put_half_way() -> None:
    trains = {
        kind: [learner.name for learner in built("cotrained_manipulator", trains=kind).task.equations["putget"].trains]
        for kind in ("all", "mixed")
    }
    assert trains == {"all": ["put", "features", "head"], "mixed": ["put"]}
    assert "head" in [
        each.name for each in built("cotrained_manipulator", trains="mixed").task.equations["undo"].trains
    ]


def test_of_three_values_the_lens_is_weak_and_the_strong_form_the_strongest() -> None:
    """Two states of each of three values: 4,096 lenses, 8 that can be undone, 4 that obey PutPut (checked by hand)."""
    counted = [
        models(systems.example(name).lawful, equations=names, fibres=[2, 2, 2]).count
        for name, names in (
            ("lens_manipulator", FOUR[:3]),
            ("manipulator", FOUR),
            ("strong_manipulator", [*FOUR, "putput"]),
        )
    ]
    assert counted == [4096, 8, 4]


def test_samples_are_made_from_noise_of_the_asked_value() -> None:
    system = built("sampling_manipulator")
    made = systems.model({**CONFIG}, system).sample(torch.tensor([0, 1, 2, 2]), 3)
    assert tuple(made.shape) == (4, 1, 16, 16)
    assert not torch.equal(made[2], made[3])
    assert [phase.steps for phase in system.phases] == [6, 2]
    assert [learner.name for learner in system.phases[1].task.trained] == ["gen"]
