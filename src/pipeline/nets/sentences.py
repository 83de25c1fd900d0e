"""Networks on sentences: rows of `length` words, each as probabilities over a vocabulary, (n, length, words).

A word's vector is one of its own plus the mean of those of its pieces, runs of 3 to 5 letters (Bojanowski et al. 2017,
section 3.2): what is spelt alike ("praised", "praises") begins alike. A word that is a distribution has the mean vector.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]  # length, words

PIECES = (3, 4, 5)  # letters


class Vectors(nn.Module):
    """Probabilities of words to vectors: (..., words) -> (..., width). names: how the words are spelt."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__()
        places, starts, shares = spelling(names)
        self.own = nn.Parameter(0.5 * torch.randn(len(names), width))
        self.pieces = nn.Parameter(torch.randn(int(places.max()) + 1, width))
        # Not among the weights: the names tell it.
        for name, told in (("places", places), ("starts", starts), ("shares", shares)):
            self.register_buffer(name, told, persistent=False)

    @property
    def table(self) -> Tensor:
        """The vector of each word, (words, width)."""
        bags = nn.functional.embedding_bag(
            self.places, self.pieces, self.starts, mode="sum", per_sample_weights=self.shares
        )
        return self.own + bags

    def forward(self, words: Tensor) -> Tensor:
        return words @ self.table


def spelling(names: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """The pieces of all words, one after another, by number (m,), where each word's start (words,), and how much each word
    is of each of its pieces (m,): the shares of a word have length 1. Pieces begin and end with the word at < and >."""
    cut = [_pieces(name) for name in names]
    numbers: dict[str, int] = {}
    places = torch.tensor([numbers.setdefault(piece, len(numbers)) for pieces in cut for piece in pieces])
    counts = torch.tensor([len(pieces) for pieces in cut])
    return places, counts.cumsum(0) - counts, counts.repeat_interleave(counts) ** -0.5


def _pieces(name: str) -> list[str]:
    marked = f"<{name}>"
    runs = (marked[at : at + size] for size in PIECES for at in range(len(marked) - size + 1))
    return list(dict.fromkeys(runs)) or [marked]


class ConvolvedWords(nn.Module):
    """Two convolutions over 3 words, and for each channel the most that any place has: (n, *shape) -> (n, features)."""

    def __init__(self, names: Sequence[str], features: int = 128, reach: int = 3) -> None:
        super().__init__()
        self.vectors = Vectors(names, features)
        self.layers = nn.Sequential(
            nn.Conv1d(features, features, reach, padding="same"),
            nn.SiLU(),
            nn.Conv1d(features, features, reach, padding="same"),
            nn.SiLU(),
            nn.AdaptiveMaxPool1d(1),
            nn.Flatten(),
            nn.Linear(features, features),
            nn.SiLU(),
        )

    def forward(self, words: Tensor) -> Tensor:
        return self.layers(self.vectors(words).transpose(1, 2))


class ReadWords(nn.Module):
    """A recurrent net that reads forwards and backwards, and what both end with: (n, *shape) -> (n, features)."""

    def __init__(self, names: Sequence[str], features: int = 128, width: int = 64) -> None:
        super().__init__()
        self.vectors = Vectors(names, width)
        self.reader = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.top = nn.Linear(2 * width, features)

    def forward(self, words: Tensor) -> Tensor:
        _, last = self.reader(self.vectors(words))
        return self.top(last.transpose(0, 1).flatten(1))


class Around(nn.Module):
    """What is near: residual convolutions over 3 places, 1, 2, 4, ... apart: (n, width, length) -> the same shape."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, padding="same", dilation=2**k) for k in range(layers))

    def forward(self, places: Tensor) -> Tensor:
        for layer in self.layers:
            places = places + layer(nn.functional.silu(places))
        return places


class Slots(nn.Module):
    """What a sentence says, wherever it says it: (n, *shape) -> (n, slots, width).

    Each slot is a mean over places, weighted by attention to what is there (Vaswani et al. 2017, section 3.2, with
    learned queries): words that other words move to the right are found all the same.
    """

    def __init__(self, names: Sequence[str], slots: int, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.vectors = Vectors(names, hidden)
        self.around = Around(hidden, 2)
        self.sought = nn.Conv1d(hidden, slots, 1)
        self.found = nn.Conv1d(hidden, slots * width, 1)
        self.width = width

    def forward(self, words: Tensor) -> Tensor:
        places = self.around(self.vectors(words).transpose(1, 2))
        shares, found = self.sought(places).softmax(-1), self.found(places).unflatten(1, (-1, self.width))
        return torch.einsum("nkt,nkdt->nkd", shares, found)


class SlotWriter(nn.Module):
    """A value and slots to words: (n, values), (n, slots, width) -> logits (n, *shape).

    A plan, made of all of it, tells each place twice which slots it is to say; the words follow from these and the plan.
    """

    def __init__(self, shape: Shape, slots: int, width: int, values: int, hidden: int = 96) -> None:
        super().__init__()
        length, words = shape
        self.plan = nn.Sequential(
            nn.Linear(values + slots * width, 4 * hidden),
            nn.SiLU(),
            nn.Linear(4 * hidden, 32 * length),
            nn.Unflatten(1, (32, length)),
            nn.Conv1d(32, hidden, 1),
            Around(hidden, 3),
        )
        self.sought = nn.Conv1d(hidden, 2 * slots, 1)
        self.names = nn.Parameter(0.1 * torch.randn(slots, hidden))
        self.slots, self.value = nn.Linear(width, hidden), nn.Linear(values, hidden)
        self.said = nn.Linear(2 * hidden, hidden)
        self.top = nn.Linear(hidden, words)

    def forward(self, value: Tensor, code: Tensor) -> Tensor:
        plan = self.plan(torch.cat((value, code.flatten(1)), 1))
        shares = self.sought(plan).unflatten(1, (2, -1)).softmax(2)
        said = torch.einsum("nhkt,nkd->nthd", shares, self.slots(code) + self.names).flatten(2)
        places = plan.transpose(1, 2) + self.said(said) + self.value(value)[:, None]
        return self.top(places + nn.functional.silu(places))


class NextWord(nn.Module):
    """Each word, from those before it, by a recurrent net: (n, *shape) -> logits (n, *shape)."""

    def __init__(self, names: Sequence[str], width: int = 96) -> None:
        super().__init__()
        self.vectors = Vectors(names, width)
        self.reader = nn.GRU(width, width, batch_first=True)
        self.top = nn.Linear(width, len(names))

    def forward(self, words: Tensor) -> Tensor:
        before = nn.functional.pad(self.vectors(words)[:, :-1], (0, 0, 1, 0))
        return self.top(self.reader(before)[0])


class Rewriter(nn.Module):
    """A sentence and the value to write into it: (n, *shape), (n, values) -> logits (n, *shape).

    Place by place: a word is kept, or another is said in its stead that what is near asks for, with a probability that is
    told of each place too (the mixture of a pointer-generator, See et al. 2017, equation 9, which points at its own place
    alone). So what needs no change stays as it is without being learned.
    """

    def __init__(self, names: Sequence[str], values: int, width: int = 96) -> None:
        super().__init__()
        self.vectors = Vectors(names, width)
        self.value = nn.Linear(values, width)
        self.around = Around(width, 3)
        self.other = nn.Conv1d(width, width, 1)
        self.changed = nn.Conv1d(width, 1, 1)

    def forward(self, words: Tensor, value: Tensor) -> Tensor:
        table = self.vectors.table
        places = self.around((words @ table).transpose(1, 2) + self.value(value)[:, :, None])
        other = (self.other(places).transpose(1, 2) @ table.T / table.shape[1] ** 0.5).log_softmax(-1)
        changed = self.changed(places).transpose(1, 2)
        # In logarithms, so that a loss can tell a net that is sure to keep a word that another was due. No gradient goes
        # back to words that are all but impossible, as those are that were not drawn: it would be without bound.
        possible = torch.where(words > 1e-6, words, 1e-20)
        kept = nn.functional.logsigmoid(-changed) + possible.log()
        return torch.logaddexp(kept, nn.functional.logsigmoid(changed) + other)
