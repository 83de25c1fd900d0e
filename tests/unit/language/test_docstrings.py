"""The axioms in the docstrings, run as doctests."""

import doctest
import importlib

import pytest
import torch


@pytest.mark.parametrize(
    "module",
    [
        "terms",
        "sources",
        "boxes",
        "binding",
        "weighing",
        "divergence",
        "substitution",
        "task",
        "notation",
        "compile",
        "reason",
        "diagnose",
        "wiring",
        "interchange",
        "fitting",
        "patterns",
        "hints",
        "",
    ],
)
def test_axioms_in_the_docstrings_hold(module: str) -> None:
    found = doctest.testmod(
        importlib.import_module(f"pipeline.language.{module}".rstrip(".")), extraglobs={"torch": torch}
    )
    assert found.failed == 0
