"""A language model on the texts of a Markov chain, each as often as it is likely."""

import itertools
import math

import torch

from patterns.small import Net, mlp, point
from pipeline.language import Dataset, Learner, Type
from pipeline.language.fitting import fit
from pipeline.language.patterns.sequence import language_model

V, H = Type("V", (3,), "categorical"), Type("H", (8,))
START = torch.tensor([2, 1, 1])  # quarters
NEXT = torch.tensor([[0, 3, 1], [1, 1, 2], [4, 0, 0]])


def texts() -> torch.Tensor:
    """All texts of four words, each as often as it occurs among 4^4."""
    rows = []
    for words in itertools.product(range(3), repeat=4):
        times = int(START[words[0]]) * math.prod(int(NEXT[a, b]) for a, b in itertools.pairwise(words))
        rows += [words] * times
    return torch.tensor(rows)


def entropies() -> list[float]:
    """Of each word, given those before it."""
    law, found = START / 4, [float(torch.special.entr(START / 4).sum())]
    for _ in range(3):
        found.append(float(law @ torch.special.entr(NEXT / 4).sum(1)))
        law = law @ (NEXT / 4)
    return found


def test_a_language_model_reaches_the_entropy_of_a_markov_chain(of, measured) -> None:
    rows = texts()
    text = Dataset("text", {name: V for name in "abcd"}).bind(*rows.T)
    start, say = point("start", H, torch.zeros(8)), Learner("say", (H,), V, Net((H,), V))
    made = language_model(text, start, mlp("read", (H, V), H, 16), say)
    losses = fit(made, of(300, 2000), len(rows), lr=0.03)
    found, best = sum(float(each[-1]) for each in losses.values()), sum(entropies())
    measured("language_model", f"texts of four words: {found:.4f} nats, entropy {best:.4f}")
    assert len(rows) == 256
    assert best - 1e-4 < found < best + of(0.02, 0.003)
