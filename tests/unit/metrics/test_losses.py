"""The losses of equations on validation data, beside their definition."""

import math
from pathlib import Path

import pytest
from torch import nn

from pipeline import data, params, systems
from pipeline.errors import UserError
from pipeline.language import Draws, Fixed, Learner, Player, cross_entropy, equation, loss, mmd, mse, noise, task
from pipeline.metrics import keys
from pipeline.metrics.losses import equation_losses, validation_losses
from pipeline.systems.base import Inputs
from tests.conftest import REPOSITORY
from tests.shapes import draw_folder

CONFIG = {"system": "classifier", "settings": {"steps": 1, "batch_size": 4}, "seed": 0, "given": None}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shapes")
    data.prepare_folder(draw_folder(place / "shapes", 20), None, 0, place / "prepared")
    return place / "prepared"


def test_losses_are_the_means_over_batches_by_the_definition(prepared: Path) -> None:
    held = data.load(prepared, "validation")
    inputs = Inputs((1, 16, 16), ("bar", "box", "dot")).bound(held.images, held.labels)
    s, v = inputs.x
    get = Learner("get", (inputs.S,), inputs.V, nn.Sequential(nn.Flatten(), nn.Linear(256, 3)))
    put = Learner("put", (inputs.S,), inputs.S, nn.Conv2d(1, 1, 3, padding=1))
    made = task(
        read=equation(get(noise(0.5)(s)), v, cross_entropy, trains=get),
        law=equation(put(s), s, mmd, trains=put),
        dark=equation(put(s), 0.0 * s, mse, trains=put),
        players=(Player("G", (get,)), Player("P", (put,), 2)),
        play="alternating",
    )
    found = equation_losses(made, len(held.labels), 5, seed=3)
    assert list(found) == ["read", "law", "dark"]
    for name, value in found.items():
        batches = [loss(made.equations[name], Draws(3, step, 5), name).item() for step in range(2)]
        assert value == pytest.approx(sum(batches) / 2, rel=1e-5)
    assert equation_losses(made, len(held.labels), 500, seed=3).keys() == found.keys()


def test_a_classifier_has_losses_and_accuracy(prepared: Path) -> None:
    info = data.info(prepared)
    config = {**CONFIG, "shape": list(info.shape), "values": list(info.values)}
    found = validation_losses(
        systems.model(config, systems.build(config)), prepared, params.load(REPOSITORY / "params.yaml")
    )
    parts = {name: value for name, value in found.items() if "/" in name}
    assert set(parts) == {f"validation_loss/{name}" for name in ("classify", "robust", "unsure")}
    assert found["validation_loss"] == pytest.approx(sum(parts.values()))
    assert (
        0 <= found["validation_accuracy_low"] <= found["validation_accuracy"] <= found["validation_accuracy_high"] <= 1
    )
    assert keys.better("validation_loss", 1.0, 2.0)


def test_what_is_not_finite_is_left_out(prepared: Path) -> None:
    inputs = Inputs((1, 16, 16), ("bar", "box", "dot"))
    f = Learner("f", (inputs.S,), inputs.S, nn.Conv2d(1, 1, 1))
    s, _ = inputs.x
    endless = Fixed("endless", (inputs.S,), inputs.S, body=lambda images: images * math.inf)
    made = task(good=equation(f(s), s, mse, trains=f), bad=equation(endless(f(s)), s, mse, trains=f))
    model = systems.model(
        {**CONFIG, "shape": [1, 16, 16], "values": ["bar", "box", "dot"]},
        systems.System(task=made, phases=(), kept=(f,)),
    )
    found = validation_losses(model, prepared, params.load(REPOSITORY / "params.yaml"))
    assert set(found) == {"validation_loss/good"}


def test_data_that_do_not_fit_are_named(prepared: Path) -> None:
    config = {**CONFIG, "shape": [1, 28, 28], "values": ["a", "b"]}
    with pytest.raises(UserError, match=r"classifier on .*prepared: source x, wire s"):
        validation_losses(
            systems.model(config, systems.build(config)), prepared, params.load(REPOSITORY / "params.yaml")
        )
