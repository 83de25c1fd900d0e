"""Data sets: fetched with checksums, decoded, split by a seeded permutation, and added to.

A data set is one file in this package that defines `DATASET` (see `base`); a new file is a new data set.
"""

from pipeline.data.additions import add, count, listing
from pipeline.data.fetching import fetch
from pipeline.data.folders import plain, prepare_folder
from pipeline.data.registry import find, names
from pipeline.data.splits import Info, Split, info, load, prepare

__all__ = [
    "Info",
    "Split",
    "add",
    "count",
    "fetch",
    "find",
    "info",
    "listing",
    "load",
    "names",
    "plain",
    "prepare",
    "prepare_folder",
]
