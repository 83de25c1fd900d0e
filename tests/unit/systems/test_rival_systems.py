"""Published systems that learn to edit by other means than the manipulators: their equations, their uses, their training."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import systems
from pipeline.language import Draws, loss
from pipeline.language.reason import implies
from pipeline.nets.critics import Critic
from pipeline.systems.base import Inputs, System
from pipeline.systems.csvae import Settings, subspaces
from pipeline.systems.symmetric_manipulator import viewed
from pipeline.training import Run

RIVALS = ["matched_conditional_vae", "csvae", "conditional_wgan_gp", "cycle_gan", "symmetric_manipulator"]
SAMPLING = ("matched_conditional_vae", "csvae", "conditional_wgan_gp")
GREY, COLOUR = ((1, 28, 28), tuple("0123456789")), ((3, 32, 32), ("with", "without"))
TINY = ((1, 16, 16), ("a", "b", "c"))


def build(name: str, shape: tuple[int, ...], values: tuple[str, ...], inputs: Inputs | None = None, **given: object):
    common = {"shape": list(shape), "values": list(values), "seed": 0}
    classifier = {**common, "system": "classifier", "settings": {"steps": 1}, "given": None}
    config = {**common, "system": name, "settings": {"steps": 8, **given}, "given": classifier}
    return systems.build(config, inputs)


def examples(shape: tuple[int, ...], count: int = 192) -> tuple[Tensor, Tensor]:
    """Bright bars whose height in the image is the value, of a length and a place of their own."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    starts = torch.randint(0, shape[2] // 2, (count,), generator=generator)
    columns = torch.arange(shape[2])
    bars = (columns >= starts[:, None]) & (columns < starts[:, None] + shape[2] // 2)
    images = torch.zeros(count, *shape, dtype=torch.uint8)
    for row in range(3):
        images[torch.arange(count), :, 1 + 5 * labels + row] = 255 * bars[:, None].to(torch.uint8)
    return images, labels


def trained(name: str, place: Path, steps: int, **settings: object) -> tuple[System, list[dict[str, float]]]:
    inputs = Inputs(*TINY).bound(*examples(TINY[0]))
    system = build(name, *TINY, inputs, steps=steps, batch_size=16, warm_up=10, **settings)
    recipe = systems.settings(name, {"steps": steps, "batch_size": 16, "warm_up": 10, **settings})
    return system, Run(system, recipe, 0, torch.device("cpu"), place / "checkpoint").train(name)


# --------------------------------------------------------------------------------------------------------- equations


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("matched_conditional_vae", {"recon": ["enc", "dec"], "prior": ["enc"], "law": ["enc", "dec"]}),
        (
            "csvae",
            {
                "recon": ["enc_z", "enc_w", "dec"],
                "prior_w": ["enc_w"],
                "prior_z": ["enc_z"],
                "read": ["adv"],
                "blind": ["enc_z"],
            },
        ),
        (
            "conditional_wgan_gp",
            {
                "real": ["critic"],
                "fake": ["critic"],
                "lipschitz": ["critic"],
                "fool": ["gen"],
                "codes": ["enc"],
                "images": ["enc"],
            },
        ),
        (
            "cycle_gan",
            {"real": ["critic"], "fake": ["critic"], "fool": ["put"], "cycle": ["put"], "identity": ["put"]},
        ),
    ],
)
def test_each_equation_trains_whom_the_paper_says(name: str, expected: dict[str, list[str]]) -> None:
    equations = systems.example(name).task.equations
    assert {key: [learner.name for learner in each.trains] for key, each in equations.items()} == expected


def test_the_critic_moves_five_times_for_each_move_of_the_generator() -> None:
    play, invert = build("conditional_wgan_gp", *TINY).phases
    assert {player.name: player.steps for player in play.task.players} == {"critic": 5, "generator": 1}
    assert [learner.name for learner in invert.task.trained] == ["enc"]


@pytest.mark.parametrize("name", RIVALS)
def test_what_is_kept_is_about_as_large_as_the_conditional_vae_or_put(name: str) -> None:
    found = systems.example(name).parameters
    least, most = (systems.example(each).parameters for each in ("manipulator", "conditional_vae"))
    assert 0.9 * least < found < 1.1 * most


# -------------------------------------------------------------------------------------------------------------- uses


@pytest.mark.parametrize(("shape", "values"), [GREY, COLOUR])
@pytest.mark.parametrize("name", RIVALS)
def test_edits_and_samples_are_images(name: str, shape: tuple[int, ...], values: tuple[str, ...]) -> None:
    system = build(name, shape, values)
    model = systems.model({"shape": list(shape), "values": list(values)}, system)
    images, targets = torch.rand(5, *shape), torch.arange(5) % len(values)
    made = [model.edit(images, targets), model.edit(images, torch.full((5, len(values)), 1 / len(values)))]
    made += [model.sample(targets, 0)] if model.sample else []
    for each in made:
        assert each.shape == images.shape
        assert 0 <= float(each.min()) <= float(each.max()) <= 1
    assert bool(model.sample) == (name in SAMPLING)


@pytest.mark.parametrize("name", RIVALS)
def test_an_edit_depends_on_the_image_and_on_the_value(name: str) -> None:
    edit = systems.model({"shape": TINY[0], "values": TINY[1]}, build(name, *TINY)).edit
    one, other = torch.rand(2, 1, 1, 16, 16)
    a, b = torch.tensor([0]), torch.tensor([1])
    assert not torch.equal(edit(one, a), edit(one, b))
    assert not torch.equal(edit(one, a), edit(other, a))


def test_a_critic_reads_the_value_and_each_image_by_itself() -> None:
    critic = Critic((1, 16, 16), 3)
    images, values = torch.rand(6, 1, 16, 16), torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    found = critic(images, values)
    assert tuple(found.shape) == (6,)
    torch.testing.assert_close(critic(images[2:3], values[2:3]), found[2:3])
    assert not torch.allclose(critic(images, values.roll(1, 0)), found)


# --------------------------------------------------------------------------------------------------- conditional VAE


def test_a_law_that_is_matched_is_one_more_equation_for_the_same_vae() -> None:
    """Of the same draws, the other losses are those of the VAE."""
    inputs, draws = Inputs(*TINY).bound(*examples(TINY[0])), Draws(0, 0, 32)
    vae, matched = (build(name, *TINY, inputs) for name in ("conditional_vae", "matched_conditional_vae"))
    assert list(matched.task.equations) == [*vae.task.equations, "law"]
    for name, each in vae.task.equations.items():
        assert loss(each, draws).item() == loss(matched.task.equations[name], draws).item()


def test_the_features_in_which_a_vae_is_matched_stay_as_they_are(tmp_path: Path) -> None:
    before = build("matched_conditional_vae", *TINY)
    after, _ = trained("matched_conditional_vae", tmp_path, 3)
    (read,), (still,) = (
        [each for each in system.task.equations["law"].learners if each.name == "features"]
        for system in (before, after)
    )
    assert all(torch.equal(one, other) for one, other in zip(read.parameters, still.parameters, strict=True))
    assert not torch.equal(weights(before, "dec"), weights(after, "dec"))


# ------------------------------------------------------------------------------------------------------------- csvae


def test_the_prior_has_a_subspace_for_each_value() -> None:
    mean, log_variance = subspaces(Settings(steps=1, apart=3, tight=0.1), torch.eye(3)[[1]])[0]
    assert mean.tolist() == [0, 0, 3, 3, 0, 0]
    torch.testing.assert_close((log_variance / 2).exp(), torch.tensor([0.1, 0.1, 1, 1, 0.1, 0.1]))


def test_the_density_of_the_csvae_is_that_of_its_equations() -> None:
    """The KL of the posterior from the prior is the sum of the losses of prior_w and prior_z."""
    inputs = Inputs(*TINY).bound(*examples(TINY[0]))
    system, draws = build("csvae", *TINY, inputs), Draws(0, 0, 32)
    images, labels = inputs.x.draw(draws)
    posterior = system.density.posterior(images, labels.exp())
    prior = system.density.prior(32, labels.exp())
    found = torch.distributions.kl_divergence(posterior, prior).mean()
    torch.testing.assert_close(found, sum(loss(system.task.equations[name], draws) for name in ("prior_w", "prior_z")))
    code = posterior.sample()
    assert tuple(system.density.likelihood(code, labels.exp()).log_prob(images).shape) == (32,)


# ---------------------------------------------------------------------------------------------------- symmetric lens


def test_a_view_is_the_negative_turned_by_a_quarter_at_half_the_resolution() -> None:
    image = torch.zeros(1, 1, 4, 8)
    image[..., :2, 6:] = 1  # the upper right corner, which a quarter turn takes to the upper left
    expected = torch.ones(1, 1, 4, 2)
    expected[..., 0, 0] = 0
    assert torch.equal(viewed(image), expected)


@pytest.mark.parametrize(("law", "side", "across"), [("putrl", "S", "ST"), ("putlr", "T", "TS")])
def test_the_laws_of_symmetric_lenses_follow_from_the_equations(law: str, side: str, across: str) -> None:
    system = systems.example("symmetric_manipulator")
    asked, premises = system.laws[law], (f"getput_{side}", f"putget_{across}", f"keep_{across}")
    assert implies(system.task, asked, given=premises).verdict == "proved"
    for left_out in premises:
        rest = [name for name in premises if name != left_out]
        assert implies(system.task, asked, given=rest).verdict == "refuted", f"without {left_out}"
    assert implies(system.task, system.laws[f"{law}_rest"], given=[f"keep_{across}"]).verdict == "proved"


def test_no_image_is_shown_with_its_own_view() -> None:
    task = systems.example("symmetric_manipulator").task
    drawn = {name: {source.name for source in each.sources} for name, each in task.equations.items()}
    assert all(len(each & {"x", "x'"}) == 1 for name, each in drawn.items() if name != "rests")
    assert task.equations["rests"].divergence.distributional


# ---------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("name", "falling"),
    [
        ("matched_conditional_vae", ["recon", "law"]),
        ("csvae", ["recon", "prior_w"]),
        ("conditional_wgan_gp", ["lipschitz", "codes", "images"]),
        ("cycle_gan", ["cycle", "identity"]),
        ("symmetric_manipulator", ["classify_T", "getput_S", "getput_T", "putget_ST", "rests"]),
    ],
)
def test_a_hundred_steps_lower_the_losses(name: str, falling: list[str], tmp_path: Path) -> None:
    _, rows = trained(name, tmp_path, 100)
    for equation in falling:
        values = [row[equation] for row in rows if equation in row]
        assert sum(values[-5:]) < sum(values[:5]), equation


def test_the_inversion_leaves_the_generator_as_it_is(tmp_path: Path) -> None:
    system, _ = trained("conditional_wgan_gp", tmp_path, 6, ema=0.0)
    before = {name: weights(system, name) for name in ("gen", "enc")}
    recipe = systems.settings("conditional_wgan_gp", {"steps": 6, "batch_size": 16})
    inversion = System(system.task, system.phases[1:], system.kept)
    Run(inversion, recipe, 1, torch.device("cpu"), tmp_path / "checkpoint").train("inversion")
    assert torch.equal(weights(system, "gen"), before["gen"])
    assert not torch.equal(weights(system, "enc"), before["enc"])


def weights(system: System, name: str) -> Tensor:
    return torch.cat([each.detach().flatten() for each in system.boxes[name].parameters]).clone()


def test_what_a_trained_lens_takes_over_comes_back(tmp_path: Path) -> None:
    before, _ = trained("symmetric_manipulator", tmp_path, 1)
    after, _ = trained("symmetric_manipulator", tmp_path, 100)
    draws = Draws(1, 0, 64)
    for law in ("putrl", "putlr"):
        assert loss(after.laws[law], draws).item() < loss(before.laws[law], draws).item() / 1.5
