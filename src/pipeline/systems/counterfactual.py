"""Counterfactual images (Wachter et al. 2018, equation 2): each image is moved towards what the classifier reads as the value.

    put(s, a) = argmin over t of  weight CE(get(t), a) + |t - s|^2     by Adam, from s, pixels kept in 0..1

Nothing is trained, and nothing keeps the result an image: it is what the classifier alone asks for.
"""

import pydantic
import torch
from torch import Tensor

from pipeline.language import cross_entropy, equation, learners_of, task
from pipeline.systems import manipulator
from pipeline.systems.base import Inputs, Recipe, System

GIVEN = "classifier"


class Settings(Recipe):
    """steps: for each image; weight: of what is read beside what is kept, which is a sum over pixels."""

    learning_rate: float = pydantic.Field(default=0.05, gt=0)
    weight: float = pydantic.Field(default=10.0, gt=0)


def build(settings: Settings, inputs: Inputs, given: System | None) -> System:
    get, (s, v) = manipulator.reader(given), inputs.x

    def edit(images: Tensor, values: Tensor) -> Tensor:
        def objective(points: Tensor, start: Tensor, wanted: Tensor) -> Tensor:
            return -settings.weight * (get.apply(points) * wanted).sum() + (points - start).square().sum()

        with torch.inference_mode(False), torch.enable_grad():
            start, wanted = images.clone(), values.clone()
            point = start.clone().requires_grad_()
            optimiser = torch.optim.Adam([point], lr=settings.learning_rate)
            for _ in range(settings.steps):
                optimiser.zero_grad()
                objective(point, start, wanted).backward(inputs=[point])
                optimiser.step()
                with torch.no_grad():
                    point.clamp_(0, 1)
        return point.detach()

    return System(
        task=task(classify=equation(get(s), v, cross_entropy, trains=get)),
        phases=(),
        kept=learners_of(get),
        boxes={"get": get},
        classify=lambda images: get.apply(images).exp(),
        edit=edit,
    )
