"""What may mend an ill-typed task, told from the error.

An error that is about types writes both of them in full, and how they differ often says what was meant:

>>> hint("equation fit: mse: both sides must have the same type, but `q` is Z(2) (gaussian) and `z` is Z(2) (real)")
'gaussian_nll compares a gaussian (left) with a value (right); sample(...) draws a value from one'
>>> hint("get: input 1 is a wire of type S(1x28x28) (real), but `z` has type X(1x28x28) (real)")
'these are two names of one type: make it once and use it in both places'
"""

from __future__ import annotations

import re
from typing import cast

from pipeline.language.terms import Kind, Type

_TYPE = re.compile(r"(?P<name>[^\s`(]+)\((?P<shape>[\dx]*)\) \((?P<kind>real|categorical|bernoulli|gaussian)\)")
_COMPARED = {
    "real": "mse or l1 compares real wires",
    "categorical": "cross_entropy or kl compares categorical wires",
    "gaussian": "kl compares gaussians",
    "bernoulli": "bernoulli_nll compares a bernoulli (left) with a value (right)",
}
_LIKELIHOOD = {
    "gaussian": "gaussian_nll compares a gaussian (left) with a value (right); sample(...) draws a value from one",
    "bernoulli": "bernoulli_nll compares a bernoulli (left) with a value (right)",
}


def hint(message: str) -> str:
    """What may mend the error of this message; empty if nothing suggests itself."""
    types = [_type(found) for found in _TYPE.finditer(message)]
    if " is expected, not " in message and len(types) == 1:
        (wanted,) = re.findall(r"a wire of kind (\w+) is expected", message) or ("",)
        return _of_kind(types[0], wanted) if types[0].kind == "real" and wanted in _COMPARED else ""
    if len(types) != 2:
        return ""
    one, two = types
    if " is a wire of type " in message:
        if (one.kind, two.kind, two.shape) == ("real", "gaussian", one.shape):
            return "sample(...) draws a value from a gaussian"
        return _between(one, two) or "another wire, or another order of the arguments, may be meant"
    if "must have the same type" in message:
        return _between(one, two)
    if " on the left and a real one " in message:
        return (
            "swap the sides" if (one.kind, one.shape) == ("real", two.shape) and two.kind != "real" else _compared(one)
        )
    return _compared(one)


def _between(one: Type, two: Type) -> str:
    """What makes these two types one."""
    if one.shape != two.shape:
        return ""
    if one.kind == two.kind:
        return "these are two names of one type: make it once and use it in both places"
    for kind, words in _LIKELIHOOD.items():
        if {one.kind, two.kind} == {kind, "real"}:
            return words
    given = one if two.kind == "real" else two
    return _of_kind(given, given.kind)


def _compared(type: Type) -> str:
    """Which divergence there is for wires of this type."""
    classes = (
        " (for classes: " + _of_kind(type, "categorical") + ")" if type.kind == "real" and len(type.shape) == 1 else ""
    )
    return _COMPARED[type.kind] + classes


def _of_kind(type: Type, kind: str) -> str:
    shape = f"({type.shape[0]},)" if len(type.shape) == 1 else str(type.shape)
    return f'give {type.name} the kind {kind}: Type("{type.name}", {shape}, "{kind}")'


def _type(found: re.Match[str]) -> Type:
    shape = tuple(map(int, filter(None, found["shape"].split("x"))))
    return Type(found["name"], shape, cast(Kind, found["kind"]))
