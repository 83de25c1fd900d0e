import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.report import figures


def decoded(picture: figures.Picture) -> np.ndarray:
    content = base64.b64decode(picture.uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_first_example_of_each_label_is_taken() -> None:
    labels = torch.tensor([3, 1, 1, 0, 3, 2])
    assert figures.first_of_each(labels, 4).tolist() == [3, 1, 5, 0]
    assert figures.first_of_each(labels, 6).tolist() == [3, 1, 5, 0]


def test_sources_of_edits_have_other_labels_and_depend_on_the_seed_alone() -> None:
    labels = torch.arange(200) % 5
    indices = figures.others_of_each(labels, 5, seed=3)
    assert indices.shape == (5, figures.EXAMPLES)
    assert (labels[indices] != torch.arange(5)[:, None]).all()
    assert torch.equal(indices, figures.others_of_each(labels, 5, seed=3))
    assert not torch.equal(indices, figures.others_of_each(labels, 5, seed=4))


def test_few_examples_come_again() -> None:
    assert figures.others_of_each(torch.tensor([0, 1, 1]), 2, seed=0)[1].tolist() == [0] * figures.EXAMPLES


def test_an_edit_grid_has_the_original_first_and_marks_its_own_value() -> None:
    originals = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 1, 4, 4)
    edits = torch.tensor([[0.2, 0.4], [0.6, 0.8]])[..., None, None, None].expand(2, 2, 1, 4, 4)
    grid = figures.edit_grid("m", originals, edits, torch.tensor([1, 0]), ("cat", "dog"))
    assert grid.columns == ("s", "cat", "dog")
    assert [[int(decoded(p)[0, 0]) for p in line.pictures] for line in grid.lines] == [[0, 51, 102], [255, 153, 204]]
    assert [[p.marked for p in line.pictures] for line in grid.lines] == [[False, False, True], [False, True, False]]
    assert [p.alt for p in grid.lines[0].pictures] == ["original dog", "dog edited to cat", "dog edited to dog"]


def test_a_class_grid_has_a_row_per_value() -> None:
    images = torch.rand(2, 3, 1, 4, 4)
    grid = figures.class_grid("m", "", images, ("cat", "dog"), "sample of")
    assert [line.head for line in grid.lines] == ["cat", "dog"]
    assert [p.alt for p in grid.lines[1].pictures] == ["sample of dog"] * 3


def test_curves_skip_phases_without_the_equation_and_what_is_not_finite(tmp_path: Path) -> None:
    (tmp_path / "curves.csv").write_text("step,putget,law,never\n10,2.5,,\n20,1.5,inf,\n30,,0.5,\n")
    putget, law = figures.read_curves(tmp_path / "curves.csv")
    assert putget == figures.Curve("putget", ((10, 2.5), (20, 1.5)))
    assert law == figures.Curve("law", ((30, 0.5),))
    assert figures.read_curves(tmp_path / "none.csv") == []


def test_the_y_axis_is_logarithmic_only_where_all_losses_are_positive() -> None:
    falling = figures.chart(figures.Curve("a", ((0, 100.0), (1, 10.0), (2, 1.0))))
    assert falling.log
    assert [tick.text for tick in falling.y] == ["1", "10", "100"]
    down = [float(part.split()[1]) for part in falling.path[1:].split("L")]
    assert down[1] - down[0] == pytest.approx(down[2] - down[1], abs=0.2)
    assert not figures.chart(figures.Curve("b", ((0, 1.0), (1, -1.0)))).log
    assert not figures.chart(figures.Curve("c", ((0, 1.0), (1, 0.0)))).log


def test_curves_of_one_system_share_the_end_of_the_x_axis() -> None:
    chart = figures.chart(figures.Curve("a", ((10, 1.0), (50, 2.0))), steps=100)
    assert chart.end[0] == pytest.approx(figures.LEFT + (figures.WIDTH - figures.LEFT - figures.RIGHT) / 2)
    assert [tick.text for tick in chart.x] == ["0", "20", "40", "60", "80", "100"]


@given(st.lists(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-12), min_size=1, max_size=20))
def test_every_chart_stays_in_its_box_and_has_ticks(losses: list[float]) -> None:
    chart = figures.chart(figures.Curve("a", tuple((step + 1, loss) for step, loss in enumerate(losses))))
    points = [tuple(map(float, part.split())) for part in chart.path[1:].split("L")]
    assert len(points) == len(losses)
    assert all(figures.LEFT <= x <= figures.WIDTH - figures.RIGHT for x, _ in points)
    assert all(figures.TOP <= y <= figures.HEIGHT - figures.BOTTOM for _, y in points)
    for ticks, low, high in (
        (chart.x, figures.LEFT, figures.WIDTH - figures.RIGHT),
        (chart.y, figures.TOP, figures.HEIGHT - figures.BOTTOM),
    ):
        assert 2 <= len(ticks) <= 6
        assert all(low <= tick.at <= high for tick in ticks)
        assert len({tick.at for tick in ticks}) == len(ticks)
