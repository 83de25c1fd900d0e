"""Every construct of the language beside its loss and gradient written by hand, in float64, to 1e-6."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.language import (
    Dataset,
    Draws,
    Fixed,
    Gumbel,
    Learner,
    Mixture,
    Normal,
    ProjectedGradient,
    R,
    Task,
    TaskError,
    Type,
    Uniform,
    bernoulli_nll,
    compile_task,
    concrete,
    constant,
    cross_entropy,
    derivative,
    drawn,
    equation,
    evaluate,
    every,
    expected,
    gaussian_nll,
    kl,
    likeliest,
    linear,
    log_mean_exp,
    loss,
    mse,
    noise,
    optimise,
    pair,
    parametric,
    repeated,
    reweighted,
    sample,
    sliced_wasserstein,
    standard_normal,
    stop_gradient,
    straight_through,
    task,
    uniform,
)

S, V, Z = Type("S", (6,)), Type("V", (3,), "categorical"), Type("Z", (2,))
Q, P, B = Type("Z", (2,), "gaussian"), Type("S", (6,), "bernoulli"), Type("B", (), "bernoulli")
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

    def __init__(self, width: int, *out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 7), nn.Tanh(), nn.Linear(7, torch.Size(out).numel()))
        self.out = out

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layers(torch.cat([each.flatten(1) for each in inputs], 1)).view(-1, *self.out)


class Point(nn.Module):
    """A learned constant."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(1, *shape))

    def forward(self) -> Tensor:
        return self.value


def data() -> Dataset:
    return Dataset("x", {"s": S, "v": V}).bind(torch.rand(40, 6), torch.arange(40) % 3)


def hidden(made: Task, law: type) -> dict[str, Tensor]:
    """The draws of the noise inside random boxes, by name."""
    return {each.name: each.draw(DRAWS)[0] for each in made.sources if isinstance(each, law) and each.implicit}


def check(made: Task, by_hand: Callable[[], dict[str, Tensor]]) -> None:
    """The compiled losses and gradients, merged or not, are those of `by_hand`, and so are those of the definition."""
    for learner in made.learners:
        learner.module.requires_grad_(True)
    expected_losses = by_hand()
    slopes = {
        learner: torch.autograd.grad(
            sum(expected_losses[name] * made.equations[name].weigh(0) for name in made.trainers_of(learner)),
            learner.parameters,
            retain_graph=True,
            allow_unused=True,
        )
        for learner in made.trained
    }
    for merge in (False, True):
        (move,) = compile_task(made, merge).moves
        losses = move.losses(DRAWS)
        move.backward(losses)
        for name, each in made.equations.items():
            torch.testing.assert_close(losses[name], expected_losses[name], rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(loss(each, DRAWS, name), expected_losses[name], rtol=1e-9, atol=1e-12)
        for learner, gradients in slopes.items():
            for parameter, gradient in zip(learner.parameters, gradients, strict=True):
                torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-10)


def enc_y(name: str = "enc") -> Learner:
    return Learner(name, (S,), V, Joined(6, 3))


def test_relaxed_draws_are_softmaxes_of_noisy_logits() -> None:
    enc, dec = enc_y(), Learner("dec", (V,), S, Joined(3, 6))
    s, _ = x = data()
    made = task(e=equation(dec(concrete(0.5)(enc(s))), s, mse, trains=(enc, dec)))
    (gumbel,) = hidden(made, Gumbel).values()
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        code = F.softmax((enc.module(images).log_softmax(1) + gumbel) / 0.5, 1)
        return {"e": F.mse_loss(dec.module(code), images)}

    check(made, by_hand)


def test_straight_through_sends_one_hot_codes_forward_and_the_soft_gradient_back() -> None:
    enc, dec = enc_y(), Learner("dec", (V,), S, Joined(3, 6))
    s, _ = x = data()
    made = task(e=equation(dec(straight_through(0.7)(enc(s))), s, mse, trains=(enc, dec)))
    (gumbel,) = hidden(made, Gumbel).values()
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        soft = F.softmax((enc.module(images).log_softmax(1) + gumbel) / 0.7, 1)
        hard = F.one_hot(soft.argmax(1), 3) + soft - soft.detach()
        return {"e": F.mse_loss(dec.module(hard), images)}

    check(made, by_hand)


def test_the_likeliest_class_goes_forward_and_no_gradient_back() -> None:
    enc, dec = enc_y(), Learner("dec", (V,), S, Joined(3, 6))
    s, _ = x = data()
    made = task(e=equation(dec(likeliest(enc(s))), s, mse, trains=dec))
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        return {"e": F.mse_loss(dec.module(F.one_hot(enc.module(images).argmax(1), 3).to(images)), images)}

    check(made, by_hand)
    with pytest.raises(TaskError, match="enc"):
        task(e=equation(dec(likeliest(enc(s))), s, mse, trains=enc))
    with pytest.raises(TaskError, match="categorical"):
        likeliest(s)


def test_the_likeliest_class_is_a_label_for_another_reader() -> None:
    teacher, pupil = enc_y(), Learner("pupil", (S,), V, Joined(6, 3))
    s, _ = x = data()
    made = task(e=equation(pupil(s), likeliest(teacher(s)), cross_entropy, trains=pupil))
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        return {"e": F.cross_entropy(pupil.module(images), teacher.module(images).argmax(1))}

    check(made, by_hand)


def test_every_class_is_weighed_by_its_probability_as_in_the_unlabelled_bound_of_m2() -> None:
    cls, enc = Learner("cls", (S,), V, Joined(6, 3)), Learner("enc", (S, V), Q, Joined(9, 2, 2))
    dec = Learner("dec", (V, Z), P, Joined(5, 6))
    s, _ = x = data()
    y = every(cls(s))
    made = task(
        recon=equation(dec(y, sample(enc(s, y))), s, bernoulli_nll, trains=(dec, enc, cls)),
        prior=equation(enc(s, y), standard_normal(Q), kl, trains=(enc, cls)),
        entropy=equation(cls(s), uniform(V), kl, trains=cls),
    )
    images, _ = x.draw(DRAWS)
    (source,) = (each for each in made.sources if isinstance(each, Normal))
    epsilon = source.draw(Draws(1, 4, 24))[0].view(3, 8, 2)

    def by_hand() -> dict[str, Tensor]:
        q = cls.module(images).softmax(1)
        recon, prior = torch.zeros(()), torch.zeros(())
        for k in range(3):
            value = F.one_hot(torch.full((8,), k), 3).double()
            mean, log_variance = enc.module(images, value).unbind(1)
            code = mean + (log_variance / 2).exp() * epsilon[k]
            nll = F.binary_cross_entropy_with_logits(dec.module(value, code), images, reduction="none").sum(1)
            rate = (mean**2 + log_variance.exp() - log_variance - 1).sum(1) / 2
            recon, prior = recon + (q[:, k] * nll).mean(), prior + (q[:, k] * rate).mean()
        return {"recon": recon, "prior": prior, "entropy": (q * (q.log() + math.log(3))).sum(1).mean()}

    check(made, by_hand)


def test_two_enumerated_wires_run_over_all_pairs() -> None:
    one, two = enc_y("one"), Learner("two", (S, V), V, Joined(9, 3))
    dec = Learner("dec", (V, V), S, Joined(6, 6))
    s, _ = x = data()
    a = every(one(s))
    b = every(two(s, a))
    made = task(e=equation(dec(a, b), s, mse, trains=(dec, one, two)))
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        total = torch.zeros(())
        p = one.module(images).softmax(1)
        for i in range(3):
            first = F.one_hot(torch.full((8,), i), 3).double()
            q = two.module(images, first).softmax(1)
            for j in range(3):
                second = F.one_hot(torch.full((8,), j), 3).double()
                total = total + (p[:, i] * q[:, j] * (dec.module(first, second) - images).square().mean(1)).mean()
        return {"e": total}

    check(made, by_hand)


def test_the_mean_over_classes_of_numbers_and_of_distributions() -> None:
    q, f, g = enc_y("q"), Learner("f", (V,), S, Joined(3, 6)), Learner("g", (S, V), V, Joined(9, 3))
    s, v = x = data()
    y = every(q(s))
    made = task(
        mean=equation(expected(f(y), over=y), s, mse, trains=(q, f)),
        mixture=equation(expected(g(s, y), over=y), v, cross_entropy, trains=(q, g)),
    )
    images, labels = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        p = q.module(images).softmax(1)
        one_hot = torch.eye(3)
        mean = sum(p[:, k : k + 1] * f.module(one_hot[k : k + 1]) for k in range(3))
        mixed = sum(p[:, k : k + 1] * g.module(images, one_hot[k].expand(8, 3)).softmax(1) for k in range(3))
        return {"mean": F.mse_loss(mean, images), "mixture": F.nll_loss(mixed.log(), labels.argmax(1))}

    check(made, by_hand)


def test_the_score_function_has_the_mean_gradient_of_the_enumeration() -> None:
    q, f = enc_y("q"), Learner("f", (S, V), S, Joined(9, 6))
    s, _ = data()

    def slope(y_of: Callable, step: int) -> Tensor:
        made = task(e=equation(f(s, y_of(q(s))), s, mse, trains=(q, f)))
        (move,) = compile_task(made).moves
        move.backward(move.losses(Draws(0, step, 40)))
        return torch.cat([p.grad.flatten() for p in (*q.parameters, *f.parameters)])

    exact = slope(every, 0)
    many = torch.stack([slope(drawn, step) for step in range(400)])
    error = many.std(0) / math.sqrt(len(many))
    assert float(((many.mean(0) - exact).abs() / (error + 1e-12)).max()) < 5
    assert float((many.mean(0) - exact).norm() / exact.norm()) < 0.1


def test_one_draw_of_the_score_function_is_the_loss_above_the_others_mean_times_the_score() -> None:
    q, f = enc_y("q"), Learner("f", (S, V), S, Joined(9, 6))
    s, _ = x = data()
    made = task(e=equation(f(s, drawn(q(s))), s, mse, trains=(q, f)))
    (gumbel,) = hidden(made, Gumbel).values()
    images, _ = x.draw(DRAWS)
    for learner in (q, f):
        learner.module.requires_grad_(True)
    log_q = q.module(images).log_softmax(1)
    choice = (log_q + gumbel).argmax(1)
    each = (f.module(images, F.one_hot(choice, 3).double()) - images).square().mean(1)
    others = (each.sum() - each).detach() / 7
    surrogate = ((each.detach() - others) * log_q.gather(1, choice[:, None]).squeeze(1) + each).mean()
    slopes = torch.autograd.grad(surrogate, [*q.parameters, *f.parameters])
    (move,) = compile_task(made).moves
    losses = move.losses(DRAWS)
    move.backward(losses)
    torch.testing.assert_close(losses["e"], each.mean())
    for parameter, gradient in zip([*q.parameters, *f.parameters], slopes, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-10)


def test_importance_weighted_bound_is_that_of_burda() -> None:
    enc, dec = Learner("enc", (S,), Q, Joined(6, 2, 2)), Learner("dec", (Z,), P, Joined(2, 6))
    s, _ = x = data()
    q = repeated(5)(enc(s))
    z = sample(q)
    log_weight = gaussian_nll(q, z) - gaussian_nll(standard_normal(Q), z) - bernoulli_nll(dec(z), s)
    made = task(iwae=equation(log_mean_exp(log_weight, over=q), constant(1), linear, trains=(enc, dec)))
    images, _ = x.draw(DRAWS)
    (source,) = (each for each in made.sources if isinstance(each, Normal))
    epsilon = source.draw(Draws(1, 4, 40))[0].view(5, 8, 2)

    def by_hand() -> dict[str, Tensor]:
        mean, log_variance = enc.module(images).unbind(1)
        posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
        code = mean + posterior.scale * epsilon
        logits = dec.module(code.view(40, 2)).view(5, 8, 6)
        likelihood = torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(images).sum(2)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(code).sum(2)
        bound = (likelihood + prior - posterior.log_prob(code).sum(2)).logsumexp(0) - math.log(5)
        return {"iwae": -bound.mean()}

    check(made, by_hand)


def test_reweighted_sources_are_self_normalised_and_their_weights_learn_unless_stopped() -> None:
    f, w = Learner("f", (S,), S, Joined(6, 6)), Learner("w", (S,), R, Joined(6))
    s, _ = x = data()
    images, _ = x.draw(DRAWS)
    made = task(
        free=equation(f(reweighted(s, w(s))), s, mse, trains=(f, w)),
        fixed=equation(f(reweighted(s, stop_gradient(w(s)))), s, mse, trains=f),
    )

    def by_hand() -> dict[str, Tensor]:
        share = w.module(images).softmax(0)
        each = (f.module(images) - images).square().mean(1)
        return {"free": (share * each).sum(), "fixed": (share.detach() * each).sum()}

    check(made, by_hand)
    with pytest.raises(TaskError, match="trains w, which no gradient"):
        task(e=equation(f(reweighted(s, stop_gradient(w(s)))), s, mse, trains=w))


def test_the_gradient_penalty_trains_the_critic_through_its_derivative() -> None:
    critic, gen = Learner("critic", (S,), R, Joined(6)), Learner("gen", (Z,), S, Joined(2, 6))
    mix = Fixed("mix", (S, S, R), S, body=lambda a, b, t: a + t[:, None] * (b - a))
    norm = Fixed("norm", (S,), R, body=lambda value: value.norm(dim=1))
    s, _ = x = data()
    z, u = Normal("z", Z), Uniform("u", R)
    fake = gen(z)
    made = task(
        real=equation(critic(s), constant(1), linear, trains=critic),
        fake=equation(critic(fake), constant(-1), linear, trains=critic),
        slope=equation(norm(derivative(critic, mix(s, fake, u.term))), constant(1), mse, trains=critic, weight=10),
        fool=equation(critic(fake), constant(1), linear, trains=gen),
    )
    images, _ = x.draw(DRAWS)
    (code,), (share,) = z.draw(DRAWS), u.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        made_up = gen.module(code)
        between = (images + share[:, None] * (made_up - images)).detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic.module(between).sum(), between, create_graph=True)
        return {
            "real": -critic.module(images).mean(),
            "fake": critic.module(made_up).mean(),
            "slope": (slope.norm(dim=1) - 1).square().mean(),
            "fool": -critic.module(made_up).mean(),
        }

    check(made, by_hand)


def test_a_derivative_at_a_computed_point_depends_on_what_computed_it() -> None:
    f, g = Learner("f", (S,), R, Joined(6)), Learner("g", (S,), S, Joined(6, 6))
    s, _ = x = data()
    made = task(e=equation(derivative(f, g(s)), s, mse, trains=(f, g)))
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        point = g.module(images)
        (slope,) = torch.autograd.grad(f.module(point).sum(), point, create_graph=True)
        return {"e": F.mse_loss(slope, images)}

    check(made, by_hand)


def test_derivatives_along_noise_give_the_jacobian_penalty() -> None:
    f = Learner("f", (S,), Z, Joined(6, 2))
    s, _ = x = data()
    w = Normal("w", Z)
    made = task(flat=equation(derivative(f, s, along=w.term), constant(0, S), mse, trains=f))
    images, _ = x.draw(DRAWS)
    (along,) = w.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        jacobian = torch.func.vmap(torch.func.jacrev(lambda one: f.module(one[None])[0]))(images)
        return {"flat": torch.einsum("nz,nzs->ns", along, jacobian).square().mean()}

    check(made, by_hand)


def test_boxes_whose_parameters_arrive_on_a_wire_are_applied_example_by_example() -> None:
    target = nn.Conv2d(1, 2, 2)
    image, out = Type("I", (1, 3, 3)), Type("O", (2, 2, 2))
    conv = parametric("conv", (image,), out, target)
    gen = Learner("gen", (Z,), conv.dom[0], Joined(2, 10))
    z, (picture,) = Normal("z", Z), Normal("picture", image)
    made = task(e=equation(conv(gen(z), picture), constant(1, out), mse, trains=gen))
    (code,), (pictures,) = z.draw(DRAWS), picture.op.source.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        filters = gen.module(code)
        maps = [F.conv2d(one[None], w[:8].view(2, 1, 2, 2), w[8:]) for one, w in zip(pictures, filters, strict=True)]
        return {"e": (torch.cat(maps) - 1).square().mean()}

    check(made, by_hand)


def test_a_stopped_gradient_makes_a_source_of_a_learner() -> None:
    gen, inv = Learner("gen", (Z,), S, Joined(2, 6)), Learner("inv", (S,), Z, Joined(6, 2))
    z = Normal("z", Z)
    sleep = task(
        sleep=equation(inv(stop_gradient(gen(z))), z, mse, trains=inv),
        both=equation(inv(gen(z)), stop_gradient(inv(gen(z))) + z.term, mse, trains=(gen, inv)),
    )
    (code,) = z.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        back = inv.module(gen.module(code))
        return {
            "sleep": F.mse_loss(inv.module(gen.module(code).detach()), code),
            "both": F.mse_loss(back, back.detach() + code),
        }

    check(sleep, by_hand)
    with pytest.raises(TaskError, match="trains gen, which no gradient"):
        task(sleep=equation(inv(stop_gradient(gen(z))), z, mse, trains=gen))


def test_unrolled_loops_share_a_cell_and_start_from_a_learned_state() -> None:
    H = Type("H", (4,))
    start, cell = Learner("start", (), H, Point(4)), Learner("cell", (H, Z), H, Joined(6, 4))
    read = Learner("read", (H,), S, Joined(4, 6))
    s, _ = x = data()
    steps = [Normal(f"z{t}", Z) for t in range(3)]
    h = start()
    for z in steps:
        h = cell(h, z) + 0.5 * h
    made = task(e=equation(read(h), s, mse, trains=(start, cell, read)))
    images, _ = x.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        state = start.module().expand(8, 4)
        for z in steps:
            state = cell.module(state, z.draw(DRAWS)[0]) + 0.5 * state
        return {"e": F.mse_loss(read.module(state), images)}

    check(made, by_hand)


def test_both_sides_of_an_equation_learn() -> None:
    post, prior = Learner("post", (S,), Q, Joined(6, 2, 2)), Learner("prior", (Z,), Q, Joined(2, 2, 2))
    s, _ = x = data()
    z = Normal("z", Z)
    made = task(rate=equation(post(s), prior(z), kl, trains=(post, prior)))
    images, (code,) = x.draw(DRAWS)[0], z.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        (m, a), (n, b) = post.module(images).unbind(1), prior.module(code).unbind(1)
        one, two = (torch.distributions.Normal(mean, (log / 2).exp()) for mean, log in ((m, a), (n, b)))
        return {"rate": torch.distributions.kl_divergence(one, two).sum(1).mean()}

    check(made, by_hand)


def test_image_inversion_is_an_inner_minimum() -> None:
    gen = Learner("gen", (Z,), S, Joined(2, 6))
    s, _ = x = data()
    z = Normal("z", Z)
    search = ProjectedGradient(2.0, 3, maximise=False, bounds=(-3, 3))
    code = optimise(z.term, lambda t: (gen(t), s), mse, search)
    made = task(project=equation(gen(code), s, mse, trains=gen))
    images, (start,) = x.draw(DRAWS)[0], z.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        point = start
        for _ in range(3):
            point = point.detach().requires_grad_()
            (slope,) = torch.autograd.grad(F.mse_loss(gen.module(point), images), point)
            moved = point - 2.0 * 2.5 / 3 * slope / slope.norm(dim=1, keepdim=True) - start
            point = (start + moved * (2.0 / moved.norm(dim=1, keepdim=True)).clamp(max=1)).clamp(-3, 3)
        return {"project": F.mse_loss(gen.module(point.detach()), images)}

    check(made, by_hand)


def test_a_search_in_the_maximum_norm_ends_in_the_corner_that_the_gradient_points_to() -> None:
    start, slope = torch.tensor([[0.5, 0.5, 0.95], [0.2, 0.0, 0.5]]), torch.tensor([3.0, -0.1, 1.0])
    attack = ProjectedGradient(0.1, 5, norm="Linf")
    found = attack.solve(start, lambda point: slope.expand_as(point))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.4, 1.0], [0.3, 0.0, 0.6]]))


def test_divergences_are_boxes_and_numbers_add_up() -> None:
    enc, dec = Learner("enc", (S,), Q, Joined(6, 2, 2)), Learner("dec", (Z,), P, Joined(2, 6))
    s, _ = data()
    bound = bernoulli_nll(dec(sample(enc(s))), s) + 2.0 * kl(enc(s), standard_normal(Q))
    whole = task(bound=equation(bound, constant(-1), linear, trains=(enc, dec)))
    parts = task(
        recon=equation(dec(sample(enc(s))), s, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(s), standard_normal(Q), kl, trains=enc, weight=2),
    )
    found = [loss(each, DRAWS) * each.weigh(0) for each in parts.equations.values()]
    torch.testing.assert_close(loss(whole.equations["bound"], DRAWS), sum(found))
    assert str(whole.equations["bound"].lhs) == "(bernoulli_nll(dec(sample(enc(s))), s) + 2 * kl(enc(s), N(0,1)))"


def test_random_divergences_draw_their_directions_for_each_step_and_equation() -> None:
    gen = Learner("gen", (Z,), S, Joined(2, 6))
    s, _ = x = data()
    z = Normal("z", Z)
    made = task(law=equation(gen(z), s, sliced_wasserstein(16), trains=gen))
    images, (code,) = x.draw(DRAWS)[0], z.draw(DRAWS)

    def by_hand() -> dict[str, Tensor]:
        rays = torch.randn(6, 16, generator=DRAWS.generator("sliced_wasserstein(16) of law"))
        rays = rays / rays.norm(dim=0)
        one, two = gen.module(code) @ rays, images @ rays
        total = sum((one[:, k].sort()[0] - two[:, k].sort()[0]).square().mean() for k in range(16))
        return {"law": total / 16}

    check(made, by_hand)


def test_a_mixture_takes_each_example_from_one_of_its_sources() -> None:
    one, two = Normal("one", S), Uniform("two", S)
    both = Mixture("both", (one, two), (0.25, 0.75))
    draws = Draws(0, 0, 4000)
    (value,), (first,), (second,) = both.draw(draws), one.draw(draws), two.draw(draws)
    from_one, from_two = (value == first).all(1), (value == second).all(1)
    assert bool((from_one ^ from_two).all())
    assert float(from_one.double().mean()) == pytest.approx(0.25, abs=0.03)


def test_constants_are_classes_numbers_and_uniform_distributions() -> None:
    assert evaluate(constant(2, V), DRAWS).exp()[0].tolist() == [0, 0, 1]
    assert evaluate(constant(0.5, S), DRAWS)[3].tolist() == [0.5] * 6
    torch.testing.assert_close(evaluate(uniform(V), DRAWS).exp(), torch.full((8, 3), 1 / 3))
    with pytest.raises(TaskError, match=r"constant 3: .* 0\.\.2"):
        constant(3, V)


def test_parts_of_a_joint_wire_come_back() -> None:
    s, v = data()
    both = pair(s, v)
    assert both[0] is s
    swap = Fixed("swap", (both.type,), pair(v, s).type, body=lambda both: (both[1].log(), both[0]))
    value, image = swap(both)
    torch.testing.assert_close(evaluate(image, DRAWS), evaluate(s, DRAWS))
    torch.testing.assert_close(evaluate(value, DRAWS).exp(), evaluate(v, DRAWS).exp())
    with pytest.raises(TaskError, match="no part 2"):
        both[2]


def test_one_backward_pass_serves_learners_that_the_other_losses_cannot_reach() -> None:
    enc, dec = Learner("enc", (S,), Q, Joined(6, 2, 2)), Learner("dec", (Z,), P, Joined(2, 6))
    s, _ = data()
    vae = task(
        recon=equation(dec(sample(enc(s))), s, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(s), standard_normal(Q), kl, trains=enc),
    )
    (move,) = compile_task(vae).moves
    assert [names for names, _ in move.groups] == [("recon", "prior")]
    beta = task(
        recon=equation(dec(sample(enc(s))), s, bernoulli_nll, trains=(enc, dec)),
        back=equation(enc(stop_gradient(s)), standard_normal(Q), kl, trains=enc),
        image=equation(dec(sample(enc(s))), s, bernoulli_nll, trains=dec),
    )
    (move,) = compile_task(beta).moves
    assert len(move.groups) == 2


def test_a_move_keeps_no_graph_of_what_its_player_cannot_change() -> None:
    dsc, gen = Learner("dsc", (S,), B, Joined(6)), Learner("gen", (Z,), S, Joined(2, 6))
    s, _ = data()
    from pipeline.language import Player

    made = task(
        players=(Player("D", (dsc,)), Player("G", (gen,))),
        play="alternating",
        real=equation(dsc(s), constant(1), bernoulli_nll, trains=dsc),
        fake=equation(dsc(gen(Normal("z", Z))), constant(0), bernoulli_nll, trains=dsc),
        fool=equation(dsc(gen(Normal("z", Z))), constant(1), bernoulli_nll, trains=gen),
    )
    critic, generator = compile_task(made).moves
    assert [(str(call.terms[0]), call.grad) for call in critic.calls] == [
        ("dsc(s)", True),
        ("gen(z)", False),
        ("dsc(gen(z))", True),
    ]
    assert all(call.grad for call in generator.calls)


s0, _ = Dataset("x", {"s": S, "v": V})
LEARNER = Learner("f", (S,), S)
READER = Learner("reader", (S,), V)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: every(s0), ["every", "`s`", "categorical"]),
        (lambda: drawn(s0), ["drawn", "categorical"]),
        (lambda: repeated(0), ["repeated", "at least 1"]),
        (lambda: concrete(0.0), ["concrete", "positive temperature"]),
        (lambda: concrete(1.0)(s0), ["concrete", "categorical"]),
        (lambda: reweighted(s0, s0), ["reweighted", "one number per example"]),
        (lambda: expected(s0, over=READER(s0)), ["expected", "`reader(s)`", "one value"]),
        (lambda: derivative(READER, s0), ["derivative", "`reader(t)`", "real"]),
        (lambda: derivative(LEARNER, s0, along=READER(s0)), ["derivative", "`reader(s)`", "V(3)"]),
        (lambda: derivative(lambda t: LEARNER(s0), s0), ["derivative", "`f(s)`", "depends"]),
        (lambda: derivative(lambda t: LEARNER(repeated(2)(t)), s0), ["derivative", "repeated", "outside"]),
        (lambda: s0 + READER(s0), ["+", "S(6)", "V(3)"]),
        (lambda: s0 + 1, ["`s` + 1", "constant(number, type)"]),
        (lambda: float("inf") * s0, ["finite"]),
        (lambda: derivative(lambda t: stop_gradient(LEARNER(t)), s0), ["derivative", "no gradient", "f(t)"]),
        (lambda: derivative(lambda t: LEARNER(noise(1.0)(t)), s0), ["derivative", "noise", "outside"]),
        (lambda: ProjectedGradient(1.0, 0), ["1 step or more"]),
        (lambda: ProjectedGradient(1.0, 1, norm="L1"), ["L2 or Linf", "L1"]),
        (lambda: task(e=equation(READER(s0), uniform(V), cross_entropy, trains=READER)), ["soft target", "uniform"]),
        (
            lambda: (
                equation(LEARNER(s0), s0, mse, trains=LEARNER)
                and data().bind(torch.ones(3, 6, dtype=torch.int64), torch.arange(3))
            ),
            ["wire s", "bytes or floats"],
        ),
        (lambda: 2 * READER(s0), ["2 * ", "real"]),
        (lambda: mse(s0, READER(s0)), ["mse", "same type"]),
        (lambda: sliced_wasserstein(4)(s0, s0), ["pointwise"]),
        (lambda: uniform(S), ["uniform", "categorical"]),
        (
            lambda: task(e=equation(LEARNER(repeated(2)(s0)), s0, sliced_wasserstein(4), trains=LEARNER)),
            ["equation e", "sliced_wasserstein(4)", "repeated[2](s)"],
        ),
        (
            lambda: optimise(s0, lambda t: (LEARNER(t), s0), sliced_wasserstein(2), ProjectedGradient(1.0, 1)),
            ["optimise", "random"],
        ),
    ],
)
def test_constructs_refuse_wires_of_the_wrong_kind(build: Callable, words: list[str]) -> None:
    with pytest.raises(TaskError) as caught:
        build()
    for word in words:
        assert word in str(caught.value)


def test_noise_on_copies_is_drawn_for_each() -> None:
    s, _ = data()
    copies = evaluate(noise(1.0)(repeated(3)(s)), DRAWS)
    assert copies.shape == (24, 6)
    assert not torch.equal(copies[:8], copies[8:16])


def test_a_class_that_cannot_be_has_no_part_in_an_expectation_or_its_gradient() -> None:
    weights = nn.Parameter(torch.tensor([[2000.0, 0.0, -2000.0]]))
    q = Learner("q", (), V, _Given(weights))
    f = Fixed("f", (V,), R, body=lambda value: value @ torch.tensor([1.0, 2.0, 3.0]))
    y = every(q())
    made = task(
        log=equation(log_mean_exp(f(y), over=y), constant(-1), linear, trains=q),
        mixed=equation(expected(y, over=y), uniform(V), kl, trains=q),
    )
    (move,) = compile_task(made).moves
    losses = move.losses(DRAWS)
    move.backward(losses)
    assert losses["log"].item() == pytest.approx(1.0)
    assert bool(weights.grad.isfinite().all())


class _Given(nn.Module):
    def __init__(self, value: nn.Parameter) -> None:
        super().__init__()
        self.value = value

    def forward(self) -> Tensor:
        return self.value


def test_cross_entropy_of_what_cannot_be_is_nothing() -> None:
    _, v = data()
    assert float(loss(equation(v, v, cross_entropy, ()), DRAWS)) == 0


def test_parameters_in_two_learners_are_refused() -> None:
    shared = nn.Linear(6, 6)
    one, two = Learner("one", (S,), S, shared), Learner("two", (S,), S, shared)
    s, _ = data()
    made = task(a=equation(one(s), s, mse, trains=one), b=equation(two(one(s)), s, mse, trains=two))
    with pytest.raises(TaskError, match="learners one and two have parameters in common"):
        compile_task(made)


def test_a_mixture_drawn_again_is_drawn_anew_in_all_its_parts() -> None:
    both = Mixture("both", (Normal("p", S), Normal("q", S)), (0.5, 0.5))
    draws = Draws(0, 0, 64)
    assert not bool((both.draw(draws)[0] == both.again().draw(draws)[0]).any())
