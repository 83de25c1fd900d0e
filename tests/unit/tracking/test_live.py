"""What is noted of a live run when the server cannot be reached: a training is never credited with another's run."""

from pathlib import Path

import pytest

from pipeline.files import read_json, write_json
from pipeline.tracking.live import LiveRun, finished, note

KEY = "mnist-judge_1"
OTHERS = [{"settings": "others"}, {"finished": True}, {"settings": "others", "finished": True}]


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


def trained(root: Path) -> LiveRun:
    run = LiveRun(KEY, "mnist", "judge_1", {"steps": 6}, root)
    run.close()
    return run


@pytest.mark.parametrize("other", OTHERS)
def test_the_note_of_another_training_is_not_taken_over(tmp_path: Path, other: dict[str, object]) -> None:
    own = trained(tmp_path).settings
    assert finished(tmp_path, KEY) is None
    write_json(note(tmp_path, KEY), {"run_id": "a run", "settings": own, **other})
    trained(tmp_path)
    assert finished(tmp_path, KEY) is None


def test_an_interrupted_training_keeps_its_run_to_the_end(tmp_path: Path) -> None:
    write_json(note(tmp_path, KEY), {"run_id": "a run", "settings": trained(tmp_path).settings})
    assert finished(tmp_path, KEY) is None
    trained(tmp_path)
    assert finished(tmp_path, KEY) == "a run"
    assert read_json(note(tmp_path, KEY))["finished"] is True
