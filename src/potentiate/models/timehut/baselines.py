"""What simple ways make of the same series: how much of a result is owed to training.

On many small sets a ridge regression on the values themselves, or a classifier on an encoder that never
learned, is as good as a trained one; such a set cannot show what training is worth.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from potentiate.data.series import SeriesPart
from potentiate.models.timehut.readout import Read, fitted
from potentiate.workload import Metrics, References

_log = logging.getLogger(__name__)


def beside(read: Read, untrained: nn.Module) -> References:
    """Return accuracy and macro F1 of simple references, fitted and judged on what `read` is.

    The best constant answer, which is the largest class of what is asked; the nearest neighbor, a ridge
    regression and support vectors on raw values (C of the latter is sought as for the head "svm"); and the
    untrained encoder under the same head, with the rest of what `read` tells. Raw values are as the encoder
    reads them, the channels one after another; a missing one, and one behind the end of a series, is taken
    as its channel's mean, which is 0.

    Args:
        read: What judges an encoder.
        untrained: An encoder that has not learned.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.neighbors import KNeighborsClassifier

    known, asked = raw(read.known, read.asked)
    labels, truth = read.known.labels.numpy(), read.asked.labels.numpy()
    nearest: Any = KNeighborsClassifier(1)
    ridge: Any = RidgeClassifierCV(np.logspace(-3, 3, 10))
    classifiers = {
        "1-NN on raw values": nearest.fit(known, labels),
        "ridge on raw values": ridge.fit(known, labels),
        "SVM on raw values": fitted("svm", known, labels),
    }
    return {
        "majority class": _scores(truth, np.full_like(truth, np.bincount(truth).argmax())),
        **{name: _scores(truth, model.predict(asked)) for name, model in classifiers.items()},
        "untrained encoder": read(untrained),
    }


def raw(known: SeriesPart, asked: SeriesPart) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the values of two parts, [series, channels * instants], as long as the longest of both."""
    parts = [part.inputs.transpose(1, 2).numpy() for part in (known, asked)]
    longest = max(part.shape[2] for part in parts)
    if any(np.isnan(part).any() or part.shape[2] < longest for part in parts):
        _log.info("of raw values the missing ones are taken as their channel's mean")
    padded = [np.zeros((*part.shape[:2], longest), np.float32) for part in parts]
    for out, part in zip(padded, parts, strict=True):
        out[:, :, : part.shape[2]] = np.nan_to_num(part)
    first, second = (out.reshape(len(out), -1) for out in padded)
    return first, second


def _scores(truth: NDArray[Any], told: NDArray[Any]) -> Metrics:
    import sklearn.metrics

    score: Any = sklearn.metrics
    return {
        "accuracy": float(score.accuracy_score(truth, told)),
        "f1": float(score.f1_score(truth, told, average="macro")),
    }
