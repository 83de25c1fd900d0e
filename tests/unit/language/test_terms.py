"""Wires of every kind, what boxes receive and return, draws in any order, and inner optimisations within each other."""

import gc
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.language import (
    Composite,
    Constant,
    Dataset,
    Draws,
    Fixed,
    Learner,
    Normal,
    ProjectedGradient,
    TaskError,
    Type,
    Uniform,
    bernoulli_nll,
    compile_task,
    cross_entropy,
    equation,
    evaluate,
    mse,
    noise,
    optimise,
    pair,
    sample,
    standard_normal,
    task,
)

S, V, Z = Type("S", (4,)), Type("V", (3,), "categorical"), Type("Z", (2,))
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
Q, P = Type("Z", (2,), "gaussian"), Type("S", (4,), "bernoulli")
DRAWS = Draws(seed=0, step=2, batch=5)
x, a = Dataset("x", {"s": S, "v": V}), Uniform("a", V)
s, v = x


def full() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    return x.bind(torch.rand(20, 4, generator=generator), torch.randint(3, (20,), generator=generator))


class Spy(nn.Module):
    """Keeps what it receives and returns `answer`."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer, self.received = answer, []

    def forward(self, *values):
        self.received.append(values)
        return self.answer


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


def test_a_term_outlives_nothing_but_is_the_same_while_it_lives() -> None:
    put = Learner("put", (S, V), S)
    first = put(s, a)
    assert put(s, a) is first
    place = str(first)
    del first
    gc.collect()
    assert str(put(s, a)) == place


def test_boxes_receive_probabilities_on_every_kind_of_wire() -> None:
    (images, labels), logits = full().draw(DRAWS), torch.randn(5, 4)
    wires = {S: images, V: labels, P: logits, Q: torch.randn(5, 2, 2)}
    spy = Spy(torch.zeros(5, 4))
    Learner("f", tuple(wires), S, spy).apply(*wires.values())
    received = spy.received[0]
    for found, expected in zip(received, [images, labels.exp(), logits.sigmoid(), wires[Q]], strict=True):
        torch.testing.assert_close(found, expected)


def test_boxes_return_logits_which_become_log_probabilities() -> None:
    logits = torch.randn(5, 3)
    value = Learner("f", (S,), V, Spy(logits)).apply(torch.rand(5, 4))
    torch.testing.assert_close(value, logits.log_softmax(1))
    passed = Learner("g", (S,), P, Spy(logits)).apply(torch.rand(5, 4))
    torch.testing.assert_close(passed, logits)


def test_joint_wires_keep_the_convention_in_each_part() -> None:
    SV = pair(s, v).type
    spy = Spy((torch.zeros(5, 4), torch.randn(5, 3)))
    critic = Learner("critic", (SV,), SV, spy)
    s_, v_ = full()
    image, value = evaluate(critic(pair(s_, v_)), DRAWS)
    images, labels = full().draw(DRAWS)
    torch.testing.assert_close(spy.received[0][0], (images, labels.exp()))
    torch.testing.assert_close(value.exp().sum(1), torch.ones(5))
    torch.testing.assert_close(image, torch.zeros(5, 4))


def test_fixed_boxes_follow_the_same_convention() -> None:
    flip = Fixed("flip", (V,), V, body=lambda value: (1 - value).log())
    value = evaluate(flip(list(full())[1]), DRAWS)
    labels = full().draw(DRAWS)[1].exp()
    torch.testing.assert_close(value.exp(), (1 - labels) / 2)


def test_a_composite_converts_between_its_parts() -> None:
    get, name = Learner("get", (S,), V, nn.Linear(4, 3)), Learner("name", (V,), Z, nn.Linear(3, 2))
    images = torch.rand(5, 4)
    expected = name.module(get.module(images).softmax(1))
    torch.testing.assert_close(Composite("both", get, name).apply(images), expected)


def test_a_draw_does_not_depend_on_the_draws_before_it() -> None:
    source = full()
    steps = [0, 9, 3, 4, 0, 1]
    first = {step: source.draw(Draws(0, step, 5))[0] for step in steps}
    for step in reversed(steps):
        assert torch.equal(source.draw(Draws(0, step, 5))[0], first[step])
    assert not torch.equal(first[0], first[4])


def test_the_wires_of_a_data_set_are_one_joint_draw_and_again_is_another() -> None:
    table = torch.arange(60).float().view(60, 1)
    source = Dataset("n", {"s": Type("N", (1,)), "t": Type("N", (1,))}).bind(table, -table)
    left, right = source.draw(Draws(3, 1, 20))
    assert torch.equal(left, -right)
    other, _ = source.again().draw(Draws(3, 1, 20))
    assert not torch.equal(left, other)
    assert [str(wire) for wire in source.again().again()] == ["s''", "t''"]


def test_noise_is_standard_normal_times_its_size_and_one_draw() -> None:
    still = Constant("0", Type("S", (2000,))).term
    value = evaluate(noise(0.1)(still), DRAWS)
    assert float(value.std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(value, evaluate(noise(0.1)(still), DRAWS))
    assert not torch.equal(value, evaluate(noise(0.1)(still), Draws(0, 3, 5)))


def test_sample_has_the_mean_and_the_variance_on_its_wire() -> None:
    wide = Type("Z", (4000,), "gaussian")
    shift = Fixed("shift", (wide,), wide, body=lambda q: q + torch.tensor([2.0, -1.0]).view(1, 2, 1))
    value = evaluate(sample(shift(standard_normal(wide))), DRAWS)
    assert float(value.mean()) == pytest.approx(2.0, abs=0.02)
    assert float(value.var()) == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.05)


def test_uniform_classes_and_coordinates() -> None:
    (classes,) = Uniform("a", V).draw(Draws(0, 0, 30_000))
    assert classes.exp().mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    (numbers,) = Uniform("u", S).draw(Draws(0, 0, 30_000))
    assert numbers.shape == (30_000, 4)
    assert float(numbers.var()) == pytest.approx(1 / 12, rel=0.02)


enc, dec = Learner("enc", (S,), Q), Learner("dec", (Z,), P)
get = Learner("get", (S,), V)
ATTACK = ProjectedGradient(1.0, 2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: dec(enc(s)), ["dec", "input 1", "Z(2) (real)", "`enc(s)`", "Z(2) (gaussian)"]),
        (lambda: get(dec(Normal("z", Z))), ["get", "S(4) (real)", "`dec(z)`", "S(4) (bernoulli)"]),
        (lambda: Composite("vae", enc, dec), ["vae", "enc gives Z(2) (gaussian)", "dec takes Z(2) (real)"]),
        (lambda: noise(0.1)(v), ["noise", "`v`", "real", "V(3) (categorical)"]),
        (lambda: noise(0.1)(enc(s)), ["noise", "`enc(s)`", "Z(2) (gaussian)"]),
        (lambda: sample(s), ["sample", "`s`", "gaussian", "S(4) (real)"]),
        (lambda: Normal("z", Q), ["source z", "real", "Z(2) (gaussian)"]),
        (lambda: Uniform("u", Q), ["source u", "real or categorical", "gaussian"]),
        (lambda: x.bind(torch.rand(5, 4), torch.arange(3)), ["source x", "wire v", "5 examples", "3 given"]),
        (lambda: x.bind(torch.rand(4, 4), torch.arange(4)), ["wire v", "classes 0..2", "0..3 given"]),
        (lambda: optimise(v, lambda t: (t, v), cross_entropy, ATTACK), ["optimise", "`v`", "real"]),
        (lambda: optimise(s, lambda t: (get(s), v), cross_entropy, ATTACK), ["`get(s)`", "`v`", "depends"]),
        (lambda: optimise(s, lambda t: (get(t), s), mse, ATTACK), ["mse", "`get(t)`", "V(3)", "S(4)"]),
    ],
)
def test_wires_of_the_wrong_kind_are_refused_by_name(build, words: list[str]) -> None:
    with pytest.raises(TaskError) as caught:
        build()
    for word in words:
        assert word in str(caught.value)


def test_one_name_for_sources_with_other_wires_or_another_order_is_refused() -> None:
    swapped = Dataset("x", {"v": V, "s": S})
    assert [wire.type for wire in swapped] == [V, S]
    put = Learner("put", (S, V), S)
    _, other = swapped
    with pytest.raises(TaskError, match="another source is called x already"):
        task(one=equation(put(s, v), s, mse, trains=put), two=equation(put(other, v), other, mse, trains=put))


def test_noise_of_two_terms_that_read_alike_is_not_one_draw_unnoticed() -> None:
    (u,) = Dataset("unlabelled", {"s": S})
    first = equation(dec(sample(enc(s))), s, bernoulli_nll, trains=dec)
    second = equation(dec(sample(enc(u))), u, bernoulli_nll, trains=dec)
    with pytest.raises(TaskError, match=r"equation two: another term reads `enc\(s\)` already"):
        task(one=first, two=second)
    (w,) = Dataset("unlabelled", {"u": S})
    made = task(one=first, two=equation(dec(sample(enc(w))), w, bernoulli_nll, trains=dec))
    assert [source.name for source in made.sources if source.implicit] == ["e[enc(s)]", "e[enc(u)]"]


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value * self.factor


def test_an_inner_optimum_may_stand_in_another_and_see_its_variable() -> None:
    """argmin_t |best(t) - 0.8|^2 where best(t) = argmin_u |2 u - t|^2 near t: no gradient passes best, so t stays."""
    double = Learner("double", (S,), S, Times(2.0))
    start = Fixed("half", (S,), S, body=lambda value: value * 0 + 0.5)(full().__iter__().__next__())
    solver = ProjectedGradient(10.0, 200, stride=0.002, maximise=False)
    inner = []

    def outer(t):
        inner.append(optimise(t, lambda u: (double(u), t), mse, solver))
        return double(t), inner[0]

    assert str(inner[0] if inner else optimise(start, outer, mse, ProjectedGradient(0.0, 1))).count("t'") > 0
    # Near t = 0.5 the inner optimum is t / 2: with its own variable captured it would be 0, where 2 u = u.
    found = evaluate(optimise(start, lambda u: (double(u), start), mse, solver), DRAWS)
    torch.testing.assert_close(found, torch.full((5, 4), 0.25), rtol=0, atol=0.02)
    solved = evaluate(optimise(start, outer, mse, ProjectedGradient(10.0, 300, stride=0.001, maximise=False)), DRAWS)
    # Its gradient is that of |2 t - best(t)|^2 with best held fixed: it falls until 2 t = t / 2, at 0.
    assert float(solved.max()) < 0.1


def test_an_inner_search_keeps_to_its_ball_and_bounds() -> None:
    source = full()
    s_, v_ = source
    reader = Learner("reader", (S,), V, nn.Linear(4, 3))
    images, _ = source.draw(DRAWS)
    for maximise in (True, False):
        attack = ProjectedGradient(0.3, 7, stride=2.0, maximise=maximise)
        found = evaluate(optimise(s_, lambda t: (reader(t), v_), cross_entropy, attack), DRAWS)
        assert float((found - images).norm(dim=1).max()) <= 0.3 + 1e-6
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1


def test_an_inner_minimum_is_not_above_its_start_and_a_maximum_not_below() -> None:
    source = full()
    s_, v_ = source
    torch.manual_seed(0)
    reader = Learner("reader", (S,), V, nn.Linear(4, 3))
    losses = {}
    for name, term in {
        "start": s_,
        "most": optimise(s_, lambda t: (reader(t), v_), cross_entropy, ProjectedGradient(0.2, 5)),
        "least": optimise(s_, lambda t: (reader(t), v_), cross_entropy, ProjectedGradient(0.2, 5, maximise=False)),
    }.items():
        losses[name] = cross_entropy.loss(evaluate(reader(term), DRAWS), evaluate(v_, DRAWS), V).item()
    assert losses["least"] < losses["start"] - 0.01
    assert losses["most"] > losses["start"] + 0.01


def test_learners_inside_nested_inner_searches_belong_to_the_task() -> None:
    s_, v_ = full()
    reader, double = Learner("reader", (S,), V, nn.Linear(4, 3)), Learner("double", (S,), S, Times(2.0))
    twice = optimise(
        s_, lambda t: (t + optimise(t, lambda u: (double(u), t), mse, ATTACK), s_), mse, ProjectedGradient(0.1, 1)
    )
    made = task(robust=equation(reader(twice), v_, cross_entropy, trains=reader))
    assert {learner.name for learner in made.learners} == {"reader", "double"}
    compile_task(made)
    assert not double.module.factor.requires_grad
