"""Laws of the bounds, what binarisation does, and what is refused."""

import math

import pytest
import torch
from sklearn.neighbors import KernelDensity
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal, Uniform

from pipeline import systems
from pipeline.errors import UserError
from pipeline.metrics import likelihood
from pipeline.metrics.annealing import Schedule
from pipeline.metrics.losses import equation_losses
from pipeline.systems.base import Inputs, LatentModel
from tests.unit.metrics.latent_models import linear_gaussian, mixture

LINEAR = linear_gaussian()
X = LINEAR.data(30)
GREY = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def decoder() -> LatentModel:
    """Bernoulli images of 1 x 4 x 4, given values (n, 2)."""
    weight = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))

    def normal(n: int) -> Independent:
        return Independent(Normal(torch.zeros(n, 1), 1.0), 1)

    def likelihood_(z: Tensor, values: Tensor) -> Independent:
        logits = torch.cat((z, values), 1) @ weight
        return Independent(Bernoulli(logits=logits.reshape(-1, 1, 4, 4), validate_args=False), 3)

    return LatentModel(lambda n, values: normal(n), likelihood_, lambda x, values: normal(len(x)))


VALUES = torch.eye(2).repeat(3, 1)


def test_the_exact_posterior_gives_the_log_likelihood_for_every_number_of_samples() -> None:
    truth = torch.tensor(LINEAR.log_density(X))
    for bound in likelihood.iwae(LINEAR.exact, X, samples=(1, 7, 100)).values():
        torch.testing.assert_close(bound, truth, atol=1e-4, rtol=0, check_dtype=False)


def test_bounds_rise_with_the_number_of_samples_on_every_example_where_each_divides_the_next() -> None:
    found = likelihood.iwae(LINEAR.wrong, X, samples=(1, 5, 50, 500), seed=3)
    for few, many in ((1, 5), (5, 50), (50, 500)):
        assert (found[few] < found[many]).all()


def test_bounds_rise_with_the_number_of_samples_on_average() -> None:
    found = likelihood.iwae(LINEAR.wrong, LINEAR.data(300), samples=(1, 3, 8, 30))
    means = [float(found[count].mean()) for count in (1, 3, 8, 30)]
    assert means == sorted(means)
    assert means[-1] - means[0] > 0.5


def test_one_importance_sample_is_the_elbo() -> None:
    one = likelihood.iwae(LINEAR.wrong, X, samples=(1, 5000))[1]
    elbo = likelihood.elbo(LINEAR.wrong, X, samples=5000)
    torch.testing.assert_close(one.mean(), elbo.bound.mean(), atol=0.05, rtol=0)


def test_a_rate_without_a_formula_is_estimated() -> None:
    """torch knows no KL of a full normal from independent ones; a copy that it can pair gives the truth."""
    exact = LINEAR.posterior(X)
    full = torch.distributions.MultivariateNormal(torch.zeros(30, 3), torch.eye(3).expand(30, -1, -1))
    rate = likelihood.elbo(LINEAR.exact, X, samples=5000).rate
    known = torch.distributions.kl_divergence(exact, full)
    torch.testing.assert_close(rate, known, atol=0.1, rtol=0, check_dtype=False)


def test_chunks_change_no_bound() -> None:
    truth = likelihood.iwae(LINEAR.exact, X, samples=(20,))[20]
    for rows in (1, 7, 100_000):
        torch.testing.assert_close(likelihood.iwae(LINEAR.exact, X, samples=(20,), rows=rows)[20], truth)
    wide = likelihood.elbo(LINEAR.wrong, X, samples=2000, rows=60_000)
    narrow = likelihood.elbo(LINEAR.wrong, X, samples=2000, rows=999)
    torch.testing.assert_close(wide.bound.mean(), narrow.bound.mean(), atol=0.05, rtol=0)


def test_no_more_rows_are_decoded_at_once_than_asked_for() -> None:
    seen = []

    def counted(z: Tensor, condition: Tensor | None) -> Independent:
        seen.append(len(z))
        return LINEAR.likelihood(z)

    model = LatentModel(LINEAR.prior, counted, LINEAR.wrong_posterior)
    likelihood.iwae(model, X, samples=(40,), rows=16)
    assert max(seen) == 16
    assert sum(seen) == 30 * 40


def test_bounds_are_a_function_of_the_seed_and_leave_the_global_one_alone() -> None:
    torch.manual_seed(8)
    following = torch.rand(2)
    torch.manual_seed(8)
    first, again, other = (likelihood.iwae(LINEAR.wrong, X, samples=(9,), seed=seed)[9] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(2), following)


def test_discrete_latents_are_allowed_and_their_bound_stays_below_the_truth() -> None:
    model = mixture()
    x = model.data(200)
    bound = likelihood.iwae(model.model, x, samples=(1, 10))
    truth = float(model.log_density(x).mean())
    assert float(bound[1].mean()) < float(bound[10].mean()) < truth


def test_conditions_go_with_their_images() -> None:
    x = likelihood.binarise(GREY, "fixed")
    together = likelihood.iwae(decoder(), x, VALUES, samples=(2000,))[2000]
    apart = torch.cat([likelihood.iwae(decoder(), x[i : i + 1], VALUES[i : i + 1], (2000,))[2000] for i in range(6)])
    torch.testing.assert_close(together, apart, atol=0.2, rtol=0)
    swapped = likelihood.iwae(decoder(), x, VALUES.flip(1), samples=(2000,))[2000]
    assert float((together - swapped).abs().max()) > 1


def test_a_binarisation_has_the_grey_value_as_its_mean() -> None:
    images = torch.tensor([0.0, 0.2, 0.7, 1.0]).reshape(1, 1, 2, 2).expand(4000, -1, -1, -1)
    for how in ("fixed", "stochastic"):
        drawn = likelihood.binarise(images, how, seed=2)
        assert set(drawn.unique().tolist()) == {0.0, 1.0}
        torch.testing.assert_close(drawn.mean(0), images[0], atol=0.03, rtol=0)


def test_a_fixed_binarisation_heeds_no_seed_and_a_stochastic_one_does() -> None:
    fixed = [likelihood.binarise(GREY, "fixed", seed) for seed in (0, 1)]
    stochastic = [likelihood.binarise(GREY, "stochastic", seed) for seed in (0, 1)]
    assert torch.equal(*fixed)
    assert not torch.equal(*stochastic)
    assert torch.equal(likelihood.binarise(GREY, "none"), GREY)


def test_fewer_images_are_binarised_alike() -> None:
    assert torch.equal(likelihood.binarise(GREY[:2], "fixed"), likelihood.binarise(GREY, "fixed")[:2])


def test_kernels_agree_with_scikit_learn_and_chunks_change_nothing() -> None:
    samples, points = torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    widths = torch.tensor([0.3, 1.0], dtype=torch.float64)
    ours = likelihood.kernel_log_density(samples, points, widths, rows=7)
    for row, width in zip(ours, (0.3, 1.0), strict=True):
        known = KernelDensity(bandwidth=width).fit(samples.numpy()).score_samples(points.numpy())
        torch.testing.assert_close(row, torch.tensor(known))


def test_metrics_have_the_keys_of_the_contract() -> None:
    found = likelihood.likelihood_metrics(
        decoder(),
        GREY,
        VALUES,
        binarisation="stochastic",
        samples=200,
        annealed=3,
        schedule=Schedule(20, 2, 2),
        resamples=100,
    )
    ends = ("", "_low", "_high")
    names = ("elbo", "rate", "distortion", "nll_bound", "bits_per_dim", "nll_ais", "nll_ais_gap")
    assert set(found) == {name + end for name in names for end in ends} | {"binarisation", "nll_samples"}
    assert found["binarisation"] == "stochastic"
    assert found["nll_samples"] == 200
    assert found["rate"] == pytest.approx(0, abs=1e-6)
    assert found["elbo"] == pytest.approx(-found["rate"] - found["distortion"])
    assert found["nll_bound_low"] < found["nll_bound"] < found["nll_bound_high"] < -found["elbo"]
    assert found["bits_per_dim"] == pytest.approx(found["nll_bound"] / 16 / math.log(2))


def test_metrics_leave_annealing_out_where_nothing_is_to_be_annealed() -> None:
    found = likelihood.likelihood_metrics(
        decoder(), GREY, VALUES, binarisation="fixed", samples=5, annealed=0, resamples=20
    )
    assert "nll_bound" in found
    assert "nll_ais" not in found


def test_a_conditional_vae_has_a_density_whose_elbo_is_its_loss() -> None:
    """The equations `recon` and `prior`, as they are trained, are its distortion and rate."""
    config = {
        "system": "conditional_vae",
        "shape": [1, 8, 8],
        "values": ["a", "b", "c"],
        "seed": 3,
        "given": None,
        "settings": {"steps": 1, "latent": 4},
    }
    model = systems.model(config, systems.build(config))
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (300, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(300) % 3
    inputs = Inputs((1, 8, 8), ("a", "b", "c")).bound(images, labels)
    losses = equation_losses(inputs.bind(model.system.task), 300, 100, seed=0)
    found = likelihood.elbo(model.density, images.float() / 255, torch.eye(3)[labels], samples=5)
    assert float(found.rate.mean()) == pytest.approx(losses["prior"], rel=1e-5)
    assert float(found.distortion.mean()) == pytest.approx(losses["recon"], abs=0.15)
    code = torch.randn(300, 4, generator=generator)
    with torch.no_grad():
        pixels = model.density.likelihood(code, torch.eye(3)[labels]).mean
        torch.testing.assert_close(pixels, model.system.sample(torch.eye(3)[labels], code))


def test_pixels_outside_the_range_are_refused() -> None:
    for call in (
        lambda: likelihood.binarise(GREY * 255, "fixed"),
        lambda: likelihood.likelihood_metrics(decoder(), GREY * 255, VALUES, binarisation="none"),
    ):
        with pytest.raises(UserError, match=r"images: pixels in 0\.\.1 expected"):
            call()


def test_log_likelihoods_that_are_not_finite_are_refused() -> None:
    x = likelihood.binarise(GREY, "fixed")
    good = decoder()
    broken = LatentModel(good.prior, _undefined, good.posterior)
    with pytest.raises(UserError, match="evidence lower bound: 6 of 6 hold NaN or infinity"):
        likelihood.elbo(broken, x, VALUES)
    with pytest.raises(UserError, match="log-likelihood bound of 10 samples: 6 of 6 hold NaN or infinity"):
        likelihood.iwae(broken, x, VALUES, samples=(10,))


def _undefined(z: Tensor, values: Tensor) -> Independent:
    logits = torch.full((len(z), 1, 4, 4), math.nan)
    return Independent(Bernoulli(logits=logits, validate_args=False), 3)


def test_what_torch_refuses_is_named() -> None:
    good = decoder()
    strict = LatentModel(good.prior, lambda z, c: Independent(Bernoulli(good.likelihood(z, c).mean), 3), good.posterior)
    with pytest.raises(UserError, match=r"^likelihood: Expected value argument .* within the support"):
        likelihood.iwae(strict, GREY, VALUES, samples=(3,))
    lost = LatentModel(good.prior, good.likelihood, lambda x, c: Independent(Normal(x.flatten(1) * math.nan, 1.0), 1))
    with pytest.raises(UserError, match=r"^posterior: Expected parameter loc"):
        likelihood.elbo(lost, GREY, VALUES)


def test_bad_requests_are_refused() -> None:
    x = likelihood.binarise(GREY, "fixed")
    good = decoder()
    flat = LatentModel(good.prior, lambda z, c: good.likelihood(z, c).base_dist, good.posterior)
    loose = LatentModel(good.prior, good.likelihood, lambda x, c: good.posterior(x, c).base_dist)
    refused = (
        ("posterior: the model has none", lambda: likelihood.elbo(LatentModel(good.prior, good.likelihood), x, VALUES)),
        ("samples: at least 1 expected, 0 given", lambda: likelihood.elbo(good, x, VALUES, samples=0)),
        ("samples: at least 1 expected, -2 given", lambda: likelihood.iwae(good, x, VALUES, samples=(5, -2))),
        ("samples: at least one number", lambda: likelihood.iwae(good, x, VALUES, samples=())),
        ("conditions: one row per image expected, 5 for 6", lambda: likelihood.elbo(good, x, VALUES[:5])),
        ("images: none given", lambda: likelihood.elbo(good, x[:0], VALUES[:0])),
        ("posterior: batch shape \\(6,\\) expected, \\(6, 1\\) given", lambda: likelihood.elbo(loose, x, VALUES)),
        ("likelihood: 120 distributions over values of shape", lambda: likelihood.elbo(flat, x, VALUES)),
        ("none, fixed or stochastic expected, `grey` given", lambda: likelihood.binarise(GREY, "grey")),
        (
            "annealed: 0..6 expected",
            lambda: likelihood.likelihood_metrics(good, GREY, VALUES, binarisation="fixed", annealed=7),
        ),
        (
            "an interval needs at least 2, 1 given",
            lambda: likelihood.likelihood_metrics(good, GREY[:1], VALUES[:1], binarisation="fixed", annealed=0),
        ),
    )
    for said, call in refused:
        with pytest.raises(UserError, match=said):
            call()


def test_parzen_refuses_a_range_of_bandwidths_without_the_best_and_other_widths() -> None:
    samples, validation, test = torch.randn(3, 200, 2, generator=torch.Generator().manual_seed(6))
    with pytest.raises(UserError, match=r"0\.02 is best and at the end of the range"):
        likelihood.parzen(samples, validation, test, (0.01, 0.015, 0.02))
    with pytest.raises(UserError, match="at least 3 above 0 expected"):
        likelihood.parzen(samples, validation, test, (0.0, 0.1, 0.2))
    with pytest.raises(UserError, match=r"test: features of shape \(n, 2\) expected"):
        likelihood.parzen(samples, validation, test[:, :1])


def test_priors_of_bounded_latents_are_fine_for_importance_samples() -> None:
    """Uniform latents, proposals from the prior: log p(x) by quadrature."""

    def uniform(n: int) -> Independent:
        return Independent(Uniform(torch.zeros(n, 1), 1.0), 1)

    model = LatentModel(
        lambda n, c: uniform(n), lambda z, c: Independent(Normal(z, 0.3), 1), lambda x, c: uniform(len(x))
    )
    x = torch.tensor([[0.5], [1.1]])
    normal = Normal(0.0, 1.0)
    truth = (normal.cdf(x / 0.3) - normal.cdf((x - 1) / 0.3)).log()[:, 0]
    found = likelihood.iwae(model, x, samples=(5000,))[5000]
    torch.testing.assert_close(found, truth, atol=0.05, rtol=0, check_dtype=False)
