"""Adversaries: a learner that tells what is real from what is made, and one that makes it."""

from dataclasses import replace

from torch import nn

from pipeline.language.binding import derivative
from pipeline.language.boxes import parametric, sample, stop_gradient
from pipeline.language.divergence import (
    Divergence,
    bernoulli_nll,
    cross_entropy,
    frechet,
    inverse_multiquadratic,
    l1,
    linear,
    mmd_with,
    mse,
)
from pipeline.language.patterns._boxes import between, norm
from pipeline.language.sources import Dataset, Normal, Uniform, constant
from pipeline.language.task import Player, Task, equation, task
from pipeline.language.terms import Fixed, Learner, R, Term, Type, Wireable
from pipeline.language.weighing import reweighted

X, Z, V = Type("X", (2,)), Type("Z", (2,)), Type("V", (2,), "categorical")
LOGIT = Type("R", (), "bernoulli")
POINT, NOISE = Dataset("data", {"x": X}).term, Normal("z", Z)
GEN, DSC, CRITIC = Learner("gen", (Z,), X), Learner("dsc", (X,), LOGIT), Learner("critic", (X,), R)


def _said(number: float, dsc: Learner) -> Term:
    """What a discriminator is to say, as a constant."""
    return constant(number, replace(dsc.cod, kind="real"))


def gan(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    gen: Learner = GEN,
    dsc: Learner = DSC,
    divergence: Divergence = bernoulli_nll,
    steps: int = 1,
) -> Task:
    """A generative adversarial network (Goodfellow et al. 2014), with the generator's loss that does not saturate.

    What is asked of gen contradicts what is asked of dsc: the solution is an equilibrium, where dsc cannot tell.
    steps: of dsc for each one of gen (k of their algorithm 1).
    """
    yes, no = _said(1, dsc), _said(0, dsc)
    return task(
        real=equation(dsc(x), yes, divergence, trains=dsc),
        fake=equation(dsc(gen(z)), no, divergence, trains=dsc),
        fool=equation(dsc(gen(z)), yes, divergence, trains=gen),
        players=(Player("D", (dsc,), steps), Player("G", (gen,))),
        play="alternating",
    )


def lsgan(x: Wireable = POINT, z: Wireable = NOISE, gen: Learner = GEN, dsc: Learner = CRITIC, steps: int = 1) -> Task:
    """A least-squares GAN (Mao et al. 2017): dsc gives a number, which is to be 1 or 0."""
    return gan(x, z, gen, dsc, mse, steps)


def wgan_gp(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    gen: Learner = GEN,
    critic: Learner = CRITIC,
    penalty: float = 10.0,
    steps: int = 5,
) -> Task:
    """A Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, equation 3).

    penalty: weight of the equation by which the critic has slope 1 between real and made points; steps: of the critic
    for each one of gen.
    """
    up, down = constant(1), constant(-1)
    made, X = gen(z), x.term.type
    slope = derivative(critic, at=between(X)(Uniform("u", R), x, made))
    return task(
        real=equation(critic(x), up, linear, trains=critic),
        fake=equation(critic(made), down, linear, trains=critic),
        lipschitz=equation(norm(X)(slope), up, mse, trains=critic, weight=penalty),
        fool=equation(critic(made), up, linear, trains=gen),
        players=(Player("D", (critic,), steps), Player("G", (gen,))),
        play="alternating",
    )


# ------------------------------------------------------------------------------------------------- codes and labels

LABELLED, LABEL = Dataset("data", {"x": X, "v": V})
GEN_V, DSC_V = Learner("gen", (Z, V), X), Learner("dsc", (X, V), LOGIT)


def conditional_gan(
    x: Wireable = LABELLED,
    v: Wireable = LABEL,
    z: Wireable = NOISE,
    gen: Learner = GEN_V,
    dsc: Learner = DSC_V,
    divergence: Divergence = bernoulli_nll,
    steps: int = 1,
) -> Task:
    """A conditional GAN (Mirza & Osindero 2014, equation 2): both learners see the label."""
    yes, no, made = _said(1, dsc), _said(0, dsc), gen(z, v)
    return task(
        real=equation(dsc(x, v), yes, divergence, trains=dsc),
        fake=equation(dsc(made, v), no, divergence, trains=dsc),
        fool=equation(dsc(made, v), yes, divergence, trains=gen),
        players=(Player("D", (dsc,), steps), Player("G", (gen,))),
        play="alternating",
    )


CODE, GUESS = Uniform("c", V), Learner("guess", (X,), V)


def infogan(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    c: Wireable = CODE,
    gen: Learner = GEN_V,
    dsc: Learner = DSC,
    guess: Learner = GUESS,
    divergence: Divergence = bernoulli_nll,
    weight: float = 1.0,
    steps: int = 1,
) -> Task:
    """InfoGAN (Chen et al. 2016, equation 6): a GAN with a code that can be guessed from what is made of it."""
    yes, no, made = _said(1, dsc), _said(0, dsc), gen(z, c)
    return task(
        real=equation(dsc(x), yes, divergence, trains=dsc),
        fake=equation(dsc(made), no, divergence, trains=dsc),
        fool=equation(dsc(made), yes, divergence, trains=gen),
        info=equation(guess(made), c, cross_entropy, trains=(gen, guess), weight=weight),
        players=(Player("D", (dsc,), steps), Player("G", (gen, guess))),
        play="alternating",
    )


JOINT = Learner("dsc", (X, Z), LOGIT)
ENC, ENC_LAW = Learner("enc", (X,), Z), Learner("enc", (X,), Type("Z", (2,), "gaussian"))


def bigan(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    enc: Learner = ENC,
    gen: Learner = GEN,
    dsc: Learner = JOINT,
    divergence: Divergence = bernoulli_nll,
    steps: int = 1,
) -> Task:
    """A bidirectional GAN (Donahue et al. 2017): dsc tells encoded points from generated ones.

    Where it cannot, enc and gen are each other's inverse almost everywhere.
    """
    return _ali(x, z, enc(x), gen, enc, dsc, divergence, steps)


def ali(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    enc: Learner = ENC_LAW,
    gen: Learner = GEN,
    dsc: Learner = JOINT,
    divergence: Divergence = bernoulli_nll,
    steps: int = 1,
) -> Task:
    """Adversarially learned inference (Dumoulin et al. 2017): `bigan` with an encoder that gives a law."""
    return _ali(x, z, sample(enc(x)), gen, enc, dsc, divergence, steps)


def _ali(
    x: Wireable, z: Wireable, code: Term, gen: Learner, enc: Learner, dsc: Learner, divergence: Divergence, steps: int
) -> Task:
    yes, no, made = _said(1, dsc), _said(0, dsc), gen(z)
    return task(
        real=equation(dsc(x, code), yes, divergence, trains=dsc),
        fake=equation(dsc(made, z), no, divergence, trains=dsc),
        fool_enc=equation(dsc(x, code), no, divergence, trains=enc),
        fool_gen=equation(dsc(made, z), yes, divergence, trains=gen),
        players=(Player("D", (dsc,), steps), Player("G", (enc, gen))),
        play="alternating",
    )


# ------------------------------------------------------------------------------------------------ more than one aim

OTHER = Dataset("other", {"y": Type("Y", (2,))}).term
TO_Y, TO_X = Learner("to_y", (X,), OTHER.type), Learner("to_x", (OTHER.type,), X)
DSC_X, DSC_Y = Learner("dsc_x", (X,), R), Learner("dsc_y", (OTHER.type,), R)


def cyclegan(
    x: Wireable = POINT,
    y: Wireable = OTHER,
    to_y: Learner = TO_Y,
    to_x: Learner = TO_X,
    dsc_x: Learner = DSC_X,
    dsc_y: Learner = DSC_Y,
    weight: float = 10.0,
    steps: int = 1,
) -> Task:
    """CycleGAN (Zhu et al. 2017, equation 3): a map each way between unpaired sources, each the other's inverse."""
    make_y, make_x = lsgan(y, x, to_y, dsc_y).equations, lsgan(x, y, to_x, dsc_x).equations
    return task(
        cycle_x=equation(to_x(to_y(x)), x, l1, trains=(to_y, to_x), weight=weight),
        cycle_y=equation(to_y(to_x(y)), y, l1, trains=(to_y, to_x), weight=weight),
        **{f"{name}_y": each for name, each in make_y.items()},
        **{f"{name}_x": each for name, each in make_x.items()},
        players=(Player("D", (dsc_x, dsc_y), steps), Player("G", (to_y, to_x))),
        play="alternating",
    )


AS_PRIOR = mmd_with(inverse_multiquadratic(0.1, 0.2, 0.5, 1, 2, 5, 10))


def compression(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    enc: Learner = ENC,
    gen: Learner = GEN,
    critic: Learner = CRITIC,
    match: Divergence = AS_PRIOR,
    prior: float = 10.0,
    fooling: float = 1.0,
) -> Task:
    """Distribution-preserving compression, step 1, Wasserstein++ (Tschannen et al. 2018): a decoder that also generates.

    `wae_mmd` and `wgan_gp` with one generator; the critic's made points come from between a code and the prior. In step
    2 gen is frozen, and a code of few bits is learned for it.
    """
    up, down = constant(1), constant(-1)
    code, X = enc(x), x.term.type
    made = gen(between(code.type, "mixed")(Uniform("u", R), code, z))
    slope = derivative(critic, at=between(X)(Uniform("w", R), x, made))
    return task(
        recon=equation(gen(code), x, mse, trains=(enc, gen)),
        prior=equation(code, z, match, trains=enc, weight=prior),
        real=equation(critic(x), up, linear, trains=critic),
        fake=equation(critic(made), down, linear, trains=critic),
        lipschitz=equation(norm(X)(slope), up, mse, trains=critic, weight=10),
        fool=equation(critic(gen(stop_gradient(code))), up, linear, trains=gen, weight=fooling),
        players=(Player("D", (critic,)), Player("G", (enc, gen))),
        play="alternating",
    )


SCORE = Learner("score", (X,), R)


def learned_constraint(
    x: Wireable = POINT, z: Wireable = NOISE, gen: Learner = GEN, score: Learner = SCORE, alpha: float = 2.0
) -> Task:
    """A learned knowledge constraint (Hu et al. 2018): a score by which samples of a model are weighed as data are.

    q = gen(z) weighed by exp(alpha score) is the model under the constraint; score learns from data as an energy does,
    and gen, of which only samples are needed, follows q by the score.
    """
    made = gen(z)
    q = reweighted(made, stop_gradient(alpha * score(made)))
    return task(
        data=equation(score(x), constant(1), linear, trains=score),
        model=equation(score(q), constant(-1), linear, trains=score),
        reward=equation(score(made), constant(1), linear, trains=gen, weight=alpha),
        players=(Player("constraint", (score,)), Player("model", (gen,))),
    )


A = Type("A", (3,))
CONV = parametric("conv", (X,), A, nn.Linear(2, 3, device="meta"))
FILTERS, GEN_W = Learner("filters", (), CONV.dom[0]), Learner("gen", (Z,), CONV.dom[0])
DSC_A, GUESS_Z = Learner("dsc", (A,), LOGIT), Learner("guess", (A,), Z)


def filter_gan(
    h: Wireable = POINT,
    z: Wireable = NOISE,
    filters: Learner = FILTERS,
    gen: Learner = GEN_W,
    conv: Fixed = CONV,
    dsc: Learner = DSC_A,
    guess: Learner = GUESS_Z,
    weight: float = 1.0,
    steps: int = 1,
) -> Task:
    """Filters of a network by a GAN (arXiv 1710.11386): dsc sees what filters make of data, not the filters.

    filters: those of a trained network's layer, which nothing trains; conv: that layer, a `parametric` box; h: what it
    is applied to; guess: without it gen would give the one set of filters that there is.
    """
    yes, no = _said(1, dsc), _said(0, dsc)
    true, made = conv(filters(), h), conv(gen(z), h)
    return task(
        real=equation(dsc(true), yes, bernoulli_nll, trains=dsc),
        fake=equation(dsc(made), no, bernoulli_nll, trains=dsc),
        fool=equation(dsc(made), yes, bernoulli_nll, trains=gen),
        info=equation(guess(made), z, mse, trains=(gen, guess), weight=weight),
        players=(Player("D", (dsc,), steps), Player("G", (gen, guess))),
        play="alternating",
    )


FEATURES = Learner("features", (X,), Type("F", (8,)))


def moment_matching(x: Wireable = POINT, z: Wireable = NOISE, gen: Learner = GEN, features: Learner = FEATURES) -> Task:
    """A generator without an adversary (Santos et al. 2019): samples match the features' mean and covariance in data.

    features: a given learner; the divergence is the Frechet distance (Heusel et al. 2017, equation 6).
    """
    return task(match=equation(features(gen(z)), features(x), frechet, trains=gen))
