"""Models with latent variables, trained to likelihoods and posteriors that are known in closed form."""

import math

import pytest
import torch
from torch import Tensor, nn

from patterns.small import affine, mlp, point, value
from pipeline.language import Dataset, Fixed, Learner, Normal, Task, Type, loss
from pipeline.language import sample as sampled
from pipeline.language.fitting import fit
from pipeline.language.patterns.prediction import supervised
from pipeline.language.patterns.variational import (
    beta_vae,
    categorical_vae,
    conditional_vae,
    convdraw,
    csvae,
    ddc_sleep,
    inference_by_score,
    iwae,
    m2,
    vae,
    wake_sleep,
)
from pipeline.language.sources import Draws

X, P = Type("X", (4,)), Type("X", (4,), "gaussian")
Z, Q, V = Type("Z", (2,)), Type("Z", (2,), "gaussian"), Type("V", (2,), "categorical")


class Linear(nn.Module):
    """A gaussian whose mean is affine in the inputs, and whose log-variance is learned: one number, or one each."""

    def __init__(self, inputs: int, outputs: int, variances: int) -> None:
        super().__init__()
        self.mean, self.log_variance = nn.Linear(inputs, outputs), nn.Parameter(torch.zeros(variances))

    def forward(self, *inputs: Tensor) -> Tensor:
        mean = self.mean(torch.cat(inputs, 1))
        return torch.stack((mean, self.log_variance.expand_as(mean)), 1)


class Frozen(nn.Module):
    """A gaussian of given variance."""

    def __init__(self, mean: nn.Module, variance: float) -> None:
        super().__init__()
        self.mean, self.log_variance = mean, math.log(variance)

    def forward(self, *inputs: Tensor) -> Tensor:
        mean = self.mean(torch.cat(inputs, 1))
        return torch.stack((mean, torch.full_like(mean, self.log_variance)), 1)


def spread(rows: int = 500) -> Tensor:
    return torch.randn(rows, 4) @ torch.diag(torch.tensor([2.0, 1.2, 0.5, 0.4])) @ torch.linalg.qr(torch.randn(4, 4))[0]


def evidence(points: Tensor, latents: int) -> float:
    """The largest mean log-likelihood of probabilistic PCA, in nats (Tipping & Bishop 1999, equations 4 and 8)."""
    variances = torch.linalg.svdvals(points - points.mean(0)).square() / len(points)
    noise = variances[latents:].mean()
    d = points.shape[1]
    logs = variances[:latents].log().sum() + (d - latents) * noise.log()
    return -0.5 * float(d * math.log(2 * math.pi) + logs + d)


def linear_vae() -> tuple[Learner, Learner]:
    return Learner("enc", (X,), Q, Linear(4, 2, 2)), Learner("dec", (Z,), P, Linear(2, 4, 1))


@torch.no_grad()
def elbo(task: Task, rows: int, draws: int = 40) -> float:
    """Minus the sum of the losses, in the mean over all examples and many draws of what is sampled."""
    losses = [loss(each, Draws(5, step, rows)) for step in range(draws) for each in task.equations.values()]
    return -float(torch.stack(losses).sum()) / draws


def test_a_linear_vae_reaches_the_evidence_of_probabilistic_pca(of, measured) -> None:
    points = spread()
    made = vae(Dataset("data", {"x": X}).bind(points), *linear_vae())
    fit(made, of(1000, 6000), 100, lr=0.03)
    found, best = elbo(made, 500), evidence(points, 2)
    measured("vae", f"linear: ELBO {found:.3f} nats; log-evidence of probabilistic PCA {best:.3f}")
    assert best - of(0.05, 0.02) < found < best + 0.02


def test_a_dearer_code_says_as_little_as_rate_distortion_theory_says(of, measured) -> None:
    """Of a variance v, a linear beta-VAE with noise of variance n keeps log(v / (beta n)) / 2 nats, if that is positive
    (reverse water-filling: Cover & Thomas 2006, theorem 10.3.3)."""
    points = spread()
    variances = torch.linalg.svdvals(points - points.mean(0)).square() / len(points)
    data, noise, shown = Dataset("data", {"x": X}).bind(points), 0.2, []
    for beta in (1.0, 4.0):
        enc, dec = linear_vae()[0], Learner("dec", (Z,), P, Frozen(nn.Linear(2, 4), noise))
        losses = fit(beta_vae(data, enc, dec, beta=beta), of(600, 4000), 250, lr=0.03)
        rate = float(losses["prior"][-50:].mean())
        known = float((variances[:2] / (beta * noise)).log().clamp_min(0).sum() / 2)
        shown.append(f"{rate:.3f} nats at beta {beta:g} (theory {known:.3f})")
        assert abs(rate - known) < of(0.1, 0.05)
    measured("beta_vae", f"linear: a code of {', '.join(shown)}")


def test_bounds_of_more_samples_are_nearer_to_the_evidence(of, measured) -> None:
    """The model is exact and its posterior correlated, which enc cannot say: so the ELBO keeps a gap."""
    loading = torch.tensor([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0], [0.5, -0.5]])
    points = torch.randn(500, 2) @ loading.T + torch.randn(500, 4)
    law = torch.distributions.MultivariateNormal(torch.zeros(4), loading @ loading.T + torch.eye(4))
    enc, dec = linear_vae()
    with torch.no_grad():
        dec.module.mean.weight.copy_(loading)
        dec.module.mean.bias.zero_()
    data = Dataset("data", {"x": X}).bind(points)
    found = []
    for k in (1, 5, 50):
        made = iwae(data, enc, dec, k=k).frozen(dec)
        fit(made, of(250, 1500), 100, lr=0.02)
        with torch.no_grad():
            each = [-float(loss(made.equations["bound"], Draws(9, step, 500))) for step in range(of(20, 200))]
        found.append(sum(each) / len(each))
    truth = float(law.log_prob(points).mean())
    shown = ", ".join(f"{each:.3f} of {k}" for each, k in zip(found, (1, 5, 50), strict=True))
    measured("iwae", f"bounds {shown} samples; log-likelihood {truth:.3f}")
    assert found[0] + 0.05 < found[1]
    assert found[1] + 0.01 < found[2] < truth + 0.02
    assert truth - found[2] < 0.05


def two_kinds(rows: int = 400) -> tuple[Tensor, Tensor]:
    """Points whose first two coordinates tell the class, while the others do not."""
    which = torch.arange(rows) % 2
    points = torch.randn(rows, 4) * torch.tensor([0.4, 0.4, 1.0, 0.3])
    points[:, 0] += 4.0 * which - 2.0
    points[:, 1] += 2.0 * which - 1.0
    return points, which


def test_a_conditional_vae_makes_each_class(of, measured) -> None:
    points, which = two_kinds()
    x, v = Dataset("data", {"x": X, "v": V}).bind(points, which)
    enc, dec = Learner("enc", (X, V), Q, Linear(6, 2, 2)), Learner("dec", (Z, V), P, Linear(4, 4, 1))
    task = conditional_vae(x, v, enc, dec)
    fit(task, of(1000, 6000), 200, lr=0.03)
    with torch.no_grad():
        classes = torch.eye(2).log()[torch.arange(2000) % 2]
        made = dec.apply(torch.randn(2000, 2), classes)[:, 0]
        error = max(float((made[k::2].mean(0) - points[which == k].mean(0)).abs().max()) for k in range(2))
    found, best = elbo(task, 400), sum(evidence(points[which == k], 2) for k in range(2)) / 2
    measured(
        "conditional_vae",
        f"class means at most {error:.3f} off; ELBO {found:.3f} nats, evidence of one probabilistic PCA per class {best:.3f}",
    )
    assert error < of(0.15, 0.1)
    assert best - 0.15 < found < best + 0.03


def test_m2_learns_two_classes_from_two_labels_each(of, measured) -> None:
    points, which = two_kinds()
    # The labelled ones mislead: they differ more in what does not tell the clusters apart.
    points[:, 2] *= 2
    points[:4] = torch.tensor([[-1.6, -0.8, 3.0, 0.0], [1.6, 0.8, -3.0, 0.0]]).repeat(2, 1) + 0.1 * torch.randn(4, 4)
    x, v = Dataset("data", {"x": X, "v": V}).bind(points[:4].repeat(10, 1), which[:4].repeat(10))
    u = Dataset("more", {"u": X}).bind(points).term
    enc, dec = mlp("enc", (X, V), Q, 16), Learner("dec", (Z, V), P, Linear(4, 4, 1))
    get, alone = affine("get", (X,), V), affine("get", (X,), V)
    nn.init.zeros_(alone.module.layers[0].weight)
    fit(m2(x, v, u, get, enc, dec), of(400, 3000), 40, lr=0.02)
    fit(supervised(x, v, alone), of(400, 3000), 40, lr=0.02)
    with torch.no_grad():
        right, plain = (float((each.apply(points).argmax(1) == which).float().mean()) for each in (get, alone))
    measured(
        "m2",
        f"two clusters of 200 points, two misleading labels in each: accuracy {right:.4f}, from the labels alone {plain:.4f}",
    )
    assert plain < right - 0.02
    assert right > of(0.97, 0.99)


def test_the_subspace_of_a_csvae_holds_the_class_and_the_rest_does_not(of, measured) -> None:
    points, which = two_kinds()
    x, v = Dataset("data", {"x": X, "v": V}).bind(points, which)
    W, QW = Type("W", (1,)), Type("W", (1,), "gaussian")
    apart = torch.tensor([[[-2.0], [-2.0]], [[2.0], [-2.0]]])
    prior = Fixed("prior", (V,), QW, body=lambda v: torch.einsum("nk, kab -> nab", v, apart))
    enc_z, enc_w = mlp("enc_z", (X,), Q, 16), mlp("enc_w", (X, V), QW, 16)
    dec, adv = Learner("dec", (Z, W), P, Linear(3, 4, 1)), mlp("adv", (Z,), V, 32)
    fit(csvae(x, v, enc_z, enc_w, dec, adv, prior), of(600, 5000), 100, lr=0.01)
    with torch.no_grad():
        rest = sampled(enc_z(x))
        code = value(rest, 400)
        _, kinds = x.op.source.draw(Draws(1000, 0, 400))
        read = linear_accuracy(code, kinds.argmax(1))
        # Written anew: the rest of one class, with the other's place in the subspace.
        switched = dec.apply(enc_z.apply(points)[:, 0], apart[1 - which][:, 0])[:, 0]
        written = float(((switched[:, 0] > 0).long() == 1 - which).float().mean())
    measured(
        "csvae",
        f"a new reader of z is right in {read:.3f} (chance 0.5); of rewritten points {written:.3f} are of the class that was written",
    )
    assert read < of(0.65, 0.6)
    assert written > of(0.95, 0.99)


def linear_accuracy(codes: Tensor, which: Tensor) -> float:
    """How often a linear classifier, fitted to half of them, reads the class of the other half."""
    from sklearn.linear_model import LogisticRegression

    half = len(codes) // 2
    reader = LogisticRegression().fit(codes[:half].numpy(), which[:half].numpy())
    return float(reader.score(codes[half:].numpy(), which[half:].numpy()))


def test_a_vae_in_steps_reaches_the_evidence(of, measured) -> None:
    points = spread()
    H = Type("H", (8,))
    start, step, write = point("start", H, torch.randn(8)), affine("step", (H, Z), H), affine("write", (H,), X)
    post, prior = affine("post", (X, X, H), Q), affine("prior", (H,), Q)
    emit = Learner("emit", (X,), P, Linear(4, 4, 1))
    emit.module.log_variance.data.fill_(-3)  # so that no latent is given up before it is used
    made = convdraw(Dataset("data", {"x": X}).bind(points), start, prior, post, step, write, emit, steps=2)
    fit(made, of(1000, 6000), 100, lr=0.02)
    found, best = elbo(made, 500), evidence(points, 2)
    measured(
        "convdraw", f"two steps, affine learners: ELBO {found:.3f} nats; log-evidence of probabilistic PCA {best:.3f}"
    )
    assert best - of(0.1, 0.05) < found < best + 0.03


def test_wake_and_sleep_reach_the_evidence_of_a_linear_model(of, measured) -> None:
    points = spread()
    data = Dataset("data", {"x": X}).bind(points)
    enc, dec = linear_vae()
    fit(wake_sleep(data, Normal("z", Z), enc, dec), of(1200, 8000), 100, lr=0.02)
    found, best = elbo(vae(data, enc, dec), 500), evidence(points, 2)
    measured("wake_sleep", f"linear: ELBO {found:.3f} nats; log-evidence of probabilistic PCA {best:.3f}")
    assert best - of(0.1, 0.05) < found < best + 0.03


def test_sleep_gives_the_moments_of_the_posterior(of, measured) -> None:
    line, law, two = Type("X", (1,)), Type("X", (1,), "gaussian"), Type("T", (2,))
    code = Type("Z", (1,))
    moments = Fixed("moments", (code,), two, body=lambda z: torch.cat((z, z * z), 1))
    # x = z^2 + noise: the posterior has two modes, its mean is 0 and its second moment is known by integration.
    dec = Learner("dec", (code,), law, Square())
    expect = mlp("expect", (line,), two, 64)
    fit(ddc_sleep(Normal("z", code).term, dec, expect, moments), of(1000, 6000), 200, lr=0.01)
    seen = torch.linspace(0.2, 3.0, 15).unsqueeze(1)
    with torch.no_grad():
        error = (expect.apply(seen) - posterior_moments(seen)).abs().max(0).values
    measured(
        "ddc_sleep",
        f"x = z^2 + noise: E[z | x] at most {float(error[0]):.3f} off, E[z^2 | x] at most {float(error[1]):.3f}",
    )
    assert error[0] < of(0.2, 0.1)
    assert error[1] < of(0.2, 0.1)


class Square(nn.Module):
    """z -> N(z^2, 0.3^2)."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack((z * z, torch.full_like(z, 2 * math.log(0.3))), 1)


def posterior_moments(seen: Tensor) -> Tensor:
    """E[z | x] and E[z^2 | x] for `Square` and a standard normal z, by summing over a grid: (n, 2)."""
    grid = torch.linspace(-5, 5, 4001)
    log_joint = -grid.square() / 2 - (seen - grid.square()).square() / (2 * 0.3**2)
    weights = log_joint.softmax(1)
    return torch.stack((weights @ grid, weights @ grid.square()), 1)


def found_kinds(make, steps: int, **options) -> float:
    """How often the class that is inferred, of two, is the kind of the point, whatever it is called."""
    points, which = two_kinds()
    x = Dataset("data", {"x": X}).bind(points).term
    enc, dec = mlp("enc", (X,), V, 16), Learner("dec", (V,), P, Linear(2, 4, 1))
    fit(make(x, enc, dec, **options), steps, 100, lr=0.02)
    with torch.no_grad():
        right = (enc.apply(points).argmax(1) == which).float().mean()
    return float(max(right, 1 - right))


@pytest.mark.parametrize("hard", [False, True])
def test_a_categorical_vae_finds_the_kinds(of, measured, hard: bool) -> None:
    found = found_kinds(categorical_vae, of(400, 2000), hard=hard)
    measured("categorical_vae", f"{found:.3f} of the points sorted into their two kinds")
    assert found > of(0.95, 0.98)


def test_the_score_function_finds_the_kinds_too(of, measured) -> None:
    found = found_kinds(inference_by_score, of(400, 2000))
    measured("inference_by_score", f"{found:.3f} of the points sorted into their two kinds")
    assert found > of(0.95, 0.98)
