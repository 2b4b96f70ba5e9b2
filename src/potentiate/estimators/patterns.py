"""Patterns and labels as all classifiers here take them; what does not fit is a ValueError, as scikit-learn has it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import multiclass, validation
from torch import Tensor

Values = NDArray[Any]


def labeled(classifier: Any, X: Any, y: Any, *, begins: bool) -> tuple[Values, Values]:
    """Return patterns as numbers [n, features], and labels [n]; `begins` sets the number of features."""
    checked: Any = cast("Any", validation).validate_data(classifier, _flat(X), y, reset=begins)
    values, labels = checked
    multiclass.check_classification_targets(labels)
    return _numbers(values), labels


def unlabeled(classifier: Any, X: Any) -> Values:
    """Return patterns as numbers [n, features], which must have as many features as those of `fit`."""
    checked: Any = cast("Any", validation).validate_data(classifier, _flat(X), reset=False)
    return _numbers(checked)


def agree(classifier: Any, classes: Any, *, begins: bool) -> None:
    """Make `classes`, as `partial_fit` has them, those of a classifier that begins; else hold them against its own.

    Args:
        classifier: Gets `classes_`, in order.
        classes: All labels there will be; None: as before.
        begins: Whether there are none yet.
    """
    if begins and classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit")
    if classes is None:
        return
    ordered = multiclass.unique_labels(classes)
    if begins:
        classifier.classes_ = ordered
    elif not np.array_equal(ordered, classifier.classes_):
        raise ValueError(f"classes are {ordered} now and were {classifier.classes_} at first")


def places(labels: Values, classes: Values) -> Tensor:
    """Return labels as their places among the classes, int64 [n]."""
    strange = np.setdiff1d(labels, classes)
    if len(strange):
        raise ValueError(f"label {strange[0]} is none of the classes {classes}")
    return torch.from_numpy(np.searchsorted(classes, labels).astype(np.int64))


def within(ends: tuple[int, int], value: int) -> int:
    """Return `value`, or the end of the range that it lies beyond."""
    return min(max(value, ends[0]), ends[1])


def _flat(X: Any) -> Any:
    """Images as rows; anything else as it is."""
    images = getattr(X, "ndim", 2) > 2 and X.dtype == np.uint8
    return X.reshape(len(X), -1) if images else X


def _numbers(values: Values) -> Values:
    return values / 255.0 if values.dtype == np.uint8 else values.astype(np.float64)
