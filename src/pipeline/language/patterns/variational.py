"""Latent variables, by a bound on the likelihood or by regression on the model's own samples."""

import torch

from pipeline.language.boxes import concrete, sample, stop_gradient, straight_through
from pipeline.language.divergence import Divergence, cross_entropy, gaussian_nll, kl, linear, mse
from pipeline.language.sources import Dataset, Normal, constant, standard_normal, uniform
from pipeline.language.task import Equation, Player, Ramp, Task, equation, task
from pipeline.language.terms import Box, Fixed, Learner, Type, Wireable
from pipeline.language.weighing import drawn, every, log_mean_exp, repeated

X, Z, V = Type("X", (2,)), Type("Z", (1,)), Type("V", (2,), "categorical")
P, Q = Type("X", (2,), "gaussian"), Type("Z", (1,), "gaussian")
POINT = Dataset("data", {"x": X}).term
ENC, DEC = Learner("enc", (X,), Q), Learner("dec", (Z,), P)


def vae(
    x: Wireable = POINT,
    enc: Learner = ENC,
    dec: Learner = DEC,
    likelihood: Divergence = gaussian_nll,
    beta: float | Ramp = 1.0,
) -> Task:
    """A variational autoencoder (Kingma & Welling 2014, equation 10): the sum of the losses is the negative ELBO.

    enc gives a gaussian; dec the distribution that `likelihood` reads, gaussian or bernoulli.
    """
    return task(
        recon=equation(dec(sample(enc(x))), x, likelihood, trains=(enc, dec)),
        prior=equation(enc(x), standard_normal(enc.cod), kl, trains=enc, weight=beta),
    )


def beta_vae(
    x: Wireable = POINT,
    enc: Learner = ENC,
    dec: Learner = DEC,
    likelihood: Divergence = gaussian_nll,
    beta: float | Ramp = 4.0,
) -> Task:
    """A beta-VAE (Higgins et al. 2017, equation 4): a VAE with a dearer code."""
    return vae(x, enc, dec, likelihood, beta)


def iwae(
    x: Wireable = POINT, enc: Learner = ENC, dec: Learner = DEC, likelihood: Divergence = gaussian_nll, k: int = 5
) -> Task:
    """An importance-weighted autoencoder (Burda et al. 2016, equation 8): the loss is minus the bound of k samples."""
    q = repeated(k)(enc(x))
    z = sample(q)
    log_weight = gaussian_nll(q, z) - gaussian_nll(standard_normal(enc.cod), z) - likelihood(dec(z), x)
    bound = log_mean_exp(log_weight, over=q)
    return task(bound=equation(bound, constant(1), linear, trains=(enc, dec)))


CODE = Type("V", (2,), "categorical")
ENC_CODE, DEC_CODE = Learner("enc", (X,), CODE), Learner("dec", (CODE,), P)


def categorical_vae(
    x: Wireable = POINT,
    enc: Learner = ENC_CODE,
    dec: Learner = DEC_CODE,
    likelihood: Divergence = gaussian_nll,
    temperature: float = 0.5,
    hard: bool = False,
) -> Task:
    """A VAE with a class for a code (Jang et al. 2017, section 3; Maddison et al. 2017), drawn by a relaxation.

    hard: the decoder sees one class, and the gradient is that of the relaxation, instead of a mixture of classes.
    """
    draw = (straight_through if hard else concrete)(temperature)
    return task(
        recon=equation(dec(draw(enc(x))), x, likelihood, trains=(enc, dec)),
        prior=equation(enc(x), uniform(enc.cod), kl, trains=enc),
    )


def inference_by_score(
    x: Wireable = POINT, enc: Learner = ENC_CODE, dec: Learner = DEC_CODE, likelihood: Divergence = gaussian_nll
) -> Task:
    """Neural variational inference (Mnih & Gregor 2014): `categorical_vae` by the score function's gradient.

    The class is drawn, and nothing of dec is needed but its value."""
    return task(
        recon=equation(dec(drawn(enc(x))), x, likelihood, trains=(enc, dec)),
        prior=equation(enc(x), uniform(enc.cod), kl, trains=enc),
    )


# ------------------------------------------------------------------------------------------------------- with labels

LABELLED, LABEL = Dataset("data", {"x": X, "v": V})
ENC_V, DEC_V = Learner("enc", (X, V), Q), Learner("dec", (Z, V), P)


def conditional_vae(
    x: Wireable = LABELLED,
    v: Wireable = LABEL,
    enc: Learner = ENC_V,
    dec: Learner = DEC_V,
    likelihood: Divergence = gaussian_nll,
) -> Task:
    """A conditional VAE (Sohn et al. 2015): the sum of the losses is the negative ELBO of p(x | v)."""
    return task(
        recon=equation(dec(sample(enc(x, v)), v), x, likelihood, trains=(enc, dec)),
        prior=equation(enc(x, v), standard_normal(enc.cod), kl, trains=enc),
    )


UNLABELLED = Dataset("more", {"u": X}).term
GET = Learner("get", (X,), V)


def m2(
    x: Wireable = LABELLED,
    v: Wireable = LABEL,
    u: Wireable = UNLABELLED,
    get: Learner = GET,
    enc: Learner = ENC_V,
    dec: Learner = DEC_V,
    likelihood: Divergence = gaussian_nll,
    alpha: float = 1.0,
) -> Task:
    """Semi-supervised learning, model M2 (Kingma et al. 2014, equations 6 to 9): the class is a latent variable.

    x, v: labelled examples; u: unlabelled ones, whose bound is the mean over all classes, as likely as get says;
    alpha: weight of what get learns from labels alone.
    """
    guess = every(get(u))
    prior = standard_normal(enc.cod)
    return task(
        classify=equation(get(x), v, cross_entropy, trains=get, weight=alpha),
        recon=equation(dec(sample(enc(x, v)), v), x, likelihood, trains=(enc, dec)),
        prior=equation(enc(x, v), prior, kl, trains=enc),
        recon_u=equation(dec(sample(enc(u, guess)), guess), u, likelihood, trains=(get, enc, dec)),
        prior_u=equation(enc(u, guess), prior, kl, trains=(get, enc)),
        unsure=equation(get(u), uniform(get.cod), kl, trains=get),
    )


W, QW = Type("W", (1,)), Type("W", (1,), "gaussian")
PRIOR = Fixed("prior", (V,), QW, body=lambda v: (v @ v.new_tensor([[0.0, 0.0], [3.0, 0.0]])).unsqueeze(-1))
ENC_W, ADV = Learner("enc_w", (X, V), QW), Learner("adv", (Z,), V)
ENC_Z, DEC_W = Learner("enc_z", (X,), Q), Learner("dec", (Z, W), P)


def csvae(
    x: Wireable = LABELLED,
    v: Wireable = LABEL,
    enc_z: Learner = ENC_Z,
    enc_w: Learner = ENC_W,
    dec: Learner = DEC_W,
    adv: Learner = ADV,
    prior: Box = PRIOR,
    likelihood: Divergence = gaussian_nll,
    blindness: float = 10.0,
) -> Task:
    """A conditional subspace VAE (Klys et al. 2018): w holds what v says, z nothing of it.

    prior: the law of w for each v; adv: an adversary that reads v from z; blindness: weight of its failing.
    """
    z, w = sample(enc_z(x)), sample(enc_w(x, v))
    return task(
        recon=equation(dec(z, w), x, likelihood, trains=(enc_z, enc_w, dec)),
        prior_w=equation(enc_w(x, v), prior(v), kl, trains=enc_w),
        prior_z=equation(enc_z(x), standard_normal(enc_z.cod), kl, trains=enc_z),
        read=equation(adv(z), v, cross_entropy, trains=adv),
        blind=equation(adv(z), uniform(adv.cod), kl, trains=enc_z, weight=blindness),
        players=(Player("adversary", (adv,)), Player("model", (enc_z, enc_w, dec))),
        play="alternating",
    )


# ---------------------------------------------------------------------------------------------------------- in steps

H = Type("H", (4,))
START, STEP, WRITE = Learner("start", (), H), Learner("step", (H, Z), H), Learner("write", (H,), X)
POST, LEARNED, EMIT = Learner("post", (X, X, H), Q), Learner("prior", (H,), Q), Learner("emit", (X,), P)


def convdraw(
    x: Wireable = POINT,
    start: Learner = START,
    prior: Learner = LEARNED,
    post: Learner = POST,
    step: Learner = STEP,
    write: Learner = WRITE,
    emit: Learner = EMIT,
    likelihood: Divergence = gaussian_nll,
    steps: int = 2,
) -> Task:
    """A VAE in steps, each with a learned prior (Gregor et al. 2016, ConvDRAW): the losses' sum is the negative ELBO.

    start: the first state h; post: from x, what the canvas lacks of it, and h; step: the next state; write: what it
    adds to the canvas; emit: the distribution of x.
    """
    h = start()
    canvas = write(h)
    made: dict[str, Equation] = {}
    for t in range(1, steps + 1):
        code = post(x, x.term - canvas, h)
        trains = (start, write, prior, post, step) if t > 1 else (start, write, prior, post)
        made[f"prior_{t}"] = equation(code, prior(h), kl, trains=trains)
        h = step(h, sample(code))
        canvas = canvas + write(h)
    recon = equation(emit(canvas), x, likelihood, trains=(start, write, post, step, emit))
    return Task({"recon": recon, **made})


# -------------------------------------------------------------------------------------------------- with own samples

NOISE = Normal("z", Z)


def wake_sleep(x: Wireable = POINT, z: Wireable = NOISE, enc: Learner = ENC, dec: Learner = DEC) -> Task:
    """The wake-sleep algorithm (Hinton et al. 1995): dec learns from inferred codes, enc from dreamt points."""
    return task(
        wake=equation(dec(sample(enc(x))), x, gaussian_nll, trains=dec),
        sleep=equation(enc(sample(dec(z))), z, gaussian_nll, trains=enc),
    )


T = Type("T", (2,))
MOMENTS = Fixed("moments", (Z,), T, body=lambda z: torch.cat((z, z * z), 1))
EXPECT = Learner("expect", (X,), T)


def ddc_sleep(z: Wireable = NOISE, dec: Learner = DEC, expect: Learner = EXPECT, features: Box = MOMENTS) -> Task:
    """The sleep phase of the DDC Helmholtz machine (Vertes & Sahani 2018): posterior expectations by regression.

    Points are drawn from the model; at the optimum expect(x) = E[features(z) | x], whatever the posterior's shape.
    """
    dreamt = stop_gradient(sample(dec(z)))
    return task(sleep=equation(expect(dreamt), features(z), mse, trains=expect))
