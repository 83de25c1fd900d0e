"""Every pattern of the gallery: that it is a task, that its text is that task, and that its step is its definition."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from patterns.small import furnished

from pipeline.language import Draws, TaskError, compile_task, loss, parse
from pipeline.language.patterns import example, families, find, members, names
from pipeline.language.patterns.__main__ import page


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def test_every_pattern_belongs_to_one_family() -> None:
    assert sorted(name for family in families() for name in members(family)) == list(names())
    assert len(set(names())) == len(names()) > 40


def test_an_unknown_pattern_is_refused_with_the_known_names() -> None:
    with pytest.raises(TaskError, match=r"unknown pattern `gin`: expected one of .*, gan, "):
        find("gin")


@pytest.mark.parametrize("name", names())
def test_a_pattern_says_what_it_is_and_is_a_few_equations(name: str) -> None:
    first, *_ = (find(name).__doc__ or "").splitlines()
    assert re.fullmatch(r"[A-Zk].*\.", first)
    assert 1 <= len(example(name).equations) <= 15
    assert example(name) == find(name)()


@pytest.mark.parametrize("name", names())
def test_the_text_of_a_pattern_is_the_pattern(name: str) -> None:
    made = example(name)
    assert parse(str(made), using=made) == made


@pytest.mark.parametrize("name", names())
def test_a_step_of_a_pattern_is_its_definition(name: str) -> None:
    made = furnished(example(name))
    for turn, move in enumerate(compile_task(made).moves):
        draws = Draws(seed=3, step=turn, batch=7)
        losses = move.losses(draws)
        expected = {each: loss(move.equations[each], draws, each) for each in losses}
        for each in losses:
            torch.testing.assert_close(losses[each], expected[each], rtol=1e-9, atol=1e-12)
        move.backward(losses)
        for learner in move.learners:
            mine = [made.equations[each].weigh(0) * expected[each] for each in made.trainers_of(learner)]
            by_definition = torch.autograd.grad(
                torch.stack(mine).sum(), learner.parameters, retain_graph=True, allow_unused=True
            )
            for parameter, gradient in zip(learner.parameters, by_definition, strict=True):
                torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-10)


def test_the_page_of_the_gallery_is_current() -> None:
    """If not: python -m pipeline.language.patterns docs/gallery."""
    docs = Path(__file__).parents[3] / "docs"
    figures = json.loads((docs / "gallery" / "figures.json").read_text(encoding="utf-8"))
    assert set(figures) <= set(names())
    assert page("gallery", figures) == (docs / "gallery.md").read_text(encoding="utf-8")
    assert sorted(each.stem for each in (docs / "gallery").glob("*.svg")) == list(names())
