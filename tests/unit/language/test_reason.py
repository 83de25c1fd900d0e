"""Finite models against enumeration by hand, implications against what is known of lenses."""

import itertools
import sys
import time
from dataclasses import dataclass
from math import factorial

import pytest
from torch import nn

from pipeline.language import (
    Composite,
    Constant,
    Dataset,
    Equation,
    Fixed,
    Learner,
    Normal,
    ProjectedGradient,
    Task,
    TaskError,
    Type,
    Uniform,
    bernoulli_nll,
    cross_entropy,
    equation,
    kl,
    likeliest,
    mmd,
    mse,
    noise,
    optimise,
    pair,
    sample,
    standard_normal,
    task,
)
from pipeline.language.reason import equivalent, implies, models, satisfiable
from pipeline.language.terms import Op, Term

S, V, F, C = Type("S", (4,)), Type("V", (3,), "categorical"), Type("F", (2,)), Type("C", (3,))
x, a, b = Dataset("x", {"s": S, "v": V}), Uniform("a", V).term, Uniform("b", V).term
s, v = x
other, label = x.again()
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
comp, rec = Learner("comp", (S,), C), Learner("rec", (V, C), S)

edit = task(
    classify=equation(get(s), v, cross_entropy, trains=get),
    putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put),
    getput=equation(put(s, get(s)), s, mse, trains=put),
    undo=equation(put(put(s, a), get(s)), s, mse, trains=put),
    putput=equation(put(put(s, a), b), put(s, b), mse, trains=put),
)
complement = task(
    classify=equation(get(s), v, cross_entropy, trains=get),
    rebuild=equation(rec(get(s), comp(s)), s, mse, trains=(rec, comp)),
    read=equation(get(rec(a, comp(s))), a, cross_entropy, trains=rec),
    keep=equation(comp(rec(a, comp(s))), comp(s), mse, trains=rec),
)


def only(made: Task, *names: str) -> Task:
    return Task({name: made.equations[name] for name in names})


def asks(lhs: Term, rhs: Term, trains: Learner) -> Equation:
    return equation(lhs, rhs, mse, trains=trains)


# --------------------------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize(
    ("fibres", "counts"), [((2, 2), (16, 2, 2)), ((2, 3), (72, 0, 0)), ((2, 2, 2), (4096, 8, 4)), ((1, 1), (1, 1, 1))]
)
def test_lenses_over_given_fibres_are_as_many_as_known(fibres: tuple[int, ...], counts: tuple[int, ...]) -> None:
    begin = time.monotonic()
    for more, count in zip(((), ("undo",), ("putput",)), counts, strict=True):
        assert models(edit, equations=("putget", "getput", *more), fibres=fibres).count == count
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("fibres", [(3, 3), (2, 2, 2, 2), (3, 3, 3)])
def test_equal_fibres_are_undone_by_bijections_and_put_twice_by_coherent_ones(fibres: tuple[int, ...]) -> None:
    """One bijection for each two fibres; if they cohere, those from the first fibre say all (dossier, L3 and L4)."""
    size, values = factorial(fibres[0]), len(fibres)
    lens = ("putget", "getput")
    assert models(edit, equations=(*lens, "undo"), fibres=fibres).count == size ** (values * (values - 1) // 2)
    assert models(edit, equations=(*lens, "putput"), fibres=fibres).count == size ** (values - 1)


def by_hand(states: int, values: int, names: tuple[str, ...]) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All (get, put) that satisfy the equations: put is a table by (state, value), row by row."""
    S_, V_ = range(states), range(values)
    found = set()
    for g in itertools.product(V_, repeat=states):
        for p in itertools.product(S_, repeat=states * values):

            def write(s_: int, v_: int, p: tuple[int, ...] = p) -> int:
                return p[s_ * values + v_]

            laws = {
                "putget": all(g[write(s_, a_)] == a_ for s_ in S_ for a_ in V_),
                "getput": all(write(s_, g[s_]) == s_ for s_ in S_),
                "undo": all(write(write(s_, a_), g[s_]) == s_ for s_ in S_ for a_ in V_),
                "putput": all(write(write(s_, a_), b_) == write(s_, b_) for s_ in S_ for a_ in V_ for b_ in V_),
            }
            if all(laws[name] for name in names):
                found.add((g, p))
    return found


@pytest.mark.parametrize(("states", "values"), [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2)])
def test_models_are_those_that_enumeration_finds(states: int, values: int) -> None:
    laws = ("putget", "getput", "undo", "putput")
    for names in (chosen for n in (1, 2, 3) for chosen in itertools.combinations(laws, n)):
        expected = by_hand(states, values, names)
        if not {"putget", "getput", "undo"} & set(names):
            expected = {((), p) for _, p in expected}  # get is not mentioned
        found = models(edit, {"S": states, "V": values}, equations=names)
        tables = [
            (
                tuple(model.tables.get("get", {}).values()),
                tuple(model["put"][s_, v_] for s_, v_ in sorted(model["put"])),
            )
            for model in found
        ]
        assert found.count == len(tables) == len(expected), names
        assert set(tables) == expected


def test_data_have_labels_that_are_a_function_of_the_state() -> None:
    told = only(edit, "classify")
    assert models(told, {"S": 3, "V": 2}).count == 2**3
    for model in models(told, {"S": 3, "V": 2}):
        assert model["get"] == model["label"]


def test_all_draws_of_a_data_set_have_the_same_labels() -> None:
    told = only(edit, "classify")
    again = equation(get(other), label, cross_entropy, trains=get)
    assert implies(told, again).verdict == "proved"
    elsewhere, name = Dataset("y", {"s": S, "v": V})
    assert implies(told, equation(get(elsewhere), name, cross_entropy, trains=get)).verdict == "refuted"


def test_given_fibres_are_the_labels_of_the_data() -> None:
    paired = only(edit, "classify").with_equations(paired=equation(get(put(s, v)), v, cross_entropy, trains=put))
    found = models(paired, equations=["paired"], fibres=(1, 2))
    assert {tuple(model["label"].values()) for model in found} == {(0, 1, 1)}
    assert found.count == (1 * 3) * (2 * 3) * (2 * 3)


def test_a_composite_is_one_box_unless_a_part_of_it_is_used_alone() -> None:
    features, head = Learner("features", (S,), F), Learner("head", (F,), V)
    whole = Composite("reader", features, head)
    lens = task(
        putget=equation(whole(put(s, a)), a, cross_entropy, trains=put), getput=asks(put(s, whole(s)), s, trains=put)
    )
    assert models(lens, fibres=(2, 2), of="reader").count == 16
    same = equation(whole(s), whole(other), kl, trains=head)
    constant = asks(features(s), Constant("0", F).term, trains=features)
    assert implies(lens.with_equations(constant=constant), same).verdict == "proved"
    assert models(lens.with_equations(constant=constant), {"F": 2}, fibres=(2, 2), of="reader").count == 0
    assert implies(lens, same, values=2).verdict == "refuted"


def test_wires_of_product_type_are_read_part_by_part() -> None:
    both, apart = Learner("both", (S,), pair(s, v).type), Learner("apart", (pair(s, v).type,), S)
    made = task(inverse=asks(apart(both(s)), s, trains=apart), cut=asks(apart(pair(s, v)), s, trains=apart))
    found = models(made, {"S": 2, "V": 1})
    assert {name for model in found for name in model.tables} == {"both.1", "both.2", "apart", "label"}
    assert found.count == 1
    twice = equation(apart(pair(apart(both(s)), v)), s, mse, trains=apart)
    assert implies(made, twice).verdict == "proved"


def test_encodings_of_one_type_are_one_set_and_random_boxes_have_no_noise() -> None:
    Q, Z, P = Type("Z", (2,), "gaussian"), Type("Z", (2,)), Type("S", (4,), "bernoulli")
    enc, dec = Learner("enc", (S,), Q), Learner("dec", (Z,), P)
    vae = task(
        recon=equation(dec(sample(enc(s))), s, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(s), standard_normal(Q), kl, trains=enc),
    )
    found = models(vae, {"S": 3, "Z": 3}, equations=["recon"])
    assert found.count == factorial(3)
    assert found.notes == ("sample is read without its noise, as the identity",)
    assert not satisfiable(vae, {"S": 2, "Z": 2})
    assert satisfiable(vae, {"S": 1, "Z": 2})


def test_what_is_decided_on_is_what_is_read_and_the_answer_says_so() -> None:
    get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
    made = task(getput=asks(put(s, get(s)), s, trains=put))
    found = implies(made, asks(put(s, likeliest(get(s))), s, trains=put))
    assert found.verdict == "proved"
    assert found.notes == ("likeliest is read as the identity, as if nothing were in doubt",)
    assert implies(made, asks(put(s, get(s)), s, trains=put)).notes == ()


def test_constants_of_different_numbers_are_different() -> None:
    one, zero = Constant("1", C, 1.0).term, Constant("0", C).term
    gan = task(fake=asks(comp(s), zero, trains=comp), fool=asks(comp(s), one, trains=comp))
    assert not satisfiable(gan, {"S": 2, "C": 2})
    real = asks(comp(s), one, trains=comp)
    assert not satisfiable(gan.with_equations(real=real), {"S": 2, "C": 1}, equations=["fake", "real"])
    assert satisfiable(gan, {"S": 2, "C": 2}, equations=["fake"])


def test_operations_without_known_meaning_are_unknown_functions() -> None:
    @dataclass(frozen=True)
    class Odd(Op):
        def show(self, inputs: tuple[Term, ...]) -> str:
            return f"odd({inputs[0]})"

    def odd(term: Term) -> Term:
        return Term(Odd(), (term,), term.type)

    made = task(same=asks(put(s, a), s, trains=put))
    congruent = equation(odd(put(s, a)), odd(s), mse, trains=put)
    assert implies(made, congruent).verdict == "proved"
    transparent = implies(made, asks(odd(put(s, a)), s, trains=put))
    assert transparent.verdict == "refuted"
    assert "odd is read as an unknown function" in transparent.notes
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.0, 2))
    robust = task(robust=equation(get(worst), v, cross_entropy, trains=get))
    assert satisfiable(robust, {"S": 2, "V": 2})
    mixed = Fixed("mix", (S, S), S, body=torch_add)
    assert models(task(e=asks(put(mixed(s, other), a), s, trains=put)), {"S": 2, "V": 1}).count > 0


def torch_add(one, two):  # never run: only its type matters
    return one + two


# ------------------------------------------------------------------------------------------------------- implication


@pytest.mark.parametrize(
    ("given", "then", "values"),
    [(("putput", "getput"), "undo", None), (("putget", "getput", "undo"), "putput", 2), (("undo",), "undo", None)],
)
def test_what_is_known_to_follow_is_proved(given: tuple[str, ...], then: str, values: int | None) -> None:
    begin = time.monotonic()
    answer = implies(edit, edit.equations[then], given=given, values=values)
    assert (answer.verdict, answer.counterexample) == ("proved", None)
    assert time.monotonic() - begin < 10


def test_the_complement_form_puts_twice_as_once() -> None:
    written = rec(a, comp(s))
    begin = time.monotonic()
    assert implies(complement, asks(rec(b, comp(written)), rec(b, comp(s)), trains=rec)).verdict == "proved"
    assert implies(complement, asks(rec(get(s), comp(written)), s, trains=rec)).verdict == "proved"
    leaky = only(complement, "classify", "rebuild", "read")
    refuted = implies(leaky, asks(rec(b, comp(written)), rec(b, comp(s)), trains=rec))
    assert refuted.verdict == "refuted"
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("values", [3, None])
def test_three_values_can_be_undone_without_coherence(values: int | None) -> None:
    begin = time.monotonic()
    answer = implies(edit, edit.equations["putput"], given=("putget", "getput", "undo"), values=values)
    assert time.monotonic() - begin < 10
    assert answer.verdict == "refuted"
    example = answer.counterexample
    g, p = example.model["get"], example.model["put"]
    states, values_ = range(example.model.sizes["S"]), range(example.model.sizes["V"])
    assert all(g[p[i, j],] == j for i in states for j in values_)
    assert all(p[i, g[i,]] == i for i in states)
    assert all(p[p[i, j], g[i,]] == i for i in states for j in values_)
    where = {name: int(element[1:]) for name, element in example.at}
    i, j, k = where["s"], where["a"], where["b"]
    sides = (p[p[i, j], k], p[i, k])
    assert sides[0] != sides[1]
    assert example.sides == (("put(put(s, a), b)", f"s{sides[0]}"), ("put(s, b)", f"s{sides[1]}"))


def test_a_counterexample_reads_as_tables_and_the_inputs_where_it_fails() -> None:
    answer = implies(only(edit, "getput"), edit.equations["putget"], {"S": 2, "V": 2})
    lines = str(answer).splitlines()
    assert lines[0] == "refuted (a model with |S| = 2, |V| = 2)"
    assert (lines[1], lines[3]) == ("get | s0 s1", "put | v0 v1")
    assert [line.split("|")[0].strip() for line in lines[1:6]] == ["get", "", "put", "s0", "s1"]
    assert lines[6].startswith("fails at s = s")
    assert [line.split("=")[0].strip() for line in lines[7:]] == ["get(noise[0.1](put(s, a)))", "a"]


def test_given_all_sizes_the_answer_is_about_these() -> None:
    collapse = only(edit, "putget", "getput")
    assert implies(collapse, edit.equations["undo"], {"S": 2, "V": 2}).verdict == "proved"
    assert implies(collapse, edit.equations["undo"], {"S": 4, "V": 2}).verdict == "refuted"


def test_what_only_infinite_sets_refute_is_unknown() -> None:
    f, g = Learner("f", (S,), S), Learner("g", (S,), S)
    injective = task(retract=asks(g(f(s)), s, trains=g))
    onto = asks(f(g(s)), s, trains=f)
    assert implies(injective, onto, timeout=1.0).verdict == "unknown"
    assert implies(injective, onto, {"S": 4}).verdict == "proved"


def test_undo_and_putput_are_equivalent_for_two_values_only() -> None:
    plain, strong = only(edit, "putget", "getput", "undo"), only(edit, "putget", "getput", "putput")
    assert equivalent(plain, strong, values=2).verdict == "proved"
    answer = equivalent(plain, strong, values=3)
    assert answer.verdict == "refuted"
    assert answer.counterexample.sides[0][0] == "put(put(s, a), b)"


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: models(edit, {"S": 2}), ["size", "V", "missing"]),
        (lambda: models(edit, {"S": 2, "V": 0}), ["size of V", "at least 1", "0"]),
        (lambda: models(edit, {"S": 2, "V": 2, "W": 2}), ["size of W", "S, V"]),
        (lambda: models(edit, {"S": 5}, fibres=(2, 2)), ["size of S", "4", "5"]),
        (lambda: models(edit, equations=["nope"], fibres=(2, 2)), ["nope", "putget"]),
        (lambda: models(edit, fibres=(2, 0)), ["fibres 2,0", "at least 1"]),
        (lambda: models(edit, fibres=(2, 2), of="put"), ["`put`", "one input"]),
        (lambda: models(edit, {"S": 300, "V": 300}), ["too many"]),
        (lambda: implies(edit, edit.equations["undo"], values=0), ["size of V", "at least 1"]),
        (lambda: implies(edit, edit.equations["undo"], given=["nope"]), ["nope", "getput"]),
        (
            lambda: implies(edit, asks(Learner("put", (S, V), S, nn.Identity())(s, a), s, trains=put)),
            ["in question", "put"],
        ),
        (
            lambda: implies(edit, equation(pair(get(s), a), pair(v, a), mmd, trains=get)),
            ["in question", "laws", "mmd"],
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(ask, words: list[str]) -> None:
    with pytest.raises(TaskError) as caught:
        ask()
    for word in words:
        assert word in str(caught.value)


def test_without_z3_one_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    with pytest.raises(TaskError, match="needs z3"):
        models(edit, fibres=(2, 2))
    with pytest.raises(TaskError, match="needs z3"):
        implies(edit, edit.equations["undo"])


def test_one_wire_of_a_joint_draw_ranges_over_its_type() -> None:
    everywhere = task(e=equation(get(put(other, label)), label, cross_entropy, trains=put))
    alone = task(e=equation(get(put(Normal("z", S).term, label)), label, cross_entropy, trains=put))
    assert implies(alone, everywhere.equations["e"]).verdict == "proved"
    assert implies(everywhere, alone.equations["e"]).verdict == "refuted"
