"""Measures of trained systems: pure functions on tensors and callables, and `evaluate`, which applies what fits.

Keys and protocol: see docs/metrics.md and `keys`. Everything is reported on test data with judge_2; the same keys with
the prefix `validation_`, on validation data with judge_1, are what choices are made by.
"""

from pipeline.metrics.evaluation import evaluate, evaluate_model, fixture_metrics, validation_metrics
from pipeline.metrics.losses import ACCURACY, TOTAL, validation_losses

__all__ = [
    "ACCURACY",
    "TOTAL",
    "evaluate",
    "evaluate_model",
    "fixture_metrics",
    "validation_losses",
    "validation_metrics",
]
