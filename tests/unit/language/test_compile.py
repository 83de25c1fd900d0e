"""The compiled step beside losses and gradients written by hand, in float64 to 1e-6, and beside the plain definition."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.language import (
    Composite,
    Dataset,
    Draws,
    Fixed,
    Learner,
    Normal,
    Player,
    ProjectedGradient,
    Ramp,
    Source,
    Task,
    Type,
    Uniform,
    bernoulli_nll,
    compile_task,
    cross_entropy,
    equation,
    evaluate,
    gaussian_nll,
    kl,
    mmd,
    mse,
    noise,
    optimise,
    pair,
    sample,
    standard_normal,
    task,
)

S, V, Z = Type("S", (6,)), Type("V", (3,), "categorical"), Type("Z", (2,))
Q, P = Type("Z", (2,), "gaussian"), Type("S", (6,), "bernoulli")
DRAWS = Draws(seed=1, step=4, batch=8)


@pytest.fixture(autouse=True)
def doubles():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


class Joined(nn.Module):
    """A small network on all its inputs side by side."""

    def __init__(self, width: int, *out: int, squash: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 7), nn.Tanh(), nn.Linear(7, torch.Size(out).numel()))
        self.out, self.squash = out, squash

    def forward(self, *inputs: Tensor) -> Tensor:
        made = self.layers(torch.cat([each.flatten(1) for each in inputs], 1)).view(-1, *self.out)
        return made.sigmoid() if self.squash else made


def data() -> Dataset:
    return Dataset("x", {"s": S, "v": V}).bind(torch.rand(40, 6), torch.arange(40) % 3)


def gradients(made: Task, merge: bool = False) -> tuple[dict[str, Tensor], dict[str, list[Tensor | None]]]:
    (move,) = compile_task(made, merge).moves
    losses = move.losses(DRAWS)
    for learner in made.learners:
        for parameter in learner.parameters:
            parameter.grad = None
    move.backward(losses)
    return losses, {each.name: [p.grad for p in each.parameters] for each in made.learners}


def by_hand(loss: Tensor, learner: Learner) -> list[Tensor]:
    return list(torch.autograd.grad(loss, learner.parameters, retain_graph=True))


def same(found: list[Tensor | None], expected: list[Tensor]) -> None:
    for left, right in zip(found, expected, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-9)


def test_autoencoder() -> None:
    enc, dec = Learner("enc", (S,), Z, Joined(6, 2)), Learner("dec", (Z,), S, Joined(2, 6))
    s, _ = x = data()
    _, found = gradients(task(recon=equation(dec(enc(s)), s, mse, trains=(enc, dec))))
    images, _ = x.draw(DRAWS)
    loss = F.mse_loss(dec.module(enc.module(images)), images)
    same(found["enc"], by_hand(loss, enc))
    same(found["dec"], by_hand(loss, dec))


def test_vae_is_the_negative_elbo_on_the_same_noise() -> None:
    enc, dec = Learner("enc", (S,), Q, Joined(6, 2, 2)), Learner("dec", (Z,), P, Joined(2, 6))
    s, _ = x = data()
    made = task(
        recon=equation(dec(sample(enc(s))), s, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(s), standard_normal(Q), kl, trains=enc),
    )
    losses, found = gradients(made)
    images, _ = x.draw(DRAWS)
    (epsilon,) = next(source for source in made.sources if isinstance(source, Normal)).draw(DRAWS)
    mean, log_variance = enc.module(images).unbind(1)
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    code = mean + posterior.scale * epsilon
    likelihood = torch.distributions.Bernoulli(logits=dec.module(code), validate_args=False)
    recon = -likelihood.log_prob(images).sum(1).mean()
    rate = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(losses["recon"] + losses["prior"], recon + rate, rtol=1e-9, atol=0)
    same(found["enc"], by_hand(recon + rate, enc))
    same(found["dec"], by_hand(recon, dec))


def gan() -> tuple[Task, Learner, Learner]:
    B = Type("B", (2,), "categorical")
    dsc, gen = Learner("dsc", (S,), B, Joined(6, 2)), Learner("gen", (Z,), S, Joined(2, 6))
    s, _ = data()
    real = Dataset("labels", {"real": B, "fake": B}).bind(torch.ones(40).long(), torch.zeros(40).long())
    one, zero = real
    made = task(
        real=equation(dsc(s), one, cross_entropy, trains=dsc),
        fake=equation(dsc(gen(Normal("z", Z))), zero, cross_entropy, trains=dsc),
        fool=equation(dsc(gen(Normal("z", Z))), one, cross_entropy, trains=gen),
    )
    return made, dsc, gen


def test_fool_moves_gen_through_a_frozen_dsc_and_leaves_dsc_alone() -> None:
    made, _dsc, _gen = gan()
    _, found = gradients(Task({"fool": made.equations["fool"]}))
    assert all(grad is None for grad in found["dsc"])
    assert all(grad.abs().sum() > 0 for grad in found["gen"])
    _, found = gradients(Task({"fake": made.equations["fake"]}))
    assert all(grad is None for grad in found["gen"])
    assert all(grad.abs().sum() > 0 for grad in found["dsc"])


def test_simultaneous_players_descend_their_own_losses_at_one_point() -> None:
    made, dsc, gen = gan()
    _losses, found = gradients(made)
    same(found["dsc"], by_hand_again(made, dsc, ("real", "fake")))
    same(found["gen"], by_hand_again(made, gen, ("fool",)))


def by_hand_again(made: Task, learner: Learner, names: tuple[str, ...]) -> list[Tensor]:
    """The gradient of the plain definition, with every parameter free."""
    for each in made.learners:
        each.module.requires_grad_(True)
    total = sum(
        made.equations[name].divergence.loss(
            evaluate(made.equations[name].lhs, DRAWS),
            evaluate(made.equations[name].rhs, DRAWS),
            made.equations[name].lhs.type,
        )
        for name in names
    )
    return by_hand(total, learner)


def test_alternating_players_move_in_turn_as_often_as_they_say() -> None:
    made, dsc, gen = gan()
    turns = Task(made.equations, (Player("D", (dsc,), steps=3), Player("G", (gen,))), "alternating")
    moves = compile_task(turns).moves
    assert [move.name for move in moves] == ["D", "D", "D", "G"]
    assert set(moves[0].losses(DRAWS)) == {"real", "fake"}
    assert set(moves[3].losses(DRAWS)) == {"fool"}


def manipulator() -> tuple[Task, Composite, Learner]:
    F_ = Type("F", (4,))
    features, head = Learner("features", (S,), F_, Joined(6, 4)), Learner("head", (F_,), V, Joined(4, 3))
    get, put = Composite("get", features, head), Learner("put", (S, V), S, Joined(9, 6, squash=True))
    x, a = data(), Uniform("a", V)
    s, v = x
    real, label = x.again()
    made = task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put),
        getput=equation(put(s, get(s)), s, mse, trains=put, weight=20),
        undo=equation(put(put(s, a), get(s)), s, mse, trains=put, weight=20),
        law=equation(pair(features(put(s, a)), a), pair(features(real), label), mmd, trains=put, weight=5),
    )
    return made, get, put


@pytest.mark.parametrize("merge", [False, True])
def test_manipulator_step_equals_one_written_by_hand(merge: bool) -> None:
    made, get, put = manipulator()
    features, head = (part.module for part in get.parts)
    losses, found = gradients(made, merge)
    sources = {source.name: source for source in made.sources}
    images, labels = sources["x"].draw(DRAWS)
    (value,) = sources["a"].draw(DRAWS)
    (epsilon,) = next(source for source in made.sources if source.implicit).draw(DRAWS)
    real, real_labels = sources["x'"].draw(DRAWS)
    for part in get.parts:
        part.module.requires_grad_(True)

    def read(image: Tensor) -> Tensor:
        return head(features(image)).log_softmax(1)

    edited, own = put.module(images, value.exp()), read(images).exp()
    classify = F.nll_loss(read(images), labels.argmax(1))
    putget = F.nll_loss(read(edited + 0.1 * epsilon), value.argmax(1))
    getput = F.mse_loss(put.module(images, own), images)
    undo = F.mse_loss(put.module(edited, own), images)
    law = mmd_by_loops(features(edited), value.exp(), features(real), real_labels.exp())
    for name, expected in (
        ("classify", classify),
        ("putget", putget),
        ("getput", getput),
        ("undo", undo),
        ("law", law),
    ):
        torch.testing.assert_close(losses[name], expected, rtol=1e-6, atol=1e-12)
    same(found["put"], by_hand(putget + 20 * getput + 20 * undo + 5 * law, put))
    for part in get.parts:
        same(found[part.name], by_hand(classify, part))


def mmd_by_loops(f: Tensor, p: Tensor, g: Tensor, q: Tensor) -> Tensor:
    """The squared MMD with the product kernel, pair by pair."""
    points, marks = torch.cat((f, g)), torch.cat((p, q))
    squares = (points[:, None] - points[None]).square().sum(2)
    unit = squares.detach().flatten().median()
    total = torch.zeros(())
    n = len(f)
    for i in range(2 * n):
        for j in range(2 * n):
            kernel = sum(torch.exp(-squares[i, j] / (scale * unit)) for scale in (0.25, 0.5, 1.0, 2.0, 4.0)) / 5
            total = total + (1 if (i < n) == (j < n) else -1) * kernel * (marks[i] @ marks[j]) / n**2
    return total


@pytest.mark.parametrize("merge", [False, True])
def test_a_frozen_get_has_no_gradient_and_lets_gradients_pass(merge: bool) -> None:
    made, get, _ = manipulator()
    _, found = gradients(made.frozen(get), merge)
    assert list(made.frozen(get).equations) == ["putget", "getput", "undo", "law"]
    assert found["features"] == [None] * 4
    assert all(grad.abs().sum() > 0 for grad in found["put"])


@pytest.mark.parametrize("merge", [False, True])
def test_compiled_losses_equal_the_definition(merge: bool) -> None:
    made, _, _ = manipulator()
    (move,) = compile_task(made, merge).moves
    for name, loss in move.losses(DRAWS).items():
        each = made.equations[name]
        expected = each.divergence.loss(evaluate(each.lhs, DRAWS), evaluate(each.rhs, DRAWS), each.lhs.type)
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-12)


def test_merging_batches_calls_that_do_not_wait_for_each_other() -> None:
    made, _get, _put = manipulator()
    (apart,), (merged,) = compile_task(made).moves, compile_task(made, merge=True).moves
    assert len(merged.calls) < len(apart.calls)
    assert max(len(call.terms) for call in merged.calls) == 2


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(6), nn.Dropout(0.5)])
def test_learners_that_mix_or_drop_are_never_merged(layer: nn.Module) -> None:
    f = Learner("f", (S,), S, nn.Sequential(nn.Linear(6, 6), layer))
    s, _ = x = data()
    again, _ = x.again()
    made = task(one=equation(f(s), s, mse, trains=f), two=equation(f(again), again, mse, trains=f))
    (move,) = compile_task(made, merge=True).moves
    assert [len(call.terms) for call in move.calls] == [1, 1]


def test_the_worst_point_is_that_of_a_loop_written_by_hand_and_a_constant() -> None:
    get = Learner("get", (S,), V, Joined(6, 3))
    s, v = x = data()
    attack = ProjectedGradient(radius=0.5, steps=3)
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, attack)
    point = evaluate(worst, DRAWS)
    images, labels = x.draw(DRAWS)
    expected = images
    for _ in range(3):
        expected = expected.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(get.module(expected), labels.argmax(1)), expected)
        moved = expected + 0.5 * 2.5 / 3 * slope / slope.norm(dim=1, keepdim=True) - images
        expected = (images + moved * (0.5 / moved.norm(dim=1, keepdim=True)).clamp(max=1)).clamp(0, 1)
    torch.testing.assert_close(point, expected.detach(), rtol=1e-7, atol=1e-9)
    assert not point.requires_grad
    _, found = gradients(task(robust=equation(get(worst), v, cross_entropy, trains=get)))
    same(found["get"], by_hand(F.cross_entropy(get.module(point), labels.argmax(1)), get))


def test_weights_on_a_schedule_scale_the_gradient() -> None:
    f = Learner("f", (S,), S, nn.Linear(6, 6))
    s, _ = data()
    (move,) = compile_task(task(e=equation(f(s), s, mse, trains=f, weight=Ramp(0.0, 4.0)))).moves
    norms = []
    for progress in (0.0, 0.5, 1.0):
        move.backward(move.losses(DRAWS), progress)
        norms.append(float(f.parameters[0].grad.norm()))
    assert norms[0] == 0
    assert norms[2] == pytest.approx(2 * norms[1])


def test_gaussian_likelihood_is_that_of_torch() -> None:
    G = Type("S", (6,), "gaussian")
    f = Learner("f", (S,), G, Joined(6, 2, 6))
    s, _ = x = data()
    losses, _ = gradients(task(e=equation(f(s), s, gaussian_nll, trains=f)))
    images, _ = x.draw(DRAWS)
    mean, log_variance = f.module(images).unbind(1)
    expected = -torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(images).sum(1).mean()
    torch.testing.assert_close(losses["e"], expected, rtol=1e-9, atol=0)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_compiled_random_tasks_equal_their_definition(data: st.DataObject) -> None:
    """Random well-typed terms on shared sources and learners: values and every gradient, merged or not."""
    torch.manual_seed(0)
    square = [Learner(f"f{i}", (S,), S, nn.Sequential(nn.Linear(6, 6), nn.Tanh())) for i in range(2)]
    join = Learner("join", (S, S), S, Joined(12, 6))
    shift = Fixed("shift", (S,), S, body=lambda value: value * 2 - 1)
    table = torch.randn(20, 6)
    sources: list[Source] = [Dataset("d", {"d": S}).bind(table), Dataset("e", {"e": S}).bind(table.flip(0))]
    pool = [source.term for source in sources]
    for _ in range(data.draw(st.integers(1, 8))):
        box = data.draw(st.sampled_from([*square, join, shift]))
        pool.append(box(*(data.draw(st.sampled_from(pool)) for _ in box.dom)))
    equations = {}
    for name in ("one", "two"):
        lhs, rhs = data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))
        reached = equation(lhs, rhs, mse, trains=()).learners
        if reached and lhs is not rhs:
            equations[name] = equation(lhs, rhs, mse, trains=reached[: data.draw(st.integers(1, len(reached)))])
    if not equations:
        return
    made, draws = task(**equations), Draws(0, 1, 5)
    for merge in (False, True):
        (move,) = compile_task(made, merge).moves
        losses = move.losses(draws)
        move.backward(losses)
        for learner in made.trained:
            total = sum(
                each.divergence.loss(evaluate(each.lhs, draws), evaluate(each.rhs, draws), S)
                for each in equations.values()
                if learner in each.trains
            )
            expected = torch.autograd.grad(total, learner.parameters)
            for parameter, gradient in zip(learner.parameters, expected, strict=True):
                torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-10)
        for name, each in equations.items():
            value = each.divergence.loss(evaluate(each.lhs, draws), evaluate(each.rhs, draws), S)
            torch.testing.assert_close(losses[name], value, rtol=1e-9, atol=1e-12)
