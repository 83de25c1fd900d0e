"""Measure a trained experiment and write metrics/<data>/<system>.json."""

from pathlib import Path

from flows import stage
from pipeline.files import write_json
from pipeline.params import Params


def steps(key: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import metrics

    experiment, found = params.experiment(key), {}
    path = root / "metrics" / experiment.data / f"{experiment.system}.json"
    return {
        "measure": lambda: found.update(metrics.evaluate(key, params, root)),
        "write": lambda: write_json(path, found),
    }


if __name__ == "__main__":
    stage.main("evaluate", steps, "the experiment's key in params.yaml, e.g. mnist-manipulator")
