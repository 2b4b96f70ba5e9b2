"""Models with `fit` and `predict`, as scikit-learn has them."""

from potentiate.estimators.brain import BrainClassifier
from potentiate.estimators.plastic import PlasticClassifier

__all__ = ["BrainClassifier", "PlasticClassifier"]
