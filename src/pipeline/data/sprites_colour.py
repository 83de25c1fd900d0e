"""Sprites labelled by colour: 20,000 and 5,000 coloured figures, 32x32 or 64x64, rendered from known factors."""

from pipeline.data.base import rendered
from pipeline.data.renderers import SPRITES, Rendering

DATASET = rendered(Rendering(SPRITES, "colour", tuple(range(8))), SPRITES.values("colour"))
