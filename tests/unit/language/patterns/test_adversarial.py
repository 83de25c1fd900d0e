"""Games of a generator and a critic, trained until laws and inverses that are known are met."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from patterns.small import affine, mlp, point, value
from pipeline.language import (
    Dataset,
    Learner,
    Normal,
    R,
    Task,
    Term,
    Type,
    Uniform,
    constant,
    derivative,
    equation,
    mmd,
    mse,
    parametric,
    sample,
)
from pipeline.language.fitting import fit
from pipeline.language.patterns import find
from pipeline.language.patterns.adversarial import (
    compression,
    conditional_gan,
    cyclegan,
    filter_gan,
    gan,
    infogan,
    learned_constraint,
    lsgan,
    moment_matching,
    wgan_gp,
)

X, Z, V = Type("X", (1,)), Type("Z", (1,)), Type("V", (2,), "categorical")
LOGIT = Type("R", (), "bernoulli")
GAMES: dict[str, Any] = {"lr": 0.005, "betas": (0.0, 0.9)}


def two_modes(rows: int = 1000) -> tuple[Term, Term]:
    """Numbers round -1.5 and 1.5, and which of the two."""
    which = torch.arange(rows) % 2
    numbers = (3 * which - 1.5 + 0.4 * torch.randn(rows)).unsqueeze(1)
    x, v = Dataset("data", {"x": X, "v": V}).bind(numbers, which)
    return x, v


def shares(made: Tensor) -> tuple[float, float, float]:
    """How much lies near one mode, near the other, and near neither."""
    near = [float(((made - centre).abs() < 1).float().mean()) for centre in (-1.5, 1.5)]
    return near[0], near[1], 1 - sum(near)


def covers_both_modes(name: str, task: Task, gen: Learner, of, measured, steps: int = 800, **settings: Any) -> None:
    fit(task, of(steps, 4000), 100, **{**GAMES, **settings})
    left, right, neither = shares(value(gen(Normal("z", Z)), 2000))
    measured(name, f"two modes of 50% each: {left:.1%} and {right:.1%} of the samples, {neither:.1%} at neither")
    assert min(left, right) > of(0.3, 0.35)
    assert neither < of(0.15, 0.1)


def test_a_gan_covers_both_modes(of, measured) -> None:
    x, gen, dsc = two_modes()[0], mlp("gen", (Z,), X), mlp("dsc", (X,), LOGIT)
    covers_both_modes("gan", gan(x, Normal("z", Z), gen, dsc), gen, of, measured)


def test_a_least_squares_gan_covers_both_modes(of, measured) -> None:
    x, gen, dsc = two_modes()[0], mlp("gen", (Z,), X), mlp("dsc", (X,), R)
    covers_both_modes("lsgan", lsgan(x, Normal("z", Z), gen, dsc), gen, of, measured)


def test_a_wasserstein_gan_covers_both_modes(of, measured) -> None:
    x, gen, critic = two_modes()[0], mlp("gen", (Z,), X), mlp("critic", (X,), R, activation=nn.LeakyReLU)
    made = wgan_gp(x, Normal("z", Z), gen, critic, penalty=1.0, steps=3)
    covers_both_modes("wgan_gp", made, gen, of, measured, steps=600, lr=0.003, betas=(0.5, 0.9))


def test_a_conditional_gan_makes_each_class(of, measured) -> None:
    x, v = two_modes()
    z, a = Normal("z", Z), Uniform("a", V)
    gen = mlp("gen", (Z, V), X, 32)
    dsc = mlp("dsc", (X, V), LOGIT, 32, 32)
    fit(conditional_gan(x, v, z, gen, dsc), of(800, 5000), 100, **GAMES)
    made, wanted = value(gen(z, a), 2000), value(a.term, 2000).argmax(1)
    means = [float(made[wanted == k].mean()) for k in range(2)]
    measured("conditional_gan", f"class means -1.5 and 1.5: {means[0]:.2f} and {means[1]:.2f}")
    assert abs(means[0] + 1.5) < of(0.3, 0.15)
    assert abs(means[1] - 1.5) < of(0.3, 0.15)


def test_infogan_finds_the_modes_by_itself(of, measured) -> None:
    x, _ = two_modes()
    z, c = Normal("z", Z), Uniform("c", V)
    gen, guess = mlp("gen", (Z, V), X, 32), mlp("guess", (X,), V, 16)
    dsc = mlp("dsc", (X,), LOGIT, 32, 32)
    fit(infogan(x, z, c, gen, dsc, guess), of(1200, 5000), 100, **GAMES)
    made, code = value(gen(z, c), 2000), value(c.term, 2000).argmax(1)
    guessed = float((value(guess(gen(z, c)), 2000).argmax(1) == code).float().mean())
    mode = (made[:, 0] > 0).long()
    pure = float((mode == code).float().mean())
    pure = max(pure, 1 - pure)
    measured("infogan", f"code guessed right in {guessed:.3f}; one code for each mode in {pure:.3f} of the samples")
    assert guessed > of(0.95, 0.98)
    assert pure > of(0.95, 0.98)


@pytest.mark.parametrize("name", ["bigan", "ali"])
def test_the_encoder_inverts_the_generator(name: str, of, measured) -> None:
    """On a Gaussian, where both are affine. A discriminator that is flat at real points lets the game settle (Mescheder
    et al. 2018): two more equations."""
    x, z = Dataset("data", {"x": X}).bind(1 + 0.5 * torch.randn(1000, 1)).term, Normal("z", Z)
    law = Type("Z", (1,), "gaussian")
    enc, gen = affine("enc", (X,), Z if name == "bigan" else law), affine("gen", (Z,), X)
    # Neither turned round at first: the way would lead through maps that forget. Nor is enc noisy.
    for each in (enc, gen):
        each.module.layers[0].weight.data[0] = 1
    if name == "ali":
        enc.module.layers[0].bias.data[1] = -2
    dsc = mlp("dsc", (X, Z), R)
    code = enc(x) if name == "bigan" else sample(enc(x))
    flat_x = equation(derivative(lambda t: dsc(t, code), at=x), constant(0, X), mse, trains=dsc, weight=0.1)
    flat_z = equation(derivative(lambda t: dsc(x, t), at=code), constant(0, Z), mse, trains=dsc, weight=0.1)
    made = find(name)(x, z, enc, gen, dsc, mse, steps=2).with_equations(flat_x=flat_x, flat_z=flat_z)
    fit(made, of(600, 3000), 100, lr=0.01, betas=(0.5, 0.9))
    points, codes, found = value(gen(z), 2000), value(z.term, 2000), value(enc(gen(z)), 2000)
    error = float(((found if name == "bigan" else found[:, 0]) - codes).abs().mean())
    mean, deviation = float(points.mean()), float(points.std())
    measured(
        name,
        f"N(1, 0.5): samples of mean {mean:.2f} and deviation {deviation:.2f}; E(G(z)) on average {error:.3f} from z",
    )
    assert abs(mean - 1) < of(0.2, 0.1)
    assert abs(deviation - 0.5) < of(0.2, 0.1)
    assert error < of(0.2, 0.1)


def test_cyclegan_maps_one_gaussian_to_the_other_and_back(of, measured) -> None:
    X, Y = Type("X", (2,)), Type("Y", (2,))
    x = Dataset("data", {"x": X}).bind(torch.randn(1000, 2) * torch.tensor([1.0, 0.3]) + 1)
    y = Dataset("other", {"y": Y}).bind(torch.randn(1000, 2) * torch.tensor([0.3, 1.0]) - 1)
    to_y, to_x = affine("to_y", (X,), Y), affine("to_x", (Y,), X)
    dsc_x, dsc_y = (mlp(f"dsc_{side.name}", (side,), R, 64) for side in (X, Y))
    made = cyclegan(x.term, y.term, to_y, to_x, dsc_x, dsc_y, weight=0.5)
    losses = fit(made, of(800, 5000), 100, lr=0.01, betas=(0.0, 0.9))
    there, aim = value(to_y(x), 1000), y.table.columns[0]
    mean, spread = float((there.mean(0) - aim.mean(0)).abs().max()), float((there.std(0) - aim.std(0)).abs().max())
    cycle = float(losses["cycle_x"][-1] + losses["cycle_y"][-1]) / 2
    measured(
        "cyclegan",
        f"two Gaussians: mapped means within {mean:.3f}, deviations within {spread:.3f}; both ways {cycle:.3f} from the start",
    )
    assert mean < of(0.3, 0.15)
    assert spread < of(0.25, 0.15)
    assert cycle < of(0.2, 0.1)


def test_a_compressor_reconstructs_and_generates(of, measured) -> None:
    X, Z = Type("X", (2,)), Type("Z", (2,))
    points = torch.randn(1000, 2) * torch.tensor([0.5, 1.5]) + torch.tensor([1.0, -1.0])
    x, z = Dataset("data", {"x": X}).bind(points).term, Normal("z", Z)
    enc, gen = mlp("enc", (X,), Z, 32), mlp("gen", (Z,), X, 32)
    critic = mlp("critic", (X,), R, 32, 32)
    losses = fit(compression(x, z, enc, gen, critic, fooling=0.1), of(500, 4000), 100, **GAMES)
    made = value(gen(z), 1000)
    distance = float(mmd.loss(made, points, X))
    measured(
        "compression",
        f"reconstruction {float(losses['recon'][-1]):.4f} of variance {float(points.var(0).mean()):.2f}; MMD of samples to the data {distance:.4f}",
    )
    assert losses["recon"][-1] < of(0.1, 0.05)
    assert distance < of(0.05, 0.03)


class Shift(nn.Module):
    """z -> z + a learned number."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.by


class Slope(nn.Module):
    """x -> a learned number times x."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.slope * x).squeeze(1)


def test_a_learned_constraint_tilts_the_model_to_the_data_and_then_lets_go(of, measured) -> None:
    """N(0, 1) tilted by exp(alpha w x) is N(alpha w, 1): for data of mean 1 and a model held fixed, alpha w = 1. A model
    that may move becomes the data's law, and nothing is left to constrain."""
    data = torch.randn(2000, 1)
    data = (data - data.mean()) / data.std() + 1
    gen, score = Learner("gen", (Z,), X, Shift()), Learner("score", (X,), R, Slope())
    made = learned_constraint(Dataset("data", {"x": X}).bind(data), Normal("z", Z), gen, score)
    fit(made.frozen(gen), of(300, 2000), 500, lr=0.02)
    tilt = 2 * score.module.slope.item()
    fit(made, of(600, 4000), 500, lr=0.02)
    shift, left = gen.module.by.item(), 2 * score.module.slope.item()
    measured(
        "learned_constraint",
        f"a fixed model's tilt {tilt:.3f} (theory 1); then the model's mean {shift:.3f} (data 1) and tilt {left:.3f}",
    )
    assert abs(tilt - 1) < of(0.1, 0.05)
    assert abs(shift - 1) < of(0.15, 0.05)
    assert abs(left) < of(0.15, 0.05)


def test_generated_filters_make_of_data_what_the_real_ones_make(of, measured) -> None:
    """Of isotropic points, all rotations of a layer's filters make the same law: N(b, W W^T)."""
    H, A, Z = Type("H", (2,)), Type("A", (3,)), Type("Z", (2,))
    conv = parametric("conv", (H,), A, nn.Linear(2, 3))
    weight, bias = torch.tensor([[1.0, 0.0], [0.5, 1.0], [-1.0, 1.0]]), torch.tensor([0.5, -1.0, 0.0])
    filters = point("filters", conv.dom[0], torch.cat((weight.flatten(), bias)))
    h, z = Dataset("data", {"h": H}).bind(torch.randn(1000, 2)).term, Normal("z", Z)
    gen, guess = mlp("gen", (Z,), conv.dom[0], 32), mlp("guess", (A,), Z, 32)
    dsc = mlp("dsc", (A,), LOGIT, 32, 32)
    made = filter_gan(h, z, filters, gen, conv, dsc, guess, weight=0.1)
    fit(made, of(800, 5000), 100, **GAMES)
    found = value(conv(gen(z), h), 1000)
    mean, spread = float((found.mean(0) - bias).abs().max()), float((found.T.cov() - weight @ weight.T).abs().max())
    measured(
        "filter_gan", f"activations' means within {mean:.2f}, covariances within {spread:.2f} of the real filters'"
    )
    assert mean < of(0.35, 0.25)
    assert spread < of(0.6, 0.4)


def test_matched_moments_are_those_of_the_data(of, measured) -> None:
    plane = Type("X", (2,))
    root = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    points = torch.randn(2000, 2) @ root.T + torch.tensor([1.0, -2.0])
    x, z = Dataset("data", {"x": plane}).bind(points).term, Normal("z", plane)
    gen, same = affine("gen", (plane,), plane), Learner("features", (plane,), plane, nn.Identity())
    fit(moment_matching(x, z, gen, same), of(600, 4000), 200, lr=0.02)
    weight, bias = gen.module.layers[0].weight.detach(), gen.module.layers[0].bias.detach()
    mean = float((bias - points.mean(0)).norm())
    covariance = float((weight @ weight.T - points.T.cov()).norm() / points.T.cov().norm())
    measured("moment_matching", f"the mean is {mean:.3f} off, the covariance {covariance:.1%}")
    assert mean < of(0.15, 0.08)
    assert covariance < of(0.15, 0.08)
