"""Measure the editors that are made to fool metrics, on test data, into studies/metrics/fixtures/."""

from pathlib import Path

from flows import stage
from pipeline.files import write_json
from pipeline.params import Params

FOLDER = Path("studies", "metrics", "fixtures")


def steps(name: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import metrics

    found: dict[str, dict[str, float]] = {}
    return {
        "measure": lambda: found.update(metrics.fixture_metrics(name, params, root)),
        "write": lambda: write_json(root / FOLDER / f"{name}.json", found),
    }


if __name__ == "__main__":
    stage.main("fixtures", steps, "the data set's id")
