"""One result of all seeds of an experiment: that of the main run, and those in studies/seeds/."""

from pathlib import Path

from flows import repeat, stage
from pipeline.errors import UserError
from pipeline.files import read_json, write_json
from pipeline.params import Params


def steps(key: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline.metrics import seeds

    experiment = params.experiment(key)
    folder = repeat.results(root, experiment, 0).parent
    others = sorted(int(path.stem.removeprefix("seed_")) for path in folder.glob("seed_*.json"))
    if not others:
        raise UserError(f"{key}: no other seed is measured; run `dvc repro {repeat.STUDY}/dvc.yaml`")
    main = root / "metrics" / experiment.data / f"{experiment.system}.json"
    paths = [main, *(repeat.results(root, experiment, seed) for seed in others)]

    def combine() -> None:
        found = seeds.combine([read_json(path) for path in paths], [params.seed, *others])
        write_json(folder.with_suffix(".json"), found)

    return {"combine": combine}


if __name__ == "__main__":
    stage.main("combine", steps, "the experiment's key in params.yaml, e.g. mnist-manipulator")
