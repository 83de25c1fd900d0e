"""The schema of params.yaml. Unknown or ill-typed keys are refused by name."""

from pathlib import Path
from typing import Any, Literal

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import UserError

FILE = Path("params.yaml")


class Section(pydantic.BaseModel):
    """A part of params.yaml: no key besides the declared ones, no silent conversion of types."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)


class Dataset(Section):
    """validation: examples of half A kept for choosing; limit: use only so many training images (0: all); size: pixels
    a side of rendered images (32 if not given); code: what the data set's file relies on, for DVC to watch."""

    validation: int = pydantic.Field(gt=0)
    limit: int = pydantic.Field(default=0, ge=0)
    size: Literal[32, 64] | None = None
    code: str = ""


class Metrics(Section):
    """How much is measured.

    edits: images edited or sampled, and real ones that they are held against; bootstrap: resamples per interval;
    neighbours: the k of precision, recall, density and coverage; permutations: of the two-sample tests;
    adversarial_*: radii of the attacks (pixels in 0..1), their gradient steps, restarts from random points, and the
    examples attacked; likelihood_*: examples, and importance samples for each; annealed_*: examples whose likelihood is
    estimated by annealing too (0: none), and distributions on its path; binarisation: of their pixels;
    photograph_examples: colour images that the ImageNet CNN sees.
    """

    edits: int = pydantic.Field(gt=1)
    bootstrap: int = pydantic.Field(gt=0)
    neighbours: int = pydantic.Field(default=5, gt=0)
    permutations: int = pydantic.Field(default=199, gt=0)
    adversarial_radius: float = pydantic.Field(gt=0)
    adversarial_radius_linf: float = pydantic.Field(default=0.1, gt=0)
    adversarial_steps: int = pydantic.Field(gt=0)
    adversarial_restarts: int = pydantic.Field(default=1, ge=0)
    adversarial_examples: int = pydantic.Field(gt=0)
    likelihood_examples: int = pydantic.Field(default=200, gt=1)
    likelihood_samples: int = pydantic.Field(default=500, gt=0)
    annealed_examples: int = pydantic.Field(default=0, ge=0)
    annealed_distributions: int = pydantic.Field(default=100, gt=1)
    binarisation: Literal["none", "fixed", "stochastic"] = "stochastic"
    photograph_examples: int = pydantic.Field(default=2500, gt=192)


class Experiment(Section):
    """One system trained on one data set.

    given: the folder it starts from: a trained model, or just the prepared data; split: the examples it trains on;
    code: what the system's own file relies on, for DVC to watch; champion: the validation metric by which a version
    becomes champion; settings: see the system's `Settings`.
    """

    data: str
    system: str
    given: str
    split: str
    code: str
    champion: str = pydantic.Field(pattern="^validation_")
    settings: dict[str, Any] = pydantic.Field(default_factory=dict)


class Params(Section):
    recipe_version: int
    seed: int = pydantic.Field(ge=0, lt=2**63)
    threads: int = pydantic.Field(gt=0)
    datasets: dict[str, Dataset]
    metrics: Metrics
    experiments: dict[str, Experiment]

    @pydantic.model_validator(mode="after")
    def names_agree(self) -> "Params":
        for key, experiment in self.experiments.items():
            expected = f"{experiment.data}-{experiment.system}"
            if key != expected:
                raise ValueError(f"experiments.{key}: expected the key `{expected}` (data-system)")
            if experiment.data not in self.datasets:
                raise ValueError(f"experiments.{key}.data: `{experiment.data}` is not under `datasets`")
        return self

    def experiment(self, key: str) -> Experiment:
        """The experiment of that key. Raises UserError with the known keys."""
        if key not in self.experiments:
            raise UserError(f"unknown experiment `{key}`: expected one of {', '.join(self.experiments)}")
        return self.experiments[key]


def explain(error: pydantic.ValidationError, prefix: str = "") -> str:
    """One complaint of pydantic as `key: what was expected (got ...)`.

    An unknown key comes first: the misspelt key tells more than the one that is then missing.
    """
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "extra_forbidden":
        what = "unknown key"
    else:
        what = first["msg"] + ("" if first["type"] == "missing" else f" (got {first['input']!r})")
    where = ".".join(filter(None, [prefix, *map(str, first["loc"])]))
    return f"{where}: {what}" if where else what


def load(path: Path = FILE) -> Params:
    """Read and check params.yaml, the settings of every system included.

    Raises UserError, in one line, if the file is missing, is not YAML, or holds an unknown or ill-typed key.
    """
    from pipeline import systems

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run this in the project's root") from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        params = Params.model_validate(content)
    except pydantic.ValidationError as error:
        raise UserError(f"{path}: {explain(error)}") from None
    for key, experiment in params.experiments.items():
        if experiment.system not in systems.names():
            known = ", ".join(systems.names())
            raise UserError(
                f"{path}: experiments.{key}.system: unknown system `{experiment.system}`: expected one of {known}"
            )
        systems.settings(experiment.system, experiment.settings, where=f"{path}: experiments.{key}.settings")
    return params
