"""Pictures rendered from named factors: the truth of every edit is known exactly, and factors can be read back."""

from pipeline.data.renderers.faces import FACES
from pipeline.data.renderers.reading import Reader, Reading
from pipeline.data.renderers.rendering import Rendering
from pipeline.data.renderers.scene import SIZES, Factor, Renderer
from pipeline.data.renderers.sprites import SPRITES, TURNED_SPRITES
from pipeline.data.renderers.truth import edits, kept, nearest_truth, truths

__all__ = [
    "FACES",
    "SIZES",
    "SPRITES",
    "TURNED_SPRITES",
    "Factor",
    "Reader",
    "Reading",
    "Renderer",
    "Rendering",
    "edits",
    "kept",
    "nearest_truth",
    "truths",
]
