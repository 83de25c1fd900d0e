"""MLflow: runs, curves, artefacts, the registry and its champions. Nothing outside this package imports mlflow."""

from pipeline.tracking.live import live
from pipeline.tracking.reconcile import SyncReport, md5_of, record, sync
from pipeline.tracking.registry import ModelRow, find, models

__all__ = ["ModelRow", "SyncReport", "find", "live", "md5_of", "models", "record", "sync"]
