"""The front: configurations of which none is surely better than another in everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.study.interval import Interval

Directions = Mapping[str, Literal["lower", "higher"]]
"""For every axis (time, peak memory, FLOPs, quality) which way is better."""


def pareto_front(points: Mapping[str, Mapping[str, Interval]], directions: Directions) -> list[str]:
    """Names of the points that no other point surely beats, in the order given.

    A point is dominated only if another is better beyond both intervals on every axis. Axes on
    which the two are exactly equal (same FLOPs, no uncertainty) are set aside, else they would
    protect everything; on one axis at least the other must be better.

    Args:
        points: Per point and axis the interval.
        directions: Per axis whether lower or higher is better.

    Raises:
        Refused: A point lacks an axis.
    """
    for name, point in points.items():
        if missing := [axis for axis in directions if axis not in point]:
            raise Refused(f"'{name}' has no {missing[0]}; give an interval for every axis")
    return [
        name
        for name, point in points.items()
        if not any(_dominates(other, point, directions) for other in points.values())
    ]


def _dominates(
    other: Mapping[str, Interval], point: Mapping[str, Interval], directions: Directions
) -> bool:
    contested = [axis for axis in directions if not _same(other[axis], point[axis])]
    return bool(contested) and all(
        other[axis].high < point[axis].low
        if directions[axis] == "lower"
        else other[axis].low > point[axis].high
        for axis in contested
    )


def _same(a: Interval, b: Interval) -> bool:
    return a.low == a.high == b.low == b.high


def knee(points: Mapping[str, Mapping[str, float]], directions: Directions) -> str | None:
    """Name of the point nearest to the best of every axis; none among fewer than three points.

    Axes are scaled by the range of the points, and those on which all are alike count nothing.
    """
    if len(points) < 3:
        return None
    away = dict.fromkeys(points, 0.0)
    for axis, way in directions.items():
        values = [point[axis] for point in points.values()]
        best, span = (min if way == "lower" else max)(values), max(values) - min(values)
        for name, point in points.items():
            away[name] += ((point[axis] - best) / span) ** 2 if span else 0.0
    return min(away, key=lambda name: away[name])


def front_probability(
    samples: Mapping[str, Mapping[str, Sequence[float]]],
    directions: Directions,
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """Chance of each point to be on the front, by resampling blocks; medians stand for a point.

    Points with equally many blocks are resampled alike, which keeps their pairing.

    Args:
        samples: Per point and axis one value per block (equally many on every axis of a point).
        directions: Per axis whether lower or higher is better.
        draws: Resamples. Cost: draws x points^2 x axes comparisons.
        seed: Seed of the resampling.

    Returns:
        Per point the share of resamples in which no other is at least as good everywhere and
        better somewhere.

    Raises:
        Refused: A point has no value on an axis, or axes of unequal length.
    """
    rng = np.random.default_rng(seed)
    picks: dict[int, NDArray[np.int64]] = {}
    medians: list[NDArray[np.float64]] = []
    for name, axes in samples.items():
        lengths = {len(axes.get(axis, ())) for axis in directions}
        if len(lengths) != 1 or 0 in lengths:
            raise Refused(f"'{name}' needs equally many values, one per block, on every axis")
        n = lengths.pop()
        if n not in picks:
            picks[n] = rng.integers(0, n, (draws, n))
        rows = [
            np.median(np.asarray(axes[axis], dtype=np.float64)[picks[n]], axis=1)
            * (1.0 if way == "lower" else -1.0)
            for axis, way in directions.items()
        ]
        medians.append(np.stack(rows, axis=1))
    stack = np.stack(medians)  # points, draws, axes: lower is better everywhere
    return {
        name: float(1.0 - _beaten(stack, mine).mean())
        for name, mine in zip(samples, stack, strict=True)
    }


def _beaten(stack: NDArray[np.float64], mine: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Per draw, whether any point is no worse on all axes and better on one; shape (draws,)."""
    beats = (stack <= mine).all(axis=2) & (stack < mine).any(axis=2)
    return np.logical_or.reduce(beats, axis=0)
