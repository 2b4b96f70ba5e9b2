"""Models with `fit` and `predict`, as scikit-learn has them."""

from potentiate.estimators.brain import BrainClassifier
from potentiate.estimators.plastic import PlasticClassifier
from potentiate.estimators.timehut import TimeHUT, TimeHUTClassifier
from potentiate.estimators.timehut_detector import TimeHUTDetector
from potentiate.estimators.timehut_forecast import TimeHUTForecaster

__all__ = [
    "BrainClassifier",
    "PlasticClassifier",
    "TimeHUT",
    "TimeHUTClassifier",
    "TimeHUTDetector",
    "TimeHUTForecaster",
]
