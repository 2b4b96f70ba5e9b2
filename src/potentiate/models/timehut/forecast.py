"""Forecasts by ridge regression on what is known of the last instant, and what they are held against.

Source: Yue et al. 2022, arXiv:2106.10466, for the strengths that are tried and how one is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
STRENGTHS = 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0


def futures(series: Rows, horizon: int) -> Rows:
    """Return what follows each instant that enough follows, [instants - horizon, horizon * channels].

    Args:
        series: [instants, channels].
        horizon: Instants ahead.
    """
    windows = np.lib.stride_tricks.sliding_window_view(series[1:], horizon, axis=0)
    return windows.transpose(0, 2, 1).reshape(len(windows), -1)


def lags(series: Rows, count: int) -> Rows:
    """Return each instant and the `count` before it, [instants, (count + 1) * channels]; 0 where none is known.

    Args:
        series: Standardized, [instants, channels].
        count: Instants before.
    """
    known = np.concatenate([np.zeros((count, series.shape[1]), series.dtype), series])
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(known), count + 1, axis=0)
    return windows.reshape(len(series), -1)


def chosen_ridge(train: Sequence[Rows], validation: Sequence[Rows]) -> Any:
    """Return a ridge regression on standardized features, of the strength that does best on validation rows.

    It is fitted on both in the end. What does best has the least sum of root mean square and mean absolute error.

    Args:
        train: Features [rows, features] and targets [rows, outputs].
        validation: Those on which the strength is chosen.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    def ridge(strength: float, features: Rows, targets: Rows) -> Any:
        regression: Any = Ridge(alpha=strength)
        model = Pipeline([("scale", StandardScaler()), ("ridge", regression)])
        return model.fit(features, targets)

    def error(strength: float) -> float:
        told = ridge(strength, *train).predict(validation[0])
        found = errors(validation[1], told)
        return found["mse"] ** 0.5 + found["mae"]

    best = min(STRENGTHS, key=error)
    both = [np.concatenate(pair) for pair in zip(train, validation, strict=True)]
    return ridge(best, *both)


def errors(truth: NDArray[Any], told: NDArray[Any]) -> dict[str, float]:
    """Return mean square and mean absolute error; a single output may lack its axis."""
    off = told.reshape(truth.shape).astype(np.float64) - truth
    return {"mse": float(np.square(off).mean()), "mae": float(np.abs(off).mean())}
