"""The page of a small workspace: real systems with untrained weights, noise as test images."""

import base64
import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline import report, systems
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.report import figures, page, render

VOID = {"meta", "img", "input", "wbr", "br", "link"}
SETTINGS = {"steps": 10}
PARAMS = Params.model_validate(
    {
        "recipe_version": 1,
        "seed": 0,
        "threads": 1,
        "datasets": {"mnist": {"validation": 10}},
        "metrics": {
            "edits": 10,
            "bootstrap": 10,
            "adversarial_radius": 1.5,
            "adversarial_steps": 2,
            "adversarial_examples": 10,
        },
        "experiments": {
            f"mnist-{system}": {
                "data": "mnist",
                "system": system,
                "given": given,
                "split": "train",
                "code": "src/pipeline/systems/base.py",
                "champion": "validation_accuracy",
                "settings": SETTINGS,
            }
            for system, given in (
                ("classifier", "data/prepared/mnist"),
                ("judge_1", "data/prepared/mnist"),
                ("manipulator", "models/mnist/classifier"),
                ("conditional_vae", "data/prepared/mnist"),
            )
        },
    }
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which everything but judge_1 is trained and measured."""
    root = tmp_path_factory.mktemp("workspace")
    shape, values = [1, 28, 28], [str(n) for n in range(10)]
    prepared = root / "data/prepared/mnist"
    prepared.mkdir(parents=True)
    images = torch.randint(0, 256, (60, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    save_file({"images": images, "labels": torch.arange(60) % 10}, prepared / "test.safetensors")
    (prepared / "info.json").write_text(json.dumps({"shape": shape, "values": values, "protocol": "judged"}))
    classifier = None
    for system in ("classifier", "manipulator", "conditional_vae"):
        given = classifier if system == "manipulator" else None
        config = {"data": "mnist", "system": system, "settings": SETTINGS, "shape": shape, "values": values}
        config |= {"seed": 0, "recipe_version": 1, "given": given}
        classifier = classifier or config
        folder = root / "models/mnist" / system
        folder.mkdir(parents=True)
        systems.save(folder, config, systems.build(config))
        (folder / "curves.csv").write_text("step,first,second\n5,2.0,\n10,1.0,-3.0\n")
        metrics = {"accuracy": 0.9, "accuracy_low": 0.88, "accuracy_high": 0.92, "protocol": "judged"}
        metrics |= {"undo_mse": 0.01, "validation_accuracy": 0.91}
        (root / "metrics/mnist").mkdir(parents=True, exist_ok=True)
        (root / "metrics/mnist" / f"{system}.json").write_text(json.dumps(metrics))
    report.build(PARAMS, root)
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def text(made: Path) -> str:
    return (made / "report/index.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Checks that tags are balanced; collects them, and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    parser.close()
    return parser


def test_tags_are_balanced_ids_unique_and_links_lead_somewhere(outline: Outline) -> None:
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    links = [attrs["href"] for tag, attrs in outline.tags if tag == "a"]
    assert links
    assert all(link and link.removeprefix("#") in outline.ids for link in links)
    labels = [attrs["for"] for tag, attrs in outline.tags if tag == "label"]
    assert len(labels) == 3
    assert set(labels) <= set(outline.ids)


def test_nothing_is_loaded_from_elsewhere(outline: Outline, text: str) -> None:
    sources = [attrs["src"] for _, attrs in outline.tags if "src" in attrs]
    assert sources
    assert all(source and source.startswith("data:image/") for source in sources)
    code = re.sub(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"//|url\(|@import|<link|<script", code, re.IGNORECASE)


def test_an_svg_becomes_an_image_without_its_document_type() -> None:
    prolog = '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-" "remote.dtd">'
    drawn = page.svg_uri(f"{prolog}<svg><path/></svg>")
    assert base64.b64decode(drawn.removeprefix("data:image/svg+xml;base64,")) == b"<svg><path/></svg>"
    assert page.svg_uri("") == ""


def test_every_image_is_described_and_edits_mark_the_value_that_is_there(outline: Outline) -> None:
    images = [attrs for tag, attrs in outline.tags if tag == "img"]
    assert all(image["alt"] and image["loading"] == "lazy" for image in images)
    # Per editor 10 originals with 10 edits each; per generator or editor 10 x 10 examples.
    cells = [image for image in images if (image["src"] or "").startswith("data:image/png")]
    assert len(cells) == 2 * 10 * 11 + 2 * 100
    assert sum(attrs.get("class") == "own" for tag, attrs in outline.tags if tag == "td") == 2 * 10


def test_two_builds_give_the_same_bytes_wherever_they_are(made: Path, workspace: Path) -> None:
    shutil.rmtree(workspace / "report")
    report.build(PARAMS, workspace)
    before, after = (
        {p.relative_to(r): p.read_bytes() for p in (r / "report").rglob("*") if p.is_file()} for r in (made, workspace)
    )
    assert before == after
    assert str(workspace) not in (workspace / "report/index.html").read_text(encoding="utf-8")


def test_the_page_is_small(made: Path) -> None:
    assert (made / "report/index.html").stat().st_size < 2 * 2**20


def test_what_is_not_trained_is_said_to_be_so(text: str) -> None:
    row = re.search(r"judge_<wbr>1<small>(.*?)</small>", text)
    assert row
    assert row[1] == page.UNTRAINED
    assert "not measured" not in text


def test_metrics_without_a_model_are_shown_with_a_remark(workspace: Path) -> None:
    shutil.rmtree(workspace / "models/mnist/classifier")
    (workspace / "metrics/mnist/manipulator.json").unlink()
    text = report.build(PARAMS, workspace).read_text(encoding="utf-8")
    assert re.search(rf"classifier<small>{page.ABSENT}</small>\s*</th><td>0.9000<small>.8800–.9200</small></td>", text)
    assert f"manipulator<small>{page.UNMEASURED}</small>" in text


def test_an_empty_workspace_has_a_page_too(tmp_path: Path) -> None:
    text = report.build(PARAMS, tmp_path).read_text(encoding="utf-8")
    assert text.count(page.UNTRAINED) == 4
    assert "mnist-edits" not in text
    assert "mnist-curves" not in text
    assert (tmp_path / "report/metrics.csv").read_text() == "data,system\n"
    assert not (tmp_path / "report/images").exists()


def test_images_and_metrics_are_files_too(made: Path) -> None:
    images = made / "report/images/mnist"
    assert sorted(path.name for path in images.iterdir()) == ["conditional_vae.png", "manipulator.png"]
    assert Image.open(images / "manipulator.png").size == (2 * (11 * 30 - 2), 2 * (10 * 30 - 2))
    rows = list(csv.DictReader((made / "report/metrics.csv").open()))
    assert [row["system"] for row in rows] == ["classifier", "manipulator", "conditional_vae"]
    assert list(rows[0]) == [
        "data",
        "system",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "validation_accuracy",
        "undo_mse",
        "protocol",
    ]


def test_the_comparison_is_stored_without_times_and_without_studies(made: Path, workspace: Path) -> None:
    stored = {path.name: path.read_bytes() for path in (made / "report/compare").iterdir()}
    assert sorted(stored) == ["mnist.html", "mnist.json"]
    assert not [name for name, content in stored.items() if b"seconds" in content]
    found = json.loads(stored["mnist.json"])
    assert [each["name"] for each in found["systems"]] == ["classifier", "manipulator", "conditional_vae"]
    assert found["systems"][0]["steps"] == 10
    assert [metric["key"] for metric in found["metrics"]] == ["accuracy", "undo_mse"]
    (workspace / "runs").mkdir()
    (workspace / "runs/train@mnist-classifier.json").write_text('{"seconds": 12.5}')
    shutil.copytree(workspace / "metrics", workspace / "studies/long/metrics")
    report.build(PARAMS, workspace)
    assert {path.name: path.read_bytes() for path in (workspace / "report/compare").iterdir()} == stored


def test_metrics_that_are_not_looked_at_first_follow_by_group(workspace: Path) -> None:
    for path in (workspace / "metrics/mnist").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "nll_bound": 90.5, "novel": 1.5}))
    text = report.build(PARAMS, workspace).read_text(encoding="utf-8")
    more = text[text.index("More metrics on test data") :]
    assert more.index(">Likelihood</h4>") < more.index("90.50") < more.index(">Other</h4>") < more.index("1.500")
    assert "More metrics" not in text[: text.index("More metrics on test data")]


def test_names_from_files_cannot_become_markup() -> None:
    empty = page.Section("<b>x</b>", "", page.Table((), ()), (), (), (), (), (), (), ())
    text = render.render("template.html", sections=[empty], box=figures)
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text
    assert str(render.breakable("<i>_j")) == "&lt;i&gt;_<wbr>j"


@pytest.mark.parametrize(
    "name",
    ["metrics/mnist/manipulator.json", "models/mnist/manipulator/config.json", "data/prepared/mnist/test.safetensors"],
)
def test_a_damaged_file_is_named_and_the_old_report_stays(workspace: Path, name: str) -> None:
    (workspace / name).write_text("{")
    before = (workspace / "report/index.html").read_bytes()
    with pytest.raises(UserError, match=re.escape(name)):
        report.build(PARAMS, workspace)
    assert (workspace / "report/index.html").read_bytes() == before
    assert [path.name for path in workspace.glob(".report*")] == []


def test_a_classifier_has_a_table_of_what_is_read_as_what(made: Path, text: str) -> None:
    """An untrained one, 60 images: each row counts the six of its value, wherever they are read."""
    tables = re.findall(r'<table class="confusion">.*?</table>', text, re.S)
    assert len(tables) == 1, "of the classifier alone: an editor's get is that classifier"
    rows = re.findall(r'<tr><th scope="row">(\d)</th>\n?(.*?)</tr>', tables[0], re.S)
    assert [value for value, _ in rows] == [str(n) for n in range(10)]
    for _, cells in rows:
        counts = re.findall(r"<td[^>]*>(\d*)</td>", cells)
        assert len(counts) == 11
        assert sum(int(count or 0) for count in counts) == 6
