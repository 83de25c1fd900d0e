"""Measure an experiment that was trained again with another seed: just as that of the main run."""

from pathlib import Path

from flows import repeat, stage
from pipeline.files import write_json
from pipeline.params import Params


def steps(what: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import metrics

    key, seed = repeat.parsed(what)
    experiment = params.experiment(key)
    folder, found = repeat.model(root, experiment, seed), {}
    return {
        "measure": lambda: found.update(metrics.evaluate_model(folder, experiment.data, params, root)),
        "write": lambda: write_json(repeat.results(root, experiment, seed), found),
    }


if __name__ == "__main__":
    stage.main("remeasure", steps, repeat.WHAT)
