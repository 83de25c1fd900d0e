"""What a system is: phases of tasks over learners, and what the trained learners can be used for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import pydantic
from torch import Tensor
from torch.distributions import Distribution

from pipeline.language import Composite, Dataset, Equation, Learner, Mixture, Phase, Source, Task, TaskError, Type
from pipeline.params import Section


class Recipe(Section):
    """What every system's settings have.

    steps: gradient steps, of a game rounds, in which each player has its own; batch_size: examples a step; learning_rate:
    Adam's, which goes linearly to 0 over a phase, and grows from 0 within its first `warm_up` steps; ema: decay of the
    average of the weights that is kept (0: the last weights are kept); precision: `bfloat16` computes in mixed precision
    where the device is a GPU.
    """

    steps: int = pydantic.Field(gt=0)
    batch_size: int = pydantic.Field(default=128, gt=0)
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    warm_up: int = pydantic.Field(default=100, ge=0)
    ema: float = pydantic.Field(default=0.999, ge=0, lt=1)
    precision: Literal["float32", "bfloat16"] = "float32"


__all__ = ["Inputs", "LatentModel", "Recipe", "System", "TaskError"]


@dataclass(frozen=True)
class Inputs:
    """The data as the language sees them: labelled states x = (s, v) ~ S x V.

    shape: of one image; values: the names of the attribute's values; x: the source, bound to examples when training.
    """

    shape: tuple[int, ...]
    values: tuple[str, ...]
    x: Dataset = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", Dataset("x", {"s": self.S, "v": self.V}))

    @property
    def S(self) -> Type:
        return Type("S", self.shape)

    @property
    def V(self) -> Type:
        return Type("V", (len(self.values),), "categorical")

    def bound(self, images: Tensor, labels: Tensor) -> Self:
        """The same with examples: images (n, *shape) uint8, or tokens of sentences (n, length); labels (n,) int64."""
        copy = replace(self)
        object.__setattr__(copy, "x", self.x.bind(images, labels))
        return copy

    def is_image(self, type: Type) -> bool:
        """Whether a wire of this type, whatever its name, can carry the images."""
        return (type.kind, type.shape) == (self.S.kind, self.S.shape)

    def is_value(self, type: Type) -> bool:
        """Whether a wire of this type, whatever its name, can carry the values."""
        return (type.kind, type.shape) == (self.V.kind, self.V.shape)

    def bind(self, task: Task) -> Task:
        """The task with these examples (see `bound`) for all sources that have no data yet.

        A wire of the images' shape gets the images, a categorical one of as many classes the values. Raises TaskError
        that names the source and the wire for one of another type, or two of one type in one source.
        """
        columns = dict(zip(self.x.types, self.x.table.columns, strict=True))
        filled: dict[Source, Source] = {
            source: source.bind(*(columns[name] for name in names.values()))
            for source, names in self.columns_for(task).items()
        }

        def fill(source: Source) -> Source:
            if isinstance(source, Mixture):
                return replace(source, sources=tuple(map(fill, source.sources)))
            return filled.get(source, source)

        return task.with_sources({source: fill(source) for source in task.sources})

    def columns_for(self, task: Task) -> dict[Dataset, dict[str, str]]:
        """For each source of the task without data, by wire, which wire of x it is to be. Raises as `bind` does."""
        unbound = [each for source in task.sources for each in _datasets(source) if each.table is None]
        return {source: self._columns(source) for source in dict.fromkeys(unbound)}

    def _columns(self, source: Dataset) -> dict[str, str]:
        found: dict[str, str] = {}
        for wire, type in source.types.items():
            where = f"source {source.name}, wire {wire}"
            if not self.is_image(type) and not self.is_value(type):
                images, values = f'Type("S", {self.S.shape})', f'Type("V", {self.V.shape}, "categorical")'
                raise TaskError(f"{where} has type {type.full}, but the data have images {images} and values {values}")
            column = "s" if self.is_image(type) else "v"
            if column in found.values():
                taken = "images" if column == "s" else "values"
                raise TaskError(
                    f"{where}: another wire has the {taken} already, and one draw has them once; take this one from "
                    f"{source.name}.again()"
                )
            found[wire] = column
        return found


def _datasets(source: Source) -> Iterator[Dataset]:
    if isinstance(source, Mixture):
        for part in source.sources:
            yield from _datasets(part)
    elif isinstance(source, Dataset):
        yield source


@dataclass(frozen=True)
class LatentModel:
    """A density p(x, z) = p(z) p(x | z) over images x and latents z, each factor given a condition if there is one.

    prior: n, condition -> p(z); likelihood: z (n, *latent), condition -> p(x | z); posterior: x (n, *shape), condition
    -> q(z | x), an approximation, which a model may lack. All are distributions of batch shape (n,), so that `log_prob`
    gives one number an example; a condition is a tensor of n rows, or None for a model that has none. Several layers of
    latents are one z, side by side, under a Distribution of the model's own.
    """

    prior: Callable[[int, Tensor | None], Distribution]
    likelihood: Callable[[Tensor, Tensor | None], Distribution]
    posterior: Callable[[Tensor, Tensor | None], Distribution] | None = None


@dataclass(frozen=True)
class System:
    """A published system over given data.

    task: what it is for, all equations; phases: what is trained, in order; kept: the learners whose weights make the
    trained model (all that the uses need); boxes: what systems that start from this one may use, by name; laws: more
    equations that one may ask about, which the task leaves out.

    Uses, where the system has them: classify: images (n, *shape) in 0..1 -> probabilities (n, values); features:
    images -> (n, d), the penultimate layer; edit: images, probabilities of the value to write (n, values) -> images;
    sample: probabilities, standard normal noise (n, *noise_shape) -> images; density: of images (n, *shape), given
    probabilities of the value (n, values), see `LatentModel`.
    """

    task: Task
    phases: tuple[Phase, ...]
    kept: tuple[Learner, ...]
    boxes: Mapping[str, Learner | Composite] = field(default_factory=dict)
    laws: Mapping[str, Equation] = field(default_factory=dict)
    classify: Callable[[Tensor], Tensor] | None = None
    features: Callable[[Tensor], Tensor] | None = None
    edit: Callable[[Tensor, Tensor], Tensor] | None = None
    sample: Callable[[Tensor, Tensor], Tensor] | None = None
    noise_shape: tuple[int, ...] = ()
    density: LatentModel | None = None

    @property
    def lawful(self) -> Task:
        """The task with the laws that it leaves out."""
        more = {name: each for name, each in self.laws.items() if name not in self.task.equations}
        return self.task.with_equations(**more)

    @property
    def trained(self) -> set[Learner]:
        """The learners that some phase trains."""
        return {learner for phase in self.phases for learner in phase.task.trained}

    @property
    def parameters(self) -> int:
        """Trainable parameters of what is kept for use and was trained here."""
        trained = self.trained
        return sum(p.numel() for learner in self.kept if learner in trained for p in learner.parameters)
