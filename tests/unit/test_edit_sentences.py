"""`pipeline edit` on sentences: from the command line or a text file, to the terminal or a text file."""

from pathlib import Path

import pytest

from pipeline import cli, systems, tracking
from pipeline.errors import UserError

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "the", "food", "was", "good", "bad"]
ABOUT = {"shape": [8, 9], "values": ["positive", "negative"], "words": WORDS, "seed": 0, "settings": {"steps": 1}}
CLASSIFIER = {**ABOUT, "system": "sentence_classifier", "given": None}
CONFIG = {**ABOUT, "system": "sentence_manipulator", "given": CLASSIFIER}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    systems.save(folder, CONFIG, systems.build(CONFIG))
    monkeypatch.setattr(tracking, "find", lambda name, root: folder)
    return "food-sentence_manipulator"


def test_a_sentence_is_printed_or_written(model: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    cli.edit(model, ["the food was good", "the food was bad"], "negative", None)
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2
    (tmp_path / "in.txt").write_text("the food was good\nthe food was bad\n")
    cli.edit(model, [str(tmp_path / "in.txt")], "negative", tmp_path / "out.txt")
    assert capsys.readouterr().out == f"2 sentences edited to negative: {tmp_path / 'out.txt'}\n"
    assert (tmp_path / "out.txt").read_text() == printed


@pytest.mark.parametrize(
    ("given", "to", "out", "words"),
    [
        ("the soup was good", "negative", None, "unknown word `soup`"),
        ("the food was good", "bad", None, "unknown value `bad`: expected one of positive, negative"),
        ("the food was good and was good", "negative", None, "unknown word `and`"),
        ("the food was good was the food", "negative", None, "at most 6 words expected, 7 found"),
        ("nowhere.txt", "negative", None, "no such file"),
        ("the food was good", "negative", "out.png", r"ends in \.txt"),
    ],
)
def test_complaints_are_one_line(model: str, given: str, to: str, out: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        cli.edit(model, [given], to, out and Path(out))
    assert "\n" not in str(caught.value)


def test_an_image_needs_a_file_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"shape": [1, 8, 8], "values": ["a", "b"], "seed": 0, "settings": {"steps": 1}}
    config = {**about, "system": "manipulator", "given": {**about, "system": "classifier", "given": None}}
    systems.save(tmp_path, config, systems.build(config))
    monkeypatch.setattr(tracking, "find", lambda name, root: tmp_path)
    with pytest.raises(UserError, match="missing option '-o'"):
        cli.edit("pictures", ["digit.png"], "a", None)
