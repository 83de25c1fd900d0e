"""Text of tasks: what reads back, what is refused, and that nothing but a TaskError comes of any text."""

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.language import (
    Composite,
    Dataset,
    Learner,
    Mixture,
    Normal,
    Player,
    ProjectedGradient,
    Ramp,
    Task,
    TaskError,
    Type,
    Uniform,
    constant,
    cross_entropy,
    derivative,
    equation,
    every,
    expected,
    kl,
    mmd_with,
    mse,
    noise,
    optimise,
    parse,
    polynomial,
    repeated,
    sample,
    standard_normal,
    task,
    uniform,
)
from pipeline.systems import example, names

S, V, Q = Type("S", (4,)), Type("V", (3,), "categorical"), Type("S", (4,), "gaussian")
s, v = x = Dataset("x", {"s": S, "v": V})
z, a = Normal("z", S), Uniform("a", V)
f, g = Learner("f", (S,), S), Learner("g", (S, S), S)
get, put, enc = Learner("get", (S,), V), Learner("put", (S, V), S), Learner("enc", (S,), Q)


def game() -> Task:
    return task(
        players=(Player("A", (get,), 3), Player("B", (put, f))),
        play="alternating",
        one=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=get, weight=Ramp(0, 5, 0.1, 0.9)),
        two=equation(put(f(s), get(s)), s, mse, trains=(put, f), weight=20),
    )


def tasks() -> dict[str, Task]:
    y = every(get(s))
    return {
        "game": game(),
        "vae": task(
            recon=equation(f(sample(enc(s))), s, mse, trains=(f, enc)),
            prior=equation(enc(s), standard_normal(Q), kl, trains=enc),
        ),
        "sums": task(e=equation(f(s) + 0.5 * (2.0 * z.term - f(s)) * (3.0 * s), constant(-1.5, S), mse, trains=f)),
        "weighed": task(
            e=equation(expected(put(s, y), over=y), s, mse, trains=(put, get)),
            u=equation(get(repeated(3)(s)), uniform(V), kl, trains=get),
        ),
        "bound": task(
            slope=equation(derivative(lambda t: g(t, s), z.term, along=s), constant(0, S), mse, trains=g),
            worst=equation(
                get(
                    optimise(
                        s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.5, 4, bounds=(-1, 2), norm="Linf")
                    )
                ),
                v,
                cross_entropy,
                trains=get,
            ),
        ),
        "laws": task(e=equation(f(Mixture("m", (z, Uniform("u", S)), (0.25, 0.75))), s, mmd_with(polynomial(2)), f)),
    }


@pytest.mark.parametrize("name", tasks())
def test_text_reads_back_by_itself(name: str) -> None:
    made = tasks()[name]
    assert parse(str(made)) == made


@pytest.mark.parametrize("name", names())
def test_the_text_of_a_system_reads_back_with_its_modules(name: str) -> None:
    made = example(name).task
    assert parse(str(made), using=made) == made


def test_long_subterms_that_are_shared_or_deep_get_names() -> None:
    h = z.term
    for _ in range(30):
        h = g(h, h)
    made = task(e=equation(h, s, mse, trains=g))
    assert len(str(made)) < 2000
    assert parse(str(made)) == made
    h = z.term
    for _ in range(250):
        h = noise(0.1)(f(h))
    made = task(e=equation(h, s, mse, trains=f))
    assert parse(str(made)) == made


def test_the_noise_of_a_term_does_not_depend_on_who_named_its_boxes() -> None:
    one, two = Learner("one", (S,), S), Learner("two", (S,), Q)
    before = sample(two(one(s)))
    both = Composite("both", one, two)
    assert sample(both(s)) is before


def test_other_text_is_refused_by_its_line() -> None:
    text = str(game())
    for old, new, words in (
        ("x ~ data", "x ~ date", "x: data, mixture, normal"),
        ("players alternating", "players sometimes", "sometimes"),
        ("B (put f)", "B put f", "a player is expected"),
        ("two : put(f(s)", "two : putt(f(s)", "putt is not declared"),
        ("[mse x 20", "[mze x 20", "mze is not known"),
        ("0..5 over", "0..5 ower", "weight"),
        ("two :", "one :", "called one already"),
        ("put : S(4)", "put : S(x4)", "S(x4)"),
        ("trains put, f]", "trains put, f] and so on", "an equation is expected"),
        ("get(s)) ==", "get()) ==", "get takes 1 inputs, not 0"),
    ):
        assert old in text
        with pytest.raises(TaskError, match="in `") as caught:
            parse(text.replace(old, new))
        assert words in str(caught.value)


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(text))
        match chance.randrange(4):
            case 0:
                text = text[:place] + text[place + chance.randint(1, 4) :]
            case 1:
                text = text[:place] + chance.choice("()[],'=~:;. x0λ\n") + text[place:]
            case 2:
                other = chance.randrange(len(text))
                text = text[:place] + text[other : other + chance.randint(1, 12)] + text[place:]
            case _:
                lines = text.splitlines()
                chance.shuffle(lines)
                text = "\n".join(lines)
        text = text or "x"
    return text


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(tasks())))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_task_or_a_task_error(seed: int, name: str) -> None:
    with contextlib.suppress(TaskError):
        parse(mutated(str(tasks()[name]), random.Random(seed)))
