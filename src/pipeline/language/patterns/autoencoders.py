"""Autoencoders: what is encoded can be decoded again."""

from pipeline.language.binding import derivative
from pipeline.language.boxes import noise, stop_gradient
from pipeline.language.divergence import Divergence, inverse_multiquadratic, mmd_with, mse, sliced_wasserstein
from pipeline.language.patterns._boxes import assigned, combined, nearest, projected
from pipeline.language.sources import Dataset, Normal, constant
from pipeline.language.task import Task, equation, task
from pipeline.language.terms import Learner, Type, Wireable

X, Z = Type("X", (2,)), Type("Z", (1,))
POINT = Dataset("data", {"x": X}).term
ENC, DEC = Learner("enc", (X,), Z), Learner("dec", (Z,), X)


def autoencoder(x: Wireable = POINT, enc: Learner = ENC, dec: Learner = DEC, divergence: Divergence = mse) -> Task:
    """An autoencoder (Rumelhart et al. 1986): a code from which the point can be told."""
    return task(recon=equation(dec(enc(x)), x, divergence, trains=(enc, dec)))


def denoising_autoencoder(
    x: Wireable = POINT, enc: Learner = ENC, dec: Learner = DEC, divergence: Divergence = mse, std: float = 0.1
) -> Task:
    """A denoising autoencoder (Vincent et al. 2008): the point from a code of it with noise.

    At the optimum dec(enc(y)) is the mean of the points that y may come from, E[x | x + noise = y].
    """
    return task(recon=equation(dec(enc(noise(std)(x.term))), x, divergence, trains=(enc, dec)))


# ----------------------------------------------------------------------------------------------------- energy-based


def energy_based(
    x: Wireable = POINT,
    enc: Learner = ENC,
    dec: Learner = DEC,
    decoding: Divergence = mse,
    encoding: Divergence = mse,
    gamma: float = 1.0,
) -> Task:
    """Energy-based unsupervised learning (Ranzato et al. 2007): a point and its code have little energy together.

    decoding, encoding: the energies, nowhere negative; gamma: the weight of the first. `pca` and `k_means` are
    refinements.
    """
    return task(
        decode=equation(dec(enc(x)), x, decoding, trains=(enc, dec), weight=gamma),
        encode=equation(enc(dec(enc(x))), enc(x), encoding, trains=(enc, dec)),
    )


BASIS = Learner("basis", (), Type("W", (1, 2)))


def pca(x: Wireable = POINT, basis: Learner = BASIS, gamma: float = 1.0) -> Task:
    """Principal component analysis: `energy_based` with a linear code, decoded by the encoder's transpose.

    basis: k directions (k, d); gamma: as there. At the optimum they span the principal subspace of centred data (Baldi & Hornik 1989).
    """
    k, *_ = basis.cod.shape
    X, Z = x.term.type, Type("Z", (k,))
    enc, dec = Learner("enc", (X,), Z), Learner("dec", (Z,), X)
    coordinates, combination = projected(X, basis.cod, Z), combined(Z, basis.cod, X)
    general = energy_based(x, enc, dec, gamma=gamma)
    return general.fill(enc, lambda x: coordinates(x, basis())).fill(dec, lambda z: combination(z, basis()))


CODES = Learner("codes", (), Type("C", (3, 2)))


def k_means(x: Wireable = POINT, codes: Learner = CODES) -> Task:
    """k-means (Lloyd 1982): `energy_based` with the nearest of k codes, as one-hot code, decoded by looking it up.

    codes: k points (k, d). Coding a code changes nothing, so of the energy only the distance to the code is left.
    """
    k, *_ = codes.cod.shape
    X, Z = x.term.type, Type("Z", (k,))
    enc, dec = Learner("enc", (X,), Z), Learner("dec", (Z,), X)
    assignment, lookup = assigned(X, codes.cod, Z), combined(Z, codes.cod, X)
    general = energy_based(x, enc, dec)
    return general.fill(enc, lambda x: assignment(x, codes())).fill(dec, lambda z: lookup(z, codes()))


# ------------------------------------------------------------------------------------------------- codes with a law

BOOK = Learner("codes", (), Type("C", (3, 1)))


def vq_vae(
    x: Wireable = POINT,
    enc: Learner = ENC,
    dec: Learner = DEC,
    codes: Learner = BOOK,
    divergence: Divergence = mse,
    beta: float = 0.25,
) -> Task:
    """A VQ-VAE (van den Oord et al. 2017, equation 3): the decoder sees the nearest of k codes.

    Its gradient goes straight through to the encoder. codes: (k, d), for an encoder that gives (d,); beta: weight of
    the encoder's commitment to its code.
    """
    z = enc(x)
    code = nearest(z.type, codes.cod)(z, codes())
    return task(
        recon=equation(dec(z + stop_gradient(code - z)), x, divergence, trains=(enc, dec)),
        learn=equation(code, z, mse, trains=codes),
        commit=equation(z, code, mse, trains=enc, weight=beta),
    )


NOISE = Normal("z", Z)
AS_PRIOR = mmd_with(inverse_multiquadratic(0.1, 0.2, 0.5, 1, 2, 5, 10))


def wae_mmd(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    enc: Learner = ENC,
    dec: Learner = DEC,
    divergence: Divergence = mse,
    match: Divergence = AS_PRIOR,
    weight: float = 10.0,
) -> Task:
    """A Wasserstein autoencoder (Tolstikhin et al. 2018, algorithm 2): an autoencoder whose codes are distributed as z."""
    return task(
        recon=equation(dec(enc(x)), x, divergence, trains=(enc, dec)),
        prior=equation(enc(x), z, match, trains=enc, weight=weight),
    )


SLICED = sliced_wasserstein(50)


def sliced_autoencoder(
    x: Wireable = POINT,
    z: Wireable = NOISE,
    enc: Learner = ENC,
    dec: Learner = DEC,
    divergence: Divergence = mse,
    weight: float = 1.0,
) -> Task:
    """A sliced Wasserstein autoencoder (Kolouri et al. 2019, equation 14): `wae_mmd` along random directions."""
    return wae_mmd(x, z, enc, dec, divergence, SLICED, weight)


DIRECTION = Normal("w", Z)


def contractive_autoencoder(
    x: Wireable = POINT,
    w: Wireable = DIRECTION,
    enc: Learner = ENC,
    dec: Learner = DEC,
    divergence: Divergence = mse,
    weight: float = 0.1,
) -> Task:
    """A contractive autoencoder (Rifai et al. 2011, equation 4): the code hardly changes where the point does.

    With w standard normal, the mean square of the derivative of enc along w is that of the Jacobian's entries, times the
    number of the code's coordinates.
    """
    slope = derivative(enc, x, along=w)
    return autoencoder(x, enc, dec, divergence).with_equations(
        flat=equation(slope, constant(0, slope.type), mse, trains=enc, weight=weight)
    )
