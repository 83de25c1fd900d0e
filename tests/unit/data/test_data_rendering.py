"""Rendered data sets through the stages, and the truth of their edits."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from flows import fetch, prepare
from pipeline import data, params
from pipeline.data import splits
from pipeline.data.base import rendered
from pipeline.data.renderers import FACES, SPRITES, Rendering, edits, kept, nearest_truth, truth, truths
from pipeline.errors import UserError
from pipeline.params import Dataset
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs" / "data.md"
RENDERED = ("faces_glasses", "faces_smile", "sprites_angle", "sprites_colour", "sprites_shape")
SIZES = {"train": 200, "validation": 100, "judge_1": 150, "judge_2": 150, "test": 120}
SMALL = Dataset(validation=100)

MODULE = '''
"""Seven hundred sprites, labelled by whether they are big."""
from pipeline.data.base import rendered
from pipeline.data.renderers import SPRITES, Rendering

DATASET = rendered(Rendering(SPRITES, "scale", (0, 0, 0, 1, 1, 1), training=600, test=120), ("small", "big"))
'''


@pytest.fixture(scope="module")
def bigness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small rendered data set as a stranger would add it: one file."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "bigness.py").write_text(MODULE)
    before = data.__path__
    data.__path__ = [*before, str(folder)]
    yield "bigness"
    data.__path__ = before
    sys.modules.pop("pipeline.data.bigness", None)
    data.__dict__.pop("bigness", None)


@pytest.fixture(scope="module")
def raw(bigness: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / bigness
    data.fetch(bigness, folder)
    return folder


@pytest.fixture(scope="module")
def prepared(bigness: str, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / bigness
    data.prepare(bigness, SMALL, 0, raw, folder / "none", folder)
    return folder


# ------------------------------------------------------------------------------------------------- through the stages


def test_splits_hold_images_with_their_factors(prepared: Path) -> None:
    everything = []
    for split, size in SIZES.items():
        loaded = data.load(prepared, split)
        assert (loaded.images.shape, loaded.images.dtype) == ((size, 3, 32, 32), torch.uint8)
        assert torch.equal(loaded.images, SPRITES.render(loaded.factors, 32))
        assert torch.equal(loaded.labels, (loaded.factors[:, 4] >= 3).long())
        everything.append(SPRITES.numbers(loaded.factors))
    assert len(torch.cat(everything).unique()) == sum(SIZES.values()), "no picture is in two splits"


def test_the_folder_says_what_the_factors_are(prepared: Path) -> None:
    info = data.info(prepared)
    assert (info.shape, info.values, info.factors) == ((3, 32, 32), ("small", "big"), SPRITES.factors)
    content = json.loads((prepared / "info.json").read_text())
    assert content["protocol"] == "judged"
    assert content["factors"][1]["values"][:2] == ["red", "orange"]


def test_larger_images_are_a_parameter(bigness: str, raw: Path, prepared: Path, tmp_path: Path) -> None:
    data.prepare(bigness, Dataset(validation=100, size=64), 0, raw, tmp_path / "none", tmp_path / "large")
    assert data.info(tmp_path / "large").shape == (3, 64, 64)
    large, small = data.load(tmp_path / "large", "test"), data.load(prepared, "test")
    assert torch.equal(large.factors, small.factors)
    assert torch.equal(large.images, SPRITES.render(small.factors, 64))


def test_the_same_seed_gives_the_same_bytes_in_another_process(prepared: Path, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "bigness.py").write_text(MODULE)
    code = """
from pathlib import Path
from pipeline import data
from pipeline.params import Dataset
data.__path__ = [*data.__path__, "."]
data.fetch("bigness", Path("raw"))
data.prepare("bigness", Dataset(validation=100), 0, Path("raw"), Path("none"), Path("again"))
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    for again, first in ((tmp_path / "raw", raw), (tmp_path / "again", prepared)):
        names = {file.name for file in first.iterdir()}
        assert {file.name for file in again.iterdir()} == names
        for name in names:
            assert (again / name).read_bytes() == (first / name).read_bytes(), name


def test_another_seed_splits_the_same_pictures_otherwise(
    bigness: str, raw: Path, prepared: Path, tmp_path: Path
) -> None:
    data.prepare(bigness, SMALL, 1, raw, tmp_path / "none", tmp_path / "other")
    other = data.load(tmp_path / "other", "test")
    assert torch.equal(other.factors, data.load(prepared, "test").factors)
    assert not torch.equal(data.load(tmp_path / "other", "train").factors, data.load(prepared, "train").factors)


@pytest.mark.parametrize("name", RENDERED)
def test_a_published_set_has_labels_of_its_factor_and_a_place_for_additions(name: str, tmp_path: Path) -> None:
    dataset = data.find(name).DATASET
    rendering = dataset.source
    data.fetch(name, tmp_path / "raw")
    training, test = rendering.read(tmp_path / "raw")
    assert (len(training), len(test)) == (20_000, 5_000)
    assert len(rendering.renderer.numbers(torch.cat([training, test])).unique()) == 25_000
    assert len(rendering.labels) == len(rendering.renderer.values(rendering.factor))
    assert set(rendering.labels) == set(range(len(dataset.values)))
    shares = rendering.label(training).bincount(minlength=len(dataset.values)) / 20_000
    expected = torch.tensor(rendering.labels).bincount() / len(rendering.labels)
    assert (shares - expected).abs().max() < 0.01
    images, labels, factors = rendering.examples(test[:50], 32)
    dataset.check((images, labels), tmp_path)
    assert torch.equal(factors, test[:50])
    assert (REPOSITORY / "data" / "added" / name / "README.md").is_file()


def test_values_have_the_names_of_what_they_show() -> None:
    names = {name: data.find(name).DATASET.values for name in RENDERED}
    assert names["sprites_shape"] == ("triangle", "square", "circle", "star", "cross", "ring")
    assert names["sprites_colour"][0] == "red"
    assert names["sprites_angle"] == ("0", "45", "90", "135", "180", "225", "270", "315")
    assert names["faces_smile"] == ("frown", "smile")
    assert names["faces_glasses"] == ("none", "glasses")


def test_the_stages_prepare_what_params_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = params.load(REPOSITORY / "params.yaml")
    for name, each in settings.datasets.items():
        assert (REPOSITORY / each.code).exists(), name
    assert {"sprites_shape", "faces_glasses"} <= set(settings.datasets)
    dataset = data.find("faces_glasses").DATASET
    small = replace(dataset.source, training=600, test=100)
    monkeypatch.setattr(data.find("faces_glasses"), "DATASET", rendered(small, dataset.values))
    larger = settings.datasets["faces_glasses"].model_copy(update={"size": 64, "validation": 100})
    changed = settings.model_copy(update={"datasets": {"faces_glasses": larger}})
    for stage in (fetch, prepare):
        for step in stage.steps("faces_glasses", changed, tmp_path).values():
            step()
    folder = tmp_path / "data" / "prepared" / "faces_glasses"
    assert data.info(folder).shape == (3, 64, 64)
    assert len(data.load(folder, "train").labels) == 200


def test_only_rendered_data_have_a_size(mnist_raw: Path, mnist_small: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"datasets\.mnist\.size: only rendered data have it"):
        data.prepare("mnist", Dataset(validation=100, size=32), 0, mnist_raw, tmp_path, tmp_path / "prepared")
    assert data.load(mnist_small, "test").factors is None
    assert data.info(mnist_small).factors == ()
    text = (REPOSITORY / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("size: 32", "size: 48", 1))
    with pytest.raises(UserError, match=r"datasets\.sprites_shape\.size: .*32 or 64.*got 48"):
        params.load(tmp_path / "params.yaml")


def spoil(write: Callable[[Path], object], raw: Path, folder: Path) -> Path:
    folder.mkdir()
    for file in raw.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    write(folder)
    return folder


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no table": (
        lambda at: (at / "factors.safetensors").unlink(),
        r"factors\.safetensors: no such file; run `dvc repro`",
    ),
    "no names": (lambda at: (at / "factors.json").unlink(), r"factors\.json: no such file"),
    "other factors": (
        lambda at: (at / "factors.json").write_text("[]"),
        r"factors\.json: other factors than sprites has; fetch the data set again",
    ),
    "no JSON": (lambda at: (at / "factors.json").write_text("{"), "damaged"),
    "a cut table": (
        lambda at: (at / "factors.safetensors").write_bytes((at / "factors.safetensors").read_bytes()[:-1]),
        "damaged",
    ),
    "half a table": (
        lambda at: save_file({"test": load_file(at / "factors.safetensors")["test"]}, at / "factors.safetensors"),
        "damaged: 'training'",
    ),
    "a value that is none": (
        lambda at: save_file(
            {name: rows + 5 for name, rows in load_file(at / "factors.safetensors").items()}, at / "factors.safetensors"
        ),
        r"factors\.safetensors: damaged: sprites: .* expected",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_tables_are_named(bigness: str, raw: Path, tmp_path: Path, case: str) -> None:
    write, complaint = BAD[case]
    folder = spoil(write, raw, tmp_path / "raw")
    with pytest.raises(UserError, match=complaint) as caught:
        data.prepare(bigness, SMALL, 0, folder, tmp_path / "none", tmp_path / "prepared")
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "prepared").exists()


def test_factors_that_do_not_fit_the_images_are_damage(prepared: Path, tmp_path: Path) -> None:
    columns = load_file(prepared / "test.safetensors")
    for factors in (columns["factors"][1:], columns["factors"].float(), columns["factors"][:, 0]):
        save_file(columns | {"factors": factors.contiguous()}, tmp_path / "test.safetensors")
        with pytest.raises(UserError, match=r"test\.safetensors: damaged: factors \(120, k\) int64 expected"):
            data.load(tmp_path, "test")


def test_damaged_factors_in_info_are_named(prepared: Path, tmp_path: Path) -> None:
    content = json.loads((prepared / "info.json").read_text())
    for factors in (3, [3], [{"name": "shape"}]):
        (tmp_path / "info.json").write_text(json.dumps(content | {"factors": factors}))
        with pytest.raises(UserError, match=r"info\.json: damaged"):
            data.info(tmp_path)


def test_nothing_is_added_to_rendered_data(bigness: str, raw: Path, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "new" / "big").mkdir(parents=True)
    with pytest.raises(UserError, match=r"sprites_shape: nothing can be added to rendered data.*--data FOLDER"):
        data.add("sprites_shape", tmp_path / "new", tmp_path)
    (tmp_path / "added").mkdir()
    test = data.load(prepared, "test")
    splits.write_examples(tmp_path / "added" / "some.safetensors", (test.images, test.labels))
    with pytest.raises(UserError, match=r"some\.safetensors: nothing can be added to rendered data"):
        data.prepare(bigness, SMALL, 0, raw, tmp_path / "added", tmp_path / "prepared")


def test_rendered_sets_are_listed(tmp_path: Path, prepared: Path) -> None:
    (tmp_path / "data" / "prepared").mkdir(parents=True)
    (tmp_path / "data" / "prepared" / "sprites_shape").symlink_to(prepared)
    lines = {line.split()[0]: line for line in data.listing(tmp_path)}
    assert set(RENDERED) <= set(lines)
    assert lines["sprites_shape"].endswith(
        "not fetched, prepared: train 200, validation 100, judge_1 150, judge_2 150, test 120"
    )
    assert "not prepared" in lines["faces_smile"]


# ---------------------------------------------------------------------------------------------- the truth of an edit


GLASSES = data.find("faces_glasses").DATASET.source
SHAPE = data.find("sprites_shape").DATASET.source


def drawn(rendering: Rendering, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows, and a target for each."""
    rows = rendering.renderer.sample(count, 1)
    return rows, torch.randint(max(rendering.labels) + 1, (count,), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", RENDERED)
def test_right_edits_are_all_rows_with_the_target_and_the_other_factors(name: str) -> None:
    rendering = data.find(name).DATASET.source
    renderer, column = rendering.renderer, rendering.renderer.column(rendering.factor)
    rows, targets = drawn(rendering, 60)
    found = edits(rendering, rows, targets)
    for row, target, right in zip(rows, targets, found, strict=True):
        others = torch.stack(
            [renderer.changed(row[None], rendering.factor, v)[0] for v in range(renderer.sizes[column])]
        )
        wanted = others[rendering.label(others) == target]
        if rendering.label(row[None]) == target:
            wanted = row[None]
        assert {tuple(each) for each in right.tolist()} == {tuple(each) for each in wanted.tolist()}


def test_adding_glasses_leaves_the_style_free_and_all_else_is_one_picture() -> None:
    bare = FACES.changed(FACES.sample(20, 3), "glasses", 0)
    styles = truths(GLASSES, bare, torch.ones(20, dtype=torch.int64), 32)
    assert styles.shape == (20, 4, 3, 32, 32)
    for style in range(4):
        assert torch.equal(styles[:, style], FACES.render(FACES.changed(bare, "glasses", style + 1), 32))
    worn = FACES.changed(bare, "glasses", 3)
    assert torch.equal(truths(GLASSES, worn, torch.zeros(20, dtype=torch.int64), 64)[:, 0], FACES.render(bare, 64))
    rows, targets = drawn(SHAPE, 30)
    right = truths(SHAPE, rows, targets, 32)
    assert torch.equal(right, SPRITES.render(SPRITES.changed(rows, "shape", targets), 32)[:, None])


def test_the_own_label_leaves_a_picture_as_it_is() -> None:
    for rendering in (GLASSES, SHAPE):
        rows, _ = drawn(rendering, 40)
        own = truths(rendering, rows, rendering.label(rows), 32)
        assert torch.equal(own, rendering.renderer.render(rows, 32)[:, None])


def test_every_right_edit_is_at_no_distance_and_any_other_is_at_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "BATCH", 60)
    rows, targets = drawn(GLASSES, 100)
    right = edits(GLASSES, rows, targets)
    for style in range(right.shape[1]):
        error, nearest = nearest_truth(GLASSES, FACES.render(right[:, style], 32) / 255, rows, targets)
        assert error.max() < 1e-12
        assert torch.equal(nearest, right[:, style])
    wrong = FACES.render(FACES.changed(right[:, 0], "skin", (rows[:, 5] + 1) % 4), 32) / 255
    error, _ = nearest_truth(GLASSES, wrong, rows, targets)
    assert error.min() > 1e-3
    by_hand = (wrong[:, None].double() - truths(GLASSES, rows, targets, 32).double() / 255).square().mean((2, 3, 4))
    assert torch.allclose(error, by_hand.min(1).values)


def test_what_is_kept_is_all_but_the_factor_written() -> None:
    rows, targets = drawn(GLASSES, 50)
    found, own = kept(GLASSES, rows, targets), GLASSES.label(rows) == targets
    assert torch.equal(found[:, 2], own)
    assert found[:, [0, 1, 3, 4, 5, 6, 7]].all()
    assert own.any()
    assert not own.all()


def test_the_code_of_the_manual_runs() -> None:
    (code,) = re.findall(r"^```python\n(from pipeline import data\n.*?)^```$", DOCS.read_text(), re.M | re.S)
    names: dict[str, torch.Tensor] = {}
    exec(compile(code, str(DOCS), "exec"), names)
    assert names["right"].shape == (100, 4, 3, 32, 32)
    assert names["errors"].max() < 1e-12
    assert names["reading"].distances.max() < 1e-12


def test_targets_that_are_no_labels_are_refused() -> None:
    rows, targets = drawn(SHAPE, 4)
    for function in (edits, kept):
        for wrong, complaint in (
            (targets[:3], r"targets: labels \(4,\) torch\.int64 expected, \(3,\) torch\.int64 given"),
            (targets.float(), r"\(4,\) torch\.float32 given"),
            (targets + 6, r"targets: labels in 0\.\.5 expected"),
        ):
            with pytest.raises(UserError, match=complaint):
                function(SHAPE, rows, wrong)
        with pytest.raises(UserError, match=r"sprites: factors \(n, 5\) torch\.int64 expected"):
            function(SHAPE, rows[:, :3], targets)
    with pytest.raises(UserError, match="4 edited images expected, one of each row of factors, 3 given"):
        nearest_truth(SHAPE, torch.zeros(3, 3, 32, 32), rows, targets)
    for images in (torch.zeros(4, 1, 32, 32), torch.zeros(4, 3, 28, 28)):
        with pytest.raises(UserError, match=r"sprites: images \(n, 3, 32, 32\) or \(n, 3, 64, 64\) expected"):
            nearest_truth(SHAPE, images, rows, targets)
