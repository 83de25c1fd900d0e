"""What a sentence is: its words, as a tuple. So it is for `pipeline.metrics.text` too."""

from collections.abc import Iterable

from pipeline.errors import UserError

Sentence = tuple[str, ...]


def checked(sentences: Iterable[Iterable[str]]) -> list[Sentence]:
    """The sentences as tuples. Raises UserError if one is a string, a sequence of letters, or has a word with spaces."""
    return [_checked(place, sentence) for place, sentence in enumerate(sentences)]


def _checked(place: int, sentence: Iterable[str]) -> Sentence:
    if isinstance(sentence, str):
        raise UserError(f"sentence {place}: a tuple of words expected, the text `{sentence}` given; split it first")
    words = tuple(sentence)
    if " ".join(words).split() != list(words):
        raise UserError(f"sentence {place}: words without spaces expected, {words} given")
    return words
