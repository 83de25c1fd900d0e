"""The page: what there is of every experiment, gathered and written to report/."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor

from pipeline import data, pictures, systems
from pipeline.files import whole_folder, write_json, write_text
from pipeline.metrics import accuracy
from pipeline.params import Params
from pipeline.report import comparison, figures, measured, tables
from pipeline.report.diagrams import diagrams
from pipeline.report.figures import Chart, Grid
from pipeline.report.render import render
from pipeline.report.tables import Results, Table
from pipeline.systems import Model

UNTRAINED, UNMEASURED, ABSENT = "not trained", "not measured", "weights not here"


@dataclass(frozen=True)
class Figures:
    """A diagram's text and picture, or a system's curves: whatever a section shows for one system."""

    system: str
    summary: str
    items: tuple[object, ...]


@dataclass(frozen=True)
class Drawing:
    """A diagram: its title, the equation as text, and its picture as a data URI (empty: none)."""

    title: str
    text: str
    uri: str


@dataclass(frozen=True)
class Confusion:
    """What a classifier reads of test images: a row for each value, with counts of each reading, and of none."""

    system: str
    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Section:
    """What the page says of one data set.

    measures: the metrics to look at first; more: the others by group; validation: the twins of all, by group.
    """

    name: str
    protocol: str
    measures: Table
    more: tuple[Table, ...]
    validation: tuple[Table, ...]
    confusions: tuple[Confusion, ...]
    edits: tuple[Grid, ...]
    samples: tuple[Grid, ...]
    curves: tuple[Figures, ...]
    drawings: tuple[Figures, ...]


@dataclass(frozen=True)
class Held:
    """Test images (n, channels, height, width) in 0..1 with labels (n,); originals: the first image of each value."""

    images: Tensor
    labels: Tensor
    values: tuple[str, ...]
    originals: Tensor
    original_labels: Tensor


@dataclass(frozen=True)
class Gathered:
    """The experiments of one data set, by system.

    results: metrics, empty where not measured; notes: what is missing; edits: of the originals, where a model edits.
    """

    name: str
    results: Mapping[str, Results]
    models: Mapping[str, Model]
    notes: Mapping[str, str]
    test: Held | None = None
    edits: Mapping[str, Tensor] = field(default_factory=dict)


def build(params: Params, root: Path) -> Path:
    """Write root/report/: index.html, metrics.csv, images/<data>/<system>.png where a system makes images, and
    compare/<data>.json and .html where something is measured.

    Returns the page's path. What is not trained or measured yet is said to be so. Raises UserError if a model, metrics
    or the prepared data are damaged. The folder is replaced as a whole, or not at all.
    """
    torch.set_num_threads(params.threads)
    gathered = [gather(name, params, root) for name in dict.fromkeys(e.data for e in params.experiments.values())]
    page = render("template.html", sections=[section(each, params, root) for each in gathered], box=figures)
    with whole_folder(root / "report") as folder:
        (folder / "index.html").write_text(page, encoding="utf-8")
        rows = {(each.name, system): found for each in gathered for system, found in each.results.items() if found}
        (folder / "metrics.csv").write_text(tables.as_csv(rows), encoding="utf-8")
        for each in gathered:
            for system, image in overviews(each, params.seed).items():
                pictures.save(image, folder / "images" / each.name / f"{system}.png")
            if any(each.results.values()):
                store_comparison(each.name, params, root, folder / "compare")
    return root / "report" / "index.html"


def gather(name: str, params: Params, root: Path) -> Gathered:
    """Load the metrics and models of a data set's experiments, and edit its originals."""
    results: dict[str, Results] = {}
    models: dict[str, Model] = {}
    notes: dict[str, str] = {}
    for system in (each.system for each in params.experiments.values() if each.data == name):
        metrics, model = root / "metrics" / name / f"{system}.json", root / "models" / name / system
        results[system] = measured.read(metrics) if metrics.exists() else {}
        if model.exists():
            models[system] = systems.load(model)
        if not (metrics.exists() and model.exists()):
            notes[system] = ABSENT if metrics.exists() else UNMEASURED if model.exists() else UNTRAINED
    prepared = root / "data" / "prepared" / name
    if not prepared.exists():
        return Gathered(name, results, models, notes)
    test = held_out(prepared)
    editors = {system: model for system, model in models.items() if model.edit}
    edits = {system: figures.all_edits(model, test.originals) for system, model in editors.items()}
    return Gathered(name, results, models, notes, test, edits)


def store_comparison(name: str, params: Params, root: Path, folder: Path) -> None:
    """Write folder/<name>.json and .html."""
    compared = comparison.compare(name, root, params, stored=True)
    write_json(folder / f"{name}.json", comparison.document(compared))
    write_text(folder / f"{name}.html", comparison.page(compared))


def held_out(prepared: Path) -> Held:
    values = data.info(prepared).values
    split = data.load(prepared, "test")
    first = figures.first_of_each(split.labels, len(values))
    images = split.images.float() / 255
    return Held(images, split.labels, values, images[first], split.labels[first])


def section(found: Gathered, params: Params, root: Path) -> Section:
    test = found.test
    edits: tuple[Grid, ...] = ()
    if test:
        shown = (test.original_labels, test.values)
        edits = tuple(figures.edit_grid(s, test.originals, each, *shown) for s, each in found.edits.items())
    names = tables.measured(found.results.values())
    return Section(
        name=found.name,
        protocol=measured.protocols(found.results.values()),
        measures=tables.table(found.results, [name for name in tables.MAIN if name in names], notes=found.notes),
        more=grouped(found.results, names - set(tables.MAIN)),
        validation=grouped(found.results, tables.measured(found.results.values(), "validation_"), "validation_"),
        confusions=tuple(confusions(found)),
        edits=edits,
        samples=tuple(samples(found, params.seed)),
        curves=tuple(each for system in found.models if (each := curves(found.name, system, root)).items),
        drawings=tuple(each for system in found.results if (each := drawings(found.name, system, params)).items),
    )


def grouped(results: Mapping[str, Results], names: Iterable[str], prefix: str = "") -> tuple[Table, ...]:
    """One table for each group of these metrics, with the systems that have any of them."""
    groups = tables.by_group(names)
    return tuple(
        tables.table(tables.having(results, listed, prefix), listed, prefix, title=group)
        for group, listed in groups.items()
    )


def confusions(found: Gathered) -> Iterator[Confusion]:
    """What is read as what, by every system that only reads."""
    if found.test is None:
        return
    values = found.test.values
    for system, model in found.models.items():
        if model.classify and not model.edit:
            read = accuracy.readings(model.classify(found.test.images))
            counts = accuracy.confusion(read, found.test.labels, len(values)).tolist()
            yield Confusion(system, values, tuple(map(tuple, counts)))


def samples(found: Gathered, seed: int) -> list[Grid]:
    """What each system makes of every value: samples, or edits of test images of other values."""
    test = found.test
    if test is None:
        return []
    count = len(test.values)
    targets = torch.arange(count).repeat_interleave(figures.EXAMPLES)
    sources = test.images[figures.others_of_each(test.labels, count, seed).flatten()]
    grids = []
    for system, model in found.models.items():
        if model.sample:
            made, caption, what = model.sample(targets, seed), "samples from noise, no test image involved", "sample of"
        elif model.edit:
            made, caption, what = model.edit(sources, targets), "edits of random test images of other values", "edit to"
        else:
            continue
        by_value = made.reshape(count, figures.EXAMPLES, *made.shape[1:])
        grids.append(figures.class_grid(system, caption, by_value, test.values, what))
    return grids


def curves(dataset: str, system: str, root: Path) -> Figures:
    """The system's curves, all over the same steps."""
    found = figures.read_curves(root / "models" / dataset / system / "curves.csv")
    steps = max((curve.points[-1][0] for curve in found), default=0)
    charts: tuple[Chart, ...] = tuple(figures.chart(curve, steps) for curve in found)
    return Figures(system, "", charts)


def drawings(dataset: str, system: str, params: Params) -> Figures:
    """The system's equations, drawn."""
    items = tuple(Drawing(diagram.title, diagram.text, svg_uri(diagram.svg)) for diagram in diagrams(system))
    summary = (systems.find(system).__doc__ or "").strip().partition("\n")[0]
    return Figures(system, summary, items)


def svg_uri(svg: str) -> str:
    """An SVG as a data URI. As an image of its own its ids and styles cannot meet those of the page."""
    start = svg.find("<svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(svg[start:].encode()).decode()}" if start >= 0 else ""


def overviews(found: Gathered, seed: int) -> dict[str, Image]:
    """One image a system: each original beside its edits to every value, or else samples, a row per value."""
    images = {}
    for system, model in found.models.items():
        if found.test and system in found.edits:
            rows = torch.cat((found.test.originals[:, None], found.edits[system]), 1)
            images[system] = pictures.grid(rows.flatten(0, 1), rows.shape[1], scale=2)
        elif model.sample:
            count = len(model.config["values"])
            targets = torch.arange(count).repeat_interleave(figures.EXAMPLES)
            images[system] = pictures.grid(model.sample(targets, seed), figures.EXAMPLES, scale=2)
    return images
