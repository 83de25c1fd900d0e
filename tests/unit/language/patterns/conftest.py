"""Patterns trained to known answers, briefly; at full length where the long tests run.

With PATTERN_FIGURES=FILE.json the full-length tests leave in that file what they measured, for the gallery's page.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import torch

Value = TypeVar("Value")


@pytest.fixture(params=["short", pytest.param("full", marks=pytest.mark.slow)])
def of(request: pytest.FixtureRequest) -> Callable[[Value, Value], Value]:
    """Chooses between what holds for a short training and for a full one."""
    return lambda short, full: full if request.param == "full" else short


@pytest.fixture
def measured(request: pytest.FixtureRequest, of: Callable[[bool, bool], bool]) -> Callable[[str, str], None]:
    """Takes a pattern's name and what was measured, in words."""

    def record(pattern: str, figures: str) -> None:
        print(f"{pattern}: {figures}")
        if "PATTERN_FIGURES" in os.environ and of(False, True):
            path = Path(os.environ["PATTERN_FIGURES"])
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            known.setdefault(pattern, {})[request.node.originalname] = figures
            path.write_text(json.dumps(known, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")

    return record


@pytest.fixture(autouse=True)
def same_weights_every_time() -> None:
    torch.manual_seed(0)
