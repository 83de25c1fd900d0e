"""Bring the published weights of a net that metrics see with into data/raw/, checked against their checksum."""

from pathlib import Path

from flows import stage
from pipeline.errors import UserError
from pipeline.params import Params


def steps(name: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline.data import imagenet_cnn

    known = {"imagenet_cnn": imagenet_cnn.fetch}
    if name not in known:
        raise UserError(f"unknown extractor `{name}`: expected {', '.join(known)}")
    return {"fetch": lambda: known[name](root / "data" / "raw" / name)}


if __name__ == "__main__":
    stage.main("extractor", steps, "the extractor's id, imagenet_cnn")
