"""torch-fidelity's metrics of features, to hold ours against.

The package imports torchvision, which this project does without, and torchmetrics imports the package wherever it is
installed. So it is not installed: the few modules that compute on features are taken out of its wheel into .cache/,
checked, and imported below a bare parent, with nothing in the place of `torch_fidelity.utils`, where images are read.
"""

import functools
import importlib
import sys
from types import ModuleType
from typing import Any

from torch import Tensor

from pipeline.data.base import Source
from pipeline.data.fetching import bring
from tests.conftest import kept

WHEEL = Source(
    files={
        "metric_fid.py": "8caf90f0969932cabc66588b919f0519a68c411c52554272840218275a1bfbb8",
        "metric_kid.py": "304cc125efd0d0e7059c1ef7e0efbe4a5f0e0f5533ceaad9d444bb621463fb68",
        "metric_prc.py": "962add4ea948a8637917a3e73810dea24ebb0eface2c26116bcbf05903e811e3",
        "helpers.py": "ed8683fbe790b4c48ce3c55e922cf1353f3286d7afcaa5082e09f6b956b80789",
        "defaults.py": "ceb46eebd2a4d53e4dfaf322a36a8a45e46872cc1236ac3155a786b3c401b312",
        "deprecations.py": "79b720b01578d1951155810a4b7954b27f9806380bf56192ce67637a9f804fb3",
    },
    pip="torch_fidelity==0.4.0",
    pip_folder="torch_fidelity",
    pip_sha256="99f4c610ea16972628eceb26afb0008e528da2d44123db947b408750efbd35d4",
)


@functools.cache
def _modules() -> dict[str, ModuleType]:
    """The modules by name; nobody else is to find the bare parent, who would take it for the package."""
    folder = kept("torch_fidelity", lambda folder: bring("torch-fidelity", WHEEL, folder))
    parent, utils = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.utils")
    parent.__path__ = [str(folder)]
    utils.__getattr__ = lambda name: None
    sys.modules |= {"torch_fidelity": parent, "torch_fidelity.utils": utils}
    try:
        return {name: importlib.import_module(f"torch_fidelity.metric_{name}") for name in ("fid", "kid", "prc")}
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "torch_fidelity"]:
            del sys.modules[name]


def fid(real: Tensor, fake: Tensor) -> float:
    statistics = [_modules()["fid"].fid_features_to_statistics(each) for each in (real, fake)]
    return _modules()["fid"].fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def kid(real: Tensor, fake: Tensor, **settings: Any) -> float:
    """The mean over `kid_subsets` (100) of `kid_subset_size` (1000) examples."""
    return _modules()["kid"].kid_features_to_metric(real, fake, verbose=False, **settings)[
        "kernel_inception_distance_mean"
    ]


def precision_recall(real: Tensor, fake: Tensor, neighbours: int) -> tuple[float, float]:
    found = _modules()["prc"].prc_features_to_metric(fake, real, prc_neighborhood=neighbours, verbose=False)
    return found["precision"], found["recall"]
