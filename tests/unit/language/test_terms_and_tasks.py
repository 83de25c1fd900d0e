"""Terms, sources, divergences and tasks: what is the same, what is drawn, and what is refused with which words."""

import doctest
import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure

from pipeline import language
from pipeline.language import (
    Composite,
    Dataset,
    Divergence,
    Draws,
    Fixed,
    Learner,
    Normal,
    Player,
    Source,
    TaskError,
    Type,
    Uniform,
    compile_task,
    cross_entropy,
    equation,
    kl,
    l1,
    mmd,
    mse,
    noise,
    optimise,
    pair,
    sample,
    ssim,
    task,
)
from pipeline.language.terms import ProjectedGradient

S, V, Z = Type("S", (4,)), Type("V", (3,), "categorical"), Type("Z", (2,))
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
x = Dataset("x", {"s": S, "v": V})
a = Uniform("a", V)
s, v = x


@pytest.mark.parametrize("module", ["terms", "divergence", "task", "compile", ""])
def test_axioms_in_the_docstrings_hold(module: str) -> None:
    found = doctest.testmod(
        importlib.import_module(f"pipeline.language.{module}".rstrip(".")), extraglobs={"torch": torch}
    )
    assert found.failed == 0


def test_the_same_composite_is_the_same_term() -> None:
    assert put(put(s, a), get(s)) is put(put(s, a), get(s))
    assert put(s, a) is not put(s, get(s))
    assert noise(0.1)(s) is noise(0.1)(s)
    assert noise(0.1)(s) is not noise(0.2)(s)
    assert pair(s, a) is pair(s, a)


def test_sources_are_one_draw_by_name_and_independent_by_again() -> None:
    other, _ = x.again()
    assert other is not s
    assert str(other) == "s'"
    z = Normal("z", Z)
    first, second = z.draw(Draws(0, 0, 5)), z.again().draw(Draws(0, 0, 5))
    assert not torch.equal(first[0], second[0])
    assert torch.equal(first[0], Normal("z", Z).draw(Draws(0, 0, 5))[0])
    assert not torch.equal(first[0], z.draw(Draws(0, 1, 5))[0])
    assert not torch.equal(first[0], z.draw(Draws(1, 0, 5))[0])


@given(count=st.integers(5, 60), batch=st.integers(1, 5), seed=st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_an_epoch_shows_every_example_once(count: int, batch: int, seed: int) -> None:
    source = Dataset("n", {"s": Type("S", (1,))}).bind(torch.arange(count).float().unsqueeze(1))
    steps = count // batch
    for epoch in (0, 1):
        seen = torch.cat([source.draw(Draws(seed, epoch * steps + step, batch))[0] for step in range(steps)])
        assert len(seen.unique()) == steps * batch


def test_bytes_become_0_to_1_and_labels_log_one_hot() -> None:
    bound = x.bind(torch.full((3, 4), 255, dtype=torch.uint8), torch.tensor([0, 1, 2]))
    images, labels = bound.draw(Draws(0, 0, 3))
    assert float(images.max()) == 1.0
    torch.testing.assert_close(labels.exp().sum(1), torch.ones(3))
    assert set(labels.flatten().tolist()) == {0.0, -math.inf}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: get(v), ["get", "input 1", "S(4)", "V(3)"]),
        (lambda: put(s), ["put", "2 inputs", "1"]),
        (lambda: Composite("f", get, put), ["f", "put", "get"]),
        (lambda: sample(s), ["sample", "gaussian"]),
        (lambda: Type("V", (3, 2), "categorical"), ["V", "(k,)"]),
        (lambda: task(e=equation(get(s), s, mse, trains=get)), ["equation e", "get(s)", "V(3)", "S(4)"]),
        (lambda: task(e=equation(get(s), get(s), mse, trains=get)), ["equation e", "categorical"]),
        (lambda: task(e=equation(get(s), v, cross_entropy, trains=())), ["equation e", "trains nothing"]),
        (lambda: task(e=equation(get(s), v, cross_entropy, trains=put)), ["equation e", "put", "reach"]),
        (lambda: task(e=equation(v, get(s), cross_entropy, trains=get)), ["equation e", "soft target", "kl"]),
        (lambda: task(e=equation(Learner("get", (V,), V)(get(s)), v, cross_entropy, trains=get)), ["get", "weights"]),
        (
            lambda: task(e=equation(put(s, a), Dataset("x", {"s": S}).term, mse, trains=put)),
            ["equation e", "another source", "x"],
        ),
        (
            lambda: task(
                e=equation(get(s), v, cross_entropy, trains=get), players=(Player("p", (put,)),), play="alternating"
            ),
            ["get", "exactly one"],
        ),
        (lambda: x.bind(torch.rand(3, 4)), ["x", "2 columns", "1"]),
        (lambda: x.bind(torch.rand(3, 5), torch.arange(3)), ["wire s", "(4,)", "(5,)"]),
        (lambda: x.draw(Draws(0, 0, 1)), ["x", "no data"]),
        (lambda: x.bind(torch.rand(3, 4), torch.arange(3)).draw(Draws(0, 0, 4)), ["batch of 4", "3 examples"]),
    ],
)
def test_what_cannot_mean_anything_is_refused_by_name(build, words: list[str]) -> None:
    with pytest.raises(TaskError) as caught:
        build()
    for word in words:
        assert word in str(caught.value)


def test_an_inner_optimum_is_out_of_a_gradients_reach() -> None:
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.0, 2))
    reader = Learner("reader", (S,), V)
    with pytest.raises(TaskError, match="reach"):
        task(e=equation(reader(worst), v, cross_entropy, trains=get))


def test_a_learner_without_a_module_cannot_run() -> None:
    bound = x.bind(torch.rand(3, 4), torch.arange(3))
    with pytest.raises(TaskError, match="no module"):
        compile_task(task(e=equation(get(next(iter(bound))), list(bound)[1], cross_entropy, trains=get))).moves[
            0
        ].losses(Draws(0, 0, 2))


def test_a_task_reads_as_on_a_blackboard() -> None:
    made = task(
        putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put),
        undo=equation(put(put(s, a), get(s)), s, mse, trains=put, weight=20),
    )
    assert str(made).splitlines() == [
        "putget : get(noise(put(s, a))) == a   [cross_entropy; trains put]   s ~ x; a ~ a",
        "undo   : put(put(s, a), get(s)) == s   [mse x 20; trains put]   s ~ x; a ~ a",
    ]


def test_refinement_by_equations_keeps_the_others() -> None:
    plain = task(undo=equation(put(put(s, a), get(s)), s, mse, trains=put))
    b = Uniform("b", V)
    strong = plain.with_equations(putput=equation(put(put(s, a), b), put(s, b), mse, trains=put))
    assert list(strong.equations) == ["undo", "putput"]
    assert list(plain.equations) == ["undo"]


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


@pytest.mark.parametrize(("divergence", "kind"), CASES)
def test_divergences_have_right_gradients(divergence: Divergence, kind: str) -> None:
    type, left = values(kind, 4, 1)
    _, right = values(kind, 4, 2)
    # The kernel's unit is a median taken as a constant, so mmd is checked by its hand-written twin elsewhere.
    if divergence is not mmd or kind == "categorical":
        assert torch.autograd.gradcheck(lambda lhs: divergence.loss(lhs, right, type), left.requires_grad_())


def test_divergences_agree_with_other_libraries() -> None:
    type, left = values("categorical", 5, 3)
    _, right = values("categorical", 5, 4)
    categorical = torch.distributions.Categorical
    expected = torch.distributions.kl_divergence(categorical(logits=left), categorical(logits=right)).mean()
    torch.testing.assert_close(kl.loss(left, right, type), expected)
    type, left = values("gaussian", 5, 3)
    _, right = values("gaussian", 5, 4)
    normals = [torch.distributions.Normal(q[:, 0], (q[:, 1] / 2).exp()) for q in (left, right)]
    torch.testing.assert_close(kl.loss(left, right, type), torch.distributions.kl_divergence(*normals).sum(1).mean())
    type = Type("I", (1, 28, 28))
    one, two = torch.rand(3, 1, 28, 28), torch.rand(3, 1, 28, 28)
    similarity = structural_similarity_index_measure(two, one, data_range=1.0)
    torch.testing.assert_close(ssim.loss(one, two, type), 1 - similarity, rtol=0.02, atol=0.005)


def test_kl_allows_impossible_values_on_its_left() -> None:
    target = torch.tensor([[0.0, -math.inf, -math.inf]])
    guess = torch.tensor([[1.0, 2.0, 3.0]]).log_softmax(1)
    torch.testing.assert_close(kl.loss(target, guess, V), -guess[0, 0])


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_compiled_random_tasks_equal_their_definition(data) -> None:
    """Random well-typed terms on shared sources and learners: values and every gradient, merged or not."""
    torch.manual_seed(0)
    square = [Learner(f"f{i}", (S,), S, nn.Sequential(nn.Linear(4, 4), nn.Tanh()).double()) for i in range(2)]
    join = Learner("join", (S, S), S, Both())
    shift = Fixed("shift", (S,), S, body=lambda value: value * 2 - 1)
    table = torch.randn(20, 4, dtype=torch.float64)
    sources: list[Source] = [Dataset("d", {"d": S}).bind(table), Dataset("e", {"e": S}).bind(table.flip(0))]
    pool = [source.term for source in sources]
    for _ in range(data.draw(st.integers(1, 8))):
        box = data.draw(st.sampled_from([*square, join, shift]))
        pool.append(box(*(data.draw(st.sampled_from(pool)) for _ in box.dom)))
    equations = {}
    for name in ("one", "two"):
        lhs, rhs = data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))
        reached = [op for op in equation(lhs, rhs, mse, trains=()).learners]
        if reached and lhs is not rhs:
            equations[name] = equation(lhs, rhs, mse, trains=tuple(reached[: data.draw(st.integers(1, len(reached)))]))
    if not equations:
        return
    made, draws = task(**equations), Draws(0, 1, 5)
    for merge in (False, True):
        (move,) = compile_task(made, merge).moves
        losses = move.losses(draws)
        move.backward(losses)
        for learner in made.trained:
            total = sum(
                each.divergence.loss(language.evaluate(each.lhs, draws), language.evaluate(each.rhs, draws), S)
                for each in equations.values()
                if learner in each.trains
            )
            expected = torch.autograd.grad(total, learner.parameters)
            for parameter, gradient in zip(learner.parameters, expected, strict=True):
                torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-10)
        for name, each in equations.items():
            value = each.divergence.loss(language.evaluate(each.lhs, draws), language.evaluate(each.rhs, draws), S)
            torch.testing.assert_close(losses[name], value, rtol=1e-9, atol=1e-12)


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4).double()

    def forward(self, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.cat((one, two), 1)).tanh()
