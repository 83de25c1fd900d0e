"""How many steps rivals have in the time of an editor: the seconds that a step of each experiment takes.

    python -m benchmarks.equal_time mnist-manipulator mnist-csvae mnist-cycle_gan [--root studies/manipulators]

The first is the editor whose steps are given; the others get as many as take as long. Steps are those of the training
loop, phases by their share, a round of a game for one; the experiments take turns, and the median of the turns counts,
since machines are noisy; the spread of the turns is printed too. Data and classifiers are those that DVC makes in the
root. A turn takes some ten seconds an experiment.
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

SHORT, LONG = 20, 100  # steps of two runs, whose difference is free of what a run takes to begin


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


def a_step(key: str, params: Params, root: Path) -> float:
    """The seconds of one step, of the difference between a long run and a short one."""
    return (seconds(key, params, root, LONG) - seconds(key, params, root, SHORT)) / (LONG - SHORT)


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
    idle = [key for key in keys if not systems.example(params.experiment(key).system).phases]
    if idle:
        parser.error(f"{', '.join(idle)}: trains nothing, so no number of steps takes as long")
    turns = [{key: a_step(key, params, arguments.root) for key in keys} for _ in range(arguments.repeats)]
    each = {key: sorted(turn[key] for turn in turns) for key in keys}
    if min(found[0] for found in each.values()) <= 0:
        raise SystemExit("the machine is too busy for its times to mean anything; try again, or with more --repeats")
    middle = {key: statistics.median(found) for key, found in each.items()}
    whole = params.experiment(arguments.editor).settings["steps"]
    print("| experiment | seconds a step | least | greatest | steps |\n|---|---|---|---|---|")
    for key in keys:
        times = " | ".join(f"{found:.3f}" for found in (middle[key], each[key][0], each[key][-1]))
        print(f"| {key} | {times} | {round(whole * middle[arguments.editor] / middle[key], -2):,.0f} |")


if __name__ == "__main__":
    main()
