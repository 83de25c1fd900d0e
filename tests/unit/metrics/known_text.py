"""Known answers of `pipeline.metrics.text`."""

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.text import perplexity as perplexity_of_logits

from pipeline.metrics import text
from pipeline.metrics.text import KneserNey, Mark, Sentences
from tests.unit.metrics.known import Known

# Papineni et al. 2002, examples 1 and 2, in lower case.
GUIDE, TROOPS, *PARTY = (
    sentence.split()
    for sentence in (
        "it is a guide to action which ensures that the military always obeys the commands of the party",
        "it is to insure the troops forever hearing the activity guidebook that party direct",
        "it is a guide to action that ensures that the military will forever heed party commands",
        "it is the guiding principle which guarantees the military forces always being under the command of the party",
        "it is the practical guide for the army always to heed the directions of the party",
    )
)
MATS = [["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat", "on", "the", "mat"]]

# A chain of words: from the start, then from a and from b, to a, to b, to the end.
STEPS = np.array([[0.5, 0.5, 0.0], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
THREE = [list("ab"), list("ac"), list("ab")]


def chain(count: int, seed: int) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [chained(random) for _ in range(count)]


def chained(random: np.random.Generator) -> list[str]:
    words: list[str] = []
    row = 0
    while (word := int(np.searchsorted(STEPS[row].cumsum(), random.random()))) < 2:
        words.append("ab"[word])
        row = word + 1
    return words


def of_chain(sentences: Sentences) -> list[Tensor]:
    """The chain's own log-probabilities."""
    states = [[0, *(1 + "ab".index(str(word)) for word in sentence), 3] for sentence in sentences]
    return [torch.tensor([STEPS[a][b - 1] for a, b in pairwise(s)]).log() for s in states]


def exp_entropy_rate() -> float:
    """exp of the entropy of a sentence over its expected length, the end counted."""
    visits = np.linalg.solve(np.eye(2) - STEPS[1:, :2].T, STEPS[0, :2])
    entropies = -(STEPS * np.log(np.where(STEPS > 0, STEPS, 1))).sum(1)
    return math.exp((entropies[0] + visits @ entropies[1:]) / (1 + visits.sum()))


def uniform(words: int) -> Callable[[Sentences], list[Tensor]]:
    return lambda sentences: [torch.full((len(sentence) + 1,), -math.log(words)) for sentence in sentences]


@cache
def learnt() -> tuple[KneserNey, list[list[str]]]:
    return KneserNey.fit(chain(2000, 0), "ab", 2), chain(2000, 1)


def by_torchmetrics() -> float:
    return float(perplexity_of_logits(logits(), torch.arange(12).reshape(3, 4) % 5))


def logits() -> Tensor:
    return torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))


def by_logits(sentences: Sentences) -> list[Tensor]:
    """The same logits as a language model of three sentences of three words; the fourth is the end."""
    tokens = torch.arange(12).reshape(3, 4, 1) % 5
    return list(logits().log_softmax(2).gather(2, tokens).squeeze(2))


CASES = [
    Known(
        "perplexity",
        "a model that is uniform over 50 words",
        50,
        lambda: text.perplexity(uniform(50), chain(20, 0)).value,
        1e-4,
    ),
    Known(
        "perplexity",
        "that of torchmetrics from logits",
        by_torchmetrics(),
        lambda: text.perplexity(by_logits, [["w"] * 3] * 3).value,
        1e-4,
    ),
    Known(
        "perplexity",
        "2,000 sentences of a chain of words by the chain itself: exp(entropy rate)",
        exp_entropy_rate(),
        lambda: text.perplexity(of_chain, learnt()[1]).value,
        0.05,
    ),
    Known(
        "perplexity",
        "the same by a Kneser-Ney bigram model of 2,000 others",
        exp_entropy_rate(),
        lambda: text.perplexity(*learnt()).value,
        0.05,
    ),
    Known(
        "KneserNey",
        "b after a, learnt from `a b`, `a c`, `a b`: 5/9 + 2/9 x 0.176, by hand",
        5 / 9 + 2 / 9 * 0.176,
        lambda: KneserNey.fit(THREE, "abc", 2).probability("b", ["a"]),
        1e-12,
    ),
    Known(
        "KneserNey",
        "the end after a there, not seen: 2/9 x 0.376",
        2 / 9 * 0.376,
        lambda: KneserNey.fit(THREE, "abc", 2).probability(Mark.END, ["a"]),
        1e-12,
    ),
    Known(
        "perplexities.unknown",
        "one generated word of four is in no real sentence",
        0.25,
        lambda: text.perplexities(THREE, THREE, [list("ab"), list("ax")]).unknown,
        1e-12,
    ),
    Known(
        "bleu",
        "`the` seven times, the cat on the mat, single words: 2/7 (Papineni et al. 2002)",
        2 / 7,
        lambda: text.bleu([["the"] * 7], [MATS], order=1).value,
        1e-12,
    ),
    Known("bleu", "the same, pairs too", 0, lambda: text.bleu([["the"] * 7], [MATS], order=2).value, 0),
    Known(
        "bleu",
        "a guide to action, words and pairs: sqrt(17/18 x 10/17) (Papineni et al. 2002, example 1)",
        math.sqrt(17 / 18 * 10 / 17),
        lambda: text.bleu([GUIDE], [PARTY], order=2).value,
        1e-12,
    ),
    Known(
        "bleu",
        "to insure the troops, words: 8/14 exp(1 - 16/14) (the same)",
        8 / 14 * math.exp(-1 / 7),
        lambda: text.bleu([TROOPS], [PARTY], order=1).value,
        1e-12,
    ),
    Known("bleu", "candidates that are references", 1, lambda: text.bleu(MATS, [MATS, MATS]).value, 1e-12),
    Known("self_bleu", "one sentence ten times", 1, lambda: text.self_bleu([["a", "b"]] * 10).value, 1e-12),
    Known(
        "self_bleu",
        "sentences of four words without a word in common: 0.1 (1/4!)^(1/4)",
        0.1 * (1 / 24) ** 0.25,
        lambda: text.self_bleu([list("abcd"), list("efgh"), list("ijkl")]).value,
        1e-12,
    ),
]
