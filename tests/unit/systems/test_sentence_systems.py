"""Systems on sentences: built, trained a little, saved and loaded, and refused where the data are of another kind."""

import math
from pathlib import Path

import pytest
import torch

from pipeline import data, systems
from pipeline.data.sentences import ENGLISH, PAD
from pipeline.language import Draws, TaskError, compile_task
from pipeline.systems._sentences import SentenceInputs, mixed, surprisal
from pipeline.systems.base import Inputs
from pipeline.training import Run

DATASET = data.find("sentences_tense").DATASET
ABOUT = {"shape": list(DATASET.shape), "values": list(DATASET.values), "words": list(DATASET.words), "seed": 0}
SETTINGS = {"steps": 4, "batch_size": 8}
CLASSIFIER = {**ABOUT, "system": "sentence_classifier", "settings": SETTINGS, "given": None}
MANIPULATOR = {**ABOUT, "system": "sentence_manipulator", "settings": SETTINGS, "given": CLASSIFIER}
TOKENS, LABELS, _ = DATASET.source.examples(ENGLISH.sample(16, 0))
JUDGES = ("judge_1", "judge_2", "judge_3")


def trained(config: dict, place: Path) -> systems.System:
    built = systems.build(config, systems.inputs_of(config).bound(TOKENS, LABELS))
    Run(built, systems.recipe(config), 0, torch.device("cpu"), place / "checkpoint").train("test")
    return built


def test_inputs_of_sentences_are_wires_of_words() -> None:
    inputs = systems.inputs_of(ABOUT)
    assert isinstance(inputs, SentenceInputs)
    assert (inputs.S.kind, inputs.S.shape, inputs.words) == ("categorical", DATASET.shape, DATASET.words)
    bound = inputs.bound(TOKENS, LABELS)
    assert bound.x.table is not None
    assert inputs.x.table is None
    assert bound.is_image(inputs.S)
    assert not bound.is_value(inputs.S)
    assert type(systems.inputs_of({"shape": [1, 8, 8], "values": ["a", "b"]})) is Inputs


@pytest.mark.parametrize("name", [*JUDGES, "sentence_classifier"])
def test_readers_give_probabilities_and_features_of_tokens(name: str, tmp_path: Path) -> None:
    config = {**CLASSIFIER, "system": name}
    model = systems.model(config, trained(config, tmp_path))
    read = model.classify(TOKENS.long())
    assert read.shape == (16, 3)
    torch.testing.assert_close(read.sum(1), torch.ones(16))
    assert model.features(TOKENS.long()).dim() == 2
    assert model.edit is None


def test_judges_of_sentences_are_not_built_as_the_classifier_is() -> None:
    kinds = {
        name: [type(part).__name__ for part in systems.build({**CLASSIFIER, "system": name}).kept[0].module.modules()]
        for name in (*JUDGES, "sentence_classifier")
    }
    assert kinds["judge_1"] != kinds["judge_2"] == kinds["judge_3"] != kinds["sentence_classifier"]
    reach = {
        name: systems.build({**CLASSIFIER, "system": name}).kept[0].module
        for name in ("judge_1", "sentence_classifier")
    }
    assert reach["judge_1"].layers[0].kernel_size != reach["sentence_classifier"].layers[0].kernel_size


@pytest.mark.parametrize(
    ("name", "more", "first", "trained_nets"),
    [
        ("sentence_manipulator", ["repair"], ["repair", "speaks"], {"put"}),
        (
            "complement_sentence_manipulator",
            ["keep", "independent"],
            ["getput", "independent", "speaks"],
            {"comp", "rec"},
        ),
    ],
)
def test_manipulators_are_four_equations_and_fluent_and_their_edits_are_tokens(
    name: str, more: list[str], first: list[str], trained_nets: set[str], tmp_path: Path
) -> None:
    config = {**MANIPULATOR, "system": name}
    built = trained(config, tmp_path)
    fluent = ["law", "speaks", "typical"]
    assert list(built.task.equations) == ["classify", "putget", "getput", "undo", *fluent, *more]
    assert list(built.phases[0].task.equations) == first
    assert {net.name for phase in built.phases for net in phase.task.trained} == {*trained_nets, "speech"}
    folder = tmp_path / "model"
    folder.mkdir()
    systems.save(folder, config, built)
    model = systems.load(folder)
    edits = model.edit(TOKENS.long(), torch.zeros(16, dtype=torch.int64))
    assert (edits.dtype, edits.shape) == (torch.int64, TOKENS.shape)
    assert torch.equal(edits, systems.model(config, built).edit(TOKENS.long(), torch.zeros(16, dtype=torch.int64)))
    ENGLISH.vocabulary.decode(edits)
    assert ((edits == PAD).cumsum(1) > 0).eq(edits == PAD).all(), "nothing after the end"


@pytest.mark.parametrize(
    ("name", "writing"),
    [("sentence_manipulator", ["getput", "undo", "repair"]), ("complement_sentence_manipulator", ["getput", "undo"])],
)
def test_what_is_decided_on_is_written_in_the_place_of_what_get_doubts(name: str, writing: list[str]) -> None:
    said = {}
    for decided in (False, True):
        config = {**MANIPULATOR, "system": name, "settings": {**SETTINGS, "decided": decided}}
        equations = systems.build(config).task.equations
        said[decided] = {key: f"{each.lhs} == {each.rhs}" for key, each in equations.items()}
    assert [key for key in said[True] if said[True][key] != said[False][key]] == writing
    for key in writing:
        assert said[True][key] == said[False][key].replace("get(s)", "likeliest(get(s))")


@pytest.mark.parametrize(
    ("name", "equation"), [("sentence_manipulator", "repair"), ("complement_sentence_manipulator", "getput")]
)
def test_sentences_are_learned_by_their_equations(name: str, equation: str) -> None:
    """A few steps make sixteen sentences likelier."""
    config = {**MANIPULATOR, "system": name, "settings": {**SETTINGS, "steps": 60}}
    built = systems.build(config, systems.inputs_of(config).bound(TOKENS, LABELS))
    (move,) = [each for each in compile_task(built.phases[0].task).moves if equation in each.losses(Draws(0, 0, 16))]
    before = float(move.losses(Draws(0, 0, 16))[equation].detach())
    optimiser = torch.optim.Adam([p for learner in move.learners for p in learner.parameters], lr=3e-3)
    for step in range(60):
        move.backward(move.losses(Draws(0, step, 16)))
        optimiser.step()
    assert float(move.losses(Draws(0, 0, 16))[equation].detach()) < before / 2


def test_what_edits_cost_moves_put_through_the_words_that_are_drawn() -> None:
    built = systems.build(MANIPULATOR, systems.inputs_of(MANIPULATOR).bound(TOKENS, LABELS))
    (move,) = compile_task(built.phases[1].task).moves
    cost = move.losses(Draws(0, 0, 16))["typical"]
    (put,) = [learner for learner in move.learners if learner.name == "put"]
    gradients = torch.autograd.grad(cost, list(put.parameters))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_a_mixed_sentence_has_a_share_of_anothers_words() -> None:
    inputs = systems.inputs_of(ABOUT).bound(*DATASET.source.examples(ENGLISH.sample(2000, 1))[:2])
    words, other, chance = mixed(inputs).inputs
    one, two, share = (each.op.source.draw(Draws(0, 0, 500))[each.op.index] for each in (words, other, chance))
    spoiled = mixed(inputs).op.apply(one, two, share)
    assert torch.equal(torch.where((share < 0.3)[..., None], two, one), spoiled)
    assert float((share < 0.3).float().mean()) == pytest.approx(0.3, abs=0.02)


def test_surprisal_is_the_mean_of_what_each_word_costs() -> None:
    inputs = systems.inputs_of(ABOUT)
    length, words = inputs.shape
    certain = torch.nn.functional.one_hot(TOKENS.long(), words).float()
    even = torch.full((16, length, words), -math.log(words))
    torch.testing.assert_close(surprisal(inputs).apply(even, certain.log()), torch.full((16,), math.log(words)))
    sure = torch.lerp(even.exp(), certain, 0.9).log()
    wanted = -math.log(0.9 + 0.1 / words)
    torch.testing.assert_close(surprisal(inputs).apply(sure, certain.log()), torch.full((16,), wanted))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {**ABOUT, "system": "classifier"},
            "system classifier is for images; for sentences there are complement_sentence_manipulator, judge_1",
        ),
        ({**ABOUT, "system": "conditional_vae"}, "system conditional_vae is for images; for sentences there are"),
        (
            {"shape": [1, 28, 28], "values": ["a", "b"], "seed": 0, "system": "sentence_classifier"},
            "system sentence_classifier is for sentences; for images there are classifier",
        ),
        ({**ABOUT, "system": "sentence_manipulator"}, "made from a classifier"),
    ],
)
def test_data_of_another_kind_are_refused(config: dict, words: str) -> None:
    with pytest.raises(TaskError, match=words):
        systems.build({**config, "settings": SETTINGS, "given": None})


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(Exception, match="pretraining"):
        systems.settings("sentence_manipulator", {**SETTINGS, "pretraining": 1.0})
