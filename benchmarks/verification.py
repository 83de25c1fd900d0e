"""Write docs/verification.md: what metrics give where the answer is known, and what they say of editors made to fool them.

    python -m benchmarks.verification [docs/verification.md]

The known answers are computed now; the other tables are of studies/metrics/ (`dvc repro studies/metrics/dvc.yaml`), of
metrics/, and of the judges in models/.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from pipeline import data, systems
from pipeline.files import read_json
from pipeline.metrics.accuracy import NONE, readings, sure
from pipeline.metrics.degradations import noise
from pipeline.metrics.evaluation import as_floats
from pipeline.metrics.panel import DEGRADED
from pipeline.nets.spoiling import blurred
from pipeline.systems import Model
from tests.unit.metrics import known

ROOT, DATA = Path(), ("mnist", "sprites_shape", "faces_glasses")
JUDGES = ("judge_1", "judge_2", "judge_3")
# Of each key, its name in the table of fixtures.
COLUMNS = {
    "write_accuracy": "write",
    "write_accuracy_own": "own",
    "collusion_gap": "gap",
    "accepted_edit": "accepted",
    "fid_edit": "FID",
    "fid_edit_other": "FID, other judge",
    "fid_edit_imagenet": "FID, ImageNet",
    "kid_edit": "KID",
    "precision_edit": "precision",
    "recall_edit": "recall",
    "density_edit": "density",
    "coverage_edit": "coverage",
    "inversion_mmd": "MMD by value",
    "inversion_c2st": "told apart",
    "getput_mse": "getput",
    "undo_mse": "undo",
    "putput_mse": "putput",
    "style_slant": "slant kept",
    "style_stroke": "stroke kept",
    "preservation_mse": "error",
    "preservation_other_accuracy": "other factors kept",
}
# What real images have in the place of an edit's key.
FLOOR = {
    "accepted_edit": "accepted_reference",
    "inversion_mmd": "inversion_reference_mmd",
    "inversion_c2st": "inversion_reference_c2st",
}
DEGREES = (
    ("as they are", lambda images: images),
    *((f"contrast {share}", lambda images, share=share: share * images) for share in (0.8, 0.6, 0.4, 0.2)),
    *((f"to grey, contrast {share}", lambda images, share=share: 0.5 + share * (images - 0.5)) for share in (0.8, 0.4)),
    *(
        (f"blur {share} of the height", lambda images, s=share: blurred(images, s * images.shape[2]))
        for share in (0.02, 0.035, 0.07)
    ),
    *((f"noise {share}", lambda images, share=share: noise(images, share, 0)) for share in (0.05, 0.1, 0.2, 0.3)),
)
EXAMPLES = 2000


def page() -> str:
    parts = [
        HEAD,
        "## Known answers\n",
        KNOWN,
        known.table(known.cases()),
        "## Editors made to fool metrics\n",
        FIXTURES,
    ]
    for name in DATA:
        parts += [f"**{name}**\n", fixtures(read_json(ROOT / "studies" / "metrics" / "fixtures" / f"{name}.json"))]
    parts += ["## Judges\n", JUDGED, accuracies(), PASSED]
    return "\n".join([*parts, *(passed(name) for name in DATA)])


def fixtures(found: dict[str, dict[str, float]]) -> str:
    """A row for each measure, a column for each fixture."""
    names = ["real", *(name for name in found if name != "real")]
    real = found["real"]
    lines = [f"| | {' | '.join(name.replace('_', ' ') for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for key, title in COLUMNS.items():
        if any(key in found[name] for name in names if name != "real"):
            floor = FLOOR.get(key, key.replace("_edit", "_reference"))
            cells = [number(real.get(floor)), *(number(found[name].get(key)) for name in names if name != "real")]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def accuracies() -> str:
    """Each judge's accuracy on validation and test data."""
    lines = ["| data | judge | accuracy, test | surely right, test | accuracy, validation | surely right, validation |"]
    lines.append("|---" * 6 + "|")
    for name in DATA:
        for judge in JUDGES:
            found = read_json(ROOT / "metrics" / name / f"{judge}.json")
            keys = ("accuracy", "accuracy_sure", "validation_accuracy", "validation_accuracy_sure")
            lines.append(f"| {name} | {judge} | {' | '.join(f'{found[key]:.4f}' for key in keys)} |")
    return "\n".join(lines) + "\n"


def passed(name: str) -> str:
    """Shares of degraded test images that each judge still reads."""
    split = data.load(ROOT / "data" / "prepared" / name, "test")
    images, labels = as_floats(split.images[:EXAMPLES]), split.labels[:EXAMPLES]
    models = [systems.load(ROOT / "models" / name / judge) for judge in JUDGES]
    lines = [f"| {name}, {len(labels):,} test images | {' | '.join(JUDGES)} |", "|---" * 4 + "|"]
    for title, degrade in DEGREES:
        lines.append(f"| {title} | {' | '.join(read(model, degrade(images), labels) for model in models)} |")
    return "\n".join(lines) + "\n"


def read(model: Model, images: Tensor, labels: Tensor) -> str:
    probabilities = model.classify(images)
    right, some = sure(probabilities, labels).double().mean(), (readings(probabilities) != NONE).double().mean()
    return f"{float(right):.3f} ({float(some):.3f})"


HEAD = """# Are the metrics to be trusted?

Written by `python -m benchmarks.verification`. What a degradation of known degree does to each measure of fidelity, and
how the Frechet distance depends on the number of images, is in [degradations.md](degradations.md).
"""
KNOWN = """Each row is a test too (tests/unit/metrics/test_known.py, with the tolerance that is allowed).
"""
FIXTURES = """Measured on test data as any editor is; get is judge_1, the judge who reads is judge_2. `real`: the unedited test images,
the floor of each distance. What each fixture is: `src/pipeline/metrics/fixtures.py`.

* `identity` and `hidden_mark` have the fidelity of real images, since they are real images: no distance says whether an
  edit was made. `write` does, and `gap` says that somebody reads what nobody else can.
* `prototype` writes perfectly. `recall`, `coverage`, `undo` and what is kept of style or of the other factors expose it.
* `nearest_neighbour` is made of real images: what is kept, and `undo`, say that they are others.
* `faded` is legible to a classifier; judges do not accept it, and every measure of fidelity notices.
* `renderer` is the exact edit: the ceiling that targets refer to. On faces_glasses it adds glasses of one style alone, which
  is right in every image and wrong as a law: `fid_edit`, `recall` and `coverage` say so, and `undo` that the old style is lost.
"""
JUDGED = """A judge reads a value whose probability is over half way from chance to certainty (`surely right`: the right one's).
"""
PASSED = f"""Share of test images read as what they are, and in brackets read as anything, when they are made worse. The standard
degradations of `sure_*` are {", ".join(DEGRADED)}: contrast 0.2, blur 0.07, noise 0.3.
"""


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/verification.md").write_text(page(), encoding="utf-8")
