"""What is said of a task before training: each pitfall in a task of its own, and nothing untrue of sound ones."""

import sys
import time
from dataclasses import dataclass

import pytest

from pipeline import systems
from pipeline.language import (
    Constant,
    Dataset,
    Divergence,
    Equation,
    Fixed,
    Learner,
    Normal,
    Player,
    ProjectedGradient,
    Ramp,
    Task,
    Type,
    Uniform,
    bernoulli_nll,
    cross_entropy,
    equation,
    kl,
    likeliest,
    mmd,
    mse,
    optimise,
    pair,
    sample,
    standard_normal,
    task,
)
from pipeline.language.diagnose import Finding, diagnose
from pipeline.language.terms import Op, Term

S, V, Z, B = Type("S", (4,)), Type("V", (3,), "categorical"), Type("Z", (2,)), Type("B", (1,))
x, a, z = Dataset("x", {"s": S, "v": V}), Uniform("a", V).term, Normal("z", Z).term
s, v = x
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
enc, dec, conditional = Learner("enc", (S,), Z), Learner("dec", (Z,), S), Learner("dec", (Z, V), S)
gen, dsc = Learner("gen", (Z,), S), Learner("dsc", (S,), B)
one, zero = Constant("1", B, 1.0).term, Constant("0", B).term

classify = equation(get(s), v, cross_entropy, trains=get)
gan = {
    "real": equation(dsc(s), one, mse, trains=dsc),
    "fake": equation(dsc(gen(z)), zero, mse, trains=dsc),
    "fool": equation(dsc(gen(z)), one, mse, trains=gen),
}


def lens(trains: Learner | tuple[Learner, ...]) -> dict[str, Equation]:
    return {
        "putget": equation(get(put(s, a)), a, cross_entropy, trains=trains),
        "getput": equation(put(s, get(s)), s, mse, trains=trains),
        "undo": equation(put(put(s, a), get(s)), s, mse, trains=trains),
    }


def kinds(made: Task, level: str = "warning") -> list[str]:
    return [found.kind for found in diagnose(made) if found.level == level]


def the(made: Task, kind: str) -> Finding:
    """The only finding of a kind."""
    (found,) = (each for each in diagnose(made) if each.kind == kind)
    return found


# ----------------------------------------------------------------------------------------------------------- pitfalls


def test_one_term_cannot_be_two_constants_unless_players_disagree() -> None:
    found = the(task(**gan), "contradiction")
    assert (found.level, found.equations) == ("warning", ("fake", "fool"))
    assert str(found).startswith("warning: fake, fool: `dsc(gen(z))` cannot be both `0` and `1`")
    assert kinds(task(**gan, players=(Player("D", (dsc,)), Player("G", (gen,))))) == []
    both = {**gan, "fool": equation(dsc(gen(z)), one, mse, trains=(gen, dsc))}
    assert kinds(task(**both, players=(Player("D", (dsc,)), Player("G", (gen,))))) == ["contradiction"]
    same = {**gan, "fool": equation(dsc(gen(z)), Constant("nought", B).term, mse, trains=gen)}  # data are not all of S
    assert "contradiction" not in kinds(task(**same))


def test_contradictions_that_take_a_proof_are_found_too() -> None:
    nowhere = Constant("origin", Z).term
    made = task(
        still=equation(enc(s), nowhere, mse, trains=enc),
        low=equation(dsc(dec(enc(s))), zero, mse, trains=dsc),
        high=equation(dsc(dec(nowhere)), one, mse, trains=dsc),
        classify=classify,
    )
    assert the(made, "contradiction").equations == ("still", "low", "high")


def test_a_value_of_the_same_draw_lets_put_copy() -> None:
    paired = task(classify=classify, putget=equation(get(put(s, v)), v, cross_entropy, trains=put))
    found = the(paired, "paired value")
    assert found.equations == ("putget",)
    assert "`put(s, v)` may be a copy of `s`" in found.text
    assert "paired value" not in kinds(task(classify=classify, **lens(put)))
    _, apart = x.again()
    assert "paired value" not in kinds(task(putget=equation(get(put(s, apart)), apart, cross_entropy, trains=put)))


def test_an_input_that_may_be_ignored_is_a_warning_if_all_equations_can_hold() -> None:
    recon = equation(conditional(enc(s), v), s, mse, trains=(enc, conditional))
    found = the(task(recon=recon), "ignored input")
    assert (found.level, found.equations) == ("warning", ("recon",))
    assert found.text == "all equations can hold while dec ignores its input 2 (V)"
    mode_collapse = the(task(**gan, players=(Player("D", (dsc,)), Player("G", (gen,)))), "ignored input")
    assert (mode_collapse.level, mode_collapse.equations) == ("note", ("fool",))
    assert "the equations that train it can hold while gen ignores its input 1 (Z)" in mode_collapse.text


def test_inputs_that_some_equation_needs_are_no_finding() -> None:
    assert "ignored input" not in kinds(task(recon=equation(dec(enc(s)), s, mse, trains=(enc, dec))))
    assert "ignored input" not in kinds(task(classify=classify, **lens(put)))
    told = Learner("told", (V,), S)
    assert "ignored input" not in kinds(task(e=equation(get(told(a)), a, cross_entropy, trains=told)))


def test_given_learners_are_not_thought_to_be_constant() -> None:
    teacher = Learner("teacher", (S,), V)
    distilled = task(distil=equation(get(s), teacher(s), kl, trains=get))
    assert "ignored input" not in kinds(distilled)
    assert kinds(task(distil=equation(get(s), teacher(s), kl, trains=(get, teacher)))) == ["ignored input"] * 2


def test_learners_that_only_read_each_other_may_collude() -> None:
    both = lens((put, get))
    found = the(task(**both), "collusion")
    assert found.equations == ("putget", "getput", "undo")
    assert "get and put may pass a code of their own in `put(s, a)`" in found.text
    assert "collusion" not in kinds(task(classify=classify, **both))
    hiding = task(classify=classify, putget=both["putget"], undo=lens(put)["undo"])
    assert "put may pass a code of its own" in the(hiding, "collusion").text
    assert "collusion" not in kinds(task(classify=classify, **lens(put)))
    matched = equation(pair(put(s, a), a), pair(s, v), mmd, trains=put)
    assert "collusion" not in kinds(task(putget=both["putget"], law=matched))


def test_a_private_code_between_encoder_and_decoder_is_no_collusion() -> None:
    assert kinds(task(recon=equation(dec(enc(s)), s, mse, trains=(enc, dec)))) == []
    denoise = Learner("denoise", (S,), S)
    assert "collusion" not in kinds(task(e=equation(get(denoise(s)), v, cross_entropy, trains=(get, denoise))))


def test_entropies_are_no_targets() -> None:
    teacher, P = Learner("teacher", (S,), V), Type("S", (4,), "bernoulli")
    soft = Divergence("my_cross_entropy", cross_entropy.function, cross_entropy.accepts)
    found = the(task(e=equation(get(s), teacher(s), soft, trains=get)), "soft target")
    assert "the entropy of its target `teacher(s)`, and not 0" in found.text
    found = the(task(e=equation(get(s), teacher(s), soft, trains=(get, teacher))), "soft target")
    assert "teacher is trained to have little" in found.text
    drawn = Learner("drawn", (Z,), P)
    assert "soft target" in kinds(task(e=equation(drawn(z), dec(z), bernoulli_nll, trains=(drawn, dec))))
    assert "soft target" in kinds(task(e=equation(get(s), Constant("?", V).term, soft, trains=get)))
    assert "soft target" not in kinds(task(classify=classify, e=equation(drawn(z), s, bernoulli_nll, trains=drawn)))
    assert "soft target" not in kinds(task(e=equation(get(s), likeliest(teacher(s)), soft, trains=get)))


def test_learners_that_never_move_are_named() -> None:
    idle = task(classify=classify, players=(Player("P", (get,)), Player("Q", (put,))))
    assert the(idle, "unreached").text == "player Q has put, which no equation trains"
    silent = equation(get(s), v, cross_entropy, trains=get, weight=0)
    assert the(task(e=silent), "unreached").equations == ("e",)
    ramped = equation(get(s), v, cross_entropy, trains=get, weight=Ramp(0, 1))
    assert "unreached" not in kinds(task(e=silent, f=ramped))
    given = the(task(**lens(put)), "untrained")
    assert (given.level, given.equations) == ("note", ("putget", "getput", "undo"))
    assert given.text.endswith(": get")


def test_a_variational_autoencoder_gets_notes_alone() -> None:
    Q = Type("Z", (2,), "gaussian")
    posterior = Learner("posterior", (S,), Q)
    vae = task(
        recon=equation(dec(sample(posterior(s))), s, mse, trains=(posterior, dec)),
        prior=equation(posterior(s), standard_normal(Q), kl, trains=posterior),
    )
    assert kinds(vae) == []
    assert kinds(vae, "note") == ["one-sided noise", "conflict"]
    assert the(vae, "conflict").equations == ("recon", "prior")
    assert the(vae, "one-sided noise").text.startswith("fresh noise on one side only (sample)")


def test_noise_on_both_sides_and_noise_that_a_learner_is_given_are_no_finding() -> None:
    e = Normal("e", S).term
    add = Fixed("add", (S, S), S, body=lambda image, noise: image + noise)
    unet = Learner("unet", (S,), S)
    assert "one-sided noise" in kinds(task(d=equation(unet(add(s, e)), s, mse, trains=unet)), "note")
    assert "one-sided noise" not in kinds(task(d=equation(unet(add(s, e)), e, mse, trains=unet)), "note")
    assert "one-sided noise" not in kinds(task(**gan), "note")
    assert "one-sided noise" not in kinds(task(law=equation(dec(sampled()), s, mmd, trains=dec)), "note")


def sampled() -> Term:
    return sample(Learner("posterior", (S,), Type("Z", (2,), "gaussian"))(s))


# ------------------------------------------------------------------------------------------------- systems, and odd ones


@pytest.mark.parametrize("name", systems.names())
def test_every_system_is_judged_quickly_and_warned_of_nothing(name: str) -> None:
    built = systems.example(name)
    for made in (built.task, *(phase.task for phase in built.phases)):
        begin = time.monotonic()
        found = diagnose(made)
        assert time.monotonic() - begin < 2
        assert [str(each) for each in found if each.level == "warning"] == []
        assert "skipped" not in [each.kind for each in found]


def test_notes_on_the_published_systems_are_these() -> None:
    notes = {
        name: kinds(systems.example(name).task, "note") for name in ("classifier", "conditional_vae", "manipulator")
    }
    assert notes == {
        "classifier": ["one-sided noise"],
        "conditional_vae": ["one-sided noise", "ignored input"],
        "manipulator": ["one-sided noise"],
    }


@dataclass(frozen=True)
class Odd(Op):
    """An operation that nobody told these modules of."""

    def show(self, inputs: tuple[Term, ...]) -> str:
        return f"odd({', '.join(map(str, inputs))})"


def odd(*inputs: Term, to: Type | None = None) -> Term:
    return Term(Odd(), inputs, to or inputs[0].type)


def test_odd_tasks_are_no_reason_to_fail() -> None:
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.0, 2))
    both = Learner("both", (S,), pair(s, v).type)
    apart = Learner("apart", (pair(s, v).type,), S)
    parts = Dataset("w", {"first": V, "second": Type("W", (2,), "categorical"), "image": S})
    first, second, _ = parts
    swap = Learner("swap", (V,), second.type)
    made = task(
        robust=equation(get(worst), v, cross_entropy, trains=get),
        inverse=equation(apart(both(s)), s, mse, trains=(apart, both)),
        law=equation(both(s), pair(s, v), mmd, trains=both),
        constant=equation(dsc(odd(s)), one, mse, trains=dsc),
        nothing=equation(dsc(odd(to=S)), zero, mse, trains=dsc),
        strange=equation(odd(put(s, odd(a)), z, to=S), s, mse, trains=put),
        labels=equation(swap(first), second, cross_entropy, trains=swap),
    )
    begin = time.monotonic()
    found = diagnose(made)
    assert time.monotonic() - begin < 2
    assert all(each.equations and each.text for each in found)


def test_tasks_too_large_to_look_for_models_keep_their_other_findings() -> None:
    wide = Learner("wide", (V,) * 6, S)
    sources = [Uniform(f"u{n}", V).term for n in range(6)]
    made = task(**gan, wide=equation(dsc(wide(*sources)), one, mse, trains=wide))
    begin = time.monotonic()
    found = diagnose(made)
    assert time.monotonic() - begin < 2
    assert [each.kind for each in found] == ["contradiction", "skipped"]
    assert "too many" in found[-1].text


def test_without_z3_the_terms_are_still_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    found = diagnose(task(**gan))
    assert [each.kind for each in found] == ["contradiction", "skipped"]
    assert "needs z3" in str(found[-1])
