"""What `pipeline list` and `pipeline describe` say of systems and patterns."""

from pathlib import Path

import pytest

from pipeline import cli, descriptions
from pipeline.errors import UserError


def test_a_pattern_is_described_and_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "vae.svg"
    lines = descriptions.describe("vae", picture).splitlines()
    assert lines[:2] == [
        "recon : dec(sample(enc(x))) == x   [gaussian_nll; trains enc, dec]   x ~ data",
        "prior : enc(x) == N(0,1)   [kl; trains enc]   x ~ data",
    ]
    assert lines[-1] == f"drawn: {picture}"
    assert picture.read_text().startswith("<svg")


def test_a_system_comes_before_a_pattern_of_its_name() -> None:
    assert "bernoulli_nll" in descriptions.describe("conditional_vae", None)


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown system `gin`: expected one of classifier, .*, or a pattern of"):
        descriptions.describe("gin", None)


def test_patterns_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    cli.list_all()
    lines = capsys.readouterr().out.splitlines()
    summary = "An autoencoder (Rumelhart et al. 1986): a code from which the point can be told."
    assert f"pattern     {'autoencoder':22} {summary}" in lines
    assert any(line.startswith("system      manipulator ") for line in lines)
