"""The published systems, one file each: its task, its nets, its phases, its uses. A new file here is a new system.

A system's file defines `Settings` (a `base.Recipe`) and ``build(settings, inputs, given) -> System``, and `KINDS` if it is
not for images alone: of what kinds the data may be; `GIVEN` if it starts from a trained system: its name. Trained models
live in folders: config.json (how to build the system), one safetensors file per learner, curves.csv, and where the
system is made from a user's own task (see `own`) a copy of the file that has it.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor
from torch.nn import functional as F

from pipeline.data.sentences import ended
from pipeline.errors import UserError
from pipeline.files import read_json, write_json
from pipeline.language import Learner, Type
from pipeline.language.sources import encode
from pipeline.params import explain
from pipeline.systems import own
from pipeline.systems._sentences import SentenceInputs
from pipeline.systems.base import Inputs, LatentModel, Recipe, System, TaskError

BATCH = 500
IMAGES, SENTENCES = "images", "sentences"
EXAMPLES: dict[str, dict[str, Any]] = {
    IMAGES: {"shape": [1, 28, 28], "values": [str(n) for n in range(10)], "classifier": "classifier"},
    SENTENCES: {
        "shape": [8, 9],
        "values": ["good", "bad"],
        "words": ["<pad>", "<bos>", "<eos>", "<unk>", "the", "food", "was", "good", "bad"],
        "classifier": "sentence_classifier",
    },
}


def names() -> list[str]:
    """The published systems: the modules of this package, without `base`, folders and those with an underscore."""
    modules = (module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    return sorted(name for name in modules if name != "base" and not name.startswith("_"))


def find(name: str) -> ModuleType:
    """The module of a system. Raises UserError with the known names."""
    if name not in names():
        raise UserError(f"unknown system `{name}`: expected one of {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def kinds(name: str) -> tuple[str, ...]:
    """What a published system reads: images, sentences or both."""
    return getattr(find(name), "KINDS", (IMAGES,))


def starts_from(name: str) -> str:
    """The system that a published one starts from where no experiment says it; empty if its file names none."""
    return getattr(find(name), "GIVEN", "")


def inputs_of(config: Mapping[str, Any]) -> Inputs:
    """The data of a config as the language sees them, not bound to examples."""
    shape, values = tuple(config["shape"]), tuple(config["values"])
    return SentenceInputs(shape, values, tuple(config["words"])) if "words" in config else Inputs(shape, values)


def data_of(config: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    """The NumPy type and the shape of one example that a model of this config takes: an image, or a sentence's tokens."""
    shape = tuple(config["shape"])
    return ("int64", shape[:1]) if "words" in config else ("float32", shape)


def settings(system: str, values: Mapping[str, Any], where: str = "settings") -> Recipe:
    """The checked settings of a system. Raises UserError that names the key at fault, after `where`."""
    return checked(find(system).Settings, values, where)


def checked(schema: type[Recipe], values: Mapping[str, Any], where: str = "settings") -> Recipe:
    """Settings as a schema has them. Raises UserError that names the key at fault, after `where`."""
    try:
        return schema.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise UserError(explain(error, where)) from None


def recipe(config: Mapping[str, Any]) -> Recipe:
    """The settings that a config says."""
    schema = own.Settings if "file" in config else find(config["system"]).Settings
    return checked(schema, config["settings"])


def build(config: Mapping[str, Any], inputs: Inputs | None = None, folder: Path | None = None) -> System:
    """The system that a config describes, untrained; `inputs` bound to examples if it is to be trained.

    folder: where the user's file is that the config, or that of the system it starts from, names, if one does; this
    runs it. Weights are a function of the config's seed. Where the system starts from a trained one, that is built first.
    """
    inputs = inputs or inputs_of(config)
    given = build(config["given"], folder=folder) if config["given"] else None
    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])
        if "file" not in config:
            _check_kind(config["system"], SENTENCES if isinstance(inputs, SentenceInputs) else IMAGES)
            return find(config["system"]).build(recipe(config), inputs, given)
        if folder is None:
            raise UserError(f"{config['system']} is made from a user's file, which is not here")
        path = folder / config["file"]
        if "scores" in config:
            return own.classifier.build(path, config["task"], inputs, config["scores"])
        return own.build(own.read(path, config["task"]), recipe(config), inputs)


def example(name: str) -> System:
    """A system on 28x28 grey images of ten values, or on sentences, untrained: to describe and draw it.

    Raises UserError for an unknown system.
    """
    module = find(name)
    required = {"steps": 1} if module.Settings.model_fields["steps"].is_required() else {}
    config = {**EXAMPLES[kinds(name)[0]], "seed": 0, "settings": required}
    classifier = {**config, "system": config["classifier"], "given": None}
    return build({**config, "system": name, "given": classifier})


def _check_kind(name: str, kind: str) -> None:
    """Raises TaskError if a system is not for data of a kind; it names those that are."""
    if kind not in kinds(name):
        others = ", ".join(each for each in names() if kind in kinds(each))
        raise TaskError(f"system {name} is for {' and '.join(kinds(name))}; for {kind} there are {others}")


@dataclass(frozen=True)
class Model:
    """A trained system in use, on CPU tensors: batched, without gradients. A use that the system lacks is None.

    classify: images (n, *shape) in 0..1 -> probabilities (n, values); features: images -> (n, d);
    edit: images, values -> images; sample: values, seed -> images, where values are class indices (n,) int64 or
    probabilities (n, values). A sentence takes an image's place as its tokens, (n, length) int64: those given are of the
    likeliest word at each place, PAD after the end. density is as the system has it (see `LatentModel`): neither batched nor without
    gradients, since what uses it may need them.
    """

    config: dict[str, Any]
    system: System
    classify: Callable[[Tensor], Tensor] | None
    features: Callable[[Tensor], Tensor] | None
    edit: Callable[[Tensor, Tensor], Tensor] | None
    sample: Callable[[Tensor, int], Tensor] | None
    density: LatentModel | None = None

    @property
    def parameters(self) -> int:
        return self.system.parameters


def model(config: dict[str, Any], system: System) -> Model:
    """The uses of a system, ready to call."""
    count, S = len(config["values"]), inputs_of(config).S
    reading = (use and _reading(use, S) for use in (system.classify, system.features))
    writing = system.edit and _writing(_reading(system.edit, S), S), system.sample and _writing(system.sample, S)
    classify, features, edit, sample = (use and batched(use) for use in (*reading, *writing))

    def edit_to(images: Tensor, values: Tensor) -> Tensor:
        return edit(images, _probabilities(values, count))

    def sample_by_seed(values: Tensor, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(values), *system.noise_shape, generator=generator)
        return sample(_probabilities(values, count), noise)

    return Model(config, system, classify, features, edit and edit_to, sample and sample_by_seed, system.density)


def _reading(use: Callable[..., Tensor], S: Type) -> Callable[..., Tensor]:
    """The use of a wire's values as one of data, which for sentences are tokens."""
    return (lambda sentences, *more: use(encode(sentences, S), *more)) if S.kind == "categorical" else use


def _writing(use: Callable[..., Tensor], S: Type) -> Callable[..., Tensor]:
    """What makes a wire's values as what makes data: of each word's distribution, the likeliest."""
    return (lambda *given: ended(use(*given).argmax(-1))) if S.kind == "categorical" else use


def _probabilities(values: Tensor, count: int) -> Tensor:
    """Class indices as one-hot rows; probabilities as they are. Raises UserError for an index out of range."""
    if values.dim() == 2:
        return values
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < count:
        raise UserError(f"values must be in 0..{count - 1}, got {int(values.min())}..{int(values.max())}")
    return F.one_hot(values, count).float()


def batched(use: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run on at most BATCH examples at a time, on the GPU if the weights are there, without gradients."""

    def run(*columns: Tensor) -> Tensor:
        if not len(columns[0]):
            raise UserError("no examples given")
        with torch.inference_mode():
            batches = zip(*(column.split(BATCH) for column in columns), strict=True)
            return torch.cat([use(*batch) for batch in batches])

    return run


def save(folder: Path, config: Mapping[str, Any], system: System) -> None:
    """Write config.json and the weights of the kept learners into an existing folder."""
    for learner in system.kept:
        # Cloned, since safetensors refuses weights that share their memory.
        weights = {name: value.cpu().contiguous().clone() for name, value in learner.module.state_dict().items()}
        # Written by us, because safetensors' own writer hides what is wrong with the disk.
        weights_file(folder, learner).write_bytes(serialise(weights))
    write_json(folder / "config.json", dict(config))


def weights_file(folder: Path, learner: Learner) -> Path:
    """Where a learner's weights are: a file in the folder, whatever the learner is called."""
    name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"~{ord(found[0]):x}~", learner.name)
    return folder / f"{name}.safetensors"


def load(folder: Path) -> Model:
    """The trained model in a folder, its weights frozen. A folder made from a user's task has its code, which is run.

    Raises UserError if the folder holds no model, or a file of it is damaged or does not fit the system.
    """
    path = Path(folder) / "config.json"
    try:
        config = read_json(path)
        system = build(config, folder=Path(folder))
    except FileNotFoundError:
        raise UserError(f"{folder}: no trained model here (no config.json)") from None
    except (UserError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: not the description of a model: {error}") from None
    for learner in system.kept:
        file = weights_file(Path(folder), learner)
        try:
            learner.module.load_state_dict(load_file(file))
        except FileNotFoundError:
            raise UserError(f"{file}: no such file, the model is incomplete") from None
        except (SafetensorError, RuntimeError) as error:
            raise UserError(f"{file}: damaged, or of another system: {str(error).splitlines()[0]}") from None
        learner.module.requires_grad_(False).eval()
    return model(config, system)
