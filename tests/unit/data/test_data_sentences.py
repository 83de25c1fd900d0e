"""Sentences of the grammar: rendered from rows, read back, numbered, and changed by one factor."""

import itertools
import math
import re
from collections import Counter
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.data.sentences import BOS, ENGLISH, EOS, PAD, UNK, UNREAD, Reader, Sentence, Vocabulary, common
from pipeline.data.sentences import words as lexicon
from pipeline.data.sentences.__main__ import BASE, edits, examples
from pipeline.data.sentences.reading import LIGHT, WORD
from pipeline.errors import UserError
from tests.conftest import REPOSITORY

NAMES = [factor.name for factor in ENGLISH.factors]
STYLE = NAMES[4:]
FACTORS = pytest.mark.parametrize("name", NAMES)

numbers = st.integers(0, ENGLISH.count - 1)


@cache
def reader() -> Reader:
    return Reader(ENGLISH)


def sentence(text: str) -> Sentence:
    return tuple(text.split())


def row_of(**values: str) -> Tensor:
    """The first value of each factor but these: (1, k)."""
    row = torch.zeros(1, len(NAMES), dtype=torch.int64)
    for name, value in values.items():
        row[0, ENGLISH.column(name)] = ENGLISH.values(name).index(value)
    return row


def said(**values: str) -> str:
    return " ".join(ENGLISH.render(row_of(**values))[0])


def read(text: str) -> dict[str, str | None]:
    """The value of each factor, None where it cannot be read."""
    (row,) = reader()([sentence(text)]).rows.tolist()
    values = zip(ENGLISH.factors, row, strict=True)
    return {factor.name: None if number == UNREAD else str(factor.values[number]) for factor, number in values}


def distance(text: str) -> int:
    return int(reader()([sentence(text)]).distances)


def others(rows: Tensor, name: str, seed: int) -> Tensor:
    """Another value of a factor for each row (n,)."""
    column, size = ENGLISH.column(name), len(ENGLISH.values(name))
    steps = torch.randint(1, size, (len(rows),), generator=torch.Generator().manual_seed(seed))
    return (rows[:, column] + steps) % size


# ----------------------------------------------------------------------------------------------------- rows and words


@given(st.lists(numbers, max_size=5))
def test_rows_and_numbers_are_one_to_one(chosen: list[int]) -> None:
    rows = ENGLISH.rows(torch.tensor(chosen, dtype=torch.int64))
    ENGLISH.check(rows)
    assert ENGLISH.numbers(rows).tolist() == chosen
    assert ENGLISH.count == math.prod(ENGLISH.sizes) == 557_568_000


def test_samples_are_seeded_and_never_the_same_row_twice() -> None:
    rows = ENGLISH.sample(60_000, 0)
    assert torch.equal(rows, ENGLISH.sample(60_000, 0))
    assert not torch.equal(rows, ENGLISH.sample(60_000, 1))
    assert len(ENGLISH.numbers(rows).unique()) == 60_000
    assert ENGLISH.sample(0, 0).shape == (0, len(NAMES))
    with pytest.raises(UserError, match="sentences: 557568001 combinations of factors asked for, there are 557568000"):
        ENGLISH.sample(ENGLISH.count + 1, 0)


def test_all_values_are_equally_likely() -> None:
    rows = ENGLISH.sample(20_000, 2)
    for column, size in enumerate(ENGLISH.sizes):
        shares = torch.bincount(rows[:, column], minlength=size) / len(rows) * size
        assert (shares - 1).abs().max() < 0.15


def test_sentences_have_4_to_14_words_of_a_vocabulary_of_155() -> None:
    lengths = [len(each) for each in ENGLISH.render(ENGLISH.sample(20_000, 3))]
    assert len(said().split()) == 4
    assert min(lengths) == 5
    assert max(lengths) == ENGLISH.longest == 14
    assert 10 < sum(lengths) / len(lengths) < 11
    assert len(ENGLISH.words) == 155
    assert set(ENGLISH.words) > lexicon.FUNCTION_WORDS
    assert all(re.fullmatch("[a-z]+", word) for word in ENGLISH.words)


def test_the_sentences_never_change() -> None:
    assert [" ".join(each) for each in ENGLISH.render(ENGLISH.sample(3, 0))] == [
        "sadly our quiet neighbors did not really think poorly of the awful lessons",
        "fortunately my old sister praised perfect soup",
        "on sundays another guest will not reject such bad gardens",
    ], "data sets would change: say so in the commit"


def test_what_is_no_row_is_refused_by_name() -> None:
    row = row_of()
    for rows, complaint in (
        (row[0], r"sentences: factors \(n, 11\) torch.int64 expected, \(11,\) torch.int64 given"),
        (row.float(), r"\(1, 11\) torch.float32 given"),
        (row + 2, r"sentences: sentiment in 0\.\.1 expected, 2 given"),
    ):
        with pytest.raises(UserError, match=complaint):
            ENGLISH.render(rows)
    with pytest.raises(UserError, match=r"sentences: no factor `mood`: expected one of sentiment, subject, tense, "):
        ENGLISH.changed(row, "mood", 0)
    with pytest.raises(UserError, match=r"sentences: tense in 0\.\.2 expected, 3 given"):
        ENGLISH.changed(row, "tense", 3)


# ------------------------------------------------------------------------------------------------------------ reading


def test_every_sentence_of_a_large_sample_is_read_and_no_two_are_the_same() -> None:
    rows = ENGLISH.sample(20_000, 4)
    sentences = ENGLISH.render(rows)
    reading = reader()(sentences)
    assert torch.equal(reading.rows, rows)
    assert not reading.distances.any()
    assert len(set(sentences)) == len(rows)


def test_all_sentences_that_agree_alike_are_told_apart() -> None:
    """A sentence is read from left to right, and each slot's words are of one choice alone: so no two rows say the same,
    if what is shared can be told too, as sentences of a row for each value of what is shared show."""
    for slots in ENGLISH.phrases.values():
        for phrases in slots:
            assert len(set(phrases.values())) == len(phrases)
    shared = [ENGLISH.column(name) for name in ("sentiment", "subject", "tense", "negation")]
    for start in ENGLISH.sample(30, 5):
        rows = start.repeat(96, 1)
        rows[:, shared] = torch.cartesian_prod(*(torch.arange(ENGLISH.sizes[column]) for column in shared))
        assert len(set(ENGLISH.render(rows))) == 96


def test_the_nearest_sentence_of_a_sentence_is_itself() -> None:
    rows = ENGLISH.sample(100, 11)
    found, distances = reader()._nearest(ENGLISH.render(rows))
    assert torch.equal(found, rows)
    assert not distances.any()


@FACTORS
def test_every_changed_factor_is_read_back_and_changes_the_sentence(name: str) -> None:
    rows = ENGLISH.sample(500, 6)
    changed = ENGLISH.changed(rows, name, others(rows, name, 0))
    sentences = ENGLISH.render(changed)
    assert torch.equal(reader()(sentences).rows, changed)
    assert all(before != after for before, after in zip(ENGLISH.render(rows), sentences, strict=True))
    column = ENGLISH.column(name)
    assert torch.equal(ENGLISH.changed(changed, name, rows[:, column]), rows)


def test_every_value_of_every_factor_is_read_back() -> None:
    for name, size in zip(NAMES, ENGLISH.sizes, strict=True):
        rows = ENGLISH.changed(ENGLISH.sample(1, 7).repeat(size, 1), name, torch.arange(size))
        assert torch.equal(reader()(ENGLISH.render(rows)).rows, rows)


@pytest.mark.parametrize(
    ("text", "known", "unread"),
    [
        # What agrees with nothing tells one thing; the rest tells another.
        ("the old waiter praised our terrible soup", {"predicate": "praise", "tense": "past"}, {"sentiment"}),
        ("regrettably my sister loves music", {"opening": "thanks", "tense": "present"}, {"sentiment"}),
        ("last summer the waiter praises our soup", {"opening": "summer", "sentiment": "positive"}, {"tense"}),
        ("the waiter praise our soup", {"subject": "waiter", "predicate": "praise"}, {"tense"}),
        ("the waiter not praise our soup", {"negation": "yes", "predicate": "praise"}, {"tense"}),
        ("at noon the waiter did praise our soup", {"opening": "noon", "predicate": "praise"}, {"tense", "negation"}),
        # What little is wrong hides nothing.
        ("my sister did not praised our soup", {"tense": "past", "negation": "yes", "predicate": "praise"}, set()),
        ("the waiter will praised our soup", {"tense": "future", "negation": "no"}, set()),
        ("the pilots hated soup", {"subject": "pilots", "sentiment": "negative"}, set()),
        ("the waiter were fond of of soup", {"subject": "waiter", "predicate": "fond", "tense": "past"}, set()),
        ("the aunt praised the soup", {"topic": "soup", "predicate": "praise"}, {"subject"}),
    ],
)
def test_what_can_be_read_of_what_is_no_sentence_is_read(text: str, known: dict[str, str], unread: set[str]) -> None:
    found = read(text)
    assert found | known == found
    assert {name for name in NAMES[:4] if found[name] is None} >= unread
    assert not [name for name in known if found[name] is None]
    assert distance(text) > 0


def test_distances_tell_how_little_of_a_text_is_a_sentence() -> None:
    assert distance("the old waiter praised our wonderful soup") == 0
    assert distance("the old waiter praised our terrible soup") == LIGHT
    assert distance("the old waiter praised our blue soup") == WORD
    assert distance("the old waiter praised our old wonderful blue soup") == 2 * WORD
    assert distance("soup soup soup soup soup soup soup soup soup soup soup soup soup soup soup") > 10 * WORD
    assert distance("") == 3 * WORD + LIGHT
    empty = reader()([])
    assert (empty.rows.shape, empty.distances.shape) == ((0, len(NAMES)), (0,))


@settings(max_examples=3)
@given(st.lists(st.lists(st.sampled_from([*ENGLISH.words, "blue"]), max_size=18).map(tuple), min_size=2, max_size=2))
def test_any_text_is_read_alone_as_among_others(texts: list[Sentence]) -> None:
    together = reader()(texts)
    for place, text in enumerate(texts):
        alone = reader()([text])
        assert torch.equal(alone.rows[0], together.rows[place])
        assert alone.distances[0] == together.distances[place]


def test_a_text_with_one_word_wrong_is_at_most_a_word_away() -> None:
    wrong = itertools.cycle([*ENGLISH.words, "blue"])
    texts = []
    for text in ENGLISH.render(ENGLISH.sample(15, 12)):
        for place, word in zip(range(len(text)), wrong, strict=False):
            before, after = text[:place], text[place:]
            texts += [before + after[1:], (*before, word, *after[1:]), (*before, word, *after)]
    assert reader()(texts).distances.max() == WORD


def test_text_that_is_not_split_is_refused() -> None:
    for use in (reader(), ENGLISH.vocabulary.encode):
        with pytest.raises(UserError, match="sentence 1: a tuple of words expected, the text `our soup` given"):
            use([("our", "soup"), "our soup"])
        for words in (("the waiter", "praised", "soup"), ("soup", "")):
            with pytest.raises(UserError, match=r"sentence 0: words without spaces expected, \('"):
                use([words])


# ------------------------------------------------------------------------------------------------ what a change touches

# The words that alone may come or go with a factor, whatever the sentence.
VERBS = {
    word
    for pair in lexicon.PREDICATES.values()
    for verb in pair
    for word in (verb.base, verb.third, verb.past, *verb.rest)
}
BE, DO = {"be", "is", "are", "was", "were"}, {"do", "does", "did"}
AUXILIARIES = BE | DO | {"will"}
ADJECTIVES = set(itertools.chain.from_iterable(lexicon.ADJECTIVES.values()))
COMMENTS = set(itertools.chain.from_iterable(lexicon.COMMENTS.values()))
SUBJECTS = {word for subject in lexicon.SUBJECTS.values() for word in subject[:2]}
TOUCHED = {
    "sentiment": VERBS | ADJECTIVES | COMMENTS,
    "subject": SUBJECTS | AUXILIARIES | VERBS,
    "tense": {*lexicon.DEICTIC} | AUXILIARIES | VERBS,
    "negation": {"not", "never", "always"} | DO | VERBS,
    "opening": COMMENTS
    | {*lexicon.DEICTIC, *lexicon.PERIODS}
    | {w for said in lexicon.OPENINGS.values() for w in said},
    "modifier": {*lexicon.MODIFIERS},
    "predicate": VERBS | AUXILIARIES,
    "adverb": {*lexicon.ADVERBS, "always", "never", "not"} | DO | VERBS,
    "determiner": {*lexicon.DETERMINERS},
    "adjective": ADJECTIVES,
    "topic": {*lexicon.TOPICS},
}


@FACTORS
def test_a_change_touches_only_the_words_that_it_must(name: str) -> None:
    rows = ENGLISH.sample(500, 8)
    changed = ENGLISH.changed(rows, name, others(rows, name, 1))
    for before, after in zip(ENGLISH.render(rows), ENGLISH.render(changed), strict=True):
        touched = (Counter(before) - Counter(after)) + (Counter(after) - Counter(before))
        assert set(touched) <= TOUCHED[name]
        kept = [[word for word in each if word not in TOUCHED[name]] for each in (before, after)]
        assert kept[0] == kept[1]


@given(numbers)
def test_sentiment_changes_words_one_by_one_and_those_alone_that_carry_it(number: int) -> None:
    row = ENGLISH.rows(torch.tensor([number]))
    other = ENGLISH.changed(row, "sentiment", 1 - row[:, ENGLISH.column("sentiment")])
    before, after = ENGLISH.render(torch.cat([row, other]))
    assert len(before) == len(after)
    changed = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    adjective, opening = (int(row[0, ENGLISH.column(name)]) for name in ("adjective", "opening"))
    comment = ENGLISH.values("opening")[opening] in lexicon.COMMENTS
    assert len(changed) == 1 + (adjective > 0) + comment
    assert not {one for one, _ in changed} & {two for _, two in changed}


@given(numbers)
def test_negation_is_said_by_not_or_never_once_and_sentiment_never_by_these(number: int) -> None:
    row = ENGLISH.rows(torch.tensor([number]))
    no, yes = (ENGLISH.render(ENGLISH.changed(row, "negation", value))[0] for value in (0, 1))
    assert not {"not", "never"} & set(no)
    assert sum(word in ("not", "never") for word in yes) == 1
    carried = [[word for word in each if word in ADJECTIVES | COMMENTS] for each in (no, yes)]
    assert carried[0] == carried[1]


# ------------------------------------------------------------------------------------------------------------- grammar


def test_verbs_are_inflected_as_in_english() -> None:
    nobody = {"predicate": "praise", "topic": "soup"}
    plural = nobody | {"subject": "pilots"}
    assert said(tense="past", **nobody) == "the waiter praised soup"
    assert said(tense="present", **nobody) == "the waiter praises soup"
    assert said(tense="present", **plural) == "both pilots praise soup"
    assert said(tense="future", **plural) == "both pilots will praise soup"
    assert said(tense="past", negation="yes", **plural) == "both pilots did not praise soup"
    assert said(tense="present", negation="yes", **nobody) == "the waiter does not praise soup"
    assert said(tense="present", negation="yes", **plural) == "both pilots do not praise soup"
    assert said(tense="future", negation="yes", **nobody) == "the waiter will not praise soup"
    assert said(tense="past", negation="yes", adverb="ever", **nobody) == "the waiter never praised soup"
    assert said(tense="present", adverb="ever", **nobody) == "the waiter always praises soup"
    assert said(tense="past", negation="yes", adverb="often", **nobody) == "the waiter did not often praise soup"
    negative = {"sentiment": "negative", "topic": "songs"}
    assert said(predicate="think", **negative) == "the waiter thought poorly of songs"
    assert said(predicate="speak", tense="present", **negative) == "the waiter speaks badly of songs"
    assert said(predicate="enjoy", **negative) == "the waiter dreaded songs"
    assert said(predicate="proud", subject="nurses", **negative) == "some nurses were ashamed of songs"
    assert said(predicate="proud", tense="present", **negative) == "the waiter is ashamed of songs"
    assert (
        said(predicate="happy", tense="future", negation="yes", **negative) == "the waiter will not be bored with songs"
    )
    assert said(predicate="happy", negation="yes", adverb="ever", **negative) == "the waiter was never bored with songs"


def test_openings_agree_with_the_tense_and_the_sentiment() -> None:
    for tense, word in (("past", "last"), ("present", "this"), ("future", "next")):
        assert said(opening="week", tense=tense).startswith(f"{word} week the waiter ")
        assert said(opening="noon", tense=tense).startswith("at noon the waiter ")
    assert said(opening="luck") == "luckily the waiter praised soup"
    assert said(opening="luck", sentiment="negative") == "sadly the waiter criticized soup"


FORMS = [verb for pair in lexicon.PREDICATES.values() for verb in pair if not verb.copular]
BASES, THIRDS, PASTS = ({getattr(verb, form) for verb in FORMS} for form in ("base", "third", "past"))


def test_each_sentence_has_one_finite_verb_that_agrees_with_subject_and_tense() -> None:
    """Against rules of English that know nothing of how the sentences are made."""
    rows = ENGLISH.sample(5000, 9)
    subjects, tenses = rows[:, ENGLISH.column("subject")].tolist(), rows[:, ENGLISH.column("tense")].tolist()
    for each, subject, tense in zip(ENGLISH.render(rows), subjects, tenses, strict=True):
        many = subject >= 4
        verbs = [word for word in each if word in BASES | THIRDS | PASTS | AUXILIARIES]
        finite, *rest = verbs
        allowed = (
            PASTS | {"did", "were" if many else "was"},
            BASES | {"do", "are"} if many else THIRDS | {"does", "is"},
            {"will"},
        )
        assert finite in allowed[tense], each
        assert len(rest) == (finite in DO | {"will"})
        assert set(rest) <= (BASES | {"be"} if finite == "will" else BASES)


def test_subjects_are_four_of_one_and_four_of_many() -> None:
    assert [subject.plural for subject in lexicon.SUBJECTS.values()] == 4 * [False] + 4 * [True]
    many = {"teachers", "neighbors", "pilots", "nurses"}
    assert {subject.noun for subject in lexicon.SUBJECTS.values() if subject.plural} == many
    assert said(subject="guest", modifier="old") == "another old guest praised soup"


# -------------------------------------------------------------------------------------------------------------- tokens


def test_sentences_become_rows_of_one_length() -> None:
    vocabulary = ENGLISH.vocabulary
    assert (len(vocabulary), vocabulary.length) == (159, 16)
    rows = vocabulary.encode([sentence("the waiter praised soup"), sentence("the blue waiter"), ()])
    assert (rows.shape, rows.dtype) == ((3, 16), torch.int64)
    the, waiter, praised, soup = (vocabulary.numbers[word] for word in ("the", "waiter", "praised", "soup"))
    assert rows[:, :7].tolist() == [
        [BOS, the, waiter, praised, soup, EOS, PAD],
        [BOS, the, UNK, waiter, EOS, PAD, PAD],
        [BOS, EOS, PAD, PAD, PAD, PAD, PAD],
    ]
    assert not rows[:, 7:].any()
    assert vocabulary.decode(rows) == [("the", "waiter", "praised", "soup"), ("the", "<unk>", "waiter"), ()]
    assert vocabulary.encode([]).shape == (0, 16)


def test_all_sentences_of_a_large_sample_survive_being_numbered() -> None:
    sentences = ENGLISH.render(ENGLISH.sample(10_000, 10))
    rows = ENGLISH.vocabulary.encode(sentences)
    assert ENGLISH.vocabulary.decode(rows) == sentences
    assert not (rows == UNK).any()


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=6).map(tuple), max_size=4))
def test_sentences_of_known_words_survive_being_numbered(sentences: list[Sentence]) -> None:
    vocabulary = Vocabulary(tuple("abcde"), 8)
    rows = vocabulary.encode(sentences)
    assert vocabulary.decode(rows) == sentences
    assert torch.equal(vocabulary.encode(vocabulary.decode(rows)), rows)


@given(st.lists(st.lists(st.integers(0, 6), min_size=5, max_size=5), min_size=1, max_size=4))
def test_what_a_system_writes_is_decoded_whatever_it_is(rows: list[list[int]]) -> None:
    """No mark after the beginning is dropped in silence, and nothing after the end is said."""
    vocabulary = Vocabulary(tuple("abc"), 8)
    sentences = vocabulary.decode(torch.tensor(rows))
    for row, found in zip(rows, sentences, strict=True):
        written = row[1:] if row[0] == BOS else row
        ends = [place for place, number in enumerate(written) if number in (PAD, EOS)]
        assert found == tuple(vocabulary.names[number] for number in written[: min(ends, default=5)])
    assert vocabulary.decode(vocabulary.encode(sentences))[0][1:] == sentences[0][1:]


def test_what_cannot_be_numbered_is_refused_by_name() -> None:
    vocabulary = Vocabulary(("a", "b"), 4)
    with pytest.raises(UserError, match="sentence 1: at most 2 words expected, 3 found: a b a"):
        vocabulary.encode([("a",), ("a", "b", "a")])
    for tokens, complaint in (
        (torch.zeros(3, dtype=torch.int64), r"tokens: \(n, length\) torch.int64 expected, \(3,\) torch.int64 given"),
        (torch.zeros(3, 4), r"\(3, 4\) torch.float32 given"),
        (torch.full((1, 4), 6), r"tokens: numbers in 0\.\.5 expected, 6 given"),
        (torch.full((1, 4), -1), r"tokens: numbers in 0\.\.5 expected, -1 given"),
    ):
        with pytest.raises(UserError, match=complaint):
            vocabulary.decode(tokens)
    for words in (("a", "b", "a"), ("<pad>",)):
        with pytest.raises(UserError, match=f"vocabulary: `{words[0]}` is in it twice, or is a mark"):
            Vocabulary(words, 4)


def test_the_commonest_words_come_first_and_equal_ones_by_the_alphabet() -> None:
    texts = [("c", "b", "a"), ("c", "b"), ("d",)]
    assert common(texts, 3) == ("b", "c", "a")
    assert common(texts, 9) == ("b", "c", "a", "d")
    assert common([], 9) == ()


# ----------------------------------------------------------------------------------------------------------- the manual


def test_the_manual_shows_what_the_grammar_says() -> None:
    page = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
    for shown in (examples(), edits(BASE)):
        assert shown in page, "python -m pipeline.data.sentences prints it anew"


def test_the_code_of_the_manual_runs() -> None:
    page = (REPOSITORY / "docs" / "data.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "ENGLISH" in block)
    exec(compile(code, "data.md", "exec"), {})
