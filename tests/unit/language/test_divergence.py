"""Divergences beside formulas written by hand and other libraries, value and gradient, in float64."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from pipeline.language import (
    Dataset,
    Divergence,
    Learner,
    TaskError,
    Type,
    bernoulli_nll,
    cross_entropy,
    equation,
    gaussian_nll,
    kl,
    l1,
    mmd,
    mmd_with,
    mse,
    polynomial,
    smoothed_cross_entropy,
    ssim,
    task,
    unbiased_mmd,
    unbiased_mmd_with,
)

S, V, Q, X = Type("S", (4,)), Type("V", (3,), "categorical"), Type("Z", (2,), "gaussian"), Type("X", (2, 13, 15))
P, N = Type("S", (4,), "bernoulli"), Type("S", (4,), "gaussian")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_hot(labels: Tensor, count: int) -> Tensor:
    return F.one_hot(labels, count).double().log()


def agree(found: Callable[[Tensor], Tensor], expected: Callable[[Tensor], Tensor], at: Tensor) -> None:
    """Both functions have the same value and the same gradient there."""
    sides = []
    for function in (found, expected):
        point = at.clone().requires_grad_()
        value = function(point)
        sides.append((value.detach(), torch.autograd.grad(value, point)[0]))
    torch.testing.assert_close(sides[0], sides[1], rtol=1e-9, atol=1e-12)


def test_cross_entropy_is_that_of_torch() -> None:
    labels = torch.tensor([0, 2, 1, 1, 0])
    agree(
        lambda logits: cross_entropy.loss(logits.log_softmax(1), one_hot(labels, 3), V),
        lambda logits: F.cross_entropy(logits, labels),
        normal(5, 3),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_is_that_of_torch_and_least_at_its_target(smoothing: float) -> None:
    labels, smoothed = torch.tensor([0, 2, 1, 1, 0]), smoothed_cross_entropy(smoothing)
    assert smoothed is smoothed_cross_entropy(smoothing)
    agree(
        lambda logits: smoothed.loss(logits.log_softmax(1), one_hot(labels, 3), V),
        lambda logits: F.cross_entropy(logits, labels, label_smoothing=smoothing),
        normal(5, 3),
    )
    if smoothing:
        target = (one_hot(labels, 3).exp() * (1 - smoothing) + smoothing / 3).log().requires_grad_()
        smoothed.loss(target.log_softmax(1), one_hot(labels, 3), V).backward()
        torch.testing.assert_close(target.grad, torch.zeros(5, 3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_smoothing_has_its_range() -> None:
    with pytest.raises(ValueError, match=r"in 0\.\.1, 1 not included, not 1"):
        smoothed_cross_entropy(1.0)


def test_likelihoods_are_those_of_torch() -> None:
    images = normal(5, 4, seed=1).sigmoid()
    agree(
        lambda logits: bernoulli_nll.loss(logits, images, P),
        lambda logits: (
            -torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(images).sum(1).mean()
        ),
        normal(5, 4),
    )
    agree(
        lambda q: gaussian_nll.loss(q, images, N),
        lambda q: -torch.distributions.Normal(q[:, 0], (q[:, 1] / 2).exp()).log_prob(images).sum(1).mean(),
        normal(5, 2, 4),
    )


def test_kl_is_that_of_torch_on_both_sides() -> None:
    def categorical(left: Tensor, right: Tensor) -> Tensor:
        laws = [torch.distributions.Categorical(logits=side) for side in (left, right)]
        return torch.distributions.kl_divergence(*laws).mean()

    def gaussian(left: Tensor, right: Tensor) -> Tensor:
        laws = [torch.distributions.Normal(side[:, 0], (side[:, 1] / 2).exp()) for side in (left, right)]
        return torch.distributions.kl_divergence(*laws).sum(1).mean()

    first, second = normal(5, 3), normal(5, 3, seed=1).log_softmax(1)
    agree(lambda x: kl.loss(x.log_softmax(1), second, V), lambda x: categorical(x, second), first)
    agree(lambda x: kl.loss(second, x.log_softmax(1), V), lambda x: categorical(second, x), first)
    first, second = normal(5, 2, 2), normal(5, 2, 2, seed=1)
    agree(lambda x: kl.loss(x, second, Q), lambda x: gaussian(x, second), first)
    agree(lambda x: kl.loss(second, x, Q), lambda x: gaussian(second, x), first)


def test_gradients_stay_finite_where_the_data_exclude_values() -> None:
    labels = one_hot(torch.tensor([0, 2]), 3)
    for divergence, left in ((cross_entropy, False), (kl, True)):
        logits = normal(2, 3).requires_grad_()
        sides = (labels, logits.log_softmax(1)) if left else (logits.log_softmax(1), labels)
        (slope,) = torch.autograd.grad(divergence.loss(*sides, V), logits)
        torch.testing.assert_close(slope, (logits.softmax(1) - labels.exp()).detach() / 2)


def test_pixel_distances_are_means_over_pixels_and_examples() -> None:
    one, two = normal(3, 2, 13, 15), normal(3, 2, 13, 15, seed=1)
    agree(lambda x: mse.loss(x, two, X), lambda x: F.mse_loss(x, two), one)
    agree(lambda x: l1.loss(x, two, X), lambda x: F.l1_loss(x, two), one)


def test_ssim_is_that_of_torchmetrics_without_its_mirrored_margin() -> None:
    """torchmetrics also averages over windows that hang over the edge, filled by reflection."""
    one, two = normal(3, 2, 13, 15).sigmoid(), normal(3, 2, 13, 15, seed=1).sigmoid()

    def expected(x: Tensor) -> Tensor:
        _, full = structural_similarity_index_measure(x, two, data_range=1.0, return_full_image=True)
        return 1 - full[..., 5:-5, 5:-5].mean()

    agree(lambda x: ssim.loss(x, two, X), expected, one)


def test_ssim_of_one_window_is_the_formula_by_hand() -> None:
    one, two = normal(1, 1, 11, 11).sigmoid(), normal(1, 1, 11, 11, seed=1).sigmoid()
    weights = torch.tensor([[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / 4.5) for j in range(11)] for i in range(11)])
    weights = (weights / weights.sum()).double()
    m, n = (weights * one[0, 0]).sum(), (weights * two[0, 0]).sum()
    v, w = (weights * (one[0, 0] - m) ** 2).sum(), (weights * (two[0, 0] - n) ** 2).sum()
    c = (weights * (one[0, 0] - m) * (two[0, 0] - n)).sum()
    expected = (2 * m * n + 1e-4) * (2 * c + 9e-4) / ((m * m + n * n + 1e-4) * (v + w + 9e-4))
    torch.testing.assert_close(ssim.loss(one, two, Type("I", (1, 11, 11))), 1 - expected, rtol=1e-5, atol=0)


def mmd_by_loops(parts: list[tuple[str, Tensor, Tensor]]) -> Tensor:
    """The biased squared MMD, pair by pair; on several parts with the product of their kernels."""
    n = len(parts[0][1])
    total = torch.zeros((), dtype=torch.float64)
    for i in range(2 * n):
        for j in range(2 * n):
            kernel = torch.ones((), dtype=torch.float64)
            for kind, left, right in parts:
                pooled = torch.cat((left, right))
                if kind == "categorical":
                    kernel = kernel * (pooled[i].exp() * pooled[j].exp()).sum()
                    continue
                squares = [(a - b).square().sum() for a in pooled for b in pooled]
                unit = sorted(float(each.detach()) for each in squares)[(len(squares) - 1) // 2]
                distance = (pooled[i] - pooled[j]).square().sum()
                kernel = kernel * sum(torch.exp(-distance / (c * unit)) for c in (0.25, 0.5, 1.0, 2.0, 4.0)) / 5
            total = total + (1 if (i < n) == (j < n) else -1) * kernel / n**2
    return total


def test_mmd_is_a_double_loop() -> None:
    points, others = normal(4, 2), normal(4, 2, seed=1)
    marks, marked = normal(4, 3, seed=2).log_softmax(1), one_hot(torch.tensor([0, 1, 2, 2]), 3)
    X = Type("X", (2,))
    pairs = Type("X x V", (), "product", (X, V))
    agree(lambda x: mmd.loss(x, others, X), lambda x: mmd_by_loops([("real", x, others)]), points)
    agree(lambda x: mmd.loss(x, marked, V), lambda x: mmd_by_loops([("categorical", x, marked)]), marks)
    agree(
        lambda x: mmd.loss((x, marks), (others, marked), pairs),
        lambda x: mmd_by_loops([("real", x, others), ("categorical", marks, marked)]),
        points,
    )


def test_mmd_compares_laws_and_not_examples() -> None:
    sample = normal(60, 2)
    X = Type("X", (2,))
    assert float(mmd.loss(sample, sample.flip(0), X)) == pytest.approx(0, abs=1e-12)
    near = float(mmd.loss(sample, normal(60, 2, seed=1), X))
    far = float(mmd.loss(sample, normal(60, 2, seed=1) + 1, X))
    assert 0 < near < 0.03
    assert far > 5 * near


def expected_value(divergence: Divergence, one: Tensor, other: Tensor, n: int, type: Type) -> float:
    """The mean over all samples of n draws of each side, from points that are equally likely."""
    rows = list(itertools.product(range(len(one)), repeat=n))
    return float(torch.stack([divergence.loss(one[[*i]], other[[*j]], type) for i in rows for j in rows]).mean())


def test_the_unbiased_mmd_is_on_average_that_of_the_laws() -> None:
    one, other, X = normal(3, 2), normal(3, 2, seed=1), Type("X", (2,))
    laws = float(mmd_with(polynomial(2)).loss(one, other, X))  # every point once: the laws themselves
    for n in (2, 3):
        assert expected_value(unbiased_mmd_with(polynomial(2)), one, other, n, X) == pytest.approx(laws, rel=1e-9)
    # The other counts each example as its own neighbour.
    assert expected_value(mmd_with(polynomial(2)), one, other, 2, X) > 1.2 * laws


def test_the_unbiased_mmd_is_so_too_where_both_sides_share_a_label() -> None:
    one, other, labels = normal(3, 2), normal(3, 2, seed=1), one_hot(torch.tensor([0, 1, 1]), 2)
    X, V2 = Type("X", (2,)), Type("V", (2,), "categorical")
    both, divergence = Type("X x V", (), "product", (X, V2)), unbiased_mmd_with(polynomial(2))
    laws = float(mmd_with(polynomial(2)).loss((one, labels), (other, labels), both))
    rows = [[*each] for each in itertools.product(range(3), repeat=2)]
    found = [divergence.loss((one[i], labels[i]), (other[i], labels[i]), both) for i in rows]
    assert float(torch.stack(found).mean()) == pytest.approx(laws, rel=1e-9)


def test_the_unbiased_mmd_is_0_for_equal_sides_and_on_one_example() -> None:
    sample, X = normal(5, 2), Type("X", (2,))
    assert float(unbiased_mmd.loss(sample, sample, X)) == pytest.approx(0, abs=1e-12)
    assert float(unbiased_mmd.loss(sample[:1], sample[1:2], X)) == 0
    wide = float(unbiased_mmd.loss(normal(60, 2), normal(60, 2, seed=1) + 1, X))
    assert wide == pytest.approx(float(mmd.loss(normal(60, 2), normal(60, 2, seed=1) + 1, X)), abs=0.05)


# Of mmd's points the second nearest pair, which sets its unit, is among those that do not move.
STILL = torch.tensor([[5.0, 0.0], [5.3, 0.0]], dtype=torch.float64)
GRADIENTS: list[tuple[Divergence, Type, Tensor, Tensor]] = [
    (cross_entropy, V, normal(4, 3).log_softmax(1), one_hot(torch.tensor([0, 1, 2, 2]), 3)),
    (bernoulli_nll, P, normal(4, 4), normal(4, 4, seed=1).sigmoid()),
    (gaussian_nll, N, normal(4, 2, 4), normal(4, 4, seed=1)),
    (kl, V, normal(4, 3).log_softmax(1), normal(4, 3, seed=1).log_softmax(1)),
    (kl, Q, normal(4, 2, 2), normal(4, 2, 2, seed=1)),
    (mse, S, normal(4, 4), normal(4, 4, seed=1)),
    (l1, S, normal(4, 4), normal(4, 4, seed=1)),
    (ssim, X, normal(2, 2, 13, 15).sigmoid(), normal(2, 2, 13, 15, seed=1).sigmoid()),
    (mmd, Type("X", (2,)), torch.tensor([[0.0, 0.0], [0.1, 0.0]], dtype=torch.float64), STILL),
    (mmd, V, normal(4, 3).log_softmax(1), one_hot(torch.tensor([0, 1, 2, 2]), 3)),
    (unbiased_mmd, V, normal(4, 3).log_softmax(1), one_hot(torch.tensor([0, 1, 2, 2]), 3)),
]


@pytest.mark.parametrize(("divergence", "type", "left", "right"), GRADIENTS)
def test_gradients_are_the_slopes(divergence: Divergence, type: Type, left: Tensor, right: Tensor) -> None:
    assert torch.autograd.gradcheck(lambda lhs: divergence.loss(lhs, right, type), left.clone().requires_grad_())


@pytest.mark.parametrize(
    ("divergence", "kind", "shape"),
    [(mse, "real", (5,)), (l1, "real", (5,)), (mmd, "real", (5,)), (kl, "gaussian", (5, 2))],
)
def test_an_example_may_be_a_single_number(divergence: Divergence, kind: str, shape: tuple[int, ...]) -> None:
    type, one, two = Type("R", (), kind), normal(*shape), normal(*shape, seed=1)
    wide = divergence.loss(one.unsqueeze(-1), two.unsqueeze(-1), Type("R", (1,), kind))
    torch.testing.assert_close(divergence.loss(one, two, type), wide)


@given(seed=st.integers(0, 10_000), size=st.integers(2, 40), scale=st.sampled_from([0.01, 1.0, 100.0]))
@settings(max_examples=60, deadline=None)
def test_mmd_in_single_precision_is_0_for_equals_and_not_negative_beyond_rounding(seed, size, scale) -> None:
    sample = (normal(size, 3, seed=seed) * scale).float()
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    X = Type("X", (3,))
    assert abs(float(mmd.loss(sample, sample[order], X))) < 1e-5
    assert float(mmd.loss(sample, (normal(size, 3, seed=seed + 1) * scale).float(), X)) > -1e-6


@pytest.mark.parametrize(
    ("divergence", "left", "right", "words"),
    [
        (mse, V, V, ["real", "V(3) (categorical)"]),
        (mse, S, Type("T", (4,)), ["same type", "S(4)", "T(4)"]),
        (l1, P, P, ["real", "bernoulli"]),
        (kl, S, S, ["categorical or gaussian", "S(4) (real)"]),
        (ssim, S, S, ["11x11", "S(4)"]),
        (ssim, Type("I", (1, 8, 28)), Type("I", (1, 8, 28)), ["11x11", "I(1x8x28)"]),
        (bernoulli_nll, S, S, ["bernoulli wire on the left", "S(4) (real)"]),
        (bernoulli_nll, P, Type("S", (5,)), ["same shape", "S(4) (bernoulli)", "S(5) (real)"]),
        (gaussian_nll, N, N, ["real one", "S(4) (gaussian)"]),
        (mmd, Q, Q, ["real or categorical or product", "Z(2) (gaussian)"]),
    ],
)
def test_what_a_divergence_cannot_compare_is_refused_with_both_types(divergence, left, right, words) -> None:
    (s,) = Dataset("x", {"s": S})
    one, two = Learner("f", (S,), left), Learner("g", (S,), right)
    with pytest.raises(TaskError) as caught:
        task(match=equation(one(s), two(s), divergence, trains=(one, two)))
    for word in ["equation match", str(divergence), "`f(s)`", "`g(s)`", *words]:
        assert word in str(caught.value)


def values(kind: str, count: int, seed: int) -> tuple[Type, object]:
    generator = torch.Generator().manual_seed(seed)
    if kind == "categorical":
        return V, torch.randn(count, 3, generator=generator, dtype=torch.float64).log_softmax(1)
    if kind == "gaussian":
        return Type("Z", (2,), "gaussian"), torch.randn(count, 2, 2, generator=generator, dtype=torch.float64)
    if kind == "image":
        return Type("I", (1, 12, 12)), torch.rand(count, 1, 12, 12, generator=generator, dtype=torch.float64)
    return S, torch.randn(count, 4, generator=generator, dtype=torch.float64)


CASES = [(mse, "real"), (l1, "real"), (kl, "categorical"), (kl, "gaussian"), (ssim, "image"), (mmd, "real"),
         (mmd, "categorical")]  # fmt: skip


@pytest.mark.parametrize(("divergence", "kind"), CASES)
@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_divergences_are_zero_only_between_equals(divergence: Divergence, kind: str, seed: int) -> None:
    type, left = values(kind, 6, seed)
    _, right = values(kind, 6, seed + 1)
    assert float(divergence.loss(left, left, type)) == pytest.approx(0, abs=1e-12)
    assert float(divergence.loss(left, right, type)) > 1e-6
