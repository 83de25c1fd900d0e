"""Sentences between tokens and text: a sentence a line, its words separated by spaces."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import Tensor

from pipeline.data.sentences import MARKS, Sentence, Vocabulary
from pipeline.errors import UserError
from pipeline.files import write_text

MAX_BYTES = 2**20
SHOWN = 5  # words that a complaint names


def vocabulary(words: Sequence[str], length: int) -> Vocabulary:
    """That of a model: words, the marks first, by their tokens; length: of a row of tokens."""
    return Vocabulary(tuple(words[len(MARKS) :]), length)


def read_sentences(given: Iterable[str], known: Vocabulary) -> Tensor:
    """The tokens (n, length) int64 of sentences; each of `given` is the name of a .txt file, or is a sentence itself.

    Capitals are read as small letters, and a full stop at the end is left out where the vocabulary has none. Raises
    UserError that names file, line and word for a word that the vocabulary lacks, a sentence that is empty or too long,
    and a file that is missing, too large or no text.
    """
    found = [each for name in given for each in (_lines(name) if name.endswith(".txt") else [("", name)])]
    return known.encode([_sentence(where, line, known) for where, line in found])


def write_sentences(path: Path, sentences: Iterable[Sentence]) -> None:
    """Write a text file, a sentence a line, whole or not at all. Raises UserError unless the name ends in .txt."""
    if path.suffix.lower() != ".txt" or path.is_dir():
        raise UserError(f"{path}: sentences are written as text, expected a file's name that ends in .txt")
    write_text(path, "".join(f"{' '.join(sentence)}\n" for sentence in sentences))


def _lines(name: str) -> list[tuple[str, str]]:
    """The lines of a file that are not blank, each with where it is."""
    path = Path(name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: at most {MAX_BYTES >> 20} MiB of text expected")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder; a text file is expected") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: text in UTF-8 expected") from None
    found = [(f"{path}, line {number}: ", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise UserError(f"{path}: no sentences in it; one a line is expected")
    return found


def _sentence(where: str, line: str, known: Vocabulary) -> Sentence:
    words = tuple(line.lower().split())
    if words and words[-1].endswith(".") and words[-1] not in known.numbers:
        words = tuple(word for word in (*words[:-1], words[-1].rstrip(".")) if word)
    if not words:
        raise UserError(f"{where}`{line}`: a sentence is expected")
    strange = list(dict.fromkeys(word for word in words if word not in known.words))
    if strange:
        listed = ", ".join(f"`{word}`" for word in strange[:SHOWN])
        raise UserError(
            f"{where}unknown word{'s' if len(strange) > 1 else ''} {listed} in `{' '.join(words)}`: "
            f"the model knows {len(known.words)} words, such as {', '.join(known.words[:SHOWN])}"
        )
    most = known.length - 2
    if len(words) > most:
        raise UserError(f"{where}`{' '.join(words)}`: at most {most} words expected, {len(words)} found")
    return words
