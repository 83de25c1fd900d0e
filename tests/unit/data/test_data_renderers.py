import hashlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline.data.renderers import FACES, SPRITES, TURNED_SPRITES, Renderer, drawing, faces, sprites
from pipeline.data.renderers.__main__ import draw, main, table
from pipeline.data.renderers.scene import GRID, SIZES
from pipeline.errors import UserError

ALL = pytest.mark.parametrize("renderer", [SPRITES, TURNED_SPRITES, FACES], ids=lambda each: each.name)
AT_SIZES = pytest.mark.parametrize("size", SIZES)


def floats(images: Tensor) -> Tensor:
    return images.double() / 255


def varied(renderer: Renderer, rows: Tensor, name: str, size: int) -> Tensor:
    """The pictures of rows (n, k) with each value of a factor: (values, n, 3, size, size), 0..1."""
    count = renderer.sizes[renderer.column(name)]
    return floats(torch.stack([renderer.render(renderer.changed(rows, name, value), size) for value in range(count)]))


# ----------------------------------------------------------------------------------------------------- any renderer


@ALL
def test_rows_and_numbers_are_one_to_one_and_few_enough_to_list(renderer: Renderer) -> None:
    numbers = torch.arange(renderer.count)
    assert renderer.count == math.prod(len(factor.values) for factor in renderer.factors) <= 30_000
    rows = renderer.rows(numbers)
    renderer.check(rows)
    assert torch.equal(renderer.numbers(rows), numbers)
    assert len(rows.unique(dim=0)) == renderer.count


@ALL
def test_samples_are_seeded_and_never_the_same_row_twice(renderer: Renderer) -> None:
    rows = renderer.sample(25_000, 0)
    assert torch.equal(rows, renderer.sample(25_000, 0))
    assert not torch.equal(rows, renderer.sample(25_000, 1))
    assert len(renderer.numbers(rows).unique()) == 25_000
    assert len(renderer.sample(renderer.count, 2)) == renderer.count
    with pytest.raises(UserError, match=f"{renderer.name}: {renderer.count + 1} combinations of factors asked for"):
        renderer.sample(renderer.count + 1, 0)


@pytest.mark.slow
@ALL
def test_no_two_combinations_have_the_same_picture(renderer: Renderer) -> None:
    images = renderer.render(renderer.rows(torch.arange(renderer.count)), 32)
    assert len({hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images.numpy()}) == len(images)


@ALL
@AT_SIZES
def test_a_picture_depends_on_its_row_alone(renderer: Renderer, size: int) -> None:
    rows = renderer.sample(100, 3)
    images = renderer.render(rows, size)
    assert (images.shape, images.dtype) == ((100, 3, size, size), torch.uint8)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(renderer.render(rows[order], size), images[order])
    assert torch.equal(renderer.render(rows[7:8].repeat(3, 1), size), images[7:8].repeat(3, 1, 1, 1))
    assert renderer.render(rows[:0], size).shape == (0, 3, size, size)


KNOWN = {
    "sprites": ("69cd3eaf46002e6b", "ce711248cb5b0484"),
    "turned sprites": ("3d30d0019ceb5b29", "a9818b664e7aba25"),
    "faces": ("8a11e819c34146ab", "45d49be4014068a1"),
}


@ALL
def test_the_bytes_never_change(renderer: Renderer) -> None:
    rows = renderer.sample(200, 0)
    found = tuple(hashlib.sha256(renderer.render(rows, size).numpy().tobytes()).hexdigest()[:16] for size in SIZES)
    assert found == KNOWN[renderer.name], "data sets would change: run `dvc repro`, and say so in the commit"


@pytest.fixture
def nudge() -> Iterator[None]:
    """All sample points a little aside, and nothing remembered of where they were."""
    caches = (sprites._figure, faces._rest, faces._mouth, faces._glasses)

    def move(by: float) -> None:
        drawing.MIDDLES += by
        for each in caches:
            each.cache_clear()

    move(1e-7)
    yield
    move(-1e-7)


@pytest.fixture
def unmoved() -> dict[str, Tensor]:
    return {each.name: each.render(each.sample(500, 4), 32) for each in (SPRITES, TURNED_SPRITES, FACES)}


def test_no_sample_point_is_on_a_border(unmoved: dict[str, Tensor], nudge: None) -> None:
    """So no byte depends on the last bit of a sine."""
    for renderer in (SPRITES, TURNED_SPRITES, FACES):
        assert torch.equal(renderer.render(renderer.sample(500, 4), 32), unmoved[renderer.name])


@ALL
@AT_SIZES
def test_every_value_of_every_factor_shows_whatever_the_others_are(renderer: Renderer, size: int) -> None:
    rows = renderer.sample(15, 5)
    for factor in renderer.factors:
        images = varied(renderer, rows, factor.name, size).flatten(2)
        for one, other in itertools.combinations(images, 2):
            # In pixels of 32x32: the squared difference of black and white in one channel is 1.
            assert (one - other).square().sum(1).min() * (32 / size) ** 2 > 0.25, factor.name


@ALL
def test_changing_a_factor_and_back_is_exact(renderer: Renderer) -> None:
    rows = renderer.sample(50, 6)
    images = renderer.render(rows, 32)
    for column, factor in enumerate(renderer.factors):
        other = renderer.changed(rows, factor.name, (rows[:, column] + 1) % len(factor.values))
        assert (renderer.render(other, 32) != images).flatten(1).any(1).all()
        assert torch.equal(other[:, :column], rows[:, :column])
        assert torch.equal(other[:, column + 1 :], rows[:, column + 1 :])
        assert torch.equal(renderer.render(renderer.changed(other, factor.name, rows[:, column]), 32), images)


def test_what_is_no_row_is_refused_by_name() -> None:
    row = torch.zeros(1, 5, dtype=torch.int64)
    for rows, complaint in (
        (row[0], r"sprites: factors \(n, 5\) torch.int64 expected, \(5,\) torch.int64 given"),
        (row[:, :4], r"\(1, 4\) torch.int64 given"),
        (row.float(), r"\(1, 5\) torch.float32 given"),
        (row + 6, r"sprites: shape in 0\.\.5 expected, 6 given"),
        (row - torch.tensor([0, 0, 1, 0, 0]), r"sprites: x in 0\.\.9 expected, -1 given"),
    ):
        with pytest.raises(UserError, match=complaint):
            SPRITES.render(rows, 32)
    with pytest.raises(UserError, match="sprites: size 32 or 64 expected, 48 given"):
        SPRITES.render(row, 48)
    with pytest.raises(UserError, match=r"sprites: no factor `size`: expected one of shape, colour, x, y, scale"):
        SPRITES.changed(row, "size", 0)
    with pytest.raises(UserError, match=r"sprites: scale in 0\.\.5 expected, 6 given"):
        SPRITES.changed(row, "scale", 6)


# ---------------------------------------------------------------------------------------------------------- sprites


def measured(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colours (n, 3), and the centres (n, 2) of what is not black, as shares of the side."""
    size, light = images.shape[-1], images.sum(1)
    middles = (torch.arange(size) + 0.5) / size
    total = light.sum((1, 2))
    centres = [(light.sum(other) * middles).sum(1) / total for other in (1, 2)]
    return images.mean((2, 3)), torch.stack(centres, 1)


@pytest.mark.parametrize("renderer", [SPRITES, TURNED_SPRITES], ids=lambda each: each.name)
@AT_SIZES
def test_colour_area_and_centre_are_as_the_factors_say(renderer: Renderer, size: int) -> None:
    rows = renderer.sample(200, 7)
    chosen = [
        [factor.values[number] for factor, number in zip(renderer.factors, row, strict=True)] for row in rows.tolist()
    ]
    colours = torch.tensor([sprites.COLOURS[row[1]] for row in chosen]) / 255
    places = torch.tensor([row[2:4] for row in chosen], dtype=torch.float64)
    areas = torch.tensor([row[4] for row in chosen], dtype=torch.float64) ** 2
    means, centres = measured(floats(renderer.render(rows, size)))
    # Upright edges lie between sample points: the smallest cross is 3% too large.
    assert (means / areas[:, None] - colours).abs().max() < 0.035
    assert (centres - places).abs().max() < 0.6 / GRID


@pytest.mark.parametrize(("axis", "dimension"), [("x", 3), ("y", 2)])
@AT_SIZES
def test_four_steps_move_a_sprite_by_five_pixels_exactly(axis: str, dimension: int, size: int) -> None:
    rows = SPRITES.sample(60, 8)
    column = SPRITES.column(axis)
    rows = rows[rows[:, column] < 6]
    moved = SPRITES.render(SPRITES.changed(rows, axis, rows[:, column] + 4), size)
    assert torch.equal(moved, SPRITES.render(rows, size).roll(5 * size // 32, dimension))


@AT_SIZES
def test_a_quarter_turn_of_the_angle_turns_the_picture(size: int) -> None:
    rows = TURNED_SPRITES.sample(60, 9)
    shape, colour, x, y, scale, angle = rows.unbind(1)
    turned = torch.stack([shape, colour, 5 - y, x, scale, (angle + 2) % 8], 1)
    assert torch.equal(TURNED_SPRITES.render(turned, size), TURNED_SPRITES.render(rows, size).rot90(-1, (2, 3)))


@pytest.mark.parametrize("renderer", [SPRITES, TURNED_SPRITES], ids=lambda each: each.name)
def test_the_smallest_shapes_are_told_apart_wherever_and_however_big_the_other_is(renderer: Renderer) -> None:
    rows = renderer.rows(torch.arange(renderer.count))
    rows = rows[rows[:, 1] == list(sprites.COLOURS).index("white")]
    images = floats(renderer.render(rows, 32))[:, 0].flatten(1).float()
    small = rows[:, 4] == 0
    distances = torch.cdist(images[small], images) ** 2
    distances[rows[small][:, :1] == rows[:, 0]] = math.inf
    # Of the figure's own brightness: the nearest pair, a square and a circle, differs by a sixteenth.
    assert (distances.min(1).values / images[small].square().sum(1)).min() > 0.05


def test_all_figures_of_a_scale_have_one_area_and_stay_inside() -> None:
    for name, figure in sprites.FIGURES.items():
        area, x, y = drawing.moments(figure)
        assert (area, x, y) == pytest.approx((1, 0, 0), abs=1e-9), name
    for renderer in (SPRITES, TURNED_SPRITES):
        shapes, _, x, y, scales = (factor.values for factor in renderer.factors[:5])
        for shape in shapes:
            reach = max(scales) * max(math.hypot(*corner) for contour in sprites.FIGURES[shape] for corner in contour)
            assert reach < min(*x, *y, 1 - max(x), 1 - max(y)), shape


# ------------------------------------------------------------------------------------------------------------ faces


def touched(rows: Tensor, name: str, size: int) -> np.ndarray:
    """Where pictures differ between any two values of a factor: (size, size) bool."""
    images = varied(FACES, rows, name, size)
    return (images != images[:1]).any(0).any(0).any(0).numpy()


@AT_SIZES
@pytest.mark.parametrize(
    ("name", "top", "bottom", "left", "right"),
    [("mouth", 160, 224, 48, 208), ("curve", 160, 224, 48, 208), ("glasses", 84, 160, 32, 224)],
)
def test_mouth_and_glasses_touch_their_own_region_only(
    name: str, top: int, bottom: int, left: int, right: int, size: int
) -> None:
    changed = touched(FACES.sample(60, 11), name, size)
    scale = size / GRID
    region = np.zeros_like(changed)
    region[math.floor(top * scale) : math.ceil(bottom * scale), int(left * scale) : int(right * scale)] = True
    assert changed.any()
    assert not (changed & ~region).any()


@AT_SIZES
def test_a_face_turned_and_lit_from_the_other_side_is_mirrored(size: int) -> None:
    rows = FACES.sample(60, 12)
    mirrored = FACES.changed(FACES.changed(rows, "pose", 4 - rows[:, 6]), "light", 2 - rows[:, 7])
    assert torch.equal(FACES.render(mirrored, size), FACES.render(rows, size).flip(3))


def test_a_smile_has_its_corners_up_and_a_frown_down() -> None:
    rows = FACES.changed(FACES.sample(200, 13), "pose", 2)
    for curve, depth in enumerate(faces.DEPTHS.values()):
        for value, kind in enumerate(("frown", "smile")):
            chosen = FACES.changed(FACES.changed(rows, "mouth", value), "curve", curve)
            lips = FACES.materials(tuple(chosen[0, [0, 1, 2, 3, 6]].tolist())) == faces.LIPS
            middle, corner = (np.flatnonzero(lips[:, column]).mean() for column in (128, 92))
            rise = middle - corner if kind == "smile" else corner - middle
            # The parabola at 35.5 of 40 sample points from its middle.
            assert rise == pytest.approx(depth * (35.5 / 40) ** 2, abs=1)


def test_light_falls_off_linearly_from_its_side() -> None:
    rows = FACES.changed(FACES.sample(30, 14), "hair_style", 0)
    colour = torch.tensor(faces.ALWAYS[faces.BACKGROUND])
    for value, (left, right) in enumerate(faces.LIGHTS.values()):
        top = FACES.render(FACES.changed(rows, "light", value), 32)[:, :, 0]
        light = (left * (63 - 2 * torch.arange(32)) + right * (2 * torch.arange(32) + 1)) / 64 / 256
        assert (top.double() - colour[:, None] * light).abs().max() <= 0.5


# ------------------------------------------------------------------------------------------- pictures of the manual


def test_the_pictures_of_the_manual_are_drawn_small(tmp_path: Path) -> None:
    draw(tmp_path)
    for name, lines in (("sprites.png", 11), ("faces.png", 8)):
        path = tmp_path / name
        with Image.open(path) as image:
            assert image.height == 66 * lines
        assert path.stat().st_size < 60_000
    for arguments in ([], [str(tmp_path / "absent")]):
        with pytest.raises(UserError, match=r"usage: python -m pipeline\.data\.renderers FOLDER"):
            main(arguments)


def test_the_table_of_the_manual_says_how_well_factors_are_read() -> None:
    head, _, clean, *spoiled = table(SPRITES, 40, 32).splitlines()
    assert head == "| sprites | shape | colour | x | y | scale | distance |"
    assert clean == "| clean | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 | 0.000 |"
    assert [line.split("|")[1].strip() for line in spoiled][:2] == ["noise 0.1", "noise 0.2"]
    # In 0..1, where black cannot get darker: noise counts by half on black ground.
    assert 0.06 < float(spoiled[0].split("|")[-2]) < 0.1
