"""What every measure of fidelity says of images made worse by known degrees, and of smaller samples.

    python -m benchmarks.degradations FILE.md [--data mnist] [--judge judge_2] [--count 4000] [--real 10000]

Test images against class-balanced training images, in a judge's features (`dvc repro` makes both).
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from pipeline import data, systems
from pipeline.metrics.degradations import SERIES
from pipeline.metrics.evaluation import as_floats
from pipeline.metrics.fidelity import Fidelity, class_balanced, fidelity, frechet_distance, frechet_infinity
from pipeline.metrics.intervals import Estimate

MEASURES = ("fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage")
SIZES = (500, 1000, 2000, 5000, 10_000)

TEXT = """# Fidelity of images made worse

Written by `python -m benchmarks.degradations`: degraded test images of {data} against {real:,} training images, equally
many a class, in the {width} features of `{judge}`. {count:,} images a row, so that rows compare; the first row of each
table is the floor (that of the first three has the classes as they come). In brackets half of the 95% interval.

FID, FID-infinity and KID rise and coverage falls with every degradation. Precision and density see what is wrong with
single images, and neither that classes are missing nor that their balance is off; recall sees what is missing, no
balance either, and not a small patch, which spreads the images and with them the balls about them.

{series}

## Size of the sample

Test images against as many training images. The Frechet distance has a bias that falls as one over their number;
extrapolated to infinitely many it stays where it is within its interval, which is the wider the fewer there are.

{sizes}
"""


def shown(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.3g} ({(estimate.high - estimate.low) / 2:.1g})"


def row(first: str, found: Fidelity) -> str:
    return f"| {first} | " + " | ".join(shown(getattr(found, name)) for name in MEASURES) + " |"


def series(judge: systems.Model, real: Tensor, images: Tensor, labels: Tensor, count: int) -> str:
    lines = []
    for name, each in SERIES.items():
        lines += [
            f"**{name.capitalize()}**",
            "",
            f"| {each.unit} | FID | FID-infinity | KID | " + " | ".join(MEASURES[3:]) + " |",
        ]
        lines.append("|---" * (len(MEASURES) + 1) + "|")
        for degree in each.degrees:
            fake = judge.features(each.degrade(images, labels, degree, count, 0))
            lines.append(row(f"{degree:g}", fidelity(real, fake)))
        lines.append("")
    return "\n".join(lines).rstrip()


def sizes(real: Tensor, fake: Tensor) -> str:
    lines = ["| examples | FID | FID-infinity |", "|---|---|---|"]
    for size in (size for size in SIZES if size <= min(len(real), len(fake))):
        pair = real[:size], fake[:size]
        enough = size >= 4 * real.shape[1]
        found = frechet_infinity(*pair) if enough else None
        lines.append(f"| {size:,} | {shown(frechet_distance(*pair))} | {shown(found)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--judge", default="judge_2")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--real", type=int, default=10_000)
    parser.add_argument("--root", type=Path, default=Path())
    given = parser.parse_args()
    torch.set_num_threads(1)
    prepared = given.root / "data" / "prepared" / given.data
    judge = systems.load(given.root / "models" / given.data / given.judge)
    train, test = data.load(prepared, "train"), data.load(prepared, "test")
    values = len(data.info(prepared).values)
    balanced = class_balanced(train.labels, values, given.real // values)
    generator = torch.Generator().manual_seed(0)
    balanced = balanced[torch.randperm(len(balanced), generator=generator)]
    real, images = judge.features(as_floats(train.images[balanced])), as_floats(test.images)
    order = torch.randperm(len(images), generator=generator)
    images, labels = images[order], test.labels[order]
    text = TEXT.format(
        data=given.data,
        judge=given.judge,
        real=len(real),
        width=real.shape[1],
        count=given.count,
        series=series(judge, real, images, labels, given.count),
        sizes=sizes(real, judge.features(images)),
    )
    given.file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
