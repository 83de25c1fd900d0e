"""Where a model's name leads."""

from pathlib import Path

import pytest

from pipeline import tracking
from pipeline.errors import UserError
from pipeline.files import write_json


def test_a_name_that_is_not_registered_means_the_nearest_model_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    places = ("models/dots/editor", "runs/models/dots-editor", "studies/long/champions/dots/editor")
    for place in reversed(places):
        write_json(tmp_path / place / "config.json", {})
        for name in ("dots-editor", "dots-editor@champion", place):
            assert tracking.find(name, tmp_path) == tmp_path / place
    with pytest.raises(UserError, match="unknown model `dots-writer`: expected one of dots-editor"):
        tracking.find("dots-writer", tmp_path)
    for version in ("dots-editor@challenger", "dots-editor/1"):
        with pytest.raises(UserError, match="unknown model `dots-editor`"):
            tracking.find(version, tmp_path)
    with pytest.raises(UserError, match="model `models/dots/nobody`"):
        tracking.find("models/dots/nobody", tmp_path)


def test_where_there_is_no_model_at_all_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="unknown model `dots-writer`: there is none"):
        tracking.find("dots-writer", tmp_path)
