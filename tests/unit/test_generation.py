"""Generation from a trained editor: known answers of exact, idle and constructed editors, and what is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.nn import functional as F

from pipeline import generation, systems
from pipeline.data.renderers import Reader
from pipeline.data.sprites_shape import DATASET
from pipeline.errors import UserError
from pipeline.metrics import fixtures
from pipeline.systems import Model

VALUES = 4
IMAGES = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(12) % VALUES
COMMON = {"data": "tiny", "shape": [1, 8, 8], "values": ["a", "b", "c", "d"], "seed": 3, "given": None}
CLASSIFIER = {**COMMON, "system": "classifier", "settings": {"steps": 1}}


def get(images: Tensor) -> Tensor:
    return images.flatten(1)[:, :VALUES].softmax(1)


def editor(put: Callable[[Tensor, Tensor], Tensor], values: int = VALUES) -> Model:
    return fixtures.as_model("made", fixtures.Fixture(put, get), values)


def untrained(name: str, **settings: object) -> Model:
    """A system as it is before training."""
    given = None if name == "conditional_vae" else CLASSIFIER
    config = {**COMMON, "system": name, "settings": {"steps": 1, "latent": 6, **settings}, "given": given}
    return systems.model(config, systems.build(config))


@pytest.fixture(scope="module")
def exact() -> tuple[Model, Tensor]:
    """The renderer as an editor of the shapes of sprites, and 30 sprites."""
    rendering = DATASET.source
    images, _, _ = rendering.examples(rendering.renderer.sample(30, 0), 32)
    fixture = fixtures.renderer(lambda images: images.flatten(1)[:, :6], rendering, Reader(rendering.renderer))
    return fixtures.as_model("renderer", fixture, 6), images.float() / 255


# -------------------------------------------------------------------------------------------------------------- walks


def test_chains_of_an_exact_editor_do_not_drift(exact: tuple[Model, Tensor]) -> None:
    model, images = exact
    chain = generation.walk(model, images, generation.random_values(5, len(images), 6, seed=1))
    assert chain.images.shape == (6, *images.shape)
    assert float(generation.drift(model, chain).max()) == 0
    assert float(chain.moves.mean()) > 1e-3
    assert float(generation.strangeness(model, images, chain.values[-1]).min()) > 1e-3


def test_an_exact_editor_is_at_a_fixed_point_after_one_step_from_noise(exact: tuple[Model, Tensor]) -> None:
    model, images = exact
    start = generation.noise(10, images.shape[1:], seed=2, smooth=2.0)
    moves = generation.repeated(model, start, torch.arange(10) % 6, 3).moves
    assert moves.shape == (3, 10)
    assert float(moves[0].min()) > 1e-3
    assert float(moves[1:].max()) == 0


def test_the_identity_never_moves_and_writes_nothing() -> None:
    idle = editor(lambda images, values: images)
    chain = generation.walk(idle, IMAGES, generation.random_values(4, 12, VALUES, 0))
    assert float(chain.moves.max()) == float(generation.drift(idle, chain).max()) == 0
    stays = generation.repeated(idle, IMAGES, TARGETS, 2).read(get)
    assert torch.equal(stays[0], stays[1])
    assert torch.equal(stays[0], get(IMAGES).gather(1, TARGETS[:, None])[:, 0])


def test_a_drift_is_what_the_editor_adds_at_each_step() -> None:
    brighter = editor(lambda images, values: images + 0.1)
    chain = generation.walk(brighter, 0.2 * IMAGES, generation.random_values(4, 12, VALUES, 0))
    torch.testing.assert_close(chain.moves, torch.full((4, 12), 0.01))
    expected = (0.1 * torch.arange(4)).square()[:, None].expand(4, 12)
    torch.testing.assert_close(generation.drift(brighter, chain), expected, atol=1e-6, rtol=1e-4)


def test_of_an_editor_that_keeps_nothing_strangers_are_alike() -> None:
    prototypes = torch.rand(VALUES, 1, 8, 8)
    model = editor(lambda images, values: prototypes[values.argmax(1)])
    assert float(generation.strangeness(model, IMAGES, TARGETS).max()) == 0


def test_a_row_has_an_image_in_all_values() -> None:
    model = untrained("manipulator")
    rows = generation.written(model, IMAGES, [2, 0, 3])
    assert rows.shape == (12, 3, 1, 8, 8)
    torch.testing.assert_close(rows[:, 1], model.edit(IMAGES, torch.zeros(12, dtype=torch.int64)))
    torch.testing.assert_close(rows[5, 2], model.edit(IMAGES[5:6], torch.tensor([3]))[0])


def test_noise_is_in_range_and_a_function_of_its_seed() -> None:
    rough, soft = (generation.noise(50, (3, 16, 12), 7, smooth) for smooth in (0.0, 2.0))
    assert rough.shape == soft.shape == (50, 3, 16, 12)
    assert abs(float(rough.mean()) - 0.5) < 0.01
    assert torch.equal(soft.amin((1, 2, 3)), torch.zeros(50))
    assert torch.equal(soft.amax((1, 2, 3)), torch.ones(50))
    assert torch.equal(rough, generation.noise(50, (3, 16, 12), 7))
    assert not torch.equal(rough, generation.noise(50, (3, 16, 12), 8))
    # Neighbours are alike in smooth noise, and strangers in the other.
    near = [float((each[..., 1:] - each[..., :-1]).square().mean() / (2 * each.var())) for each in (rough, soft)]
    assert near[0] > 0.9
    assert near[1] < 0.2


def test_random_values_are_uniform_and_repeatable() -> None:
    values = generation.random_values(40, 500, VALUES, 1)
    assert torch.equal(values, generation.random_values(40, 500, VALUES, 1))
    shares = torch.bincount(values.flatten(), minlength=VALUES) / values.numel()
    torch.testing.assert_close(shares, torch.full((VALUES,), 0.25), atol=0.02, rtol=0)


# -------------------------------------------------------------------------------------------------------------- codes


@pytest.mark.parametrize(
    "name", ["complement_manipulator", "offset_manipulator", "sampling_manipulator", "conditional_vae"]
)
def test_what_is_coded_and_decoded_with_a_value_is_the_edit(name: str) -> None:
    model = untrained(name)
    coder = generation.coder(model)
    codes = coder.encode(IMAGES)
    assert coder.told
    assert codes.shape == (12, 6)
    decoded = coder.decode(codes, F.one_hot(TARGETS, VALUES).float())
    torch.testing.assert_close(decoded, model.edit(IMAGES, TARGETS))


def test_a_decoder_that_is_told_no_value_has_a_law_of_codes_for_each() -> None:
    model = untrained("latent_shift")
    labels = torch.arange(160) % VALUES
    images = (labels / VALUES).view(-1, 1, 1, 1) + 0.2 * torch.rand(160, 1, 8, 8)
    law = generation.fitted(model, images, labels, VALUES)
    assert not law.coder.told
    assert len(law.mixtures) == VALUES
    codes = law.coder.encode(images).double().numpy()
    for value, mixture in enumerate(law.mixtures):
        np.testing.assert_allclose(mixture.means_[0], codes[labels.numpy() == value].mean(0), atol=1e-6)
    assert law.sample(TARGETS, VALUES, 0).shape == (12, 1, 8, 8)


def test_samples_from_fitted_codes_are_images_and_a_function_of_the_seed() -> None:
    law = generation.fitted(
        untrained("complement_manipulator"), torch.rand(60, 1, 8, 8), torch.zeros(60).long(), VALUES, 2
    )
    first, again, other = (law.sample(TARGETS, VALUES, seed) for seed in (1, 1, 2))
    assert first.shape == (12, 1, 8, 8)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_draws_have_the_moments_of_their_mixture() -> None:
    random = np.random.default_rng(0)
    covariance = np.array([[2.0, 1.0], [1.0, 1.0]])
    points = random.multivariate_normal([0, 0], covariance, 4000) + np.repeat([[0, 0], [20, -20]], [1000, 3000], 0)
    law = GaussianMixture(2, random_state=0).fit(points)
    drawn = generation.draws(law, 8000, random)
    far = drawn[:, 0] > 10
    assert abs(far.mean() - 0.75) < 0.02
    np.testing.assert_allclose(drawn[far].mean(0), [20, -20], atol=0.1)
    np.testing.assert_allclose(np.cov(drawn[~far].T), covariance, atol=0.2)


# ------------------------------------------------------------------------------------------------- the Bayesian inverse


def test_the_inverse_writes_uniform_values_whatever_the_images_are() -> None:
    model = untrained("manipulator")
    made, values = generation.inverted(model, IMAGES, VALUES, 5)
    torch.testing.assert_close(made, model.edit(IMAGES, values))
    assert torch.equal(values, generation.random_values(1, 12, VALUES, 5)[0])


def features(labels: Tensor, seed: int) -> Tensor:
    noise = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(seed))
    return noise + labels[:, None]


def test_the_same_law_passes_and_the_value_that_differs_is_named() -> None:
    labels = torch.arange(600) % 3
    real, made = features(labels, 0), features(labels, 1)
    same = generation.judged(real, labels, made, labels, 3)
    assert same.passes
    assert same.rejected == ()
    other = generation.judged(real, labels, made + 0.8 * (labels == 2)[:, None], labels, 3)
    assert not other.passes
    assert other.rejected == (2,)


def test_spread_is_the_variance_within_values() -> None:
    black, white = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    images = torch.cat((black, white, white, white, black))
    assert generation.spread(images, torch.tensor([0, 0, 1, 1, 2])) == 0.25


# ------------------------------------------------------------------------------------------------------------ steering


def test_blends_begin_with_what_is_there_and_end_with_the_value() -> None:
    model = untrained("complement_manipulator")
    present = model.classify(IMAGES)
    blends = generation.blended(model, IMAGES, present, TARGETS, (0, 0.3, 1))
    assert blends.shape == (3, *IMAGES.shape)
    torch.testing.assert_close(blends[0], model.edit(IMAGES, present))
    torch.testing.assert_close(blends[2], model.edit(IMAGES, TARGETS))
    with pytest.raises(UserError, match=r"0\.\.1, 1\.5 given"):
        generation.blended(model, IMAGES, present, TARGETS, (0.5, 1.5))


def test_an_offset_is_followed_beyond_its_ends() -> None:
    model = untrained("offset_manipulator")
    boxes = model.system.boxes
    images = generation.steered(model, IMAGES, TARGETS, (-1, 0, 1, 2))
    torch.testing.assert_close(images[2], model.edit(IMAGES, TARGETS))
    torch.testing.assert_close(images[1], boxes["dec"].apply(boxes["comp"].apply(IMAGES)))
    direction = boxes["offset"].apply(F.one_hot(TARGETS, VALUES).float().log())
    torch.testing.assert_close(images[3], boxes["dec"].apply(boxes["comp"].apply(IMAGES) + 2 * direction))


def steered_share(response: Callable[[Tensor], Tensor]) -> float:
    """The monotonicity of an editor whose images are read as the value with probability response(t)."""
    model = editor(
        lambda images, values: response(values.gather(1, TARGETS[:, None]))[..., None, None].expand(12, 1, 8, 8)
    )
    blends = generation.blended(model, IMAGES, torch.zeros(12, VALUES), TARGETS, torch.linspace(0, 1, 9).tolist())
    return float(generation.monotone(blends[:, :, 0, 0, 0]).double().mean())


def test_a_steering_that_rises_has_monotonicity_one_and_one_that_turns_has_less() -> None:
    assert steered_share(lambda amount: amount) == 1
    assert steered_share(lambda amount: 4 * amount * (1 - amount)) == 0
    of_some = (torch.arange(12) < 9).view(12, 1)
    assert steered_share(lambda amount: torch.where(of_some, amount, 1 - amount)) == 0.75


def test_a_fall_counts_from_the_highest_point() -> None:
    rising, dips, sinks = [0.1, 0.5, 0.9], [0.5, 0.495, 0.9], [0.5, 0.494, 0.488]
    read = torch.tensor([rising, dips, sinks]).T
    assert generation.monotone(read).tolist() == [True, True, False]
    assert generation.monotone(read, slack=0.0).tolist() == [True, False, False]


# ------------------------------------------------------------------------------------------------------ what is refused


def test_what_a_model_lacks_is_said() -> None:
    reader = systems.model(CLASSIFIER, systems.build(CLASSIFIER))
    for use in (
        lambda: generation.written(reader, IMAGES, [0]),
        lambda: generation.walk(reader, IMAGES, TARGETS[None]),
        lambda: generation.inverted(reader, IMAGES, VALUES, 0),
        lambda: generation.blended(reader, IMAGES, get(IMAGES), TARGETS, [0]),
    ):
        with pytest.raises(UserError, match="classifier: this model does not edit"):
            use()
    plain = untrained("manipulator")
    with pytest.raises(UserError, match="manipulator: a system without codes"):
        generation.coder(plain)
    with pytest.raises(UserError, match="manipulator: no offset to steer by"):
        generation.steered(plain, IMAGES, TARGETS, [0])


def test_bad_arguments_are_named() -> None:
    idle = editor(lambda images, values: images)
    with pytest.raises(UserError, match=r"values: \(steps, 12\) class indices expected, \(12,\) given"):
        generation.walk(idle, IMAGES, TARGETS)
    with pytest.raises(UserError, match=r"start: pixels in 0\.\.1 expected"):
        generation.walk(idle, 2 * IMAGES, TARGETS[None])
    with pytest.raises(UserError, match="codes: 4 examples for 6 feature dimensions"):
        generation.fitted(untrained("complement_manipulator"), IMAGES[:4], TARGETS[:4], VALUES)
    with pytest.raises(UserError, match="codes: 12 examples; a mixture of 20 Gaussians needs at least 20"):
        generation.fitted(untrained("complement_manipulator"), IMAGES, TARGETS, VALUES, 20)
    with pytest.raises(UserError, match="spread: two images or more"):
        generation.spread(IMAGES[:VALUES], TARGETS[:VALUES])
    with pytest.raises(UserError, match="no example of class 3"):
        generation.fitted(untrained("latent_shift"), IMAGES, TARGETS % 3, VALUES)


def test_a_model_without_a_system_has_no_codes() -> None:
    alone = replace(editor(lambda images, values: images), config={"system": "fixture"})
    with pytest.raises(UserError, match="fixture: a system without codes"):
        generation.coder(alone)
    assert not generation.has_offset(alone)
