"""Trainings with several seeds become one result."""

from pathlib import Path

import pytest

from flows import combine, repeat
from pipeline import params
from pipeline.errors import UserError
from pipeline.files import read_json, write_json
from tests.conftest import REPOSITORY

KEY = "mnist-manipulator"


def test_a_result_over_seeds_is_of_the_main_run_and_the_others(tmp_path: Path) -> None:
    settings = params.load(REPOSITORY / "params.yaml")
    experiment = settings.experiment(KEY)
    common = {"protocol": "judged", "parameters": 5}
    listed(tmp_path, "seeds: [1, 2]")
    write_json(tmp_path / "metrics" / "mnist" / "manipulator.json", {**common, "write_accuracy": 0.9})
    for seed, value in ((1, 0.8), (2, 0.7)):
        write_json(repeat.results(tmp_path, experiment, seed), {**common, "write_accuracy": value})
    for step in combine.steps(KEY, settings, tmp_path).values():
        step()
    found = read_json(tmp_path / "studies" / "seeds" / "metrics" / "mnist" / "manipulator.json")
    assert found["seeds"] == 3
    assert found["write_accuracy"] == pytest.approx(0.8)
    assert [found[f"write_accuracy_seed_{seed}"] for seed in range(3)] == [0.9, 0.8, 0.7]
    assert (found["protocol"], found["parameters"]) == ("judged", 5)


def test_a_seed_that_was_measured_once_and_is_not_listed_any_more_is_left_out(tmp_path: Path) -> None:
    settings = params.load(REPOSITORY / "params.yaml")
    listed(tmp_path, "seeds: [2]")
    write_json(tmp_path / "metrics" / "mnist" / "manipulator.json", {"write_accuracy": 0.9})
    for seed in (1, 2):
        write_json(repeat.results(tmp_path, settings.experiment(KEY), seed), {"write_accuracy": seed / 10})
    for step in combine.steps(KEY, settings, tmp_path).values():
        step()
    found = read_json(tmp_path / "studies" / "seeds" / "metrics" / "mnist" / "manipulator.json")
    assert (found["seeds"], found["write_accuracy"]) == (2, pytest.approx(0.55))


def test_for_a_seed_that_is_missing_it_is_said_how_to_come_by_it(tmp_path: Path) -> None:
    listed(tmp_path, "seeds: [1]")
    with pytest.raises(UserError, match=r"seed 1 is not measured; run `dvc repro studies/seeds/dvc\.yaml`"):
        combine.steps(KEY, params.load(REPOSITORY / "params.yaml"), tmp_path)


@pytest.mark.parametrize("content", [None, "", "seeds: 1", "seeds: []", "seeds: [a]", "seeds: [-1]", "seeds: [1", "[]"])
def test_a_study_without_seeds_is_refused_by_its_file(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        listed(tmp_path, content)
    with pytest.raises(UserError, match=r"studies/seeds/params\.yaml: .*seeds"):
        repeat.seeds(tmp_path)


def listed(root: Path, content: str) -> None:
    (root / repeat.STUDY).mkdir(parents=True, exist_ok=True)
    (root / repeat.STUDY / "params.yaml").write_text(content)


@pytest.mark.parametrize("what", ["mnist-manipulator", "mnist-manipulator@", "mnist-manipulator@one", "@-1"])
def test_a_training_is_named_by_experiment_and_seed(what: str) -> None:
    assert repeat.parsed("mnist-manipulator@12") == ("mnist-manipulator", 12)
    with pytest.raises(UserError, match="an experiment and a seed are expected, such as mnist-manipulator@1"):
        repeat.parsed(what)
