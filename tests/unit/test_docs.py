"""The code in the documentation runs, and prints what the page says."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

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
