"""A change in language/, nets/ or training.py that changes no number passes here; one that does cannot go unnoticed."""

import json
from pathlib import Path

import pytest

from pipeline import systems
from tests.golden.first_steps import FILE, first_losses

GOLDEN = json.loads(FILE.read_text())


@pytest.mark.parametrize("system", systems.names())
def test_first_steps_give_the_committed_losses(system: str, mnist_raw: Path) -> None:
    assert system in GOLDEN, f"{system} has no golden losses yet: python -m tests.golden.first_steps"
    for step, (found, expected) in enumerate(zip(first_losses(system, mnist_raw), GOLDEN[system], strict=True)):
        # abs: an unbiased MMD is a difference of means of numbers up to 1, each rounded as the processor does.
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7), (
            f"{system}, step {step}: the numbers changed. If that is meant, raise recipe_version in params.yaml, run "
            "`dvc repro`, and write the new losses with `python -m tests.golden.first_steps`"
        )
