"""EfficientNet-Lite0, the net of published ImageNet weights.

EfficientNet-B0 (Tan and Le 2019, table 1) as its authors changed it for phones (Tan 2020): no squeeze and excitation,
ReLU6 in place of SiLU. Parameters have the names of the published weights, so these load strictly.
"""

from torch import Tensor, nn
from torch.nn import functional as F

FEATURES, CLASSES = 1280, 1000
STEM = 32
EPSILON = 1e-3  # of batch normalisation, as the weights were trained with

# Blocks, kernel size, stride of the first block, expansion, channels out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias whose output has ceil(size / stride) pixels a side.

    Zeros are added as TensorFlow adds them: an odd one goes below and to the right.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in images.shape[2:])
        borders = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(images, borders) if any(borders) else images)


class InvertedBottleneck(nn.Module):
    """MBConv: widen by 1x1, filter each channel, narrow by 1x1; plus the input where the shapes agree.

    (n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride)) (Sandler et al. 2018, section 3.3).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, wide, 1)
            self._bn0 = nn.BatchNorm2d(wide, EPSILON)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, EPSILON)
        self._project_conv = SameConv2d(wide, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        wide = F.relu6(self._bn0(self._expand_conv(images)), inplace=True) if self.expands else images
        filtered = F.relu6(self._bn1(self._depthwise_conv(wide)), inplace=True)
        narrow = self._bn2(self._project_conv(filtered))
        return images + narrow if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """Normalised images (n, 3, h, w) -> logits (n, 1000); trained on 224x224, and works on any size.

    It takes pixels p of 0..255 as (p - 127) / 128: see `normalised`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, EPSILON)
        blocks, channels = [], STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            for index in range(count):
                blocks.append(InvertedBottleneck(channels, outputs, kernel, 1 if index else stride, expansion))
                channels = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = SameConv2d(channels, FEATURES, 1)
        self._bn1 = nn.BatchNorm2d(FEATURES, EPSILON)
        self._fc = nn.Linear(FEATURES, CLASSES)

    def middle_features(self, images: Tensor) -> Tensor:
        """The mean over places of what the last block but one gives: (n, 3, h, w) -> (n, 192)."""
        return self._blocks[:-1](self._stem(images)).mean((2, 3))

    def features(self, images: Tensor) -> Tensor:
        """What the last layer reads, a mean over places: (n, 3, h, w) -> (n, 1280), each in 0..6."""
        maps = self._bn1(self._conv_head(self._blocks(self._stem(images))))
        return F.relu6(maps, inplace=True).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self._fc(self.features(images))

    def _stem(self, images: Tensor) -> Tensor:
        return F.relu6(self._bn0(self._conv_stem(images)), inplace=True)


def normalised(images: Tensor) -> Tensor:
    """Pixels in 0..1 as the published weights were trained on them: the Lite nets' own way, not ImageNet's statistics."""
    return (images * 255 - 127) / 128
