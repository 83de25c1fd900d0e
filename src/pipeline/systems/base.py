"""What a system is: phases of tasks over learners, and what the trained learners can be used for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pydantic
from torch import Tensor

from pipeline.language import Composite, Dataset, Equation, Learner, Phase, Task, TaskError, Type
from pipeline.params import Section


class Recipe(Section):
    """What every system's settings have.

    steps: gradient steps; batch_size: examples a step; learning_rate: Adam's, reached after `warm_up` steps and then
    going linearly to 0; ema: decay of the average of the weights that is kept (0: the last weights are kept);
    precision: `bfloat16` computes in mixed precision where the device is a GPU.
    """

    steps: int = pydantic.Field(gt=0)
    batch_size: int = pydantic.Field(default=128, gt=0)
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    warm_up: int = pydantic.Field(default=100, ge=0)
    ema: float = pydantic.Field(default=0.999, ge=0, lt=1)
    precision: Literal["float32", "bfloat16"] = "float32"


__all__ = ["Inputs", "Recipe", "System", "TaskError"]


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

    def bound(self, images: Tensor, labels: Tensor) -> "Inputs":
        """The same with examples: images (n, *shape) uint8, labels (n,) int64."""
        copy = Inputs(self.shape, self.values)
        object.__setattr__(copy, "x", self.x.bind(images, labels))
        return copy


@dataclass(frozen=True)
class System:
    """A published system over given data.

    task: what it is for, all equations; phases: what is trained, in order; kept: the learners whose weights make the
    trained model (all that the uses need); boxes: what systems that start from this one may use, by name; laws: more
    equations that one may ask about, which the task leaves out.

    Uses, where the system has them: classify: images (n, *shape) in 0..1 -> probabilities (n, values); features:
    images -> (n, d), the penultimate layer; edit: images, probabilities of the value to write (n, values) -> images;
    sample: probabilities, standard normal noise (n, *noise_shape) -> images.
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

    @property
    def lawful(self) -> Task:
        """The task with the laws that it leaves out."""
        more = {name: each for name, each in self.laws.items() if name not in self.task.equations}
        return self.task.with_equations(**more)

    @property
    def parameters(self) -> int:
        """Trainable parameters of what is kept for use and was trained here."""
        trained = {learner for phase in self.phases for learner in phase.task.trained}
        return sum(p.numel() for learner in self.kept if learner in trained for p in learner.parameters)
