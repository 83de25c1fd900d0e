"""Sprites labelled by shape: 20,000 and 5,000 coloured figures, 32x32 or 64x64, rendered from known factors."""

from pipeline.data.base import rendered
from pipeline.data.renderers import SPRITES, Rendering

DATASET = rendered(Rendering(SPRITES, "shape", tuple(range(6))), SPRITES.values("shape"))
