"""Systems side by side, in a small workspace of metrics files: what is compared, shown, marked, tested and refused."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import cli
from pipeline.errors import UserError
from pipeline.files import write_json
from pipeline.metrics import seeds
from pipeline.report import comparison, measured, terminal
from tests.conftest import REPOSITORY

VOID = {"meta", "img", "input", "wbr", "br", "link"}


def results(write: float, mse: float, **more: float | str) -> dict[str, float | str]:
    return {
        "protocol": "judged",
        "parameters": 1000,
        "write_accuracy": write,
        "write_accuracy_low": write - 0.01,
        "write_accuracy_high": write + 0.01,
        "undo_mse": mse,
        "undo_mse_low": mse * 0.9,
        "undo_mse_high": mse * 1.1,
        "fid_edit": 10 * mse,
        "fid_reference": 1.5,
        "validation_write_accuracy": write,
        **more,
    }


def seeded(*trainings: dict[str, float | str]) -> dict[str, float | str]:
    return seeds.combine(trainings, list(range(len(trainings))))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three editors, one of them in a study too, a generator that is in a study alone, and a judge."""
    judge = {"protocol": "judged", "accuracy": 0.99, "accuracy_low": 0.98, "accuracy_high": 1.0, "parameters": 7}
    reader = {**judge, "accuracy": 0.9, "accuracy_low": 0.89, "accuracy_high": 0.91}
    for name, found in {
        "metrics/dots/judge_2": judge,
        "metrics/dots/reader": reader,
        "metrics/dots/first": results(0.99, 0.010),
        "metrics/dots/second": results(0.95, 0.020),
        "metrics/dots/third": results(0.985, 0.030, fid_sample=3.0),
        "studies/long/metrics/dots/first": results(0.95, 0.015),
        "studies/long/metrics/dots/sampler": {"protocol": "judged", "fid_sample": 2.0},
    }.items():
        write_json(tmp_path / f"{name}.json", found)
    write_json(tmp_path / "models/dots/first/config.json", {"settings": {"steps": 1600, "batch_size": 64}})
    write_json(tmp_path / "runs/train@dots-first.json", {"seconds": 12.4})
    return tmp_path


def compared(root: Path, **options: bool) -> comparison.Comparison:
    return comparison.compare("dots", root, None, **options)


def shown(found: comparison.Comparison, width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        terminal.show(found, console)
    return capture.get()


def metric(root: Path, key: str, **options: bool) -> dict:
    document = comparison.document(compared(root, **options))
    return next(each for each in document["metrics"] if each["key"] == key)


def test_rows_are_all_systems_a_study_names_what_is_elsewhere_too_and_judges_are_last(root: Path) -> None:
    names = [each.name for each in compared(root).systems]
    assert names == ["first", "reader", "second", "third", "first (long)", "sampler", "judge_2"]
    assert [each.name for each in compared(root, stored=True).systems] == [
        "first",
        "reader",
        "second",
        "third",
        "judge_2",
    ]


def test_columns_are_what_two_systems_have_or_one_if_all_are_asked_for(root: Path) -> None:
    assert compared(root).keys == {
        "reading": ["accuracy"],
        "editing": ["write_accuracy"],
        "fidelity": ["fid_edit", "fid_sample", "fid_reference"],
        "laws": ["undo_mse"],
    }
    write_json(root / "metrics/dots/reader.json", {"nll_bound": 90.0})
    assert set(compared(root).keys) == {"editing", "fidelity", "laws"}
    assert compared(root, every=True).keys["likelihood"] == ["nll_bound"]


def test_a_table_has_only_the_systems_of_its_group(root: Path) -> None:
    tables = {table.title: table for table in compared(root).tables()}
    assert [row.system for row in tables["reading"].rows] == ["reader", "judge_2"]
    assert [row.system for row in tables["laws"].rows] == ["first", "second", "third", "first (long)"]


def test_the_best_is_marked_only_where_its_interval_is_apart(root: Path) -> None:
    assert metric(root, "undo_mse")["best"] == "first"
    # 0.98..1.00 and 0.975..0.995 meet.
    assert "best" not in metric(root, "write_accuracy")
    # No intervals, and no direction.
    assert "best" not in metric(root, "fid_edit")
    assert "best" not in metric(root, "fid_reference")
    # The judge is apart, and does not compete.
    assert "best" not in metric(root, "accuracy")
    marked = re.findall(r"│ (\w+) +│ +(\S+) \*", shown(compared(root)))
    assert marked == [("first", "0.0100")]


def test_equal_systems_are_not_told_apart(root: Path) -> None:
    write_json(root / "studies/long/metrics/dots/first.json", results(0.99, 0.010))
    assert "best" not in metric(root, "undo_mse")


def test_systems_under_different_protocols_are_shown_and_not_ranked(root: Path) -> None:
    write_json(root / "metrics/dots/third.json", results(0.985, 0.030, protocol="paper"))
    assert "best" not in metric(root, "undo_mse")
    notes = " ".join(comparison.notes(compared(root)))
    assert "different protocols or binarisations, so that nobody is best: write_accuracy" in notes
    assert "Protocol “judged”" in notes
    assert "Protocol “paper”" in notes


def test_footnotes_tell_what_intervals_are_of_and_what_real_data_get(root: Path) -> None:
    notes = " ".join(comparison.notes(compared(root)))
    assert "bootstrap over the examples of the one test set that all systems share" in notes
    assert "Student" not in notes
    assert "Keys with `reference` are what real test data get (fid_reference: 1.500)" in notes
    write_json(root / "metrics/dots/second.json", seeded(results(0.95, 0.02), results(0.96, 0.02)))
    notes = " ".join(comparison.notes(compared(root)))
    assert "for second of the mean over seeds, by Student’s t; for others by bootstrap" in notes


def test_how_each_system_was_made_is_told_as_far_as_it_is_known(root: Path) -> None:
    heads, rows = comparison.recipes(compared(root))
    assert heads == ["system", "study", "protocol", "seeds", "steps", "batch size", "parameters", "seconds"]
    assert rows[0] == ["first", "", "judged", "1", "1,600", "64", "1,000", "12"]
    assert rows[4] == ["first (long)", "long", "judged", "1", "", "", "1,000", ""]
    heads, _ = comparison.recipes(compared(root, stored=True))
    assert "seconds" not in heads
    assert "12.4" not in json.dumps(comparison.document(compared(root, stored=True)))


def test_where_the_model_is_not_here_params_say_how_it_was_made(tmp_path: Path) -> None:
    from pipeline import params

    write_json(tmp_path / "metrics/mnist/manipulator.json", results(0.9, 0.1))
    settings = params.load(REPOSITORY / "params.yaml")
    (system,) = comparison.compare("mnist", tmp_path, settings).systems
    experiment = settings.experiments["mnist-manipulator"]
    assert system.settings["steps"] == experiment.settings["steps"]
    with pytest.raises(UserError, match=r"expected one of .*mnist"):
        comparison.compare("nothing", tmp_path, settings)


def test_systems_with_common_seeds_are_tested_in_pairs_and_corrected_by_metric(root: Path) -> None:
    for name, level in (("first", 0.90), ("second", 0.91), ("third", 0.95)):
        trainings = [results(level + jitter, 0.01 + jitter, accuracy=0.9) for jitter in (0, level / 100, 0.02)]
        write_json(root / f"metrics/dots/{name}.json", seeded(*trainings))
    found = compared(root)
    by_key = {key: tests for group in found.tests().values() for key, tests in group.items()}
    # The accuracy is that of one part that all share: equal for every seed, it needs no test.
    assert set(by_key) == {"write_accuracy", "fid_edit", "undo_mse"}
    tests = by_key["write_accuracy"]
    assert [(each.first, each.second) for each in tests] == [
        ("first", "second"),
        ("first", "third"),
        ("second", "third"),
    ]
    assert tests[0].test.difference.value == pytest.approx(-0.01, abs=1e-4)
    assert sorted(each.holm for each in tests) == pytest.approx(
        sorted(seeds_corrected([each.test.p for each in tests])), rel=1e-9
    )
    assert "paired t-test" in " ".join(comparison.notes(found))
    assert "write_accuracy: paired tests over seeds" in shown(found)


def seeds_corrected(p_values: list[float]) -> list[float]:
    """Holm's correction for three, written out."""
    least, middle, most = sorted(p_values)
    first = min(1.0, 3 * least)
    second = max(first, min(1.0, 2 * middle))
    return [first, second, max(second, most)]


def test_two_common_seeds_have_a_difference_and_no_p(root: Path) -> None:
    write_json(root / "metrics/dots/first.json", seeds.combine([results(0.9, 0.1), results(0.91, 0.1)], [0, 1]))
    three = [results(0.8, 0.1), results(0.85, 0.1), results(0.7, 0.1)]
    write_json(root / "metrics/dots/second.json", seeds.combine(three, [0, 1, 5]))
    (test,) = compared(root).tests()["editing"]["write_accuracy"]
    assert (test.test.pairs, test.test.p, test.holm) == (2, None, None)
    assert test.test.difference.value == pytest.approx(0.08)
    entry = next(each for each in comparison.document(compared(root))["tests"] if each["key"] == "write_accuracy")
    assert set(entry) == {"key", "first", "second", "difference", "low", "high", "seeds"}


def test_systems_without_common_seeds_or_terms_are_not_tested(root: Path) -> None:
    pair = [results(0.9, 0.1), results(0.91, 0.2)]
    write_json(root / "metrics/dots/first.json", seeds.combine(pair, [0, 1]))
    write_json(root / "metrics/dots/second.json", seeds.combine(pair, [1, 2]))
    assert not any(compared(root).tests().values())
    write_json(
        root / "metrics/dots/second.json", seeds.combine([{**each, "protocol": "paper"} for each in pair], [0, 1])
    )
    assert not any(compared(root).tests().values())


def test_the_document_has_what_the_docs_say(root: Path) -> None:
    document = comparison.document(compared(root))
    assert set(document) == {"data", "systems", "metrics", "tests", "notes"}
    assert document["systems"][0] == {
        "name": "first",
        "system": "first",
        "protocol": "judged",
        "seeds": 1,
        "steps": 1600,
        "batch_size": 64,
        "parameters": 1000,
        "seconds": 12.4,
    }
    assert metric(root, "undo_mse") == {
        "key": "undo_mse",
        "group": "laws",
        "meaning": "mean squared error of put(put(s, a), get(s)) against s",
        "direction": "down",
        "best": "first",
        "values": {
            "first": {"value": 0.01, "low": pytest.approx(0.009), "high": pytest.approx(0.011)},
            "second": {"value": 0.02, "low": pytest.approx(0.018), "high": pytest.approx(0.022)},
            "third": {"value": 0.03, "low": pytest.approx(0.027), "high": pytest.approx(0.033)},
            "first (long)": {"value": 0.015, "low": pytest.approx(0.0135), "high": pytest.approx(0.0165)},
        },
    }
    assert metric(root, "fid_edit")["values"]["first"] == {"value": 0.1}


def test_a_narrow_terminal_gets_narrower_tables_and_every_figure(root: Path) -> None:
    found = compared(root)
    text = shown(found, 48)
    assert max(len(line) for line in text.splitlines()) <= 48
    assert "Fidelity, continued" in text
    for table in found.tables():
        for column in table.columns:
            assert f"{column.name} {column.arrow}".strip() in text
        for row in table.rows:
            for cell in filter(None, row.cells):
                assert cell.text in text
                assert cell.interval in text


def test_names_from_files_are_no_markup_in_the_terminal(root: Path) -> None:
    write_json(root / "metrics/dots/[red]x.json", results(0.9, 0.1))
    assert "│ [red]x " in shown(compared(root))


class Outline(HTMLParser):
    """Collects tags and attributes, and checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_loads_nothing_and_escapes_names(root: Path) -> None:
    trainings = [results(0.9, 0.1), results(0.91, 0.2), results(0.92, 0.2)]
    write_json(root / "metrics/dots/first.json", seeded(*trainings))
    others = [results(0.8, 0.1), results(0.82, 0.2), results(0.81, 0.2)]
    write_json(root / "metrics/dots/<i>x&.json", {**seeded(*others), "<b>key": 1.0})
    text = comparison.page(compared(root, every=True))
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert outline.open == []
    assert not [tag for tag, attrs in outline.tags if tag in ("script", "link", "img") or {"src", "href"} & set(attrs)]
    assert not re.search(r"url\(|@import|https?://", text)
    assert "<i>x" not in text
    assert "<b>key" not in text
    assert "&lt;i&gt;x&amp;" in text
    assert "&lt;b&gt;key" in text
    assert "Paired tests over seeds" in text
    assert ">12</td>" in text
    assert "<b>0.0150</b>" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"undo_mse": NaN}', ["undo_mse", "finite", "nan"]),
        ('{"undo_mse": -Infinity}', ["undo_mse", "finite"]),
        ('{"undo_mse": "low"}', ["undo_mse", "a number expected", "low"]),
        ('{"undo_mse": [1]}', ["undo_mse", "a number expected"]),
        ('{"undo_mse": true}', ["undo_mse", "a number expected", "true"]),
        ('{"protocol": 3}', ["protocol", "a word expected"]),
        ('{"undo_mse": 0.1', ["not valid JSON"]),
        ("[1]", ["braces"]),
        ("", ["not valid JSON"]),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(root: Path, content: str, words: list[str]) -> None:
    (root / "metrics/dots/second.json").write_text(content)
    with pytest.raises(UserError) as caught:
        compared(root)
    assert all(word in str(caught.value) for word in ["metrics/dots/second.json", "dvc repro", *words])


def test_damaged_notes_of_a_training_are_named_and_do_not_stop_what_is_stored(root: Path) -> None:
    (root / "runs/train@dots-first.json").write_text("{")
    assert compared(root, stored=True).systems[0].seconds is None
    with pytest.raises(UserError, match=r"runs/train@dots-first\.json: not valid JSON"):
        compared(root)


def test_the_command_prints_tables_and_writes_nothing(root: Path) -> None:
    before = sorted(root.rglob("*"))
    command = [sys.executable, "-m", "pipeline.cli", "compare", "dots"]
    out = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "how each system was made" in out
    assert "0.0100 *" in out
    assert "fid_sample" in out
    assert sorted(root.rglob("*")) == before


def test_the_command_gives_json_and_a_page(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["pipeline", "compare", "dots", "--json", "--html", "out.html", "--all"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    assert (stopped.value.code, err) == (0, "written: out.html\n")
    assert json.loads(out) == json.loads(json.dumps(comparison.document(compared(root, every=True))))
    assert (root / "out.html").read_text(encoding="utf-8") == comparison.page(compared(root, every=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nothing", ["unknown data set `nothing`", "expected one of bare, dots"]),
        ("../dots", ["unknown data set `../dots`"]),
        ("bare", ["bare", "nothing is measured yet", "dvc repro"]),
        ("dots --html metrics", ["metrics", "folder"]),
        ("dots --html metrics/dots/first.json/out.html", ["first.json"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    (root / "metrics/bare").mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["pipeline", "compare", *arguments.split()])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
    assert all(word in err for word in words)


def test_an_empty_folder_says_that_nothing_is_measured_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is measured in this folder"):
        measured.gather("mnist", tmp_path, None, stored=False)
