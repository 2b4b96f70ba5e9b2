"""Make training fast, and prove it.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from potentiate.engine import train
    from potentiate.errors import Refused
    from potentiate.estimators import (
        BrainClassifier,
        PlasticClassifier,
        TimeHUT,
        TimeHUTClassifier,
        TimeHUTDetector,
        TimeHUTForecaster,
    )
    from potentiate.models.plastic.layers import SparseLinear, SparseRecurrent
    from potentiate.models.plastic.net import PlasticNet
    from potentiate.models.supervised import supervised
    from potentiate.steps import GradientStep
    from potentiate.workload import Run, Target, Workload

__version__ = "0.1.0"

__all__ = [
    "BrainClassifier",
    "GradientStep",
    "PlasticClassifier",
    "PlasticNet",
    "Refused",
    "Run",
    "SparseLinear",
    "SparseRecurrent",
    "Target",
    "TimeHUT",
    "TimeHUTClassifier",
    "TimeHUTDetector",
    "TimeHUTForecaster",
    "Workload",
    "__version__",
    "supervised",
    "train",
]

_HOMES = {
    "BrainClassifier": "potentiate.estimators",
    "GradientStep": "potentiate.steps",
    "PlasticClassifier": "potentiate.estimators",
    "PlasticNet": "potentiate.models.plastic.net",
    "Refused": "potentiate.errors",
    "Run": "potentiate.workload",
    "SparseLinear": "potentiate.models.plastic.layers",
    "SparseRecurrent": "potentiate.models.plastic.layers",
    "Target": "potentiate.workload",
    "TimeHUT": "potentiate.estimators",
    "TimeHUTClassifier": "potentiate.estimators",
    "TimeHUTDetector": "potentiate.estimators",
    "TimeHUTForecaster": "potentiate.estimators",
    "Workload": "potentiate.workload",
    "supervised": "potentiate.models.supervised",
    "train": "potentiate.engine",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'potentiate' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
