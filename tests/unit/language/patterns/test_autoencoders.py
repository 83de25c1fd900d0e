"""Autoencoders, trained to what linear algebra and clustering know."""

from collections.abc import Callable

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from patterns.small import affine, mlp, point
from pipeline.language import Dataset, Normal, Task, Type, mmd
from pipeline.language.fitting import fit
from pipeline.language.patterns.autoencoders import (
    autoencoder,
    contractive_autoencoder,
    denoising_autoencoder,
    energy_based,
    k_means,
    pca,
    sliced_autoencoder,
    vq_vae,
    wae_mmd,
)

X, Z = Type("X", (5,)), Type("Z", (2,))


def stretched(rows: int = 200) -> Tensor:
    """Centred points, some of whose directions matter more than others."""
    points = torch.randn(rows, 5) * torch.tensor([2.0, 1.5, 0.6, 0.4, 0.2]) @ torch.linalg.qr(torch.randn(5, 5))[0]
    return points - points.mean(0)


def residual(points: Tensor, kept: int) -> float:
    """The variance that the principal subspace leaves, per coordinate."""
    singular = torch.linalg.svdvals(points)
    return float(singular[kept:].square().sum() / points.numel())


def largest_angle(one: Tensor, two: Tensor) -> float:
    """The largest principal angle between the spans of the rows of two matrices, in degrees."""
    (a, _), (b, _) = torch.linalg.qr(one.T), torch.linalg.qr(two.T)
    return float(torch.rad2deg(torch.linalg.svdvals(a.T @ b).clamp(max=1).acos().max()))


def test_pca_finds_the_principal_subspace(of, measured) -> None:
    points = stretched()
    basis = point("basis", Type("W", (2, 5)), torch.randn(2, 5))
    losses = fit(pca(Dataset("data", {"x": X}).bind(points), basis, gamma=100), of(800, 3000), 200, lr=0.05)
    angle = largest_angle(basis.module.value[0].detach(), torch.linalg.svd(points).Vh[:2])
    excess = float(losses["decode"][-1]) / residual(points, 2) - 1
    measured(
        "pca",
        f"largest principal angle {angle:.1g} degrees to the SVD's subspace; loss {excess:.1%} above its residual",
    )
    assert angle < of(1.0, 0.2)
    assert excess < of(0.01, 0.001)


def test_a_linear_autoencoder_is_as_good_as_pca(of, measured) -> None:
    points = stretched()
    made = autoencoder(Dataset("data", {"x": X}).bind(points), affine("enc", (X,), Z), affine("dec", (Z,), X))
    losses = fit(made, of(500, 3000), 200, lr=0.05)
    best = residual(points, 2)
    measured("autoencoder", f"linear: loss {float(losses['recon'][-1]):.5f}; PCA's residual variance {best:.5f}")
    assert best * 0.9999 < losses["recon"][-1] < best * of(1.02, 1.001)


def test_a_linear_energy_is_the_residual_of_pca(of, measured) -> None:
    points = stretched()
    made = energy_based(Dataset("data", {"x": X}).bind(points), affine("enc", (X,), Z), affine("dec", (Z,), X))
    losses = fit(made, of(500, 3000), 200, lr=0.05)
    best = residual(points, 2)
    energy = float(losses["decode"][-1] + losses["encode"][-1])
    measured("energy_based", f"linear: energy {energy:.5f}; PCA's residual variance {best:.5f}")
    assert best * 0.9999 < energy < best * of(1.02, 1.001)


def test_denoising_gives_the_mean_of_the_points_that_it_may_be(of, measured) -> None:
    line, std = Type("X", (1,)), 1.0
    points = torch.where(torch.arange(1000) < 500, -1.0, 1.0).unsqueeze(1)
    enc, dec = mlp("enc", (line,), Z), mlp("dec", (Z,), line)
    fit(
        denoising_autoencoder(Dataset("data", {"x": line}).bind(points), enc, dec, std=std), of(600, 5000), 100, lr=0.01
    )
    seen = torch.linspace(-2, 2, 41).unsqueeze(1)
    with torch.no_grad():
        error = float((dec.apply(enc.apply(seen)) - torch.tanh(seen / std**2)).abs().max())
    measured("denoising_autoencoder", f"points -1 and 1, noise 1: at most {error:.3f} from E[x | seen] = tanh(seen)")
    assert error < of(0.15, 0.07)


def clusters(rows: int = 300) -> tuple[Tensor, Tensor]:
    """Points of three classes, and the class of each."""
    centres = torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    which = torch.arange(rows) % 3
    return centres[which] + 0.3 * torch.randn(rows, 2), which


def test_k_means_finds_the_clusters(of, measured) -> None:
    plane = Type("X", (2,))
    points, _ = clusters()
    codes = point("codes", Type("C", (3, 2)), points[:3].clone())
    losses = fit(k_means(Dataset("data", {"x": plane}).bind(points), codes), of(300, 2000), 300, lr=0.05)
    best = KMeans(3, n_init=10, random_state=0).fit(points.numpy()).inertia_
    inertia = float(losses["decode"][-1]) * points.numel()
    measured("k_means", f"inertia {inertia:.3f}; scikit-learn's best of ten {best:.3f}")
    assert best * 0.9999 < inertia < best * 1.001


def test_the_codes_of_a_vq_vae_are_the_centres_of_clusters(of, measured) -> None:
    plane, code = Type("X", (2,)), Type("Z", (2,))
    points, which = clusters()
    enc, dec = affine("enc", (plane,), code), affine("dec", (code,), plane)
    codes = point("codes", Type("C", (3, 2)), torch.randn(3, 2))
    made = vq_vae(Dataset("data", {"x": plane}).bind(points), enc, dec, codes)
    losses = fit(made, of(1000, 5000), 300, lr=0.02)
    with torch.no_grad():
        centres = torch.stack([enc.apply(points[which == k]).mean(0) for k in range(3)])
        found = codes.module.value[0]
        error = float((torch.cdist(centres, found).min(1).values).max() / torch.pdist(centres).min())
    best = KMeans(3, n_init=10, random_state=0).fit(points.numpy()).inertia_ / points.numel()
    measured(
        "vq_vae",
        f"codes at most {error:.1%} of the clusters' distance from their centres; loss {float(losses['recon'][-1]):.4f}, of the best three points {best:.4f}",
    )
    assert error < of(0.05, 0.02)
    assert losses["recon"][-1] < best * of(1.1, 1.02)


def matched(make: Callable[..., Task], steps: int, measured: Callable[[str, str], None]) -> tuple[float, float]:
    """An autoencoder whose codes are to be distributed as the prior: its loss, and how far from the prior they are."""
    plane, code = Type("X", (2,)), Type("Z", (2,))
    points, _ = clusters(1200)
    x, z = Dataset("data", {"x": plane}).bind(points).term, Normal("z", code)
    enc, dec = mlp("enc", (plane,), code), mlp("dec", (code,), plane)
    recon = float(fit(make(x, z, enc, dec, weight=3), steps, 100, lr=0.01)["recon"][-1])
    with torch.no_grad():
        codes, prior, other = enc.apply(points), torch.randn(1200, 2), torch.randn(1200, 2)
        distance, chance = (float(mmd.loss(each, prior, code)) for each in (codes, other))
    measured(
        make.__name__,
        f"reconstruction {recon:.4f} of variance {float(points.var(0).mean()):.2f}; MMD {distance:.4f} to the prior, {chance:.4f} between two samples of it",
    )
    return recon, distance


def test_the_codes_of_a_wasserstein_autoencoder_are_distributed_as_the_prior(of, measured) -> None:
    recon, distance = matched(wae_mmd, of(600, 5000), measured)
    assert recon < of(0.2, 0.1)
    assert distance < of(0.02, 0.01)


def test_the_codes_of_a_sliced_autoencoder_are_distributed_as_the_prior(of, measured) -> None:
    recon, distance = matched(sliced_autoencoder, of(600, 4000), measured)
    assert recon < of(0.3, 0.15)
    assert distance < of(0.03, 0.015)


def test_a_contractive_code_is_flat_where_data_do_not_vary(of, measured) -> None:
    """A linear code whose slope is dear keeps to the direction of the greatest variance, as short as it can be."""
    plane, code = Type("X", (2,)), Type("Z", (1,))
    points = torch.randn(1000, 2) * torch.tensor([2.0, 0.3])
    x, w = Dataset("data", {"x": plane}).bind(points).term, Normal("w", code)
    slopes = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        enc, dec = affine("enc", (plane,), code), affine("dec", (code,), plane)
        fit(contractive_autoencoder(x, w, enc, dec, weight=weight), of(400, 2000), 100, lr=0.02)
        slopes[weight] = enc.module.layers[0].weight[0].detach().abs()
    free, dear = slopes[0.0], slopes[1.0]
    measured(
        "contractive_autoencoder",
        f"slopes along the wide and the narrow direction {dear[0]:.3f} and {dear[1]:.3f}; without the penalty {free[0]:.3f} and {free[1]:.3f}",
    )
    assert dear[0] < 0.7 * free[0]
    assert dear[1] < 0.05
