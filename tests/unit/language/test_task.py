"""Tasks: how they read, how they are refined, and what is refused with which words."""

import pytest
import torch

from pipeline.language import (
    Composite,
    Dataset,
    Draws,
    Learner,
    Player,
    ProjectedGradient,
    TaskError,
    Type,
    Uniform,
    compile_task,
    cross_entropy,
    equation,
    mse,
    noise,
    optimise,
    sample,
    task,
)

S, V = Type("S", (4,)), Type("V", (3,), "categorical")
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
x = Dataset("x", {"s": S, "v": V})
a = Uniform("a", V)
s, v = x


def test_a_task_reads_as_on_a_blackboard() -> None:
    made = task(
        putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put),
        undo=equation(put(put(s, a), get(s)), s, mse, trains=put, weight=20),
    )
    assert str(made).splitlines() == [
        "putget : get(noise[0.1](put(s, a))) == a   [cross_entropy; trains put]   s ~ x; a ~ a",
        "undo   : put(put(s, a), get(s)) == s   [mse x 20; trains put]   s ~ x; a ~ a",
        "where",
        "  x ~ data(s: S(4), v: V(3) categorical)",
        "  a ~ uniform(V(3) categorical)",
        "  put : S(4) x V(3) categorical -> S(4)",
        "  get : S(4) -> V(3) categorical",
    ]


def test_refinement_by_equations_keeps_the_others() -> None:
    plain = task(undo=equation(put(put(s, a), get(s)), s, mse, trains=put))
    b = Uniform("b", V)
    strong = plain.with_equations(putput=equation(put(put(s, a), b), put(s, b), mse, trains=put))
    assert list(strong.equations) == ["undo", "putput"]
    assert list(plain.equations) == ["undo"]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: get(v), ["get", "input 1", "S(4)", "V(3)"]),
        (lambda: put(s), ["put", "2 inputs", "1"]),
        (lambda: Composite("f", get, put), ["f", "put", "get"]),
        (lambda: sample(s), ["sample", "gaussian"]),
        (lambda: Type("V", (), "categorical"), ["V", "(k,)"]),
        (lambda: task(e=equation(get(s), s, mse, trains=get)), ["equation e", "get(s)", "V(3)", "S(4)"]),
        (lambda: task(e=equation(get(s), get(s), mse, trains=get)), ["equation e", "categorical"]),
        (lambda: task(e=equation(get(s), v, cross_entropy, trains=())), ["equation e", "trains nothing"]),
        (lambda: task(e=equation(get(s), v, cross_entropy, trains=put)), ["equation e", "put", "reach"]),
        (lambda: task(e=equation(v, get(s), cross_entropy, trains=get)), ["equation e", "soft target", "kl"]),
        (lambda: task(e=equation(Learner("get", (V,), V)(get(s)), v, cross_entropy, trains=get)), ["get", "weights"]),
        (
            lambda: task(e=equation(put(s, a), Dataset("x", {"s": S}).term, mse, trains=put)),
            ["equation e", "another source", "x"],
        ),
        (
            lambda: task(
                e=equation(get(s), v, cross_entropy, trains=get), players=(Player("p", (put,)),), play="alternating"
            ),
            ["get", "exactly one"],
        ),
        (lambda: x.bind(torch.rand(3, 4)), ["x", "2 columns", "1"]),
        (lambda: x.bind(torch.rand(3, 5), torch.arange(3)), ["wire s", "(4,)", "(5,)"]),
        (lambda: x.draw(Draws(0, 0, 1)), ["x", "no data"]),
        (lambda: x.bind(torch.rand(3, 4), torch.arange(3)).draw(Draws(0, 0, 4)), ["batch of 4", "3 examples"]),
    ],
)
def test_what_cannot_mean_anything_is_refused_by_name(build, words: list[str]) -> None:
    with pytest.raises(TaskError) as caught:
        build()
    for word in words:
        assert word in str(caught.value)


def test_an_inner_optimum_is_out_of_a_gradients_reach() -> None:
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.0, 2))
    reader = Learner("reader", (S,), V)
    with pytest.raises(TaskError, match="reach"):
        task(e=equation(reader(worst), v, cross_entropy, trains=get))


def test_a_learner_without_a_module_cannot_run() -> None:
    bound = x.bind(torch.rand(3, 4), torch.arange(3))
    with pytest.raises(TaskError, match="no module"):
        compile_task(task(e=equation(get(next(iter(bound))), list(bound)[1], cross_entropy, trains=get))).moves[
            0
        ].losses(Draws(0, 0, 2))
