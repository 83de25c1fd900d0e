"""Six systems, each as a task and as one would write its step by hand in plain PyTorch.

A hand-written step draws what the task's sources draw, shares what can be shared, keeps no graph that it does not need,
and takes one backward pass where one will do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline import systems
from pipeline.language import (
    Dataset,
    Draws,
    Fixed,
    Learner,
    Normal,
    Player,
    R,
    Task,
    Term,
    Type,
    Uniform,
    bernoulli_nll,
    constant,
    cross_entropy,
    derivative,
    equation,
    every,
    kl,
    linear,
    mse,
    sample,
    standard_normal,
    task,
    uniform,
)
from pipeline.nets.images import Decoder, Encoder, Features
from pipeline.systems.base import Inputs

SHAPE, CLASSES = (1, 28, 28), 10
S, V = Type("S", SHAPE), Type("V", (CLASSES,), "categorical")
PIXELS, LIKELIHOOD = Type("S", (784,)), Type("S", (784,), "bernoulli")
NOISE, SMOOTHING, RECONSTRUCTION = 0.1, 0.1, 20.0

Losses = Callable[[Draws], Tensor]  # what one player descends


@dataclass(frozen=True)
class Case:
    """A task, and by hand: for each move, the loss to descend and the parameters that descend it."""

    task: Task
    by_hand: tuple[tuple[Losses, list[nn.Parameter]], ...]


class Joined(nn.Module):
    """A perceptron of one hidden layer on its inputs side by side."""

    def __init__(self, width: int, hidden: int, *out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, torch.Size(out).numel()))
        self.out = out

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layers(torch.cat([each.flatten(1) for each in inputs], 1)).view(-1, *self.out)


class Point(nn.Module):
    """A learned constant."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1, *shape))

    def forward(self) -> Tensor:
        return self.value


class Critic(nn.Module):
    """Convolutions on an image, joined with a code if there is one: one number."""

    def __init__(self, code: int = 0) -> None:
        super().__init__()
        self.features, self.head = Features(SHAPE, 128), Joined(128 + code, 128)

    def forward(self, image: Tensor, *code: Tensor) -> Tensor:
        return self.head(self.features(image), *code)


class Generator(nn.Module):
    def __init__(self, latent: int) -> None:
        super().__init__()
        self.decoder = Decoder(SHAPE, latent, 0)

    def forward(self, code: Tensor) -> Tensor:
        return self.decoder(code, code[:, :0]).sigmoid()


def images(flat: bool = False) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1024, 784 if flat else 1), dtype=torch.uint8, generator=generator)
    if not flat:
        pixels = torch.randint(0, 256, (1024, *SHAPE), dtype=torch.uint8, generator=generator)
    return Dataset("x", {"s": PIXELS if flat else S, "v": V}).bind(pixels, torch.arange(1024) % CLASSES)


def weights(*learners: Learner) -> list[nn.Parameter]:
    return [parameter for learner in learners for parameter in learner.parameters]


def inner_noise(made: Task) -> list[Normal]:
    """The noise inside random boxes, in the order of the task."""
    return [source for source in made.sources if isinstance(source, Normal) and source.implicit]


def manipulator() -> Case:
    """Three equations that train put, through a frozen get."""
    values = tuple(str(k) for k in range(CLASSES))
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1024, *SHAPE), dtype=torch.uint8, generator=generator)
    inputs = Inputs(SHAPE, values).bound(pixels, torch.arange(1024) % CLASSES)
    config = {"shape": list(SHAPE), "values": list(values), "seed": 0}
    classifier = {**config, "system": "classifier", "settings": {"steps": 1}, "given": None}
    settings = {"steps": 1, "noise": NOISE, "smoothing": SMOOTHING, "reconstruction": RECONSTRUCTION}
    system = systems.build({**config, "system": "manipulator", "settings": settings, "given": classifier}, inputs)
    made = system.phases[0].task
    put, features, head = (learner.module for learner in system.kept)
    sources = {source.name: source for source in made.sources}
    (epsilon,) = inner_noise(made)

    def loss(draws: Draws) -> Tensor:
        image, _ = sources["x"].draw(draws)
        value = sources["a"].draw(draws)[0].exp()
        (noise,) = epsilon.draw(draws)
        own = head(features(image)).softmax(1)
        edited = put(image, value)
        read = head(features(torch.add(edited, noise, alpha=NOISE)))
        putget = F.cross_entropy(read, value, label_smoothing=SMOOTHING)
        getput = F.mse_loss(put(image, own), image)
        undo = F.mse_loss(put(edited, own), image)
        return putget + RECONSTRUCTION * (getput + undo)

    return Case(made, ((loss, list(put.parameters())),))


def rate(parameters: Tensor) -> Tensor:
    """KL of a gaussian wire's value from N(0, 1), per example."""
    mean, log_variance = parameters.unbind(1)
    return (log_variance.exp() + mean.square() - log_variance - 1).sum(1) / 2


def vae() -> Case:
    Q, Z, P = Type("Z", (32,), "gaussian"), Type("Z", (32,)), Type("S", SHAPE, "bernoulli")
    enc = Learner("enc", (S,), Q, Encoder(SHAPE, (2, 32)))
    dec = Learner("dec", (Z, V), P, Decoder(SHAPE, 32, CLASSES))
    x = images()
    s, v = x
    made = task(
        recon=equation(dec(sample(enc(s)), v), s, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(s), standard_normal(Q), kl, trains=enc),
    )
    (epsilon,) = inner_noise(made)

    def loss(draws: Draws) -> Tensor:
        image, value = x.draw(draws)
        parameters = enc.module(image)
        (noise,) = epsilon.draw(draws)
        code = parameters[:, 0] + (parameters[:, 1] / 2).exp() * noise
        logits = dec.module(code, value.exp())
        recon = F.binary_cross_entropy_with_logits(logits, image, reduction="sum") / len(image)
        return recon + rate(parameters).mean()

    return Case(made, ((loss, weights(enc, dec)),))


def wgan_gp() -> Case:
    """A critic with gradient penalty and a generator, in turns."""
    Z = Type("Z", (64,))
    critic, gen = Learner("critic", (S,), R, Critic()), Learner("gen", (Z,), S, Generator(64))
    mix = Fixed("mix", (S, S, R), S, body=lambda a, b, share: torch.lerp(a, b, share.view(-1, 1, 1, 1)))
    norm = Fixed("norm", (S,), R, body=lambda slope: slope.flatten(1).norm(dim=1))
    x, z, share = images(), Normal("z", Z), Uniform("share", R)
    s, _ = x
    made = task(
        players=(Player("critic", (critic,)), Player("gen", (gen,))),
        play="alternating",
        real=equation(critic(s), constant(1), linear, trains=critic),
        fake=equation(critic(gen(z)), constant(-1), linear, trains=critic),
        slope=equation(norm(derivative(critic, mix(s, gen(z), share))), constant(1), mse, trains=critic, weight=10),
        fool=equation(critic(gen(z)), constant(1), linear, trains=gen),
    )

    def judge(draws: Draws) -> Tensor:
        image, _ = x.draw(draws)
        with torch.no_grad():
            fake = gen.module(z.draw(draws)[0])
        between = torch.lerp(image, fake, share.draw(draws)[0].view(-1, 1, 1, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(critic.module(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return critic.module(fake).mean() - critic.module(image).mean() + 10 * penalty

    def fool(draws: Draws) -> Tensor:
        return -critic.module(gen.module(z.draw(draws)[0])).mean()

    return Case(made, ((judge, weights(critic)), (fool, weights(gen))))


def ali() -> Case:
    """Adversarially learned inference: a critic of pairs, then the encoder and the generator."""
    Z, B = Type("Z", (64,)), Type("B", (), "bernoulli")
    dsc = Learner("D", (S, Z), B, Critic(64))
    enc, gen = Learner("E", (S,), Z, Encoder(SHAPE, (64,))), Learner("G", (Z,), S, Generator(64))
    x, z = images(), Normal("z", Z)
    s, _ = x
    made = task(
        players=(Player("critic", (dsc,)), Player("pair", (enc, gen))),
        play="alternating",
        real_D=equation(dsc(s, enc(s)), constant(1), bernoulli_nll, trains=dsc),
        fake_D=equation(dsc(gen(z), z.term), constant(0), bernoulli_nll, trains=dsc),
        fool_E=equation(dsc(s, enc(s)), constant(0), bernoulli_nll, trains=enc),
        fool_G=equation(dsc(gen(z), z.term), constant(1), bernoulli_nll, trains=gen),
    )

    def bce(logits: Tensor, target: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def judge(draws: Draws) -> Tensor:
        image, code = x.draw(draws)[0], z.draw(draws)[0]
        with torch.no_grad():
            found, made_up = enc.module(image), gen.module(code)
        return bce(dsc.module(image, found), 1.0) + bce(dsc.module(made_up, code), 0.0)

    def fool(draws: Draws) -> Tensor:
        image, code = x.draw(draws)[0], z.draw(draws)[0]
        return bce(dsc.module(image, enc.module(image)), 0.0) + bce(dsc.module(gen.module(code), code), 1.0)

    return Case(made, ((judge, weights(dsc)), (fool, weights(enc, gen))))


def m2() -> Case:
    """The semi-supervised bound: labelled examples, and unlabelled ones with the class enumerated."""
    Q, Z = Type("Z", (50,), "gaussian"), Type("Z", (50,))
    cls = Learner("q_y", (PIXELS,), V, Joined(784, 500, CLASSES))
    enc = Learner("q_z", (PIXELS, V), Q, Joined(784 + CLASSES, 500, 2, 50))
    dec = Learner("dec", (V, Z), LIKELIHOOD, Joined(CLASSES + 50, 500, 784))
    labelled = images(flat=True)
    unlabelled = labelled.again()
    s, v = labelled
    u, _ = unlabelled
    y = every(cls(u))
    made = task(
        cls=equation(cls(s), v, cross_entropy, trains=cls, weight=50),
        lab=equation(dec(v, sample(enc(s, v))), s, bernoulli_nll, trains=(dec, enc)),
        lab_prior=equation(enc(s, v), standard_normal(Q), kl, trains=enc),
        unlab=equation(dec(y, sample(enc(u, y))), u, bernoulli_nll, trains=(dec, enc, cls)),
        unlab_prior=equation(enc(u, y), standard_normal(Q), kl, trains=(enc, cls)),
        entropy=equation(cls(u), uniform(V), kl, trains=cls),
    )
    by_label, by_class = inner_noise(made)

    def bound(pixels: Tensor, value: Tensor, noise: Tensor) -> Tensor:
        parameters = enc.module(pixels, value)
        code = parameters[:, 0] + (parameters[:, 1] / 2).exp() * noise
        logits = dec.module(value, code)
        recon = F.binary_cross_entropy_with_logits(logits, pixels, reduction="none").sum(1)
        return recon + rate(parameters)

    def loss(draws: Draws) -> Tensor:
        pixels, value = labelled.draw(draws)
        others, _ = unlabelled.draw(draws)
        batch = len(pixels)
        (first,), (second,) = by_label.draw(draws), by_class.draw(Draws(draws.seed, draws.step, CLASSES * batch))
        one_hot = value.exp()
        supervised = F.cross_entropy(cls.module(pixels), one_hot)
        log_q = cls.module(others).log_softmax(1)
        classes = torch.eye(CLASSES).repeat_interleave(batch, 0)
        each = bound(others.repeat(CLASSES, 1), classes, second).view(CLASSES, batch)
        q = log_q.exp()
        entropy = (q * log_q).sum(1).mean() + torch.tensor(float(CLASSES)).log()
        return 50 * supervised + bound(pixels, one_hot, first).mean() + (q.T * each).sum() / batch + entropy

    return Case(made, ((loss, weights(cls, enc, dec)),))


def unrolled(steps: int = 6) -> Case:
    """A recurrent VAE in the manner of ConvDRAW: shared learners, a learned prior and learned initial states."""
    H, Z, Q = Type("H", (128,)), Type("Z", (16,)), Type("Z", (16,), "gaussian")
    origin, blank = Learner("h0", (), H, Point(128)), Learner("c0", (), PIXELS, Point(784))
    post = Learner("post", (PIXELS, PIXELS, H), Q, Joined(784 + 784 + 128, 256, 2, 16))
    prior, cell = Learner("prior", (H,), Q, Joined(128, 64, 2, 16)), Learner("cell", (H, Z), H, Joined(144, 128, 128))
    write = Learner("write", (H,), PIXELS, Joined(128, 256, 784))
    logits = Fixed("logits", (PIXELS,), LIKELIHOOD, body=lambda canvas: canvas)
    x = images(flat=True)
    s, _ = x
    h, canvas = origin(), blank()
    rates: list[Term] = []
    for _ in range(steps):
        q = post(s, canvas, h)
        rates.append(kl(q, prior(h)))
        h = cell(h, sample(q))
        canvas = canvas + write(h)
    bound = bernoulli_nll(logits(canvas), s)
    for each in rates:
        bound = bound + each
    learners = (post, prior, cell, write, origin, blank)
    made = task(bound=equation(bound, constant(-1), linear, trains=learners))
    noises = inner_noise(made)

    def loss(draws: Draws) -> Tensor:
        image, _ = x.draw(draws)
        state = origin.module().expand(len(image), -1)
        canvas = blank.module().expand(len(image), -1)
        total = torch.zeros(())
        for noise in noises:
            parameters, expected = post.module(image, canvas, state), prior.module(state)
            (mean, log_variance), (other, log_other) = parameters.unbind(1), expected.unbind(1)
            ratio = (log_variance - log_other).exp() + (mean - other).square() / log_other.exp()
            total = total + (log_other - log_variance + ratio - 1).sum() / 2
            code = mean + (log_variance / 2).exp() * noise.draw(draws)[0]
            state = cell.module(state, code)
            canvas = canvas + write.module(state)
        recon = F.binary_cross_entropy_with_logits(canvas, image, reduction="sum")
        return (recon + total) / len(image)

    return Case(made, ((loss, weights(*learners)),))


CASES: dict[str, Callable[[], Case]] = {
    "manipulator": manipulator,
    "vae": vae,
    "wgan_gp": wgan_gp,
    "ali": ali,
    "m2": m2,
    "unrolled": unrolled,
}
