"""What colour images are compared in: features of a net that learned from a million photographs, none of them ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from pipeline.data.imagenet_cnn import WEIGHTS
from pipeline.errors import UserError
from pipeline.metrics.inputs import check_images
from pipeline.nets.efficientnet_lite import EfficientNetLite0, normalised

SIDE = 128  # pixels: see docs/metrics.md for what fewer and more of them give
BATCH = 8  # images: on a processor, more of them leave its cache and take longer

Features = Callable[[Tensor], Tensor]


def imagenet_features(folder: Path, layer: Literal["middle", "last"] = "middle") -> Features:
    """A function from images (n, c, h, w) in 0..1, c = 1 or 3, any size, to features (n, d) float32 on their device.

    EfficientNet-Lite0 (Tan 2020) trained on ImageNet, in eval mode, reads the images at 128x128 (bilinear, antialiased;
    grey ones repeated for each colour). layer: `middle`, the means over places after its last block but one, d = 192;
    `last`, what its classifier reads, d = 1,280. Equal images give equal features on the same machine and threads.

    folder: where `data.imagenet_cnn.fetch` left the weights. Raises UserError if they are missing or damaged, and for
    an unknown layer; so does the function for images that are none (see `inputs.check_images`), or of another number of
    channels.
    """
    net = load(folder)
    layers = {"middle": net.middle_features, "last": net.features}
    if layer not in layers:
        raise UserError(f"unknown layer `{layer}`: expected one of {', '.join(layers)}")
    read = layers[layer]

    def features(images: Tensor) -> Tensor:
        check_images("images", images)
        if images.shape[1] not in (1, 3):
            raise UserError(f"images: 1 or 3 channels expected, {images.shape[1]} given")
        net.to(images.device)
        with torch.no_grad():
            return torch.cat([read(prepared(batch)) for batch in images.split(BATCH)])

    return features


def load(folder: Path) -> EfficientNetLite0:
    """The net with the weights in a folder, to be used and not trained. Raises UserError if they are not there."""
    net, path = EfficientNetLite0(), folder / WEIGHTS
    try:
        net.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `dvc repro extractor` fetches it") from None
    except (SafetensorError, RuntimeError) as error:
        raise UserError(f"{path}: damaged, or of another net: {str(error).splitlines()[0]}") from None
    # Convolutions of single channels are faster where a pixel's channels lie together.
    return net.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def prepared(images: Tensor) -> Tensor:
    """Images as the net reads them: (n, 1 or 3, h, w) in 0..1 -> (n, 3, 128, 128)."""
    sized = F.interpolate(images.float(), (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    colours = sized.expand(-1, 3, -1, -1)
    return normalised(colours).contiguous(memory_format=torch.channels_last)
