"""What each update made of a topology, as the metrics log keeps it and `potentiate plot` draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.measure import peak_memory
from potentiate.plasticity.structural import Change
from potentiate.topology import Ring, Topology, Units

BINS, BLOCKS, MANY = 32, 32, 1 << 20
"""Bins of a histogram, and blocks of each side of the picture of a topology."""


class Notes:
    """Gathers what updates changed, and how long steps and updates took.

    Attributes:
        taken: Notes that nobody has taken yet.
    """

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.batches = self.updates = 0
        self.batch_seconds = self.update_seconds = 0.0
        self._since = 0, 0.0

    def batch(self, seconds: float) -> None:
        """Count a step, without the update that may have come with it."""
        self.batches += 1
        self.batch_seconds += seconds

    def __bool__(self) -> bool:
        """Whether there is anything to take."""
        return bool(self.taken)

    def take(self) -> list[dict[str, Any]]:
        """Return what there is, and keep it no longer."""
        taken, self.taken = self.taken, []
        return taken

    def update(
        self,
        part: str,
        edges: int,
        change: Change,
        *,
        rule: Any,
        explored: float,
        interval: int,
        rate: float | None,
        seconds: float,
    ) -> None:
        """Note one change of the edges of a layer, which had `edges` of them."""
        self.updates += 1
        self.update_seconds += seconds
        batches, passed = self._since
        mean = (self.batch_seconds - passed) / max(1, self.batches - batches)
        self._since = self.batches, self.batch_seconds
        topology, state = change.topology, change.state
        grown = int((change.moved < 0).sum())
        dropped = edges - (topology.edges - grown)
        metric = getattr(rule, "metric", None)
        metric = Ring(topology.shape[0]) if metric is None and topology.recurrent else metric
        ages = getattr(state, "age", None)
        self.taken.append(
            {
                "part": part,
                "edges": topology.edges,
                "density": topology.density,
                "dropped": dropped,
                "grown": grown,
                "change": dropped / edges if edges else 0.0,
                "explored": explored,
                "band": _span(getattr(rule, "band", None)),
                "threshold": _number(getattr(state, "threshold", None)),
                "interval": interval,
                "rate": rate,
                "seconds": seconds,
                "batch_seconds": mean,
                "memory_mb": peak_memory() / 2**20,
                "fan_in": histogram(topology.fan_in()),
                "fan_out": histogram(topology.fan_out()),
                "ages": None if ages is None else histogram(ages),
                "lengths": _lengths(topology, metric),
                "blocks": blocks(topology),
            }
        )


def histogram(values: NDArray[Any]) -> dict[str, list[float]] | None:
    """Return counts of values in at most 32 bins of equal width, None of no values."""
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    whole = np.issubdtype(values.dtype, np.integer)
    count = int(min(BINS, high - low + 1)) if whole else BINS
    ends = (low - 0.5, high + 0.5) if whole else (low, high or 1.0)
    counts, borders = np.histogram(values, bins=count, range=ends)
    return {"edges": [float(b) for b in borders], "counts": [int(c) for c in counts]}


def blocks(topology: Topology) -> list[list[int]]:
    """Return how many edges there are in each of at most 32 x 32 blocks of targets and sources."""
    targets, sources = topology.shape
    rows, columns = min(BLOCKS, targets), min(BLOCKS, sources)
    if not rows or not columns:
        return []
    ends, starts, weight = _some(topology)
    down = ends.astype(np.int64) * rows // targets
    across = starts.astype(np.int64) * columns // sources
    counts = np.bincount(down * columns + across, minlength=rows * columns) * weight
    return [[int(n) for n in row] for row in counts.reshape(rows, columns)]


def _some(topology: Topology) -> tuple[Units, Units, int]:
    """Targets and sources of all edges, of more than a million of every n-th, which counts for n."""
    step = max(1, topology.edges // MANY)
    return topology.targets[::step], topology.sources[::step], step


def _lengths(topology: Topology, metric: Any) -> Mapping[str, Any] | None:
    if metric is None or not topology.edges:
        return None
    ends, starts, weight = _some(topology)
    found = histogram(metric.distance(ends, starts))
    assert found is not None
    return {**found, "counts": [weight * count for count in found["counts"]]}


def _span(value: Any) -> list[float] | None:
    """The least and largest share that a rule declares to replace, where it declares both."""
    ends: Any = value
    return [float(end) for end in ends] if isinstance(value, tuple | list) else None


def _number(value: Any) -> float | None:
    return None if value is None else float(np.asarray(value).item())
