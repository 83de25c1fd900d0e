"""Sprites labelled by angle: 20,000 and 5,000 hearts, arrows and ells, 32x32 or 64x64, rendered from known factors."""

from pipeline.data.base import rendered
from pipeline.data.renderers import TURNED_SPRITES, Rendering

DATASET = rendered(Rendering(TURNED_SPRITES, "angle", tuple(range(8))), TURNED_SPRITES.values("angle"))
