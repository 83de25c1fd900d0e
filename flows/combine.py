"""One result of all seeds of an experiment: that of the main run, and those in studies/seeds/."""

from pathlib import Path

from flows import repeat, stage
from pipeline.errors import UserError
from pipeline.files import read_json, write_json
from pipeline.params import Params


def steps(key: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline.metrics import seeds

    experiment, others = params.experiment(key), repeat.seeds(root)
    paths = {seed: repeat.results(root, experiment, seed) for seed in others}
    missing = next((seed for seed, path in paths.items() if not path.exists()), None)
    if missing is not None:
        raise UserError(f"{key}: seed {missing} is not measured; run `dvc repro {repeat.STUDY}/dvc.yaml`")
    main = root / "metrics" / experiment.data / f"{experiment.system}.json"
    target = paths[others[0]].parent.with_suffix(".json")

    def combine() -> None:
        found = seeds.combine([read_json(path) for path in (main, *paths.values())], [params.seed, *others])
        write_json(target, found)

    return {"combine": combine}


if __name__ == "__main__":
    stage.main("combine", steps, "the experiment's key in params.yaml, e.g. mnist-manipulator")
