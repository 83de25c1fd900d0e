"""Faces labelled by glasses: 20,000 and 5,000 with glasses or none, 32x32 or 64x64, rendered from known factors."""

from pipeline.data.base import rendered
from pipeline.data.renderers import FACES, Rendering

DATASET = rendered(Rendering(FACES, "glasses", (0, 1, 1, 1, 1)), ("none", "glasses"))
