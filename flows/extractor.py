"""Bring the published weights that metrics see colour images with into data/raw/, checked against their checksums."""

from pathlib import Path

from flows import stage
from pipeline.params import Params


def steps(_: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline.data import imagenet_cnn

    return {"fetch": lambda: imagenet_cnn.fetch(root / "data" / "raw" / "imagenet_cnn")}


if __name__ == "__main__":
    stage.main("extractor", steps)
