"""Systems as files: found, built, saved, loaded, and refused by name when something is wrong."""

from pathlib import Path

import pytest
import torch

from pipeline import params, systems
from pipeline.errors import UserError
from pipeline.files import read_json, write_json
from tests.conftest import REPOSITORY

COMMON = {"data": "mnist", "shape": [1, 28, 28], "values": [str(n) for n in range(10)], "seed": 3, "given": None}
CLASSIFIER = {**COMMON, "system": "classifier", "settings": {"steps": 1}}
MANIPULATOR = {**COMMON, "system": "manipulator", "settings": {"steps": 1}, "given": CLASSIFIER}
VAE = {**COMMON, "system": "conditional_vae", "settings": {"steps": 1}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    systems.save(tmp_path, MANIPULATOR, systems.build(MANIPULATOR))
    return tmp_path


def test_every_file_is_a_system_with_settings_and_one_sentence() -> None:
    files = {path.stem for path in (REPOSITORY / "src/pipeline/systems").glob("[a-z]*.py")} - {"base"}
    assert set(systems.names()) == files
    for name in systems.names():
        built = systems.example(name)
        trained = {learner for phase in built.phases for learner in phase.task.trained}
        assert bool(built.parameters) == bool(trained & {*built.kept})
        assert trained or built.edit, "neither trained nor of any use"
        assert systems.find(name).__doc__


def test_a_manipulator_is_exactly_the_four_equations_and_trains_put_alone() -> None:
    built = systems.example("manipulator")
    assert list(built.task.equations) == ["classify", "putget", "getput", "undo"]
    assert [learner.name for learner in built.phases[0].task.trained] == ["put"]


def test_weights_are_a_function_of_the_seed() -> None:
    first, again, other = (systems.build({**VAE, "seed": seed}) for seed in (3, 3, 4))
    same = [torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True)]
    assert all(same)
    assert not all(torch.equal(a, b) for a, b in zip(weights(first), weights(other), strict=True))


def weights(system: systems.System) -> list[torch.Tensor]:
    return [parameter for learner in system.kept for parameter in learner.parameters]


def test_a_saved_model_answers_as_before(saved: Path) -> None:
    built, loaded = systems.model(MANIPULATOR, systems.build(MANIPULATOR)), systems.load(saved)
    images, values = torch.rand(7, 1, 28, 28), torch.arange(7)
    torch.testing.assert_close(loaded.edit(images, values), built.edit(images, values))
    torch.testing.assert_close(loaded.classify(images), built.classify(images))
    assert loaded.sample is None
    assert {path.suffix for path in saved.iterdir()} == {".json", ".safetensors"}


def test_samples_are_a_function_of_the_seed() -> None:
    model = systems.model(VAE, systems.build(VAE))
    values = torch.arange(10)
    assert torch.equal(model.sample(values, 1), model.sample(values, 1))
    assert not torch.equal(model.sample(values, 1), model.sample(values, 2))


def test_values_out_of_range_are_refused(saved: Path) -> None:
    with pytest.raises(UserError, match=r"0\.\.9"):
        systems.load(saved).edit(torch.rand(1, 1, 28, 28), torch.tensor([10]))


def test_damaged_models_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trained model"):
        systems.load(tmp_path / "nowhere")
    file = saved / "put.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"put\.safetensors"):
        systems.load(saved)
    file.unlink()
    with pytest.raises(UserError, match=r"put\.safetensors"):
        systems.load(saved)
    file.write_bytes(content)
    config = read_json(saved / "config.json")
    write_json(saved / "config.json", {**config, "settings": {**config["settings"], "latent": 5}})
    with pytest.raises(UserError, match=r"put\.safetensors"):
        systems.load(saved)
    (saved / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json"):
        systems.load(saved)


@pytest.mark.parametrize("name", systems.names())
def test_what_starts_from_a_trained_system_says_which_and_is_refused_without(name: str) -> None:
    known = systems.EXAMPLES[systems.kinds(name)[0]]
    config = {**known, "system": name, "settings": {"steps": 1}, "seed": 0, "given": None}
    if not systems.starts_from(name):
        assert systems.build(config).kept
        return
    assert systems.starts_from(name) == known["classifier"]
    with pytest.raises(ValueError, match="given"):
        systems.build(config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("threads: 1", "threds: 1"), ["params.yaml", "threds"]),
        (("seed: 0", "seed: nought"), ["params.yaml", "seed", "nought"]),
        (("      steps:", "      stpes:"), ["mnist-classifier", "stpes"]),
        (("beta: ", "beta: -"), ["mnist-conditional_vae", "beta"]),
        (("system: judge_1", "system: judge_7"), ["mnist-judge_1", "mnist-judge_7"]),
        (("mnist-judge_1:", "mnist-judge_1: ["), ["params.yaml", "YAML"]),
    ],
)
def test_params_are_refused_by_key(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    file = tmp_path / "params.yaml"
    text = (REPOSITORY / "params.yaml").read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    with pytest.raises(UserError) as caught:
        params.load(file)
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_system_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="manipulator"):
        systems.find("nobody")
