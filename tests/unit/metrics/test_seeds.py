"""Results of several seeds in one, and paired tests: laws and bad input."""

import math
import warnings

import pytest
from scipy import stats

from pipeline.errors import UserError
from pipeline.metrics import keys, paired, seeds

ONE = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95, "parameters": 10, "protocol": "judged"}
TWO = {"accuracy": 0.94, "accuracy_low": 0.9, "accuracy_high": 0.97, "parameters": 10, "protocol": "judged"}


def test_a_combined_result_has_mean_interval_and_the_single_values() -> None:
    combined = seeds.combine([ONE, TWO], [7, 12])
    assert set(combined) == {
        "seeds",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "accuracy_seed_7",
        "accuracy_seed_12",
        "parameters",
        "protocol",
    }
    assert (combined["seeds"], combined["parameters"], combined["protocol"]) == (2, 10, "judged")
    assert combined["accuracy"] == pytest.approx(0.92)
    assert combined["accuracy"] - combined["accuracy_low"] == pytest.approx(
        combined["accuracy_high"] - combined["accuracy"]
    )
    assert seeds.by_seed(combined, "accuracy") == {7: 0.9, 12: 0.94}
    assert seeds.by_seed(ONE, "accuracy") == {}


def test_validation_twins_are_combined_on_their_own() -> None:
    combined = seeds.combine([{"loss": 1.0, "validation_loss": 2.0}, {"loss": 1.0, "validation_loss": 4.0}], [0, 1])
    assert seeds.by_seed(combined, "loss") == {0: 1.0, 1: 1.0}
    assert seeds.by_seed(combined, "validation_loss") == {0: 2.0, 1: 4.0}
    assert (combined["loss_low"], combined["loss_high"], combined["validation_loss"]) == (1.0, 1.0, 3.0)


def test_sizes_that_differ_are_averaged_like_any_metric() -> None:
    combined = seeds.combine([{"parameters": 10}, {"parameters": 20}], [0, 1])
    assert combined["parameters"] == 15
    assert combined["parameters_seed_1"] == 20


def test_the_order_of_seeds_does_not_matter() -> None:
    assert seeds.combine([ONE, TWO], [7, 12]) == seeds.combine([TWO, ONE], [12, 7])


def test_each_name_of_a_combined_result_has_its_key() -> None:
    combined = seeds.combine([ONE, TWO], [7, 12])
    assert {keys.find(name).name for name in combined} == {"accuracy", "seeds", "parameters", "protocol"}
    assert keys.metrics(combined) == {"accuracy", "seeds", "parameters", "protocol"}
    # An end without its metric is a metric of that name.
    assert keys.metrics(["tail_low", "accuracy", "accuracy_low"]) == {"tail_low", "accuracy"}


@pytest.mark.parametrize(
    ("results", "numbers", "words"),
    [
        ([ONE], [0], ["1 given", "at least 2"]),
        ([], [], ["0 given", "at least 2"]),
        ([ONE, TWO], [0], ["1 given for 2"]),
        ([ONE, TWO], [3, 3], ["3", "more than once"]),
        ([ONE, {**TWO, "protocol": "paper"}], [0, 1], ["protocol", "judged for seed 0", "paper for seed 1"]),
        ([ONE, {"accuracy": 0.9, "protocol": "judged"}], [0, 1], ["parameters", "seed 1"]),
        ([ONE, {**TWO, "accuracy": math.nan}], [0, 4], ["accuracy", "nan", "seed 4"]),
        ([{**ONE, "accuracy": "high"}, TWO], [0, 1], ["accuracy", "high for seed 0"]),
        ([ONE, {**TWO, "seeds": 3}], [0, 1], ["seed 1", "already"]),
    ],
)
def test_what_cannot_be_combined_is_named(results: list, numbers: list[int], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        seeds.combine(results, numbers)
    assert all(word in str(caught.value) for word in words)


def test_a_paired_test_agrees_with_scipy_and_turns_round() -> None:
    first, second = [0.90, 0.93, 0.91, 0.95], [0.89, 0.90, 0.91, 0.91]
    test, turned = paired.paired_test(first, second), paired.paired_test(second, first)
    reference = stats.ttest_rel(first, second)
    assert test.p == pytest.approx(reference.pvalue)
    assert (test.difference.low, test.difference.high) == pytest.approx(tuple(reference.confidence_interval()))
    assert turned.p == pytest.approx(test.p)
    assert turned.difference.low == pytest.approx(-test.difference.high)


def test_two_pairs_give_an_interval_and_no_p() -> None:
    test = paired.paired_test([1.0, 2.0], [0.5, 1.0])
    assert (test.p, test.pairs, test.difference.value) == (None, 2, 0.75)
    assert test.difference.low < 0 < test.difference.high


def test_equal_differences_are_certain_and_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired.paired_test([0.9, 0.8, 0.7], [0.9, 0.8, 0.7]).p == 1
        # 0.1 each, up to rounding.
        assert paired.paired_test([0.9, 0.8, 0.7], [0.8, 0.7, 0.6]).p == 0


def test_holm_keeps_the_order_of_p_values_and_never_lowers_one() -> None:
    given = [0.04, 0.001, 0.5, 0.03, 0.9]
    corrected = paired.holm(given)
    assert corrected == pytest.approx([0.12, 0.005, 1.0, 0.12, 1.0])
    assert sorted(range(5), key=lambda i: (corrected[i], given[i])) == sorted(range(5), key=lambda i: given[i])
    assert paired.holm([0.2]) == [0.2]
    assert paired.holm([]) == []


@pytest.mark.parametrize(("first", "second"), [([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([1.0, math.inf], [1.0, 2.0])])
def test_pairs_must_be_two_and_finite(first: list[float], second: list[float]) -> None:
    with pytest.raises(UserError):
        paired.paired_test(first, second)
    with pytest.raises(UserError, match="nan"):
        paired.holm([0.1, math.nan])
