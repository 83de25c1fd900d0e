"""English sentences labelled by subject, who does it, eight subjects: 20,000 and 5,000 of a grammar with known factors."""

from pipeline.data.sentences.rendering import said

DATASET = said("subject")
