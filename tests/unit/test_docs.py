"""The code in the documentation runs, and prints what the page says."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks import manipulators
from pipeline import systems
from pipeline.metrics import keys
from pipeline.systems import own
from pipeline.systems.base import Inputs
from tests.unit.metrics import known

DOCS = Path(__file__).parents[2] / "docs"
EDITOR = Path(__file__).parent / "language" / "editor"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", ["tutorial.md", "language.md"])
def test_the_code_of_a_page_runs_and_prints_what_follows_it(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EDITOR / "manipulation.json", tmp_path)
    names: dict[str, object] = {"__name__": page}
    found = blocks(page)
    assert found
    printed = ""
    for language, text in found:
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(text, page, "exec"), names)
            printed = output.getvalue()
        elif language in ("text", ""):
            assert printed.strip() == text.strip()


def test_the_classifier_of_a_page_is_one_that_a_manipulator_can_be_made_from(tmp_path: Path) -> None:
    ((_, text),) = blocks("own_classifier.md")
    (tmp_path / "net.py").write_text(text)
    inputs = Inputs((3, 32, 32), ("no", "yes"))
    assert own.classifier.scores_of(tmp_path / "net.py", "trained", inputs) == "logits"


def test_the_page_of_verification_has_every_known_answer() -> None:
    page = (DOCS / "verification.md").read_text(encoding="utf-8")
    missing = [case.case for case in known.cases() if f"| {case.title} |" not in page]
    assert not missing, "python -m benchmarks.verification writes it anew"


def test_the_page_of_manipulators_has_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS.parent)
    page = (DOCS / "manipulators.md").read_text(encoding="utf-8")
    assert page == manipulators.page(), "python -m benchmarks.manipulators docs/manipulators.md writes it anew"


def test_the_page_of_metrics_has_every_key_that_the_experiments_have() -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    files = (DOCS.parent / "metrics").glob("*/*.json")
    measured = {keys.find(name).name for path in files for name in json.loads(path.read_text())}
    documented = set(re.findall(r"`([a-z_0-9<>*]+)`", page))
    patterns = [re.compile(re.sub(r"<probe>|\*", r"\\w+", each) + "$") for each in documented]
    missing = {name for name in measured if not any(pattern.match(name) for pattern in patterns)}
    # Two words of a file that are no metrics.
    assert missing <= {"protocol", "binarisation"}


def test_the_page_of_systems_has_every_system_and_the_parameters_of_editors() -> None:
    page = (DOCS / "systems.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    counted = {name: row.rsplit("|", 2)[1].strip() for row in rows for name in re.findall(r"`(\w+)`", row)}
    for name in systems.names():
        built = systems.example(name)
        assert f"`{name}`" in page
        if built.edit:
            assert counted[name] == f"{built.parameters:,}"
