"""Bring the raw files of a data set into data/raw/, checked against their checksums."""

from pathlib import Path

from flows import stage
from pipeline.params import Params


def steps(name: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import data

    return {"fetch": lambda: data.fetch(name, root / "data" / "raw" / name)}


if __name__ == "__main__":
    stage.main("fetch", steps, "the data set's id")
