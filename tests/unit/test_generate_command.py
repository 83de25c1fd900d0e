"""`pipeline generate`: pictures and figures of every way, and bad input in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline import exhibits, pictures, systems
from pipeline.data.splits import write_examples
from pipeline.errors import UserError
from pipeline.files import write_json

VALUES = ["dark", "light"]
COMMON = {"data": "tiny", "shape": [1, 8, 8], "values": VALUES, "seed": 3, "given": None}
CLASSIFIER = {**COMMON, "system": "classifier", "settings": {"steps": 1, "features": 16}}
SYSTEMS = ("manipulator", "complement_manipulator", "offset_manipulator", "conditional_vae", "classifier", "judge_2")
CELL = 8 * 7  # an image, as it is drawn
STEP = (8 + pictures.GAP) * 7


def config(system: str) -> dict:
    if system in ("classifier", "judge_2"):
        return CLASSIFIER
    given = None if system == "conditional_vae" else CLASSIFIER
    return {**COMMON, "system": system, "settings": {"steps": 1, "latent": 6}, "given": given}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a small data set of dark and light images, and untrained models of it, a judge among them."""
    root = tmp_path_factory.mktemp("project")
    prepared = root / "data" / "prepared" / "tiny"
    prepared.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "test"):
        labels = torch.arange(120) % 2
        noise = torch.randint(0, 120, (120, 1, 8, 8), generator=generator)
        write_examples(prepared / f"{split}.safetensors", ((noise + 120 * labels.view(-1, 1, 1, 1)).byte(), labels))
    write_json(prepared / "info.json", {"shape": [1, 8, 8], "values": VALUES})
    for system in SYSTEMS:
        folder = root / "models" / "tiny" / system
        folder.mkdir(parents=True)
        systems.save(folder, config(system), systems.build(config(system)))
    return root


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch, command_line):
    """Run `pipeline generate tiny-SYSTEM --how HOW -o out.png` in the project: exit code, output, errors."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(exhibits, "MEASURED", 100)
    monkeypatch.setattr(exhibits, "SAMPLED", 200)
    (place / "out.png").unlink(missing_ok=True)

    def run(system: str, how: str, *more: str) -> tuple[int, str, str]:
        return command_line("generate", f"tiny-{system}", "--how", how, "-o", "out.png", *more)

    return run


@pytest.mark.parametrize(
    ("how", "more", "rows", "columns"),
    [
        ("styles", [], 3, 3),
        ("styles", ["--to", "light"], 3, 2),
        ("noise", ["--steps", "4", "--start", "uniform"], 3, 5),
        ("chain", ["--steps", "4"], 6, 5),
        ("latent", ["--components", "2"], 2, 3),
        ("latent", ["--to", "dark"], 1, 3),
        ("inverse", [], 4, 3),
        ("steer", ["--steps", "5"], 3, 7),
    ],
)
def test_every_way_draws_its_rows_and_columns_the_same_each_time(
    run, place: Path, how: str, more: list[str], rows: int, columns: int
) -> None:
    assert run("complement_manipulator", how, "-n", "3", *more) == (0, f"{how}: out.png\n", "")
    first = (place / "out.png").read_bytes()
    width, height = Image.open(place / "out.png").size
    heads = 0 if how in ("latent", "inverse") else exhibits.LINE
    assert height == heads + rows * STEP - 2 * 7
    assert 12 < width - (columns * STEP - 2 * 7) < 120, "names before the rows"
    run("complement_manipulator", how, "-n", "3", *more)
    assert (place / "out.png").read_bytes() == first
    run("complement_manipulator", how, "-n", "3", "--seed", "1", *more)
    assert (place / "out.png").read_bytes() != first


@pytest.mark.parametrize(
    ("system", "how", "keys"),
    [
        ("manipulator", "styles", {"write_accuracy", "write_accuracy_own", "style_ink"}),
        (
            "manipulator",
            "noise",
            {"moved", "read", "read_own", "sure_last", "moved_from_data", "spread", "spread_real"},
        ),
        ("manipulator", "chain", {"drift", "drift_of_strangers", "moved", "read"}),
        ("complement_manipulator", "latent", {"components", "sample_accuracy", "fid_sample", "spread"}),
        ("conditional_vae", "latent", {"components", "sample_accuracy", "fid_sample"}),
        ("manipulator", "inverse", {"write_accuracy", "tests", "tests_real"}),
        ("manipulator", "steer", {"by", "amounts", "read", "monotone", "monotone_low", "monotone_strictly"}),
        ("conditional_vae", "steer", {"read", "monotone"}),
    ],
)
def test_figures_are_printed_as_json(run, system: str, how: str, keys: set[str]) -> None:
    code, out, _ = run(system, how, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["model"], found["how"], found["seed"]) == (f"tiny-{system}", how, 0)
    assert keys <= set(found)
    assert json.loads(run(system, how, "--json")[1]) == found


def test_an_editor_that_has_an_offset_is_steered_beyond_its_ends(run) -> None:
    found = json.loads(run("offset_manipulator", "steer", "--steps", "4", "--json")[1])
    assert found["by"] == "offset"
    assert found["amounts"] == [-0.5, 0, 0.5, 1, 1.5]
    assert len(found["read"]) == 5
    assert found["monotone_within"] >= found["monotone"]
    with_one = json.loads(run("offset_manipulator", "steer", "--steps", "1", "--json")[1])
    assert with_one["amounts"] == [-0.5, 1.5]


def test_the_verdict_says_whether_edits_pass_for_real_and_that_real_ones_do(run) -> None:
    found = json.loads(run("manipulator", "inverse", "--json")[1])
    assert found["tests"]["passes"] is False
    assert found["tests"]["rejected"] == VALUES
    assert found["tests_real"]["passes"] is True
    assert len(found["tests"]["p_mmd"]) == 2


def test_without_a_judge_the_models_own_get_reads_and_nothing_is_tested(run, place: Path) -> None:
    judge, away = place / "models" / "tiny" / "judge_2", place / "judge_2.away"
    shutil.move(judge, away)
    try:
        found = json.loads(run("manipulator", "inverse", "--json")[1])
        assert "write_accuracy_own" in found
        assert "write_accuracy" not in found
        assert found["tests"] == "not made: no judge of these data has been trained"
    finally:
        shutil.move(away, judge)


@pytest.mark.parametrize(
    ("system", "how", "more", "words"),
    [
        ("manipulator", "magic", [], "--how magic: expected one of styles, noise, chain, latent, inverse, steer"),
        ("manipulator", "latent", [], "manipulator: a system without codes"),
        ("classifier", "styles", [], "classifier: this model does not edit"),
        ("classifier", "steer", [], "classifier: this model does not edit"),
        ("nobody", "styles", [], "unknown model `tiny-nobody`"),
        ("manipulator", "styles", ["--to", "7"], "unknown value `7`: expected one of dark, light"),
        ("manipulator", "styles", ["--steps", "3"], "--steps: of no use to --how styles, only to noise, chain, steer"),
        ("manipulator", "noise", ["--start", "loud"], "--start loud: expected one of smooth, uniform"),
        ("manipulator", "noise", ["--steps", "0"], "'--steps'"),
        ("manipulator", "noise", ["-n", "0"], "'-n'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run, place: Path, system: str, how: str, more: list[str], words: str
) -> None:
    code, out, err = run(system, how, *more)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (place / "out.png").exists()


def test_data_that_are_not_there_are_named_with_the_way_to_prepare_them(run, place: Path) -> None:
    prepared = place / "data" / "prepared" / "tiny"
    shutil.move(prepared, place / "away")
    try:
        code, _, err = run("manipulator", "styles")
        assert code == 2
        assert "data/prepared/tiny: no prepared data; `pipeline train` with the folder of images prepares them" in err
        assert run("manipulator", "noise")[0] == 0, "noise needs no data"
    finally:
        shutil.move(place / "away", prepared)


def test_data_of_another_shape_than_the_model_are_refused(place: Path) -> None:
    model = systems.load(place / "models" / "tiny" / "manipulator")
    model.config["shape"] = [1, 16, 16]
    with pytest.raises(UserError, match=r"tiny: images of shape \(1, 8, 8\), but the model's are \(1, 16, 16\)"):
        exhibits.Subject(model, place).examples("test")


def test_names_are_cut_to_the_width_of_their_column() -> None:
    page = exhibits.sheet(torch.zeros(2, 3, 1, 8, 8), ["a", "b"], ["a very long name indeed", "b", "c"])
    assert page.height == exhibits.LINE + 2 * STEP - 14
    short = exhibits.sheet(torch.zeros(2, 3, 1, 8, 8), ["a", "b"], ["a", "b", "c"])
    assert page.size == short.size
