"""Build report/index.html from metrics, models and test images."""

from pathlib import Path

from flows import stage
from pipeline.params import Params


def steps(_: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import report

    return {"build": lambda: report.build(params, root)}


if __name__ == "__main__":
    stage.main("report", steps)
