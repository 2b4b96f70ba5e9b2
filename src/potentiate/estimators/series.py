"""Series as all estimators here take them; what does not fit is a ValueError, as scikit-learn has it.

Two forms. A *table* is what scikit-learn calls X: [n, instants] with one channel, in which a column is an
instant; its width is that of `fit` for ever. *Collections* are [n, channels, instants], lists of arrays
[channels, instants] or [instants] of any lengths, or frames with a series in each cell; of these only the
number of channels is held to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import validation
from torch import Tensor

from potentiate.data.series import as_series
from potentiate.errors import Refused

Values = NDArray[np.float32]
CONSTANT = 1e-8
"""A channel whose standard deviation is no more does not vary."""


def collection(estimator: Any, X: Any, *, begins: bool) -> Values:
    """Return series as float32 [n, instants, channels], NaN where a value is missing.

    Args:
        estimator: Gets `channels_`, and of a table `n_features_in_`, where it begins; else they are held to.
        X: A table or a collection.
        begins: Whether it is `fit` that asks.
    """
    values = X
    if _is_table(X):
        values = cast("Any", validation).validate_data(
            estimator, X, reset=begins, dtype=np.float64, ensure_all_finite="allow-nan"
        )
    elif begins and hasattr(estimator, "n_features_in_"):
        del estimator.n_features_in_  # of an earlier fit
    series = sound(values)
    channels = series.shape[2]
    if begins:
        estimator.channels_ = channels
    elif channels != estimator.channels_:
        raise ValueError(
            f"X has {channels} channels, but {type(estimator).__name__} is expecting "
            f"{estimator.channels_} channels as input"
        )
    return series


def sound(X: Any) -> Values:
    """Return series of any form as float32 [n, instants, channels], none infinite and none without a value."""
    try:
        series = as_series(X)
    except Refused as error:
        raise ValueError(str(error)) from None
    empty = np.flatnonzero(np.isnan(series).all((1, 2)))
    if len(empty):
        raise ValueError(f"series {empty[0]} has no value, all are NaN; leave it out")
    return series


def several(series: Values) -> Values:
    """Return the series, if they are long enough to be learned from."""
    if series.shape[1] < 2:
        # Worded so that scikit-learn's checks know it.
        raise ValueError("series of 1 instant, 1 feature(s), have no two views; give at least 2")
    return series


def moments(series: Values) -> tuple[Values, Values]:
    """Return mean and standard deviation [channels]; 0 and 1 of a channel without values or changes."""
    rows = torch.from_numpy(series).flatten(0, 1).double()
    mean = rows.nanmean(0).nan_to_num(0.0)
    deviation = (rows - mean).square().nanmean(0).sqrt().nan_to_num(0.0)
    scale = torch.where(deviation > CONSTANT * mean.abs().clamp(min=1.0), deviation, 1.0)
    return mean.float().numpy(), scale.float().numpy()


def by_length(inputs: Tensor) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Yield the places and the values of series [n, instants, channels] of one length each.

    A series ends with its last value, so that its representation does not depend on those beside it.
    """
    seen = ~inputs.isnan().all(-1)
    instants = inputs.shape[1]
    lengths = instants - seen.flip(1).int().argmax(1)
    for length in cast("list[int]", lengths.unique().tolist()):
        places = (lengths == length).nonzero().flatten()
        yield places.numpy(), inputs[places, :length]


def _is_table(X: Any) -> bool:
    """Whether X is for scikit-learn to check: neither [n, channels, instants], nor arrays, nor a file."""
    if hasattr(X, "iloc"):
        nested = X.shape[0] and X.shape[1] and np.ndim(X.iloc[0, 0]) > 0
        return not nested
    if isinstance(X, (list, tuple)):
        rows = cast("Sequence[Any]", X)
        if not rows or any(hasattr(row, "shape") for row in rows):
            return False
        return len({np.size(row) for row in rows}) <= 1 and _axes(rows) <= 2
    return getattr(X, "ndim", 2) != 3


def _axes(rows: Sequence[Any]) -> int:
    try:
        return np.ndim(cast("Any", rows))
    except ValueError:  # of any lengths
        return 3


def streams(values: Any) -> Values:
    """Return one or several long series as float32 [n, instants, channels].

    Args:
        values: [instants], [channels, instants] or [n, channels, instants].
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"series must be numbers in an array: {error}") from None
    if array.ndim not in (1, 2, 3):
        raise ValueError(
            f"series must be [instants], [channels, instants] or [n, channels, instants], got {array.ndim} axes"
        )
    return sound(array.reshape((1,) * (3 - array.ndim) + array.shape))


def like(out: NDArray[Any], values: Any) -> NDArray[Any]:
    """Return an array [n, channels, ...] without the axes that `values` lacks."""
    return out.reshape(out.shape[3 - np.ndim(values) :])


def same_channels(estimator: Any, series: Values) -> Values:
    """Return the series, if they have the channels of `fit`."""
    if series.shape[2] != estimator.channels_:
        raise ValueError(
            f"the series have {series.shape[2]} channels, but {type(estimator).__name__} is expecting "
            f"{estimator.channels_} channels as input"
        )
    return series


def pieces(series: Values, length: int, count: int) -> Values:
    """Return pieces of `length` that cover each of the series, at least `count` of all; they may overlap.

    Args:
        series: [n, instants, channels].
        length: Instants of a piece; those of the series where they have no more.
        count: Pieces; as many as there are places where there are fewer.
    """
    n, instants, _ = series.shape
    length = min(length, instants)
    each = min(max(-(-instants // length), -(-count // n)), instants - length + 1)
    starts = [round(k * (instants - length) / max(1, each - 1)) for k in range(each)]
    found = np.concatenate([series[:, start : start + length] for start in starts])
    return found[~np.isnan(found).all((1, 2))]
