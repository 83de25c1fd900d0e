"""Sentences from text and back, and one-line complaints about what is none."""

from pathlib import Path

import pytest

from pipeline import texts
from pipeline.errors import UserError

KNOWN = texts.vocabulary(("<pad>", "<bos>", "<eos>", "<unk>", "the", "food", "was", "good"), 6)


def said(*given: str) -> list[str]:
    return [" ".join(sentence) for sentence in KNOWN.decode(texts.read_sentences(given, KNOWN))]


def test_a_sentence_is_its_own_text() -> None:
    assert said("the food was good") == ["the food was good"]
    assert said("The  food was GOOD.") == ["the food was good"]


def test_a_file_has_one_sentence_a_line(tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text("the food was good\n\nfood was\n")
    assert said(str(file), "the good") == ["the food was good", "food was", "the good"]
    texts.write_sentences(tmp_path / "out.txt", [("the", "food"), ("good",)])
    assert (tmp_path / "out.txt").read_text() == "the food\ngood\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("the soup was good", "unknown word `soup` in `the soup was good`: the model knows 4 words, such as the, food"),
        ("a soup was good", "unknown words `a`, `soup` in"),
        ("<pad> food", "unknown word `<pad>`"),
        ("the the the the the", "at most 4 words expected, 5 found"),
        (" . ", "` . `: a sentence is expected"),
        ("", "``: a sentence is expected"),
        ("nowhere.txt", r"nowhere\.txt: no such file"),
    ],
)
def test_what_is_no_sentence_is_named(given: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        said(given)


def test_files_are_named_with_the_line_at_fault(tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text("the food\nthe wine\n")
    with pytest.raises(UserError, match=r"in\.txt, line 2: unknown word `wine`"):
        said(str(file))
    file.write_text("\n \n")
    with pytest.raises(UserError, match=r"in\.txt: no sentences in it"):
        said(str(file))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"in\.txt: text in UTF-8 expected"):
        said(str(file))
    file.write_bytes(b"a" * (texts.MAX_BYTES + 1))
    with pytest.raises(UserError, match="at most 1 MiB"):
        said(str(file))
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(UserError, match="a folder; a text file is expected"):
        said(str(tmp_path / "folder.txt"))


def test_sentences_are_not_written_as_pictures(tmp_path: Path) -> None:
    for name in ("out.png", "out"):
        with pytest.raises(UserError, match=r"ends in \.txt"):
            texts.write_sentences(tmp_path / name, [("the",)])
