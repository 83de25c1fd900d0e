"""Train an experiment of params.yaml again with another seed, into studies/seeds/."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows import stage
from pipeline.errors import UserError
from pipeline.params import Experiment, Params

STUDY = Path("studies", "seeds")
WHAT = "the experiment's key and a seed, e.g. mnist-manipulator@1"


def steps(what: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import training

    key, seed = parsed(what)
    target, params = model(root, params.experiment(key), seed), params.model_copy(update={"seed": seed})
    return {"fit": lambda: training.fit(key, params, root, target=target)}


def parsed(what: str) -> tuple[str, int]:
    """`mnist-manipulator@3` as its key and seed. Raises UserError for anything else."""
    key, at, seed = what.partition("@")
    if not at or not seed.isdecimal():
        raise UserError(f"`{what}`: an experiment and a seed are expected, such as mnist-manipulator@1")
    return key, int(seed)


def seeds(root: Path) -> list[int]:
    """The seeds of the study besides that of the main run. Raises UserError if its params.yaml does not list any."""
    path = root / STUDY / "params.yaml"
    try:
        found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["seeds"]
    except (OSError, YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: a list `seeds` is expected: {' '.join(str(error).split())}") from None
    if not isinstance(found, list) or not found or not all(type(seed) is int and seed >= 0 for seed in found):
        raise UserError(f"{path}: seeds: whole numbers of 0 or more are expected (got {found!r})")
    return found


def model(root: Path, experiment: Experiment, seed: int) -> Path:
    """The folder of one training."""
    return root / STUDY / "models" / experiment.data / experiment.system / f"seed_{seed}"


def results(root: Path, experiment: Experiment, seed: int) -> Path:
    """The metrics of one training."""
    return root / STUDY / "metrics" / experiment.data / experiment.system / f"seed_{seed}.json"


if __name__ == "__main__":
    stage.main("repeat", steps, WHAT)
