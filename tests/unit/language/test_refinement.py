"""Refinement: what it does to equations, what it records, what it refuses; and that it never lowers the optimum."""

import itertools

import pytest
import torch
from torch import nn

from pipeline.language import (
    Dataset,
    Draws,
    Learner,
    Mixture,
    Normal,
    Player,
    Source,
    Task,
    TaskError,
    Type,
    Uniform,
    cross_entropy,
    derivative,
    equation,
    loss,
    mse,
    noise,
    optimise,
    sample,
    task,
)
from pipeline.language.binding import ProjectedGradient

S, V, C = Type("S", (4,)), Type("V", (3,), "categorical"), Type("C", (2,))
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
comp, rec = Learner("comp", (S,), C), Learner("rec", (V, C), S)
x, a = Dataset("x", {"s": S, "v": V}), Uniform("a", V)
s, v = x


def plain() -> Task:
    return task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put),
        undo=equation(put(put(s, a), get(s)), s, mse, trains=put, weight=20),
    )


def lines(made: Task) -> list[str]:
    return [str(each) for each in made.equations.values()]


def test_filling_a_box_replaces_every_application_and_what_is_trained() -> None:
    filled = plain().fill(put, lambda s, v: rec(v, comp(s)))
    assert lines(filled) == [
        "get(s) == v   [cross_entropy; trains get]   s, v ~ x",
        "get(noise[0.1](rec(a, comp(s)))) == a   [cross_entropy; trains comp, rec]   a ~ a; s ~ x",
        "rec(get(s), comp(rec(a, comp(s)))) == s   [mse x 20; trains comp, rec]   s ~ x; a ~ a",
    ]
    (record,) = filled.refinements
    assert (record.kind, record.text) == ("fill", "put(s, v) := rec(v, comp(s))")
    assert str(record.before) == "put(s, v)"


def test_the_noise_of_a_random_box_moves_with_what_it_is_applied_to() -> None:
    filled = plain().fill(put, lambda s, v: rec(v, comp(s)))
    (inner,) = (each for each in filled.sources if each.implicit)
    assert inner.name == "e[rec(a, comp(s))]"


def test_a_box_that_is_part_of_its_own_diagram_stays_trained() -> None:
    noisy = plain().fill(get, lambda s: get(noise(0.2)(s)))
    assert lines(noisy)[0] == "get(noise[0.2](s)) == v   [cross_entropy; trains get]   s, v ~ x"


def test_filling_reaches_into_bound_diagrams() -> None:
    f, g = Learner("f", (S,), S), Learner("g", (S,), S)
    attack = ProjectedGradient(1.0, 2)
    made = task(
        slope=equation(derivative(f, s, along=s), s, mse, trains=f),
        robust=equation(f(optimise(s, lambda t: (f(t), s), mse, attack)), s, mse, trains=f),
    )
    assert lines(made.fill(f, lambda s: g(g(s)))) == [
        "derivative(g(g(t)), t=s, along=s) == s   [mse; trains g]   s ~ x",
        "g(g(argmax(mse(g(g(t)), s), t=s, radius=1, steps=2))) == s   [mse; trains g]   s ~ x",
    ]


def test_wires_bound_in_a_diagram_are_other_than_those_bound_where_it_goes() -> None:
    f, g = Learner("f", (S,), S), Learner("g", (S, S), S)
    made = task(e=equation(derivative(f, s), s, mse, trains=f))
    filled = made.fill(f, lambda w: derivative(lambda u: g(u, w), at=w))
    assert lines(filled) == ["derivative(derivative(g(t', t), t'=t), t=s) == s   [mse; trains g]   s ~ x"]
    direct = derivative(lambda w: derivative(lambda u: g(u, w), at=w), s)
    assert filled.equations["e"].lhs is direct


def test_learners_are_tied_and_players_follow() -> None:
    f, g = Learner("f", (S,), S), Learner("g", (S,), S)
    two = task(
        players=(Player("F", (f,)), Player("G", (g,))),
        one=equation(f(s), s, mse, trains=f),
        other=equation(g(f(s)), s, mse, trains=g),
    )
    with pytest.raises(TaskError, match="exactly one player"):
        two.tie(g, to=f)
    tied = Task(two.equations).tie(g, to=f)
    assert lines(tied) == ["f(s) == s   [mse; trains f]   s ~ x", "f(f(s)) == s   [mse; trains f]   s ~ x"]
    assert [each.kind for each in tied.refinements] == ["tie"]
    split = two.fill(g, lambda s: Learner("h", (S,), S)(s))
    assert [[each.name for each in player.learners] for player in split.players] == [["f"], ["h"]]


def test_a_source_is_enlarged_by_one_with_the_same_wires() -> None:
    (u,) = marginal = Dataset("u", {"s": S})
    made = task(e=equation(put(u, a), u, mse, trains=put))
    wide = made.enlarge(marginal, by=Mixture("states", (marginal, Normal("noise", S)), (0.9, 0.1)))
    assert [source.name for source in wide.sources] == ["states", "a"]
    assert wide.refinements[0].text == "u := states"


@pytest.mark.parametrize(
    ("refine", "words"),
    [
        (lambda: plain().fill(put, lambda s, v: get(s)), ["put gives S(4)", "`get(s)`", "V(3)"]),
        (lambda: plain().fill(comp, lambda s: s), ["comp", "does not occur"]),
        (lambda: plain().fill(put, lambda s, v: s), ["equation putget", "trains nothing"]),
        (lambda: plain().tie(put, to=Learner("rec", (V, C), S)), ["rec", "input 1", "V(3)", "S(4)"]),
        (lambda: plain().enlarge(Dataset("y", {"s": S}), by=x), ["source y", "does not occur"]),
        (lambda: plain().enlarge(x, by=Normal("z", S)), ["source z", "other wires than x"]),
    ],
)
def test_refinements_of_another_type_are_refused(refine, words: list[str]) -> None:
    with pytest.raises(TaskError) as caught:
        refine()
    for word in words:
        assert word in str(caught.value)


def test_data_and_modules_are_given_later() -> None:
    bare = plain()
    made = bare.with_learners({get: Learner("get", (S,), V, nn.Linear(4, 3))})
    bound = made.with_sources({x: x.bind(torch.rand(9, 4), torch.arange(9) % 3)})
    assert [learner.module is None for learner in bound.learners] == [False, True]
    sources: tuple[Source, ...] = bound.sources
    assert sources[0].draw is not None
    assert lines(bound) == lines(bare)


class Lookup(nn.Module):
    """A function between finite sets, as logits that leave no doubt."""

    def __init__(self, table: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.register_buffer("logits", 50.0 * nn.functional.one_hot(torch.tensor(table), size))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value @ self.logits


def tables(domain: int, codomain: int) -> list[tuple[int, ...]]:
    return list(itertools.product(range(codomain), repeat=domain))


@pytest.mark.parametrize("target", [(0, 1, 2), (1, 1, 2), (2, 2, 2)])
def test_filling_never_lowers_the_optimum(target: tuple[int, ...]) -> None:
    """The least loss over all functions f, and over all dec after enc through a set of one, two or three codes."""
    W = Type("W", (3,), "categorical")
    w, y = Dataset("w", {"w": W, "y": W}).bind(torch.arange(3), torch.tensor(target))
    f = Learner("f", (W,), W)
    free = task(e=equation(f(w), y, cross_entropy, trains=f))

    def least(made: Task, choices: dict[Learner, list[tuple[int, ...]]]) -> float:
        losses = []
        for pick in itertools.product(*choices.values()):
            given = zip(choices, pick, strict=True)
            modules = {box: Learner(box.name, box.dom, box.cod, Lookup(t, *box.cod.shape)) for box, t in given}
            losses.append(float(loss(made.with_learners(modules).equations["e"], Draws(0, 0, 3))))
        return min(losses)

    optimum = least(free, {f: tables(3, 3)})
    assert optimum == pytest.approx(0, abs=1e-6)
    for codes in (1, 2, 3):
        L = Type("L", (codes,), "categorical")
        enc, dec = Learner("enc", (W,), L), Learner("dec", (L,), W)
        found = least(
            free.fill(f, lambda w, enc=enc, dec=dec: dec(enc(w))), {enc: tables(3, codes), dec: tables(codes, 3)}
        )
        assert found >= optimum - 1e-6
        assert (found < 1e-6) == (codes >= len(set(target)))


def test_a_latent_draw_is_one_line_away() -> None:
    post = Learner("post", (S,), Type("C", (2,), "gaussian"))
    dec = Learner("dec", (C,), S)
    auto = task(recon=equation(dec(comp(s)), s, mse, trains=(comp, dec)))
    assert str(auto.fill(comp, lambda s: sample(post(s))).equations["recon"].lhs) == "dec(sample(post(s)))"
