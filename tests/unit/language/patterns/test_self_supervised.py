"""Self-supervision: what is common to two views is found, and the representation does not collapse."""

import math
from collections.abc import Callable

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from patterns.small import mlp
from pipeline.language import Dataset, Fixed, Learner, Task, Type, Uniform
from pipeline.language.fitting import fit
from pipeline.language.patterns.self_supervised import contrastive, siamese, simsiam

X, A, H, Z = Type("X", (2,)), Type("A", (1,)), Type("H", (8,)), Type("Z", (4,))


def turned(points: Tensor, share: Tensor) -> Tensor:
    """Rotated by a share of a whole turn."""
    angle = 2 * math.pi * share[:, 0]
    cos, sin = angle.cos(), angle.sin()
    x, y = points.unbind(1)
    return torch.stack((cos * x - sin * y, sin * x + cos * y), 1)


TURN = Fixed("turn", (X, A), X, body=turned)


def rings(rows: int = 600) -> tuple[Tensor, Tensor]:
    """Three rings, which no line separates, and which ring each point is on."""
    which = torch.arange(rows) % 3
    radius = 1.0 + which + 0.1 * torch.randn(rows)
    return turned(torch.stack((radius, torch.zeros(rows)), 1), torch.rand(rows, 1)), which


def normed(name: str, dom: Type, width: int, *last: nn.Module) -> Learner:
    """Two layers with batch normalisation between them, on which SimSiam depends (Chen & He 2021, section 4.4)."""
    layers = (nn.Linear(dom.shape[0], width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 4), *last)
    return Learner(name, (dom,), Z, nn.Sequential(*layers))


def represented(make: Callable[..., Task], enc: Learner, head: Learner, *more: Learner, steps: int) -> list[float]:
    """How well a linear classifier reads the ring from the points and from the representation, and how far apart what
    the head gives lies, all of one length: 0 if it collapsed, 1 if it spreads round the origin."""
    points, which = rings()
    data = Dataset("data", {"x": X}).bind(points)
    fit(make(data, Uniform("e", A), enc, head, *more, view=lambda x, e: TURN(x, e)), steps, 100, lr=0.01)
    with torch.no_grad():
        codes = enc.apply(points)
        spread = F.normalize(head.apply(codes)).std(0).norm()
    read = [LogisticRegression(max_iter=1000).fit(each, which).score(each, which) for each in (points, codes)]
    return [*map(float, read), float(spread)]


def test_contrastive_views_tell_the_rings_apart(of, measured) -> None:
    raw, read, spread = represented(contrastive, mlp("enc", (X,), H), mlp("head", (H,), Z, 16), steps=of(300, 2000))
    measured(
        "contrastive",
        f"three rings, views turned: read by a linear classifier in {read:.3f}, from the points in {raw:.3f}; spread {spread:.2f}",
    )
    assert raw < 0.6
    assert read > of(0.95, 0.98)
    assert spread > 0.5


def test_predicted_views_tell_the_rings_apart_without_collapse(of, measured) -> None:
    head, pred = normed("head", H, 32, nn.BatchNorm1d(4, affine=False)), normed("pred", Z, 16)
    raw, read, spread = represented(simsiam, mlp("enc", (X,), H), head, pred, steps=of(500, 2000))
    measured(
        "simsiam",
        f"three rings, views turned: read by a linear classifier in {read:.3f}, from the points in {raw:.3f}; spread {spread:.2f}",
    )
    assert raw < 0.6
    assert read > of(0.9, 0.95)
    assert spread > 0.5


def test_two_towers_tied_are_the_contrastive_pattern() -> None:
    """The refinement of two learners to one, and its record."""
    made = siamese()
    assert made == contrastive()
    assert [(each.kind, each.text) for each in made.refinements] == [("tie", "tower := enc")]
