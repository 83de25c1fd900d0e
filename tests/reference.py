"""torch-fidelity's metrics of features, to hold ours against.

Its package imports torchvision, which this project does without; the three modules that compute on features do not need
it. So they are imported below a bare parent, with nothing in the place of `torch_fidelity.utils`, where images are read.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from torch import Tensor


def _modules() -> tuple[ModuleType, ...]:
    parent, utils = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.utils")
    parent.__path__ = list(importlib.util.find_spec("torch_fidelity").submodule_search_locations)
    utils.__getattr__ = lambda name: None
    sys.modules |= {"torch_fidelity": parent, "torch_fidelity.utils": utils}
    return tuple(importlib.import_module(f"torch_fidelity.metric_{name}") for name in ("fid", "kid", "prc"))


_FID, _KID, _PRC = _modules()


def fid(real: Tensor, fake: Tensor) -> float:
    statistics = [_FID.fid_features_to_statistics(each) for each in (real, fake)]
    return _FID.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def kid(real: Tensor, fake: Tensor, **settings: Any) -> float:
    """The mean over `kid_subsets` (100) of `kid_subset_size` (1000) examples."""
    return _KID.kid_features_to_metric(real, fake, verbose=False, **settings)["kernel_inception_distance_mean"]


def precision_recall(real: Tensor, fake: Tensor, neighbours: int) -> tuple[float, float]:
    found = _PRC.prc_features_to_metric(fake, real, prc_neighborhood=neighbours, verbose=False)
    return found["precision"], found["recall"]
