"""Faces labelled by mouth: 20,000 and 5,000 that smile or frown, 32x32 or 64x64, rendered from known factors."""

from pipeline.data.base import rendered
from pipeline.data.renderers import FACES, Rendering

DATASET = rendered(Rendering(FACES, "mouth", (0, 1)), ("frown", "smile"))
