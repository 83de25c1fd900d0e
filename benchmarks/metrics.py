"""Our measures of fidelity beside torch-fidelity's, on the same features, in one thread.

    python -m benchmarks.metrics [--count 10000] [--repeats 5] [--data mnist] [--judge judge_2]

Real training and test images (`dvc repro` makes them and the judge); features are extracted once and shared by all. The
two take turns in alternating order; times and ratios are medians. Ours include what torch-fidelity lacks: intervals,
and density and coverage beside precision and recall. Its KID is by default the mean over 100 subsets of 1,000 examples,
ours is over all pairs. Below the total are rows that compare like with like: the distance without its interval, and
KID with one subset of all examples.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from pipeline import data, systems
from pipeline.metrics.evaluation import as_floats
from pipeline.metrics.fidelity import (
    Moments,
    fidelity,
    frechet,
    frechet_distance,
    frechet_infinity,
    kid,
    neighbourhoods,
)
from tests import reference

Run = Callable[[], object]


def timed(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compared(ours: Run, theirs: Run, repeats: int) -> list[tuple[float, float]]:
    """Seconds of each in turns, after one of each that is not counted."""
    timed(ours), timed(theirs)
    return [(timed(ours), timed(theirs)) if turn % 2 else (timed(theirs), timed(ours))[::-1] for turn in range(repeats)]


def row(name: str, pairs: list[tuple[float, float]]) -> str:
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"| {name} | {ours:.3f} | {theirs:.3f} | {statistics.median(a / b for a, b in pairs):.3f} |"


def table(real: Tensor, fake: Tensor, repeats: int) -> list[str]:
    whole = {"kid_subsets": 1, "kid_subset_size": min(len(real), len(fake))}
    measures: dict[str, tuple[Run, Run]] = {
        "FID": (lambda: frechet_distance(real, fake), lambda: reference.fid(real, fake)),
        "KID": (lambda: kid(real, fake), lambda: reference.kid(real, fake)),
        "precision, recall": (lambda: neighbourhoods(real, fake), lambda: reference.precision_recall(real, fake, 5)),
    }
    alike: dict[str, tuple[Run, Run]] = {
        "FID, neither with an interval": (lambda: frechet(Moments.of(real), Moments.of(fake)), measures["FID"][1]),
        "KID, both over all pairs": (measures["KID"][0], lambda: reference.kid(real, fake, **whole)),
    }
    pairs = {name: compared(*runs, repeats) for name, runs in measures.items()}
    total = [tuple(map(sum, zip(*each, strict=True))) for each in zip(*pairs.values(), strict=True)]
    return [
        *(row(name, each) for name, each in pairs.items()),
        row("total", total),
        *(row(name, compared(*runs, repeats)) for name, runs in alike.items()),
        f"| FID-infinity | {timed(lambda: frechet_infinity(real, fake)):.3f} | | |",
        f"| all of `fidelity` | {timed(lambda: fidelity(real, fake)):.3f} | | |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--judge", default="judge_2")
    parser.add_argument("--root", type=Path, default=Path())
    given = parser.parse_args()
    torch.set_num_threads(1)
    prepared = given.root / "data" / "prepared" / given.data
    judge = systems.load(given.root / "models" / given.data / given.judge)
    images = [as_floats(data.load(prepared, part).images[: given.count]) for part in ("train", "test")]
    start = time.perf_counter()
    real, fake = map(judge.features, images)
    seconds = time.perf_counter() - start
    print(
        f"{len(real):,} + {len(fake):,} images; features in {real.shape[1]} dimensions, extracted once: {seconds:.2f} s"
    )
    print("| | ours, s | torch-fidelity, s | ratio |\n|---|---|---|---|")
    with threadpool_limits(1):
        print("\n".join(table(real, fake, given.repeats)))


if __name__ == "__main__":
    main()
