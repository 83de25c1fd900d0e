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
        shares = spelling(names)
        self.own = nn.Parameter(0.5 * torch.randn(len(names), width))
        self.pieces = nn.Parameter(torch.randn(shares.shape[1], width))
        # Not among the weights: the names tell it.
        self.register_buffer("shares", shares, persistent=False)

    @property
    def table(self) -> Tensor:
        """The vector of each word, (words, width)."""
        return self.own + self.shares @ self.pieces

    def forward(self, words: Tensor) -> Tensor:
        return words @ self.table


def spelling(names: Sequence[str]) -> Tensor:
    """How much of each word is of each piece, (words, pieces): rows of length 1, whose pieces begin and end with the word
    at < and >."""
    cut = [_pieces(name) for name in names]
    places = {piece: place for place, piece in enumerate(dict.fromkeys(piece for each in cut for piece in each))}
    shares = torch.zeros(len(names), len(places))
    for row, pieces in enumerate(cut):
        shares[row, [places[piece] for piece in pieces]] = len(pieces) ** -0.5
    return shares


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
        self.reader = nn.GRU(width, features, batch_first=True, bidirectional=True)
        self.top = nn.Linear(2 * features, features)

    def forward(self, words: Tensor) -> Tensor:
        _, last = self.reader(self.vectors(words))
        return self.top(last.transpose(0, 1).flatten(1))


class WordWriter(nn.Module):
    """A value and a code to words: (n, values), (n, latent) -> logits (n, *shape).

    A recurrent net that is told value and code at every place: what it has written so far is in its state.
    """

    def __init__(self, names: Sequence[str], length: int, latent: int, values: int, width: int = 256) -> None:
        super().__init__()
        self.start = nn.Linear(values + latent, width)
        self.told = nn.Linear(values + latent, width)
        self.places = nn.Parameter(0.1 * torch.randn(length, width))
        self.writer = nn.GRU(width, width, batch_first=True)
        self.top = nn.Linear(width, len(names))

    def forward(self, value: Tensor, code: Tensor) -> Tensor:
        given = torch.cat((value, code), 1)
        told = self.told(given)[:, None] + self.places
        written, _ = self.writer(told, self.start(given).tanh()[None])
        return self.top(written)
