"""Default nets fit any types, and learn."""

import pytest
import torch

from pipeline.language import Draws, Learner, Normal, R, Type, compile_task, equation, mse, product, task
from pipeline.nets.default import Default

IMAGE, ODD, VALUE = Type("S", (3, 8, 12)), Type("O", (1, 7, 8)), Type("V", (5,), "categorical")
CODE, LAW, PIXELS = Type("Z", (2, 3)), Type("Q", (4,), "gaussian"), Type("B", (1, 4, 4), "bernoulli")


@pytest.mark.parametrize(
    ("dom", "cod", "shape"),
    [
        ((IMAGE,), VALUE, (6, 5)),
        ((IMAGE, VALUE), IMAGE, (6, 3, 8, 12)),
        ((ODD, CODE, R), R, (6,)),
        ((LAW,), LAW, (6, 2, 4)),
        ((PIXELS,), PIXELS, (6, 1, 4, 4)),
        ((product(IMAGE, product(R, VALUE)),), CODE, (6, 2, 3)),
        ((), CODE, (1, 2, 3)),
    ],
    ids=lambda value: " x ".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_a_default_net_gives_what_its_types_say(dom: tuple[Type, ...], cod: Type, shape: tuple[int, ...]) -> None:
    box = Learner("f", dom, cod, Default(dom, cod))
    made = box.apply(*(value(type) for type in dom))
    assert tuple(made.shape) == shape
    assert cod.kind != "categorical" or torch.allclose(made.exp().sum(1), torch.ones(6))
    assert f"{sum(p.numel() for p in box.parameters):,} parameters" in box.module.summary


def test_a_product_is_a_tuple_of_its_parts() -> None:
    net = Default((CODE,), product(VALUE, LAW))
    assert [tuple(part.shape) for part in net(torch.rand(6, 2, 3))] == [(6, 5), (6, 2, 4)]


def test_images_are_convolved_where_their_sides_allow_it() -> None:
    assert "two convolutions" in Default((IMAGE,), VALUE).summary
    assert "convolutions" not in Default((ODD, CODE), VALUE).summary
    assert Default((), CODE).summary == "learned numbers, 6 parameters"


def test_a_default_net_learns() -> None:
    torch.manual_seed(0)
    X = Type("X", (3,))
    x, f = Normal("x", X).term, Learner("f", (X,), X, Default((X,), X))
    (move,) = compile_task(task(double=equation(f(x), 2.0 * x, mse, trains=f))).moves
    optimiser = torch.optim.Adam(f.parameters, lr=0.01)
    losses = []
    for step in range(300):
        found = move.losses(Draws(0, step, 32))
        move.backward(found)
        optimiser.step()
        losses.append(float(found["double"].detach()))
    assert losses[-1] < losses[0] / 20


def value(type: Type) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """Six values as they are on a wire."""
    if type.kind == "product":
        return tuple(map(value, type.parts))
    shape = (2, *type.shape) if type.kind == "gaussian" else type.shape
    noise = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    return noise.log_softmax(1) if type.kind == "categorical" else noise
