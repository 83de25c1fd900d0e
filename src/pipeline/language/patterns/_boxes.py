"""The fixed boxes that patterns share: the same types give the same box, so that patterns are equal if their parts are."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.language.terms import Fixed, R, Type


@functools.cache
def assigned(X: Type, C: Type, Z: Type) -> Fixed:
    """Point x (d,) and codes (k, d) -> one-hot (k,): which code is nearest. No gradient passes."""

    def body(x: Tensor, codes: Tensor) -> Tensor:
        distances = (x[:, None] - codes).square().sum(-1)
        return F.one_hot(distances.argmin(-1), codes.shape[1]).to(x)

    return Fixed("assigned", (X, C), Z, body=body)


@functools.cache
def nearest(X: Type, C: Type) -> Fixed:
    """Point x (d,) and codes (k, d) -> the code (d,) nearest to it. A gradient passes to the codes only."""

    def body(x: Tensor, codes: Tensor) -> Tensor:
        choice = (x[:, None] - codes).square().sum(-1).argmin(-1)
        return codes[torch.arange(len(x), device=x.device), choice]

    return Fixed("nearest", (X, C), X, body=body)


@functools.cache
def projected(X: Type, W: Type, Z: Type) -> Fixed:
    """Point x (d,) and directions w (k, d) -> coordinates w x (k,)."""
    return Fixed("projected", (X, W), Z, body=lambda x, w: torch.einsum("nkd, nd -> nk", w, x))


@functools.cache
def combined(Z: Type, W: Type, X: Type) -> Fixed:
    """Coordinates z (k,) and vectors w (k, d) -> their combination z w (d,)."""
    return Fixed("combined", (Z, W), X, body=lambda z, w: torch.einsum("nk, nkd -> nd", z, w))


@functools.cache
def between(X: Type, name: str = "between") -> Fixed:
    """Share u (a number) and points x, y -> u x + (1 - u) y. name: another one where a task has two such boxes."""

    def body(u: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return torch.lerp(y, x, u.view(-1, *[1] * (x.dim() - 1)))

    return Fixed(name, (R, X, X), X, body=body)


@functools.cache
def norm(X: Type) -> Fixed:
    """x -> its Euclidean length, a number."""
    return Fixed("norm", (X,), R, body=lambda x: torch.linalg.vector_norm(x.flatten(1), dim=1))


@functools.cache
def unit(X: Type) -> Fixed:
    """x -> x / |x|."""
    return Fixed("unit", (X,), X, body=lambda x: F.normalize(x.flatten(1)).view_as(x))


@functools.cache
def switch(V: Type, S: Type) -> Fixed:
    """What s is, what is wanted, s, and a state for each value -> s if it is what is wanted, else that value's state."""

    def body(own: Tensor, wanted: Tensor, s: Tensor, *states: Tensor) -> Tensor:
        choice = wanted.argmax(-1)
        written = torch.stack(states)[choice, torch.arange(len(s), device=s.device)]
        same = own.argmax(-1) == choice
        return torch.where(same.view(-1, *[1] * (s.dim() - 1)), s, written)

    return Fixed("switch", (V, V, S, *[S] * V.shape[0]), S, body=body)
