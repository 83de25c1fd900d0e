"""Laws of the metrics of text, torchmetrics' word for them, and what they refuse."""

import math
import pickle
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torchmetrics.functional.text import bleu_score

from pipeline.errors import UserError
from pipeline.metrics import text
from pipeline.metrics.text import KneserNey, Mark
from tests.unit.metrics.known_text import THREE, chain, uniform


def random_sentences(count: int, seed: int, words: int = 6, longest: int = 9) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [[f"w{random.integers(words)}" for _ in range(random.integers(4, longest + 1))] for _ in range(count)]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_after_any_history_sum_to_1(order: int) -> None:
    model = KneserNey.fit(random_sentences(30, 0), {"w0", "w1", "w2", "w3", "w4", "never"}, order)
    histories = [[], ["w0"], ["w1", "w4"], ["w5"], ["never", "w0", "w0"], ["w3", "w2", "w1", "w0"]]
    for history in histories:
        words = [*model.vocabulary, Mark.UNKNOWN, Mark.END]
        assert sum(model.probability(word, history) for word in words) == pytest.approx(1)


def test_scores_are_the_probabilities_of_the_words_in_their_places() -> None:
    model = KneserNey.fit(random_sentences(30, 0), {"w0", "w1", "w2"}, 3)
    sentence = ["w0", "w5", "w2"]
    (score,) = model([sentence])
    assert score.exp().tolist() == pytest.approx(
        [model.probability(word, sentence[:i]) for i, word in enumerate([*sentence, Mark.END])]
    )


def test_a_trigram_is_that_of_the_formula_counted_by_hand() -> None:
    sentences = random_sentences(40, 1, words=3)
    model = KneserNey.fit(sentences, {"w0", "w1", "w2"}, 3)
    padded = [["<", *sentence, ">"] for sentence in sentences]
    triples = Counter(t for s in padded for t in zip(s, s[1:], s[2:], strict=False))
    pairs = Counter(t for s in padded for t in pairwise(s))
    before = {pair: len({t[0] for t in triples if t[1:] == pair}) for pair in pairs}
    continued = Counter({pair: pairs[pair] if pair[0] == "<" else before[pair] for pair in pairs})
    words = Counter(pair[1] for pair in pairs)

    def discount(counts: Counter) -> float:
        once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
        return once / (once + 2 * twice) if once and twice else 0.5

    def smoothed(counts: Counter, history: tuple, word: str, lower: float) -> float:
        seen = {gram: count for gram, count in counts.items() if gram[:-1] == history}
        kept = max(seen.get((*history, word), 0) - discount(counts), 0)
        return (kept + discount(counts) * len(seen) * lower) / sum(seen.values())

    for word in ("w0", "w1", "w2"):
        single = smoothed(Counter({(w,): c for w, c in words.items()}), (), word, 1 / 5)
        double = smoothed(continued, ("w1",), word, single)
        expected = smoothed(triples, ("w0", "w1"), word, double)
        assert model.probability(word, ["w2", "w0", "w1"]) == pytest.approx(expected)
        assert model.probability(word, []) == pytest.approx(smoothed(continued, ("<",), word, single))


def test_a_model_survives_pickling() -> None:
    model = KneserNey.fit(THREE, "abc", 2)
    again = pickle.loads(pickle.dumps(model))
    assert again.probability(Mark.END, ["a", "b"]) == model.probability(Mark.END, ["a", "b"])


def test_dropping_words_lowers_forward_perplexity_and_raises_reverse() -> None:
    real, held_out = random_sentences(400, 0), random_sentences(200, 1)
    poor = [["w0", "w1", "w0", "w1"]] * 400
    good, bad = text.perplexities(real, held_out, random_sentences(400, 2)), text.perplexities(real, held_out, poor)
    assert bad.forward.value < 1.5 * good.forward.value
    assert bad.reverse.low > 2 * good.reverse.high
    assert good.forward.value == pytest.approx(good.reference.value, rel=0.1)
    assert good.reverse.value == pytest.approx(good.reference.value, rel=0.1)


def test_words_outside_the_vocabulary_do_not_make_the_real_ones_easy() -> None:
    real, held_out = random_sentences(400, 0), random_sentences(200, 1)
    nonsense = [["x"] * 6] * 400
    found = text.perplexities(real, held_out, nonsense)
    assert found.unknown == 1
    assert found.forward.low > 5 * found.reference.high
    assert found.reverse.low > 5 * found.reference.high


def test_more_real_sentences_than_generated_ones_do_not_count_in_the_reference() -> None:
    real, held_out = random_sentences(400, 0), random_sentences(50, 1)
    few = text.perplexities(real, held_out, real[:100])
    assert few.reference == few.reverse


def test_the_interval_of_a_perplexity_holds_the_truth_in_95_of_100_samples() -> None:
    model = KneserNey.fit(chain(300, 0), "ab", 2)
    truth = text.perplexity(model, chain(3000, 1), resamples=1).value
    found = [text.perplexity(model, chain(50, seed), resamples=100, seed=seed) for seed in range(2, 102)]
    assert sum(one.low <= truth <= one.high for one in found) >= 90


def test_bleu_is_that_of_torchmetrics() -> None:
    candidates = random_sentences(30, 0)
    references = [random_sentences(3, seed) for seed in range(1, 31)]
    for order in (1, 2, 4):
        theirs = bleu_score(
            [" ".join(one) for one in candidates], [[" ".join(one) for one in many] for many in references], order
        )
        assert text.bleu(candidates, references, order).value == pytest.approx(float(theirs), abs=1e-5)


def test_too_short_a_corpus_is_penalised_by_the_nearest_reference() -> None:
    assert text.bleu([list("abcd")], [[list("abcdefgh")]]).value == pytest.approx(math.exp(-1))
    assert text.bleu([list("abcd")], [[list("abcdefgh"), list("abcde")]]).value == pytest.approx(math.exp(-1 / 4))
    # Of two equally near, the shorter: no penalty.
    assert text.bleu([list("abcd")], [[list("abcde"), list("bcd")]]).value == 1


def test_self_bleu_is_the_mean_bleu_against_all_the_others() -> None:
    sentences = random_sentences(15, 0, words=2)
    others = [sentences[:index] + sentences[index + 1 :] for index in range(15)]
    each = [text.bleu([one], [rest], order=3, resamples=1).value for one, rest in zip(sentences, others, strict=True)]
    assert min(each) > 0
    assert text.self_bleu(sentences, order=3).value == pytest.approx(np.mean(each))


def test_self_bleu_grows_with_repetition_and_with_the_number_of_sentences() -> None:
    sentences = random_sentences(200, 0)
    repeated = sentences[:100] + sentences[:100]
    assert text.self_bleu(repeated).value == pytest.approx(1)
    assert text.self_bleu(sentences[:20]).high < text.self_bleu(sentences).low


def test_words_may_be_any_tokens() -> None:
    words = [[1, 2, 3, 4, 5], [1, 2, 3, 4]]
    assert text.bleu(words, [[one] for one in words]).value == 1
    assert text.perplexity(KneserNey.fit(words, {1, 2, 3, 4, 5}), words).value > 1


def wrong(values: list[float]) -> Callable[[object], list[torch.Tensor]]:
    return lambda sentences: [torch.tensor(values)]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: text.perplexity(uniform(5), []), "sentences: none given"),
        (
            lambda: text.perplexity(uniform(5), ["a string"]),
            "sentences: sentence 0: a list of words expected, str given",
        ),
        (lambda: text.perplexity(wrong([-1.0]), [["a"]]), r"language model: for each sentence \(words \+ 1,\)"),
        (
            lambda: text.perplexity(wrong([-1.0, -math.inf]), [["a"]]),
            "language model: sentence 0 has a log-probability",
        ),
        (lambda: text.perplexity(wrong([-1.0, 0.5]), [["a"]]), "language model: sentence 0 has a log-probability"),
        (lambda: text.perplexities(THREE, THREE, []), "generated: none given"),
        (lambda: KneserNey.fit(THREE, []), "vocabulary: no words given"),
        (lambda: KneserNey.fit(THREE, "abc", 0), "order: the length of the longest n-grams"),
        (lambda: text.bleu(THREE, [THREE]), "references: one or more for each of 3 candidates expected"),
        (lambda: text.bleu(THREE, [THREE, THREE, []]), "references: one or more for each of 3 candidates expected"),
        (lambda: text.bleu(THREE, [THREE, THREE, ["x y"]]), "references: sentence 0: a list of words expected"),
        (lambda: text.bleu(THREE, [THREE] * 3, order=0), "order: the length of the longest n-grams"),
        (lambda: text.self_bleu(THREE[:1]), "sentences: two or more expected"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()
