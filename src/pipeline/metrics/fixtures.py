"""Editors that are made to fool metrics, and two that do not: what each measure has to say of them is known.

    identity            put(s, a) = s: keeps all, writes nothing
    hidden_mark         writes a where only its own get looks: all four equations hold, no picture changes
    prototype           one image of each value, whatever s is: reads perfectly, keeps nothing
    nearest_neighbour   the real image of value a that is nearest to s: perfect pictures, of somebody else
    faded               right edits at a fifth of their contrast: legible, and no images like those of the data
    renderer            the exact edit, where images are rendered: the ceiling

Each is a `Fixture` over the images that are to be imitated. A metric that ranks one of them where it does not belong is
not to be trusted (docs/verification.md has the table).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.data.renderers import Reader, Rendering, edits
from pipeline.systems import Model

Get = Callable[[Tensor], Tensor]
Put = Callable[[Tensor, Tensor], Tensor]

LEVELS, CONTRAST = 255, 0.2


@dataclass(frozen=True)
class Fixture:
    """put: images (n, *shape) in 0..1, probabilities of the value to write (n, values) -> images; get: images ->
    probabilities (n, values)."""

    put: Put
    get: Get


@dataclass(frozen=True)
class Real:
    """Images (n, *shape) in 0..1 with labels (n,), from which fixtures take what they show; values: how many."""

    images: Tensor
    labels: Tensor
    values: int

    def of(self, value: int) -> Tensor:
        return self.images[self.labels == value]


def identity(get: Get) -> Fixture:
    return Fixture(lambda images, values: images, get)


def hidden_mark(get: Get, values: int) -> Fixture:
    """The mark is in the first pixel's brightness, modulo values + 1 of its 255 levels; get reads marks first."""
    base = values + 1

    def levels(images: Tensor) -> Tensor:
        return (images[:, 0, 0, 0] * LEVELS).round().long()

    def put(images: Tensor, wanted: Tensor) -> Tensor:
        marked, mark = images.clone(), wanted.argmax(1) + 1
        marked[:, 0, 0, 0] = (levels(images).clamp_max(LEVELS - base) // base * base + mark) / LEVELS
        return marked

    def read(images: Tensor) -> Tensor:
        mark = levels(images) % base
        return torch.where((mark > 0)[:, None], F.one_hot((mark - 1).clamp_min(0), values).float(), get(images))

    return Fixture(put, read)


def prototype(get: Get, real: Real) -> Fixture:
    """The real image of each value that is nearest to the mean of its kind."""
    kinds = [real.of(value) for value in range(real.values)]
    chosen = torch.stack([kind[(kind - kind.mean(0)).flatten(1).norm(dim=1).argmin()] for kind in kinds])
    return Fixture(lambda images, values: chosen[values.argmax(1)], get)


def nearest_neighbour(get: Get, real: Real) -> Fixture:
    """Nearest by squared difference of pixels."""
    kinds = [real.of(value) for value in range(real.values)]

    def put(images: Tensor, values: Tensor) -> Tensor:
        found, wanted = torch.empty_like(images), values.argmax(1)
        for value, kind in enumerate(kinds):
            rows = wanted == value
            found[rows] = kind[torch.cdist(images[rows].flatten(1), kind.flatten(1)).argmin(1)]
        return found

    return Fixture(put, get)


def faded(fixture: Fixture, contrast: float = CONTRAST) -> Fixture:
    """The edits of another fixture, darkened to so much of their contrast."""
    return Fixture(lambda images, values: contrast * fixture.put(images, values), fixture.get)


def renderer(get: Get, rendering: Rendering, reader: Reader) -> Fixture:
    """The exact edit, of whatever the reader finds in an image; the first of them where several are right."""

    def put(images: Tensor, values: Tensor) -> Tensor:
        right = edits(rendering, reader(images).rows, values.argmax(1))[:, 0]
        return rendering.renderer.render(right, images.shape[-1]).float() / LEVELS

    return Fixture(put, get)


def all_of(
    get: Get, real: Real, rendering: Rendering | None = None, reader: Reader | None = None
) -> dict[str, Fixture]:
    """Every fixture by its name; `renderer` where images are rendered, whose edits then are those that fade."""
    neighbour = nearest_neighbour(get, real)
    found = {
        "identity": identity(get),
        "hidden_mark": hidden_mark(get, real.values),
        "prototype": prototype(get, real),
        "nearest_neighbour": neighbour,
        "faded": faded(neighbour),
    }
    if rendering and reader:
        exact = renderer(get, rendering, reader)
        return found | {"faded": faded(exact), "renderer": exact}
    return found


def as_model(name: str, fixture: Fixture, values: int) -> Model:
    """A fixture as an editor that can be measured; values to write may be class indices (n,) too."""

    def edit(images: Tensor, wanted: Tensor) -> Tensor:
        return fixture.put(images, wanted if wanted.dim() == 2 else F.one_hot(wanted, values).float())

    return Model({"system": name}, None, fixture.get, None, edit, None)
