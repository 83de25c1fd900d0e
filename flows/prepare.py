"""Decode a data set and split it into data/prepared/."""

from pathlib import Path

from flows import stage
from pipeline.errors import UserError
from pipeline.params import Params


def steps(name: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import data

    if name not in params.datasets:
        known = ", ".join(params.datasets)
        raise UserError(
            f"unknown data set `{name}`: expected one of {known}; params.yaml has no other under `datasets`"
        )
    folder = root / "data"
    places = (folder / "raw" / name, folder / "added" / name, folder / "prepared" / name)
    return {"prepare": lambda: data.prepare(name, params.datasets[name], params.seed, *places)}


if __name__ == "__main__":
    stage.main("prepare", steps, "the data set's id")
