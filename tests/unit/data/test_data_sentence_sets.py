"""Data sets of sentences: fetched, prepared, read again, and refused by name."""

from pathlib import Path

import pytest
import torch

from pipeline import data
from pipeline.data.base import sized
from pipeline.data.renderers import edits, kept
from pipeline.data.sentences import BOS, ENGLISH, EOS, PAD, Vocabulary, ended
from pipeline.data.splits import SPLITS, read_examples, write_examples
from pipeline.errors import UserError
from pipeline.params import Dataset

NAMES = [f"sentences_{factor}" for factor in ("sentiment", "subject", "tense", "negation")]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sentences_tense`, fetched and prepared."""
    place = tmp_path_factory.mktemp("sentences")
    data.fetch("sentences_tense", place / "raw")
    data.prepare(
        "sentences_tense",
        Dataset(validation=500, limit=3000),
        0,
        place / "raw",
        place / "added",
        place / "prepared",
    )
    return place / "prepared"


@pytest.mark.parametrize("name", NAMES)
def test_each_tells_a_factor_of_its_own(name: str) -> None:
    dataset = data.find(name).DATASET
    factor = name.removeprefix("sentences_")
    rows = ENGLISH.sample(50, 1)
    tokens, labels, factors = dataset.source.examples(rows)
    assert dataset.values == ENGLISH.values(factor)
    assert dataset.shape == (ENGLISH.longest + 2, len(dataset.words))
    assert (tokens.dtype, tuple(tokens.shape)) == (torch.int16, (50, dataset.shape[0]))
    assert torch.equal(labels, rows[:, ENGLISH.column(factor)])
    assert torch.equal(factors, rows)
    assert ENGLISH.vocabulary.decode(tokens.long()) == ENGLISH.render(rows)
    dataset.check((tokens, labels, factors), Path("here"))


def test_prepared_sentences_are_tokens_with_labels_factors_and_words(prepared: Path) -> None:
    info = data.info(prepared)
    assert info.words == ENGLISH.vocabulary.names
    assert info.shape == (16, len(info.words))
    assert [factor.name for factor in info.factors] == [factor.name for factor in ENGLISH.factors]
    assert info.config == {"shape": [16, 159], "values": ["past", "present", "future"], "words": list(info.words)}
    seen = set()
    for split in SPLITS:
        found = data.load(prepared, split)
        said = ENGLISH.vocabulary.decode(found.inputs)
        assert said == ENGLISH.render(found.factors)
        assert torch.equal(found.labels, found.factors[:, ENGLISH.column("tense")])
        assert not seen & set(said), "no sentence is in two splits"
        seen |= set(said)
    assert len(seen) == 3500


def test_the_same_seed_gives_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    raw = prepared.parent / "raw"
    params = Dataset(validation=500, limit=3000)
    data.prepare("sentences_tense", params, 0, raw, tmp_path / "added", tmp_path / "again")
    for file in prepared.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_the_truth_of_an_edit_is_the_sentence_with_the_factor_changed() -> None:
    rendering = data.find("sentences_negation").DATASET.source
    rows = ENGLISH.sample(20, 2)
    targets = 1 - rendering.label(rows)
    right = edits(rendering, rows, targets)
    assert right.shape == (20, 1, len(ENGLISH.factors))
    for row, target, found in zip(rows, targets, right[:, 0], strict=True):
        assert torch.equal(found, ENGLISH.changed(row[None], "negation", int(target))[0])
    others = kept(rendering, rows, targets)
    assert others.sum(1).tolist() == [len(ENGLISH.factors) - 1] * 20


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (torch.zeros(2, 15, dtype=torch.int16), "sentences of 16 tokens expected, \\(15,\\) found"),
        (torch.full((2, 16), 159, dtype=torch.int16), r"token 159 found, 0\.\.158 expected"),
    ],
)
def test_other_sentences_are_refused(tokens: torch.Tensor, words: str) -> None:
    dataset = data.find("sentences_tense").DATASET
    with pytest.raises(UserError, match=words):
        dataset.check((tokens, torch.zeros(2, dtype=torch.int64)), Path("here"))


def test_sentences_have_no_size_and_take_no_additions() -> None:
    dataset = data.find("sentences_tense").DATASET
    with pytest.raises(UserError, match=r"datasets\.sentences_tense\.size: only rendered data have it"):
        sized(dataset, 64, "sentences_tense")
    with pytest.raises(UserError, match="sentences_tense: nothing can be added to sentences"):
        dataset.check_open("sentences_tense")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "train.safetensors"
    write_examples(path, (torch.zeros(3, 16, dtype=torch.int32), torch.zeros(3, dtype=torch.int64)))
    with pytest.raises(UserError, match=r"train\.safetensors: damaged: images .* or sentences"):
        read_examples(path)


def test_what_comes_after_the_end_is_no_part_of_a_sentence() -> None:
    known = Vocabulary(("good", "bad"), 6)
    good, bad = known.numbers["good"], known.numbers["bad"]
    rows = torch.tensor(
        [[BOS, good, EOS, bad, EOS, bad], [BOS, good, PAD, bad, bad, bad], [BOS, good, bad, bad, bad, bad]]
    )
    assert ended(rows).tolist() == [
        [BOS, good, EOS, PAD, PAD, PAD],
        [BOS, good, PAD, PAD, PAD, PAD],
        [BOS, good, bad, bad, bad, bad],
    ]
    assert known.decode(ended(rows)) == known.decode(rows)
