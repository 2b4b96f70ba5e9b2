"""Distances between neurons, by arithmetic on their numbers; no table of pairs is ever made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentiate.errors import Refused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Metric(Protocol):
    """A distance: 0 from a neuron to itself alone, equal both ways, and no shorter by a detour."""

    @property
    def neurons(self) -> int:
        """How many neurons there are."""
        ...

    def distance(self, a: ArrayLike, b: ArrayLike) -> Floats:
        """Return the distance of each neuron of `a` to that of `b`; the two broadcast."""
        ...

    def nearest(self, count: int) -> Ints:
        """Return the `count` nearest others of each neuron, [neurons, count], in no order."""
        ...


@dataclass(frozen=True)
class Ring:
    """Neurons on a circle, one unit apart."""

    neurons: int

    def distance(self, a: ArrayLike, b: ArrayLike) -> Floats:
        """Steps along the shorter way round."""
        apart = np.abs(np.asarray(a, np.int64) - np.asarray(b, np.int64))
        return np.minimum(apart, self.neurons - apart).astype(np.float64)

    def nearest(self, count: int) -> Ints:
        """The next ones on both sides; of an odd count, one more ahead."""
        _check_count(count, self.neurons)
        ahead = np.arange(1, count - count // 2 + 1)
        offsets = np.concatenate([ahead, -np.arange(1, count // 2 + 1)])
        return (np.arange(self.neurons)[:, None] + offsets) % self.neurons


@dataclass(frozen=True)
class Grid:
    """Neurons on a grid whose edges meet (a torus), row by row, one unit apart; Euclidean distance."""

    height: int
    width: int

    @property
    def neurons(self) -> int:
        """Height times width."""
        return self.height * self.width

    def distance(self, a: ArrayLike, b: ArrayLike) -> Floats:
        """Straight lines around the torus."""
        (top, left), (bottom, right) = (
            np.divmod(np.asarray(n, np.int64), self.width) for n in (a, b)
        )
        down, across = np.abs(top - bottom), np.abs(left - right)
        return np.hypot(
            np.minimum(down, self.height - down), np.minimum(across, self.width - across)
        )

    def nearest(self, count: int) -> Ints:
        """The neurons around; of several equally far ones, those with the lower offset in reading order."""
        _check_count(count, self.neurons)
        others = np.arange(1, self.neurons)
        order = np.argsort(self.distance(0, others), kind="stable")
        down, across = np.divmod(others[order[:count]], self.width)
        rows, columns = np.divmod(np.arange(self.neurons)[:, None], self.width)
        return (rows + down) % self.height * self.width + (columns + across) % self.width


@dataclass(frozen=True, eq=False)
class Embedding:
    """Neurons at points, for example learned ones; Euclidean distance.

    Attributes:
        points: [neurons, axes].
    """

    points: Floats

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or not bool(np.isfinite(self.points).all()):
            raise Refused(
                f"points must be finite numbers [neurons, axes], got shape {self.points.shape}"
            )

    @property
    def neurons(self) -> int:
        """As many as points."""
        return len(self.points)

    def distance(self, a: ArrayLike, b: ArrayLike) -> Floats:
        """Straight lines."""
        apart = self.points[np.asarray(a, np.int64)] - self.points[np.asarray(b, np.int64)]
        return np.sqrt((apart * apart).sum(-1))

    def nearest(self, count: int) -> Ints:
        """By a k-d tree: N log N."""
        from scipy.spatial import KDTree

        _check_count(count, self.neurons)
        tree: Any = KDTree(self.points)
        found: Ints = tree.query(self.points, k=np.arange(1, count + 2))[1]
        others = found != np.arange(self.neurons)[:, None]
        others[others.all(1), -1] = (
            False  # where points coincide, a neuron may not be among its own
        )
        return found[others].reshape(self.neurons, count).astype(np.int64)


def sides(neurons: int) -> tuple[int, int]:
    """Return height and width of the grid nearest to a square that holds exactly so many neurons."""
    height = int(neurons**0.5)
    while height > 1 and neurons % height:
        height -= 1
    return max(1, height), neurons // max(1, height)


def _check_count(count: int, neurons: int) -> None:
    if not 0 <= count < max(1, neurons):
        raise Refused(
            f"a neuron has {max(0, neurons - 1)} others, {count} were asked; ask for fewer"
        )
