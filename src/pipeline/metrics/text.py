"""How near generated sentences are to real ones, and to each other. A sentence is a list of words (tokens of any kind).

A language model is given as a function: sentences -> for each, the natural log-probabilities of its words and of its
end, (words + 1,). Perplexities count the end as a word; the start is given.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.intervals import Estimate

Sentence = Sequence[Hashable]
Sentences = Sequence[Sentence]
LanguageModel = Callable[[Sentences], Sequence[Tensor]]
Gram = tuple[Hashable, ...]


class Mark(Enum):
    """Tokens that no text can hold."""

    START = "start"
    END = "end"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Followers:
    """What was seen after some words: how often each word, and all of them together."""

    counts: dict[Hashable, int]
    total: int


def perplexity(model: LanguageModel, sentences: Sentences, resamples: int = 1000, seed: int = 0) -> Estimate:
    """exp of the mean negative log-probability of a word, ends counted as words; from 1 up; down.

    The interval is a bootstrap over sentences. Raises UserError if the model gives other than words + 1
    log-probabilities or a word probability 0. (torchmetrics' perplexity takes logits of a whole batch; here the model may
    be any, and the interval needs each sentence's share.)
    """
    check_sentences("sentences", sentences)
    scores = [torch.as_tensor(score, dtype=torch.float64).cpu() for score in model(sentences)]
    if [tuple(score.shape) for score in scores] != [(len(sentence) + 1,) for sentence in sentences]:
        raise UserError("language model: for each sentence (words + 1,) log-probabilities expected")
    for index, score in enumerate(scores):
        if not score.isfinite().all() or (score > 1e-6).any():
            raise UserError(f"language model: sentence {index} has a log-probability that is not finite or above 0")
    losses, counts = np.array([-float(score.sum()) for score in scores]), np.array([len(score) for score in scores])

    def over(rows: np.ndarray | slice) -> float:
        return math.exp(losses[rows].sum() / counts[rows].sum())

    return intervals.over_examples(over, len(counts), resamples, seed, 1.0)


@dataclass(frozen=True)
class Perplexities:
    """forward, reverse, reference: see `perplexities`; unknown: the share of the generated words outside the vocabulary."""

    forward: Estimate
    reverse: Estimate
    reference: Estimate
    unknown: float


def perplexities(
    real: Sentences, held_out: Sentences, generated: Sentences, order: int = 3, resamples: int = 1000, seed: int = 0
) -> Perplexities:
    """Forward and reverse perplexity of generated sentences; both down, and only both together mean something.

    forward: a model of `real`, asked for the generated sentences: are they likely? One good sentence said for ever wins,
    and sentences copied from `real` fall below the reference.
    reverse: a model of the generated, asked for the `held_out` real ones: is everything real reached? (Zhao et al. 2018,
    adversarially regularised autoencoders.) reference: a model of `real` asked for `held_out`: what real sentences get.
    The models are `KneserNey` of that order. All have the words of `real` as vocabulary: with a vocabulary of its own a
    generator of three words would have all others read as one unknown word, and foreseen. They learn from the first n
    sentences, n the lesser number of the two: more text alone makes a better model.
    """
    for name, sentences in (("real", real), ("held out", held_out), ("generated", generated)):
        check_sentences(name, sentences)
    vocabulary = frozenset(word for sentence in real for word in sentence)
    count = min(len(real), len(generated))
    of_real, of_generated = (KneserNey.fit(text[:count], vocabulary, order) for text in (real, generated))
    words = [word for sentence in generated for word in sentence]
    unknown = sum(word not in vocabulary for word in words) / max(1, len(words))
    return Perplexities(
        forward=perplexity(of_real, generated, resamples, seed),
        reverse=perplexity(of_generated, held_out, resamples, seed),
        reference=perplexity(of_real, held_out, resamples, seed),
        unknown=unknown,
    )


@dataclass(frozen=True)
class KneserNey:
    """An n-gram model with interpolated Kneser-Ney smoothing (Chen and Goodman 1999, section 3.3, one discount an order).

    p(w | h) = max(c(h w) - D, 0)/c(h) + D N(h)/c(h) p(w | h without its first word), N(h) the number of words seen after
    h; an h not seen passes on to the shorter one; below a single word it is uniform over the vocabulary, the unknown
    word and the end, so nothing has probability 0. c counts occurrences at the full length, and below it the different
    words before, except for what starts a sentence, which nothing comes before. D = n1/(n1 + 2 n2), n1 and n2 the
    numbers of n-grams counted once and twice, 1/2 where there are none of either. Words outside the vocabulary are all
    the unknown word, in learning and when asked.

    Our own, since no library that the project uses has one: it judges text on a CPU in seconds, is no net that has to
    be trained, and has nothing in common with what it judges.
    """

    vocabulary: frozenset[Hashable]
    followers: tuple[dict[Gram, Followers], ...]
    discounts: tuple[float, ...]

    @classmethod
    def fit(cls, sentences: Sentences, vocabulary: Iterable[Hashable], order: int = 3) -> "KneserNey":
        """Learn from sentences. Raises UserError for none of them, an order below 1 or an empty vocabulary."""
        check_sentences("sentences", sentences)
        _check_order(order)
        words = frozenset(vocabulary)
        if not words:
            raise UserError("vocabulary: no words given; give those of the real sentences")
        seen = [Counter[Gram]() for _ in range(order)]
        for sentence in sentences:
            tokens = _tokens(sentence, words)
            for size in range(1, order + 1):
                # The start is given, so no n-gram ends there.
                seen[size - 1].update(tokens[i - size + 1 : i + 1] for i in range(max(1, size - 1), len(tokens)))
        lower = [_continuations(seen[size], seen[size + 1]) for size in range(order - 1)]
        grams = [*lower, seen[-1]]
        return cls(words, tuple(_by_context(level) for level in grams), tuple(_discount(level) for level in grams))

    def __call__(self, sentences: Sentences) -> list[Tensor]:
        """Log-probabilities of each sentence's words and its end: (words + 1,) float64 each."""
        return [self._score(_tokens(sentence, self.vocabulary)) for sentence in sentences]

    def probability(self, word: Hashable, history: Sentence) -> float:
        """p(word | history), the history being all that the sentence has before; word may be Mark.END."""
        tokens = _tokens(history, self.vocabulary)[:-1]
        return self._probability(tokens, word if word is Mark.END or word in self.vocabulary else Mark.UNKNOWN)

    def _score(self, tokens: Gram) -> Tensor:
        chances = [self._probability(tokens[:i], tokens[i]) for i in range(1, len(tokens))]
        return torch.tensor(chances, dtype=torch.float64).log()

    def _probability(self, history: Gram, word: Hashable) -> float:
        chance = 1 / (len(self.vocabulary) + 2)
        for size in range(min(len(self.followers), len(history) + 1)):
            seen = self.followers[size].get(history[len(history) - size :])
            if seen is None:
                break
            discount = self.discounts[size]
            kept = max(seen.counts.get(word, 0) - discount, 0)
            chance = (kept + discount * len(seen.counts) * chance) / seen.total
        return chance


def _tokens(sentence: Sentence, vocabulary: frozenset[Hashable]) -> Gram:
    return (Mark.START, *(word if word in vocabulary else Mark.UNKNOWN for word in sentence), Mark.END)


def _continuations(grams: Counter[Gram], longer: Counter[Gram]) -> Counter[Gram]:
    """Each n-gram's number of different words before it; its occurrences if it starts a sentence."""
    found = Counter({gram: count for gram, count in grams.items() if gram[0] is Mark.START})
    found.update(gram[1:] for gram in longer)
    return found


def _by_context(grams: Counter[Gram]) -> dict[Gram, Followers]:
    table: defaultdict[Gram, dict[Hashable, int]] = defaultdict(dict)
    for gram, count in grams.items():
        table[gram[:-1]][gram[-1]] = count
    return {context: Followers(counts, sum(counts.values())) for context, counts in table.items()}


def _discount(grams: Counter[Gram]) -> float:
    met = Counter(grams.values())
    return met[1] / (met[1] + 2 * met[2]) if met[1] and met[2] else 0.5


def bleu(
    candidates: Sentences, references: Sequence[Sentences], order: int = 4, resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Corpus BLEU (Papineni et al. 2002, section 2.3), in 0..1; up.

    candidates (n,) sentences, references (n,) lists of one or more each. The geometric mean of the n-gram precisions
    for n = 1..order, matches clipped at the most that one reference has, summed over the corpus, times the brevity
    penalty min(1, exp(1 - r/c)), r the sum of the reference lengths nearest to the candidates', the shorter of two
    equally near. No smoothing: 0 if some n has no match. Lengths n that no candidate has are left out. The interval is
    a bootstrap over sentences.
    """
    _check_order(order)
    check_sentences("candidates", candidates)
    if len(references) != len(candidates) or not all(references):
        raise UserError(f"references: one or more for each of {len(candidates)} candidates expected")
    rows = []
    for candidate, options in zip(candidates, references, strict=True):
        check_sentences("references", options)
        most, _ = _two_greatest([_grams(option, order) for option in options])
        rows.append(_matches(candidate, order, most, [len(option) for option in options]))
    table = np.array(rows, dtype=np.float64)

    def score(index: np.ndarray | slice) -> float:
        return _score(table[index].sum(0), order, 0.0)

    return intervals.over_examples(score, len(table), resamples, seed, 0.0, 1.0)


def self_bleu(sentences: Sentences, order: int = 4, resamples: int = 1000, seed: int = 0) -> Estimate:
    """How alike generated sentences are: the mean BLEU of each with all others as references (Zhu et al. 2018); in 0..1.

    Down, but not below that of as many real sentences; it grows with their number, so compare equal numbers. Single
    sentences often lack a match of length 4: 0 matches count as 0.1 (Chen and Cherry 2014, method 1); lengths that a
    sentence is too short for are left out, so the same sentence throughout gives 1 however short it is.
    The interval is a bootstrap over sentences, their references held as they are.
    """
    _check_order(order)
    check_sentences("sentences", sentences)
    if len(sentences) < 2:
        raise UserError("sentences: two or more expected; each is compared with the others")
    grams = [_grams(sentence, order) for sentence in sentences]
    # The most that another sentence has: the greatest count of all, or the second greatest for who has the greatest.
    first, second = _two_greatest(grams)
    lengths = Counter(len(sentence) for sentence in sentences)
    scores = []
    for sentence, own in zip(sentences, grams, strict=True):
        others = {gram: second[gram] if count == first[gram] else first[gram] for gram, count in own.items()}
        near = [length for length, count in lengths.items() if count > (length == len(sentence))]
        scores.append(_score(np.array(_matches(sentence, order, others, near), dtype=np.float64), order, 0.1))
    return intervals.mean(torch.tensor(scores, dtype=torch.float64), resamples, seed)


def _grams(sentence: Sentence, order: int) -> Counter[Gram]:
    """All n-grams of a sentence for n = 1..order."""
    words = tuple(sentence)
    sizes = range(1, order + 1)
    return Counter(words[start : start + size] for size in sizes for start in range(len(words) - size + 1))


def _two_greatest(counts: Sequence[Counter[Gram]]) -> tuple[dict[Gram, int], dict[Gram, int]]:
    """The greatest and the second greatest count of each n-gram in one sentence; equal if two sentences share it."""
    first: dict[Gram, int] = {}
    second: dict[Gram, int] = {}
    for gram, times in (item for count in counts for item in count.items()):
        greatest = first.get(gram, 0)
        first[gram] = max(greatest, times)
        second[gram] = max(second.get(gram, 0), min(greatest, times))
    return first, second


def _matches(candidate: Sentence, order: int, most: dict[Gram, int], lengths: Sequence[int]) -> list[int]:
    """Of one candidate: matches (order,), n-grams (order,), its length, the reference length nearest to it."""
    own = _grams(candidate, order)
    matched = [0] * order
    for gram, count in own.items():
        matched[len(gram) - 1] += min(count, most.get(gram, 0))
    length = len(candidate)
    possible = [max(0, length - size) for size in range(order)]
    return [*matched, *possible, length, min(lengths, key=lambda other: (abs(other - length), other))]


def _score(sums: np.ndarray, order: int, nothing: float) -> float:
    """BLEU of the sums of `_matches`; `nothing` stands for 0 matches."""
    matched, possible, (length, wanted) = sums[:order], sums[order : 2 * order], sums[2 * order :]
    met = possible > 0
    matched = np.where(matched > 0, matched, nothing)[met]
    if not matched.size or not matched.all():
        return 0.0
    return float(min(1.0, math.exp(1 - wanted / length)) * np.exp(np.log(matched / possible[met]).mean()))


def _check_order(order: int) -> None:
    if order < 1:
        raise UserError(f"order: the length of the longest n-grams, from 1 up, expected, {order} given")


def check_sentences(name: str, sentences: Sentences) -> None:
    """Sentences must be lists of words, one at least. Raises UserError; a string is not a list of words."""
    if not len(sentences):
        raise UserError(f"{name}: none given; at least one is needed")
    for index, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Sequence):
            raise UserError(
                f"{name}: sentence {index}: a list of words expected, {type(sentence).__name__} given: split it"
            )
