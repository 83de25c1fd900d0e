import csv
import io

import pytest

from pipeline.metrics.keys import Key, find
from pipeline.report import tables

UP, DOWN, ZERO = Key("k", "", "up"), Key("k", "", "down"), Key("k", "", "zero")


def systems(**intervals: tuple[float, float] | None) -> dict[str, dict[str, float]]:
    """Results in which metric `k` has these intervals; None: a value without an interval."""
    return {
        name: {"k": 0.5} if ends is None else {"k": sum(ends) / 2, "k_low": ends[0], "k_high": ends[1]}
        for name, ends in intervals.items()
    }


def test_an_interval_apart_from_all_others_wins() -> None:
    results = systems(a=(0.90, 0.92), b=(0.93, 0.95), c=(0.80, 0.91))
    assert tables.winner(results, "k", UP) == "b"
    assert tables.winner(results, "k", DOWN) is None


def test_an_overlapping_interval_wins_nothing() -> None:
    assert tables.winner(systems(a=(0.90, 0.94), b=(0.93, 0.95)), "k", UP) is None
    assert tables.winner(systems(a=(0.90, 0.93), b=(0.93, 0.95)), "k", UP) is None


def test_less_wins_where_down_is_better() -> None:
    assert tables.winner(systems(a=(0.1, 0.2), b=(0.3, 0.4)), "k", DOWN) == "a"


def test_nearer_to_zero_wins_whatever_the_sign() -> None:
    assert tables.winner(systems(a=(-0.02, 0.01), b=(0.03, 0.04), c=(-0.09, -0.05)), "k", ZERO) == "a"
    assert tables.winner(systems(a=(-0.04, 0.01), b=(0.03, 0.05)), "k", ZERO) is None


def test_nobody_wins_alone_without_an_interval_or_without_a_direction() -> None:
    assert tables.winner(systems(a=(0.1, 0.2)), "k", UP) is None
    assert tables.winner(systems(a=(0.1, 0.2), b=None), "k", UP) is None
    assert tables.winner(systems(a=(0.1, 0.2), b=(0.3, 0.4)), "k", Key("k", "", "none")) is None


def test_a_system_without_the_metric_does_not_take_part() -> None:
    results = {**systems(a=(0.1, 0.2), b=(0.3, 0.4)), "untrained": {}}
    assert tables.winner(results, "k", UP) == "b"


def test_nobody_wins_among_systems_measured_under_different_terms() -> None:
    results = systems(a=(0.1, 0.2), b=(0.3, 0.4))
    assert tables.winner({"a": {**results["a"], "protocol": "judged"}, "b": results["b"]}, "k", UP) is None
    bounds = {
        name: {"nll_bound": value, "nll_bound_low": value - 1, "nll_bound_high": value + 1, "binarisation": word}
        for name, value, word in (("a", 80.0, "none"), ("b", 90.0, "fixed"))
    }
    assert tables.winner(bounds, "nll_bound", find("nll_bound")) is None
    same = {name: {**found, "binarisation": "fixed"} for name, found in bounds.items()}
    assert tables.winner(same, "nll_bound", find("nll_bound")) == "a"
    # What is no likelihood does not depend on how images are made binary.
    others = {name: {**found, "binarisation": name} for name, found in results.items()}
    assert tables.winner(others, "k", UP) == "b"


def test_judges_do_not_compete() -> None:
    results = {name: {"accuracy": found["k"]} for name, found in systems(reader=None, judge_2=None).items()}
    ends = {"reader": (0.80, 0.82), "judge_2": (0.90, 0.92)}
    results = {n: {**r, "accuracy_low": ends[n][0], "accuracy_high": ends[n][1]} for n, r in results.items()}
    assert not tables.table(results, ["accuracy"]).marks
    assert tables.table(results, ["accuracy"], apart=()).marks
    assert not tables.table({**results, "other": results["reader"]}, ["accuracy"]).marks


def test_keys_are_grouped_in_the_order_of_the_list_and_what_it_lacks_is_other() -> None:
    names = ["parameters", "novel", "style_slant", "undo_mse", "getput_mse", "accuracy", "another"]
    assert tables.by_group(names) == {
        "reading": ["accuracy"],
        "laws": ["getput_mse", "undo_mse"],
        "preservation": ["style_slant"],
        "other": ["another", "novel"],
        "size": ["parameters"],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (421_642, "421,642"),
        (113.83, "113.8"),
        (66.524, "66.52"),
        (2.41, "2.410"),
        (0.99124, "0.9912"),
        (-0.00861, "-0.0086"),
        (0.000731, "0.00073"),
        (0.0000731, "7.3e-05"),
        (0.0, "0"),
    ],
)
def test_numbers_show_about_four_digits(value: float, text: str) -> None:
    assert tables.number(value) == text


def test_intervals_have_the_decimals_of_their_value() -> None:
    assert tables.interval(0.9912, (0.98937, 0.99301)) == ".9894–.9930"
    assert tables.interval(0.0086, (-0.0011, 0.0182)) == "-.0011–.0182"
    assert tables.interval(0.0, (0.0, 0.00038)) == ".00000–.00038"
    assert tables.interval(66.5, (60.1, 70.25)) == "60.10–70.25"
    assert tables.interval(0.9, None) == ""


def test_a_table_keeps_the_order_of_systems_and_leaves_gaps() -> None:
    results = {
        "reader": {"accuracy": 0.9, "protocol": "judged", "validation_accuracy": 0.8, "parameters": 10},
        "writer": {"write_accuracy": 0.95, "write_accuracy_low": 0.94, "write_accuracy_high": 0.96},
        "later": {},
    }
    assert tables.measured(results.values()) == {"accuracy", "write_accuracy", "parameters"}
    test = tables.table(results, ["accuracy", "write_accuracy", "parameters"], notes={"later": "not trained"})
    assert [column.name for column in test.columns] == ["accuracy", "write_accuracy", "parameters"]
    assert [row.system for row in test.rows] == ["reader", "writer", "later"]
    assert test.rows[0].cells == (tables.Cell("0.9000"), None, tables.Cell("10"))
    assert test.rows[1].cells == (None, tables.Cell("0.9500", ".9400–.9600"), None)
    assert test.rows[2] == tables.Row("later", (None, None, None), "not trained")
    assert not test.marks


def test_validation_has_a_table_of_its_own() -> None:
    results = {"a": {"accuracy": 0.9, "validation_accuracy": 0.8, "validation_accuracy_low": 0.7}}
    assert tables.measured(results.values(), "validation_") == {"accuracy"}
    validation = tables.table(results, ["accuracy"], "validation_")
    assert [column.name for column in validation.columns] == ["accuracy"]
    assert validation.rows[0].cells == (tables.Cell("0.8000"),)


def test_the_best_cell_is_marked() -> None:
    results = {
        "a": {"undo_mse": 0.02, "undo_mse_low": 0.019, "undo_mse_high": 0.021},
        "b": {"undo_mse": 0.01, "undo_mse_low": 0.009, "undo_mse_high": 0.011},
    }
    marked = tables.table(results, ["undo_mse"])
    assert [row.cells[0].best for row in marked.rows if row.cells[0]] == [False, True]
    assert marked.marks


def test_columns_say_what_they_mean_and_where_better_is() -> None:
    column = tables.column("collusion_gap")
    assert column.arrow == "→0"
    assert "only get can see" in column.meaning
    assert column.meaning.endswith("best at 0")
    assert tables.column("novel") == tables.Column("novel", "", "")


def test_the_csv_holds_every_number_in_full() -> None:
    results = {
        ("mnist", "a"): {
            "accuracy": 0.1 + 0.2,
            "accuracy_low": 0.25,
            "accuracy_high": 0.35,
            "accuracy_seed_0": 0.2,
            "validation_accuracy": 0.5,
        },
        ("other", "b"): {"protocol": "judged", "parameters": 7},
    }
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(results))))
    assert list(rows[0])[:7] == [
        "data",
        "system",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "accuracy_seed_0",
        "validation_accuracy",
    ]
    assert float(rows[0]["accuracy"]) == 0.1 + 0.2
    assert (rows[1]["data"], rows[1]["accuracy"], rows[1]["protocol"], rows[1]["parameters"]) == (
        "other",
        "",
        "judged",
        "7",
    )
