"""English sentences labelled by tense, past, present or future: 20,000 and 5,000 of a grammar with known factors."""

from pipeline.data.sentences.rendering import said

DATASET = said("tense")
