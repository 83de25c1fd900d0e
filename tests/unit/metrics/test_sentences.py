"""Measures of editors of sentences, on editors of which the answers are known."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import data
from pipeline.data.renderers import edits as right_edits
from pipeline.data.sentences import ENGLISH, PAD, UNREAD, Reader
from pipeline.errors import UserError
from pipeline.metrics import keys
from pipeline.metrics.evaluation import applicable
from pipeline.metrics.panel import Examples, Scale
from pipeline.metrics.sentences import SentencePanel, distance, word_errors
from pipeline.params import Metrics
from pipeline.systems import Model

RENDERING = data.find("sentences_sentiment").DATASET.source
SENTIMENT, KNOWN = ENGLISH.column("sentiment"), ENGLISH.vocabulary
READ = Reader(ENGLISH)
COUNT = 120


def rows_of(tokens: Tensor) -> Tensor:
    return READ(KNOWN.decode(tokens)).rows


def tokens_of(rows: Tensor) -> Tensor:
    return KNOWN.encode(ENGLISH.render(rows))


def reads(tokens: Tensor) -> Tensor:
    """The sentiment that the exact reader finds; neither where it finds none."""
    found = rows_of(tokens)[:, SENTIMENT]
    return torch.where((found == UNREAD)[:, None], torch.full((len(tokens), 2), 0.5), F.one_hot(found.clamp_min(0), 2))


def features(tokens: Tensor) -> Tensor:
    """How many words of each of three kinds there are."""
    return torch.stack([F.one_hot(tokens, len(KNOWN))[:, :, at::3].sum((1, 2)) for at in range(3)], 1).float()


def editor(put, get=reads) -> Model:
    return Model({"system": "editor"}, SimpleNamespace(parameters=0, boxes={}, trained={}), get, features, put, None)


def truly(tokens: Tensor, values: Tensor) -> Tensor:
    """The exact edit."""
    values = values.argmax(1) if values.dim() == 2 else values
    return tokens_of(right_edits(RENDERING, rows_of(tokens), values)[:, 0])


def judged() -> Model:
    return Model({"system": "judge"}, SimpleNamespace(parameters=0, boxes={}, trained={}), reads, features, None, None)


def panel() -> SentencePanel:
    rows = ENGLISH.sample(3 * COUNT, 5)
    held, training, corpus = (tokens_of(part) for part in rows.split(COUNT))
    labels = rows[:, SENTIMENT]
    examples = Examples(held, labels[:COUNT], training, labels[COUNT : 2 * COUNT], 2, rows[:COUNT], RENDERING)
    settings = Metrics(
        edits=COUNT,
        bootstrap=20,
        adversarial_radius=1.0,
        adversarial_steps=1,
        adversarial_examples=10,
    )
    return SentencePanel(lambda: (judged(), judged()), examples, Scale(settings, 0), vocabulary=KNOWN, corpus=corpus)


def test_the_exact_edit_is_the_ceiling_of_every_measure() -> None:
    asked, exact = panel(), editor(truly)
    found = asked.editing(exact) | asked.laws(exact) | asked.floor()
    ones = ("write_accuracy", "judge_agreement", "preservation_other_accuracy", "grammatical_edit", "exact_edit")
    assert [found[key] for key in ones] == [1.0] * 5
    assert found["bleu_edit"] == pytest.approx(1)
    assert 0.1 < found["bleu_source"] < 0.9
    assert [found[f"{law}_word_error"] for law in ("getput", "undo", "putput")] == [0.0] * 3
    assert found["collusion_gap"] == 0
    assert found["perplexity_ratio"] == pytest.approx(1, abs=0.15)
    assert found["perplexity_ratio"] == found["perplexity_edit"] / found["perplexity_reference"]


def test_an_editor_that_changes_nothing_keeps_all_and_writes_nothing() -> None:
    asked, same = panel(), editor(lambda tokens, values: tokens)
    found = asked.editing(same) | asked.laws(same) | asked.floor()
    assert (found["write_accuracy"], found["exact_edit"]) == (0, 0)
    assert found["preservation_other_accuracy"] == found["grammatical_edit"] == 1
    assert found["bleu_source"] == pytest.approx(1)
    assert found["perplexity_ratio"] == 1
    assert found["getput_word_error"] == found["undo_word_error"] == found["putput_word_error"] == 0


def test_one_sentence_for_all_keeps_no_more_than_chance() -> None:
    row = ENGLISH.sample(1, 8)

    def put(tokens: Tensor, values: Tensor) -> Tensor:
        return truly(tokens_of(row).expand(len(tokens), -1), values)

    found = panel().editing(editor(put))
    assert (found["write_accuracy"], found["grammatical_edit"]) == (1, 1)
    assert found["preservation_other_accuracy"] < 0.35
    assert found["exact_edit"] == 0


def test_words_in_disorder_are_neither_grammatical_nor_likely() -> None:
    def put(tokens: Tensor, values: Tensor) -> Tensor:
        lengths = (tokens != PAD).sum(1)
        turned = [
            torch.cat((row[:1], row[1 : n - 1].flip(0), row[n - 1 :])) for row, n in zip(tokens, lengths, strict=True)
        ]
        return torch.stack(turned)

    found = panel().editing(editor(put))
    assert found["grammatical_edit"] == 0
    assert found["perplexity_ratio"] > 3


def test_without_a_grammar_only_what_needs_none_is_measured() -> None:
    asked = panel()
    bare = replace(asked, examples=replace(asked.examples, factors=None, rendering=None))
    found = bare.editing(editor(truly))
    assert {"bleu_source", "perplexity_edit", "perplexity_ratio"} <= found.keys()
    assert not {"exact_edit", "bleu_edit", "grammatical_edit", "preservation_other_accuracy"} & found.keys()


def test_all_that_applies_has_a_meaning_and_is_a_number() -> None:
    asked = panel()
    found = {}
    for model in (editor(truly), judged()):
        for each in applicable(model, asked, anneal=True):
            found |= each()
    assert all(value == value for value in found.values())
    pixels = ("_mse", "style_", "adversarial", "sure_faded", "sure_blurred", "sure_noisy")
    assert not [key for key in found if any(each in key for each in pixels)]
    for name in keys.metrics(found):
        assert keys.find(name).meaning, name
        assert keys.find(name).group != "other", name


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a c", 1),
        ("a c", "a b c", 1),
        ("a b c", "a x c", 1),
        ("a b c d", "d a b c", 2),
        ("", "a b", 2),
        ("a b", "", 2),
    ],
)
def test_distance_is_that_of_levenshtein(one: str, other: str, expected: int) -> None:
    assert distance(tuple(one.split()), tuple(other.split())) == expected


def test_word_error_rates_are_over_the_wanted_words() -> None:
    rates = word_errors([("a",), ("a", "b"), ()], [("a", "b"), ("a", "b"), ("a",)])
    assert rates.tolist() == [0.5, 0.0, 1.0]


def test_what_is_no_row_of_tokens_is_refused() -> None:
    with pytest.raises(UserError, match=r"edits: tokens \(n, 16\) int64 expected"):
        panel().editing(editor(lambda tokens, values: tokens.float()))
