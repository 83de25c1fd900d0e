"""When versions of a user's model can be compared: on the same data, by the same measure."""

from pathlib import Path

import pytest

from pipeline import params, systems, trials
from pipeline.errors import UserError
from pipeline.files import read_json, write_json
from pipeline.tracking import md5_of
from pipeline.tracking.reconcile import of_folder
from tests.conftest import REPOSITORY
from tests.shapes import draw_folder

TASK = """
import pipeline.language as language
from pipeline.language import Learner, cross_entropy, equation, mse

settings = {"steps": 2, "batch_size": 8}

def read(inputs):
    get, (s, v) = Learner("get", (inputs.S,), inputs.V), inputs.x
    return language.task(classify=equation(get(s), v, cross_entropy, trains=get))

def keep(inputs):
    f, (s, _) = Learner("f", (inputs.S,), inputs.S), inputs.x
    return language.task(same=equation(f(s), s, mse, trains=f, weight=WEIGHT))
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    draw_folder(tmp_path / "shapes", 10, size=8)
    return tmp_path


def trained(root: Path, name: str, weight: int = 1) -> Path:
    (root / "mine.py").write_text(TASK.replace("WEIGHT", str(weight)))
    return root / trials.train(f"mine.py:{name}", "shapes", None, [], root)


def test_a_version_is_measured_again_as_the_new_one_was(root: Path) -> None:
    settings = params.load(root / "params.yaml")
    for name, metric in (("read", "validation_accuracy"), ("keep", "validation_loss")):
        folder = trained(root, name)
        found = of_folder(folder, settings, root)
        assert (found.key, found.data, found.system) == (f"shapes-{name}", "shapes", name)
        assert found.verdict.metric == metric
        assert found.again(systems.load(folder)) == pytest.approx(found.verdict.value)
        assert found.md5 == md5_of(folder)


def test_versions_that_cannot_be_compared_are_not(root: Path) -> None:
    settings = params.load(root / "params.yaml")
    other, reader = systems.load(trained(root, "keep")), systems.load(trained(root, "read"))
    found = of_folder(trained(root, "keep", weight=2), settings, root)
    with pytest.raises(UserError, match="equations are others"):
        found.again(other)
    readers = of_folder(root / "runs" / "models" / "shapes-read", settings, root)
    with pytest.raises(UserError, match="no validation_accuracy"):
        readers.again(other)
    (root / "shapes" / "dot" / "0.png").unlink()
    trained(root, "keep")
    with pytest.raises(UserError, match="other data by now"):
        readers.again(reader)


def test_a_model_that_is_not_measured_as_it_says_is_named(root: Path) -> None:
    folder = trained(root, "read")
    results = read_json(folder / "metrics.json")
    write_json(folder / "metrics.json", {**results, "champion": "nothing"})
    with pytest.raises(UserError, match=r"metrics\.json: damaged"):
        of_folder(folder, params.load(root / "params.yaml"), root)
