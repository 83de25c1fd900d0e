"""How many steps rivals have in the time of an editor: the seconds that a step of each experiment takes.

    python -m benchmarks.equal_time mnist-manipulator mnist-csvae mnist-cycle_gan [--root studies/manipulators]

The first is the editor whose steps are given; the others get as many as take as long. Steps are those of the training
loop, phases by their share, a round of a game for one; the experiments take turns, and the median of the turns counts,
since machines are noisy. Data and classifiers are those that DVC makes in the root. A turn takes some ten seconds an
experiment.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path

import torch

from pipeline import data, systems
from pipeline.params import Params, load
from pipeline.training import Run, describe, prepare_device, take_weights

SHORT, LONG = 20, 60  # steps of two runs, whose difference is free of what a run takes to begin


def seconds(key: str, params: Params, root: Path, steps: int) -> float:
    """How long an experiment of so many steps trains."""
    experiment = params.experiment(key)
    prepared, given = root / "data" / "prepared" / experiment.data, root / experiment.given
    settings = systems.settings(experiment.system, {**experiment.settings, "steps": steps})
    config = describe(experiment.system, experiment.data, settings.model_dump(), prepared, given, params)
    split = data.load(prepared, experiment.split)
    system = systems.build(config, systems.inputs_of(config).bound(split.images, split.labels))
    if config["given"]:
        take_weights(system, systems.load(given).system)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run = Run(system, settings, params.seed, torch.device("cpu"), Path(folder, "checkpoint.pt"))
        start = time.perf_counter()
        run.train(key)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("editor")
    parser.add_argument("rivals", nargs="+")
    parser.add_argument("--root", type=Path, default=Path("studies", "manipulators"))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    params = load(arguments.root / "params.yaml")
    prepare_device(params.threads)
    keys = [arguments.editor, *arguments.rivals]
    turns = [
        {
            key: (seconds(key, params, arguments.root, LONG) - seconds(key, params, arguments.root, SHORT))
            for key in keys
        }
        for _ in range(arguments.repeats)
    ]
    each = {key: statistics.median(turn[key] for turn in turns) / (LONG - SHORT) for key in keys}
    whole = params.experiment(arguments.editor).settings["steps"]
    print("| experiment | seconds a step | steps |\n|---|---|---|")
    for key in keys:
        print(f"| {key} | {each[key]:.3f} | {round(whole * each[arguments.editor] / each[key], -2):,.0f} |")


if __name__ == "__main__":
    main()
