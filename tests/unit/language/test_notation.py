"""Reading tasks back from their text."""

import pytest

from pipeline.language import (
    Dataset,
    Learner,
    Task,
    Term,
    Type,
    constant,
    equation,
    gaussian_nll,
    l1,
    linear,
    log_mean_exp,
    parse,
    repeated,
    sample,
    standard_normal,
    task,
)

X, Z, Q = Type("X", (3,)), Type("Z", (2,)), Type("Z", (2,), "gaussian")
enc, x = Learner("enc", (X,), Q), Dataset("data", {"x": X}).term


def prior_density(z: Term, over: Term) -> Task:
    return task(bound=equation(log_mean_exp(-gaussian_nll(standard_normal(Q), z), over), constant(1), linear, enc))


@pytest.mark.parametrize(
    "made",
    [
        prior_density(sample(repeated(3)(enc(x))), repeated(3)(enc(x))),
        task(near=equation(standard_normal(Q), sample(enc(x)), gaussian_nll, trains=enc)),
        task(zero=equation(constant(0), gaussian_nll(enc(x), constant(0, Z)), l1, trains=enc)),
    ],
)
def test_a_constant_is_of_the_type_that_its_divergence_compares_with_the_other_side(made: Task) -> None:
    assert parse(str(made)) == made
