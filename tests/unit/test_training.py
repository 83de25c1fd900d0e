"""The training loop: averages, losses that are not finite, and a put that has to come back from the dark."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline import params as parameters
from pipeline import systems
from pipeline.language import Dataset, Learner, Phase, Type, equation, mse, task
from pipeline.language.task import Equation
from pipeline.nets.images import Put
from pipeline.systems.base import Recipe, System
from pipeline.training import NonFiniteLoss, Run, fingerprint, moving_average, write_curves
from tests.conftest import REPOSITORY

CPU = torch.device("cpu")
S = Type("S", (3,))


def small(module: nn.Module, steps: int, **more: Equation) -> System:
    f = Learner("f", (S,), S, module)
    (s,) = Dataset("x", {"s": S}).bind(torch.rand(64, 3, generator=torch.Generator().manual_seed(0)))
    made = task(copy=equation(f(s), s, mse, trains=f, weight=1.0), **more)
    return System(task=made, phases=(Phase("fit", made, steps),), kept=(f,))


def test_training_reaches_a_solution_and_writes_a_row_per_window(tmp_path: Path) -> None:
    rows = Run(
        small(nn.Linear(3, 3), 400), Recipe(steps=400, batch_size=16, learning_rate=0.05), 0, CPU, tmp_path / "c"
    ).train("t")
    assert rows[-1]["copy"] < 1e-3
    assert [row["step"] for row in rows] == list(range(2, 402, 2))
    write_curves(tmp_path / "curves.csv", rows)
    assert (tmp_path / "curves.csv").read_text().splitlines()[0] == "step,copy"


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    def trained(seed: int) -> torch.Tensor:
        torch.manual_seed(0)
        system = small(nn.Linear(3, 3), 30)
        Run(system, Recipe(steps=30, batch_size=16), seed, CPU, tmp_path / "c").train("t")
        return system.kept[0].parameters[0].detach()

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


def test_a_loss_that_is_not_finite_stops_with_the_equation_and_the_step(tmp_path: Path) -> None:
    class Bursting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls, self.scale = 0, nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x * self.scale * (float("inf") if self.calls == 8 else 1.0)

    run = Run(small(Bursting(), 1000), Recipe(steps=1000, batch_size=16), 0, CPU, tmp_path / "c")
    with pytest.raises(NonFiniteLoss, match=r"`copy`.*step 8 "):
        run.train("t")


def test_the_average_forgets_its_start_and_then_follows_the_decay() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = moving_average(module, 0.9)
    expected = 0.0
    for step in range(200):
        with torch.no_grad():
            module.weight.fill_(step)
        average.update_parameters(module)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = float(step) if step == 0 else decay * expected + (1 - decay) * step
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-4)


def test_learning_rate_warms_up_then_falls_to_nothing(tmp_path: Path) -> None:
    run = Run(small(nn.Linear(3, 3), 100), Recipe(steps=100, warm_up=10), 0, CPU, tmp_path / "c")
    rates = [run._learning_rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == rates[9] == pytest.approx(0.91e-3)
    assert rates[-1] == pytest.approx(1e-5)


def losses_from_the_dark(normalised: bool, folder: Path) -> list[float]:
    """The curve of a put whose images are black at first: its saturated output passes next to no gradient."""
    torch.manual_seed(0)
    shape, count, steps = (1, 12, 12), 10, 300
    module = Put(shape, 16, count)
    if not normalised:
        for part in list(module.modules()):
            for name, inner in list(part.named_children()):
                if isinstance(inner, nn.GroupNorm):
                    setattr(part, name, nn.Identity())
    with torch.no_grad():
        module.decoder.layers[-2].bias.fill_(-12.0)
    X, V = Type("S", shape), Type("V", (count,), "categorical")
    put = Learner("put", (X, V), X, module)
    images = torch.zeros(256, *shape)
    for row in range(256):
        images[row, 0, row % 10 + 1, 2:10] = 1
    s, v = Dataset("x", {"s": X, "v": V}).bind(images, torch.arange(256) % 10)
    made = task(getput=equation(put(s, v), s, mse, trains=put, weight=20))
    system = System(task=made, phases=(Phase("fit", made, steps),), kept=(put,))
    rows = Run(system, Recipe(steps=steps, batch_size=32), 0, CPU, folder / f"{normalised}").train("t")
    return [row["getput"] for row in rows]


def test_a_put_that_starts_all_black_finds_its_way_out_thanks_to_its_normalisation(tmp_path: Path) -> None:
    escaped, stuck = (losses_from_the_dark(normalised, tmp_path) for normalised in (True, False))
    assert escaped[0] > 0.05
    assert escaped[-1] < 0.01
    assert stuck[-1] > 0.05


def test_weights_of_the_given_classifier_are_taken_and_stay(tmp_path: Path) -> None:
    from pipeline.systems.base import Inputs
    from pipeline.training import take_weights

    common = {"shape": [1, 28, 28], "values": [str(n) for n in range(10)], "seed": 0}
    classifier = {**common, "system": "classifier", "settings": {"steps": 1}, "given": None}
    trained = systems.build({**classifier, "seed": 9})
    inputs = Inputs((1, 28, 28), tuple(common["values"])).bound(
        torch.randint(0, 255, (40, 1, 28, 28)).byte(), torch.arange(40) % 10
    )
    settings = {"steps": 2, "batch_size": 8}
    system = systems.build({**common, "system": "manipulator", "settings": settings, "given": classifier}, inputs)
    take_weights(system, trained)
    before = [p.clone() for learner in trained.kept for p in learner.parameters]
    Run(system, systems.settings("manipulator", settings), 0, CPU, tmp_path / "c").train("t")
    after = [p for learner in system.kept if learner.name != "put" for p in learner.parameters]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_checkpoint_is_of_one_split() -> None:
    params = parameters.load(REPOSITORY / "params.yaml")
    prints = {fingerprint({"split": split}, params) for split in ("train", "judge_1", "train")}
    assert len(prints) == 2
