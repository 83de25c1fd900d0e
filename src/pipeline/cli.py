"""The command line, `pipeline`. Heavy imports wait until a command needs them, so that --help is quick."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UserError, fail, guarded

if TYPE_CHECKING:
    from pipeline.systems import Model

app = typer.Typer(
    help="Machine-learning tasks written as equations: trained, measured, tracked, versioned and reproduced.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Add examples to a data set, or list what there is.", no_args_is_help=True)
app.add_typer(data_app, name="data")

ROOT = Path()
# Whether Typer brings its own Click or uses the installed one depends on its version.
UsageError = typer.BadParameter.__base__
Out = Annotated[Path, typer.Option("-o", "--out", help="Image file to write (PNG).")]


INTERRUPTED = 130


def main() -> None:
    guarded(_run)


def _run() -> None:
    """The command, its usage errors in one line too."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        message = error.format_message()
        # A command without its arguments: the message is the help.
        if "\n" in message:
            print(message, file=sys.stderr)
            raise SystemExit(2) from None
        raise UserError(f"{message} (`--help` says more)") from None
    except typer.Abort:
        code = INTERRUPTED
    # What typer makes of Ctrl-C.
    if code == INTERRUPTED:
        fail("interrupted", INTERRUPTED)
    raise SystemExit(code if isinstance(code, int) else 0)


def _version(wanted: bool) -> None:
    if not wanted:
        return
    import importlib.metadata
    import platform

    import torch

    from pipeline import __version__

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    print(f"pipeline {__version__}  python {platform.python_version()}  torch {torch.__version__}  device {device}")
    names = ("dvc", "prefect", "mlflow", "numpy", "scikit-learn", "scipy", "discopy")
    print("  ".join(f"{name} {importlib.metadata.version(name)}" for name in names))
    raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Versions, torch build, device found.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command("list")
def list_all() -> None:
    """Systems, patterns, data sets, experiments and studies: a line each."""
    from pipeline import data, params, systems
    from pipeline.language import patterns

    for name in systems.names():
        summary = (systems.find(name).__doc__ or "").strip().partition("\n")[0]
        print(f"system      {name:22} {summary}")
    for name in patterns.names():
        print(f"pattern     {name:22} {(patterns.find(name).__doc__ or '').partition(chr(10))[0]}")
    for name in data.names():
        print(f"data        {name:22} {(data.find(name).__doc__ or '').strip().partition(chr(10))[0]}")
    for key, experiment in params.load().experiments.items():
        print(f"experiment  {key:22} {experiment.system} on {experiment.data}, split {experiment.split}")
    for study in sorted(ROOT.glob("studies/*/dvc.yaml")):
        print(f"study       {study.parent.name:22} dvc repro {study}")


Subject = Annotated[str, typer.Argument(help="A system or a pattern (see `pipeline list`), FILE.py:TASK or FILE.json.")]
Draw = Annotated[Path | None, typer.Option(help="Also draw the equations into this SVG or PNG file.")]


@app.command()
def describe(
    system: Annotated[str, typer.Argument(help="A system or pattern (`pipeline list`), FILE.py:TASK or FILE.json.")],
    draw: Draw = None,
) -> None:
    """The equations of a system, a pattern or a task, one per line, its phases and players."""
    from pipeline import descriptions

    print(descriptions.describe(system, draw))


@app.command()
def check(
    file: Annotated[
        str, typer.Argument(help="FILE.py:TASK or FILE.json; the task's name is `task` if it is left out.")
    ],
    draw: Draw = None,
) -> None:
    """Build a task of your own without training it: its types, its equations, and what may be wrong with them."""
    from pipeline import descriptions

    print(descriptions.check(file, draw))


@app.command("import")
def import_task(
    file: Annotated[Path, typer.Argument(help="A JSON file of the visual editor.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the task as a Python file.")] = None,
) -> None:
    """Read a task from a file of the visual editor (patlang-editor), and print it."""
    from pipeline.files import write_text
    from pipeline.language import TaskError, interchange
    from pipeline.language.diagnose import diagnose

    if out:
        _check_writable(out, "task.py")
    with file.open("rb") as handle:
        source = handle.read(interchange.BYTES + 1)
    try:
        imported = interchange.read(source)
    except TaskError as error:
        raise UserError(f"{file}: {error}") from None
    print(imported.task)
    # Of values written from the draw of their image the file's own warnings say more: which boxes they are.
    found = (each for each in diagnose(imported.task) if each.level == "warning" and each.kind != "paired value")
    _warn([*imported.warnings, *(each.message for each in found)])
    if out:
        write_text(out, interchange.script(imported.task, f"The task of {file.name}, a file of the visual editor."))
        print(f"written: {out}", file=sys.stderr)


@app.command("export")
def export_task(
    system: Subject,
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
) -> None:
    """Write a task as a file of the visual editor (patlang-editor)."""
    from pipeline import descriptions
    from pipeline.files import write_text
    from pipeline.language import TaskError, interchange

    _check_writable(out, "task.json")
    task = descriptions.find(system).task
    try:
        document = interchange.write(task)
    except TaskError as error:
        raise UserError(f"{system}: {error}") from None
    write_text(out, interchange.text(document) + "\n")
    print(f"{len(task.equations)} equations written: {out}")
    _warn(interchange.lost(task))


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def _check_writable(path: Path, example: str) -> None:
    if path.is_dir():
        raise UserError(f"{path}: a folder; a file's name is expected, such as {path / example}")


@app.command()
def count(
    system: Subject,
    fibres: Annotated[str | None, typer.Option(help="How many states get sends to each value, e.g. 2,2,2.")] = None,
    equations: Annotated[str | None, typer.Option(help="Their names, e.g. putget,getput; all if absent.")] = None,
    sizes: Annotated[str | None, typer.Option(help="How many elements other types have, e.g. C=2.")] = None,
) -> None:
    """Count the finite models of a task's equations, get given by its fibres."""
    from pipeline import descriptions
    from pipeline.language import TaskError
    from pipeline.language.reason import models

    subject = descriptions.find(system)
    try:
        found = models(
            subject.lawful,
            {name: _whole(name, size) for name, _, size in (each.partition("=") for each in _listed(sizes or ""))},
            equations=list(subject.task.equations) if equations is None else _listed(equations),
            fibres=None if fibres is None else [_whole("fibres", each) for each in _listed(fibres)],
        )
    except TaskError as error:
        raise UserError(f"{system}: {error}") from None
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    print(found.count)


@app.command("implies")
def implied(
    system: Subject,
    given: Annotated[str, typer.Option(help="Names of equations, e.g. putget,getput,undo.")],
    then: Annotated[str, typer.Option(help="The name of the equation that may follow, e.g. putput.")],
    values: Annotated[int | None, typer.Option(help="How many values V has; any number if absent.")] = None,
) -> None:
    """Prove that equations of a task imply another one, or refute it by tables."""
    from pipeline import descriptions
    from pipeline.language import TaskError
    from pipeline.language.reason import chosen_equations, implies

    task = descriptions.find(system).lawful
    try:
        (asked,) = chosen_equations(task, [then]).values()
        answer = implies(task, asked, given=_listed(given), values=values)
    except TaskError as error:
        raise UserError(f"{system}: {error}") from None
    print(answer.verdict)
    if answer.counterexample:
        print(answer.counterexample)
    for note in (answer.scope, *answer.notes):
        print(f"note: {note}", file=sys.stderr)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _whole(what: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise UserError(f"{what}: a whole number is expected, not `{text}`")
    return int(text)


@app.command()
def train(
    system: Subject,
    data: Annotated[str, typer.Option(help="The data set's id, or a folder of images.")] = "mnist",
    labels: Annotated[Path | None, typer.Option(help="CSV with the columns file and label, for a folder.")] = None,
    classifier: Annotated[
        str | None,
        typer.Option(
            help="For a manipulator: models:/NAME@ALIAS, or FILE.py:CALLABLE, a torch classifier of your own."
        ),
    ] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE: one of the settings.")] = None,
) -> None:
    """Train outside DVC's graph, into runs/models/, and print what was measured.

    An experiment of params.yaml is trained with other settings, without touching the file. A task of your own, any
    system on a folder of images, and a manipulator of your own classifier, is registered as <data>-<name> too.
    """
    from pipeline import trials

    trials.train(system, data, labels, set or [], ROOT, classifier)


@data_app.command("add")
def data_add(
    dataset: Annotated[str, typer.Argument(help="The data set's id.")],
    path: Annotated[Path, typer.Argument(help="A folder of images with labels, or of an IDX pair.")],
) -> None:
    """Add labelled examples: a new version of the data set, tracked by DVC."""
    from pipeline import data

    print(data.add(dataset, path, ROOT))


@data_app.command("list")
def data_list() -> None:
    """Data sets: what is fetched, prepared and added."""
    from pipeline import data

    for row in data.listing(ROOT):
        print(row)


@app.command()
def edit(
    model: Annotated[str, typer.Argument(help="NAME, NAME@ALIAS or NAME/VERSION, e.g. mnist-manipulator@champion.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Image files (PNG, JPEG, BMP); or sentences, each in quotes, or files (.txt) of one a line."
        ),
    ],
    to: Annotated[str, typer.Option("--to", help="The value to write, e.g. 7.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File to write: PNG, or .txt of sentences, which are printed without it."),
    ] = None,
) -> None:
    """Write a value into images or sentences: put(image, value)."""
    import torch

    from pipeline import systems, tracking

    loaded = systems.load(tracking.find(model, ROOT))
    if loaded.edit is None:
        raise UserError(f"{model}: this model does not edit; a manipulator does")
    value = _value(to, loaded.config["values"])
    if "words" in loaded.config:
        return _edit_sentences(loaded, inputs, value, out)

    from pipeline import pictures

    if out is None:
        raise UserError("missing option '-o' / '--out': the image file to write (PNG)")
    pixels = pictures.read_images([Path(each) for each in inputs], tuple(loaded.config["shape"]))
    edited = loaded.edit(pixels, torch.full((len(pixels),), value))
    pictures.save(pictures.grid(edited, min(len(pixels), 10)), out)
    print(f"{len(pixels)} image{'s' if len(pixels) > 1 else ''} edited to {to}: {out}")


def _edit_sentences(model: "Model", given: list[str], value: int, out: Path | None) -> None:
    """Write a value into sentences, and print them or write them into a file."""
    import torch

    from pipeline import texts

    known = texts.vocabulary(model.config["words"], model.config["shape"][0])
    tokens = texts.read_sentences(given, known)
    said = known.decode(model.edit(tokens, torch.full((len(tokens),), value)))
    if out is None:
        print("\n".join(" ".join(sentence) for sentence in said))
        return
    texts.write_sentences(out, said)
    print(f"{len(said)} sentence{'s' if len(said) > 1 else ''} edited to {model.config['values'][value]}: {out}")


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="NAME, NAME@ALIAS or NAME/VERSION, e.g. mnist-conditional_vae.")],
    out: Out,
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 10,
    value: Annotated[str | None, typer.Option(help="Only this value; all in turn if absent.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same samples.")] = 0,
) -> None:
    """Sample images from a generator."""
    import torch

    from pipeline import pictures, systems, tracking

    loaded = systems.load(tracking.find(model, ROOT))
    if loaded.sample is None:
        raise UserError(f"{model}: this model does not sample; a conditional generator does")
    values = loaded.config["values"]
    wanted = torch.arange(n) % len(values) if value is None else torch.full((n,), _value(value, values))
    pictures.save(pictures.grid(loaded.sample(wanted, seed), min(n, len(values))), out)
    print(f"{n} samples: {out}")


@app.command()
def generate(
    model: Annotated[str, typer.Argument(help="NAME, NAME@ALIAS or NAME/VERSION, e.g. mnist-sampling_manipulator.")],
    how: Annotated[
        str,
        typer.Option(
            help="styles: images in all values; noise: an image from noise, written again and again; chain: random "
            "values one after another; latent: from codes; inverse: random images in random values; steer: by degrees."
        ),
    ],
    out: Out,
    to: Annotated[str | None, typer.Option("--to", help="Only this value; all of them if absent.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="Images; latent, inverse: of each value.")] = 10,
    steps: Annotated[
        int | None, typer.Option(min=1, max=100, help="noise, chain: puts; steer: degrees; 8 if absent.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="noise: smooth (if absent) or uniform.")] = None,
    components: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="latent: of a mixture fitted to codes, instead of the model's own prior."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="The same seed gives the same images.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Also measure it, and print the figures.")] = False,
) -> None:
    """Generate images with an editor, in one of six ways, and measure them (docs/generation.md)."""
    from pipeline import exhibits, pictures, systems, tracking

    options = {"to": to, "steps": steps, "start": start, "components": components}
    exhibits.check_options(how, [name for name, value in options.items() if value is not None])
    pictures.check_name(out)
    if start not in (None, *exhibits.STARTS):
        raise UserError(f"--start {start}: expected one of {', '.join(exhibits.STARTS)}")
    loaded = systems.load(tracking.find(model, ROOT))
    request = exhibits.Request(
        how=how,
        value=None if to is None else _value(to, loaded.config["values"]),
        count=n,
        steps=steps or exhibits.STEPS,
        seed=seed,
        start=start or exhibits.STARTS[0],
        components=components,
    )
    subject = exhibits.Subject(loaded, ROOT)
    picture, figures = exhibits.show(subject, request), exhibits.measure(subject, request) if as_json else {}
    pictures.save(picture, out)
    if not as_json:
        print(f"{how}: {out}")
        return
    import json

    print(json.dumps({"model": model, "how": how, "seed": seed} | ({"to": to} if to else {}) | figures, indent=2))


def _value(text: str, values: list[str]) -> int:
    if text not in values:
        raise UserError(f"unknown value `{text}`: expected one of {', '.join(values)}")
    return values.index(text)


@app.command()
def compare(
    dataset: Annotated[str, typer.Argument(help="The data set's id, e.g. mnist.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON (docs/metrics.md).")] = False,
    html: Annotated[Path | None, typer.Option(help="Write it as a page into this file instead.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also the metrics that a single system has.")] = False,
) -> None:
    """Compare all systems measured on a data set, of the experiments and of the studies.

    Metrics come with their 95% intervals; the best is marked where its interval keeps apart from all others. Below
    them: paired tests, where systems were trained with several seeds. Before them: how each system was made, with the
    seconds that its training took if it ran here.
    """
    from pipeline import params
    from pipeline.report import comparison

    if html:
        _check_writable(html, "compare.html")
    settings = params.load(ROOT / "params.yaml") if (ROOT / "params.yaml").exists() else None
    compared = comparison.compare(dataset, ROOT, settings, every=every)
    if html:
        from pipeline.files import write_text

        write_text(html, comparison.page(compared))
        print(f"written: {html}", file=sys.stderr)
    if as_json:
        import json

        print(json.dumps(comparison.document(compared), indent=2, sort_keys=True, allow_nan=False))
    if not html and not as_json:
        from rich.console import Console

        from pipeline.report import terminal

        # In a file or a pipe, tables are as wide as they need to be.
        terminal.show(compared, Console() if sys.stdout.isatty() else Console(width=200))


@app.command()
def models(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Registered models: versions, aliases, the metric that champions are chosen by."""
    import dataclasses
    import json

    from pipeline import tracking

    rows = tracking.models(ROOT)
    if as_json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2, default=str))
        return
    for row in rows:
        print(row)


@app.command()
def sync() -> None:
    """Log and register what the workspace has and the tracking server lacks; nothing twice."""
    from pipeline import tracking

    print(tracking.sync(ROOT))


if __name__ == "__main__":
    main()
