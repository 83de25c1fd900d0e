"""A trained model as an MLflow pyfunc, from this file and safetensors: nothing is pickled.

Inputs and outputs, by what the model can do: a generator takes {"value": int64 (n,), "seed": int64 (1,)}, an editor
{"image": float32 (n, *shape), "value": int64 (n,)}, both give float32 images (n, *shape); a classifier takes float32
images (n, *shape) in 0..1 and gives probabilities (n, values), an encoder gives features (n, d). Sentences take the
place of images as int64 tokens (n, length), whose words are in the model's config.json. A user's own system may do none of this: its learners are in `pipeline.systems.load(folder).system.boxes`.
"""

from pathlib import Path

import mlflow
import numpy as np
import torch

from pipeline import systems


class Answers:
    """What a loaded model says to an input. Apart from `Served`, since MLflow would complain there at every import that
    `predict` has no type hints; the model's signature says more than they could."""

    model: systems.Model

    def predict(self, context, model_input, params=None):
        model = self.model
        if model.sample:
            seed = int(np.asarray(model_input["seed"]).reshape(-1)[0])
            return model.sample(values_of(model_input), seed).numpy()
        if model.edit:
            return model.edit(images_of(model_input["image"], model), values_of(model_input)).numpy()
        use = model.classify or model.features
        if use is None:
            raise ValueError(f"{model.config['system']} reads no images; load it by pipeline.systems.load")
        return use(images_of(model_input, model)).numpy()


class Served(Answers, mlflow.pyfunc.PythonModel):
    """Loads the model folder among its artifacts once, then answers."""

    def load_context(self, context):
        self.model = systems.load(Path(context.artifacts["model"]))


def values_of(model_input) -> torch.Tensor:
    return torch.from_numpy(np.asarray(model_input["value"], dtype=np.int64).reshape(-1))


def images_of(array, model: systems.Model) -> torch.Tensor:
    """Images, or sentences, as a tensor. Raises ValueError if their shape is not (n, *shape), or tokens are none."""
    kind, shape = systems.data_of(model.config)
    images = torch.from_numpy(np.asarray(array, dtype=kind))
    if tuple(images.shape[1:]) != shape:
        raise ValueError(f"examples of shape (n, {', '.join(map(str, shape))}) expected, {tuple(images.shape)} given")
    words = len(model.config.get("words", ()))
    if words and images.numel() and not 0 <= int(images.min()) <= int(images.max()) < words:
        raise ValueError(f"tokens in 0..{words - 1} expected, {int(images.min())}..{int(images.max())} given")
    return images


mlflow.models.set_model(Served())
