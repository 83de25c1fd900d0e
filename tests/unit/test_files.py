"""Files and folders that are whole or absent, whatever a process that was killed left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import whole_folder, write_json, write_text


def gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.parametrize("process", [gone(), os.getpid()], ids=["another process", "an earlier one of this number"])
def test_what_killed_processes_left_is_swept(tmp_path: Path, process: int) -> None:
    left = tmp_path / f".model.{process}.part"
    left.mkdir()
    (left / "half").write_text("x")
    with whole_folder(tmp_path / "model") as folder:
        (folder / "whole").write_text("y")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["whole"]


def test_a_living_process_keeps_its_part(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        part = tmp_path / f".table.{child.pid}.part"
        part.write_text("theirs")
        write_text(tmp_path / "table", "ours")
        assert part.read_text() == "theirs"
        child.communicate(b"\n")


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", float("nan"))
    with pytest.raises(KeyError), whole_folder(tmp_path / "model"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == '{\n  "b": 1\n}\n'
