"""Topologies to start from. Random numbers come from the generator that is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt, log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.topology.distance import Metric
from potentiate.topology.edges import Ints, Topology, unit_type

CHUNK = 1 << 21
"""Random keys at a time, 8 MB."""
FEW = 256
"""Below so many possible numbers, all of them are shuffled."""


def erdos_renyi(
    shape: tuple[int, int],
    density: float,
    rng: np.random.Generator,
    *,
    recurrent: bool = False,
) -> Topology:
    """Return a uniformly random topology with exactly round(density * possible) edges.

    Cost: that of `distinct`.
    """
    empty = Topology(
        np.zeros(shape[0] + 1, np.int64), np.empty(0, unit_type(shape)), shape, recurrent
    )
    count = round(_share("density", density) * empty.possible)
    numbers = distinct(empty.possible, count, rng)
    return Topology.from_numbers(numbers, shape, recurrent=recurrent)


def distinct(possible: int, count: int, rng: np.random.Generator) -> Ints:
    """Return `count` different numbers below `possible`, ascending, every set of them equally likely.

    Cost: `count`, or what is left out of `possible` where that is less, and nothing is sorted.
    """
    if not 0 <= count <= possible:
        raise Refused(f"{count} different numbers below {possible} do not exist; ask for fewer")
    if possible < FEW:
        return np.sort(rng.permutation(possible)[:count])
    if 2 * count > possible:
        return np.flatnonzero(_others(possible, distinct(possible, possible - count, rng)))
    found = np.empty(0, np.int64)
    while len(found) < count:
        found = _scattered(possible, count + 4 * isqrt(count) + 8, rng)
    # Every set of the same size is equally likely, and so is what a blind cut leaves of it.
    return found[_others(len(found), distinct(len(found), len(found) - count, rng))]


def _scattered(possible: int, mean: int, rng: np.random.Generator) -> Ints:
    """Return numbers that are each drawn with the same chance, about `mean` of them; rarely none at all."""
    ends: Any = rng.standard_exponential(mean + 4 * isqrt(mean) + 8)
    ends /= -log1p(-mean / possible)
    np.floor(ends, out=ends)
    ends += 1
    np.cumsum(ends, out=ends)  # in place, because the time goes into memory; exact below 2^53
    # Too few gaps to reach the end would favor the beginning.
    inside = int(np.searchsorted(ends, possible, side="right")) if ends[-1] > possible else 0
    return ends[:inside].astype(np.int64) - 1


def _others(possible: int, numbers: Ints) -> NDArray[np.bool_]:
    """Whether each number below `possible` is not among these."""
    others = np.ones(possible, np.bool_)
    others[numbers] = False
    return others


def constant_fan_in(
    shape: tuple[int, int],
    fan_in: int,
    rng: np.random.Generator,
    *,
    recurrent: bool = False,
) -> Topology:
    """Return a topology in which every target has `fan_in` random sources.

    Source: Lasby et al. 2024, arXiv:2305.02299: rows of equal length are as good and faster to read.
    """
    targets, sources = shape
    others = sources - recurrent
    if not 0 <= fan_in <= max(0, others):
        raise Refused(
            f"a target has {max(0, others)} possible sources, {fan_in} were asked; ask for fewer"
        )
    chosen = _distinct_rows(targets, fan_in, others, rng)
    if recurrent:
        chosen += chosen >= np.arange(targets)[:, None]
    return _from_rows(chosen, shape, recurrent=recurrent)


def _distinct_rows(rows: int, count: int, possible: int, rng: np.random.Generator) -> Ints:
    """Return `count` different numbers below `possible` in each row, every set of them equally likely."""
    if 2 * count > possible:
        chosen = np.empty((rows, count), np.int64)
        for first in range(0, rows, max(1, CHUNK // possible)):
            part = slice(first, first + max(1, CHUNK // possible))
            keys = rng.random((len(chosen[part]), possible), np.float32)
            chosen[part] = np.argsort(keys, axis=1)[:, :count]
        return chosen
    chosen = rng.integers(max(1, possible), size=(rows, count))
    # No number is treated unlike another, so no set is likelier than another, whatever is drawn again.
    while bool((again := _twice(chosen)).any()):
        chosen[again] = rng.integers(possible, size=int(again.sum()))
    return chosen


def small_world(metric: Metric, fan_in: int, rewire: float, rng: np.random.Generator) -> Topology:
    """Return a recurrent topology of near neighbors, a share of whose edges comes from anywhere instead.

    Source: Watts & Strogatz 1998, Nature 393:440, here directed: each neuron keeps its `fan_in` sources.

    Args:
        metric: Where the neurons are: a `Ring`, a `Grid` or an `Embedding`.
        fan_in: Sources of each neuron.
        rewire: Chance of each edge to get another source, which is none of the neuron's others.
        rng: Draws both.
    """
    neurons = metric.neurons
    rows = metric.nearest(fan_in)
    moved = rng.random(rows.shape) < _share("rewire", rewire)
    if fan_in >= neurons - 1:
        moved[:] = False  # there is no other source
    self = np.arange(neurons)[:, None]
    waiting = moved
    while bool(waiting.any()):
        rows[waiting] = rng.integers(neurons, size=int(waiting.sum()))
        waiting = moved & (_twice(rows, moved) | (rows == self))
    return _from_rows(rows, (neurons, neurons), recurrent=True)


def _twice(rows: Ints, last: NDArray[np.bool_] | bool = False) -> NDArray[np.bool_]:
    """Whether each number stands in its row before; those marked `last` come after all others."""
    order = np.argsort(2 * rows + last, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, 1)
    same = np.pad(ordered[:, 1:] == ordered[:, :-1], ((0, 0), (1, 0)))[:, : rows.shape[1]]
    result = np.empty(rows.shape, np.bool_)
    np.put_along_axis(result, order, same, 1)
    return result


def _from_rows(rows: Ints, shape: tuple[int, int], *, recurrent: bool) -> Topology:
    targets, fan_in = rows.shape
    ends = np.arange(targets + 1, dtype=np.int64) * fan_in
    return Topology(ends, np.sort(rows, axis=1).astype(unit_type(shape)).ravel(), shape, recurrent)


def erk(shapes: Sequence[tuple[int, int]], density: float) -> list[float]:
    """Return a density for each layer in proportion to (n_in + n_out) / (n_in n_out), together `density`.

    Source: Mocanu et al. 2018 and Evci et al. 2020, arXiv:1911.11134 (the Erdos-Renyi-Kernel rule).
    A layer that would need more edges than it can have is dense, and the others share the rest.
    """
    sizes: Any = np.array([n * m for n, m in shapes], np.float64)
    raw: Any = np.array([(n + m) / (n * m) if n * m else 0.0 for n, m in shapes], np.float64)
    dense = np.zeros(len(shapes), np.bool_)
    budget = _share("density", density) * sizes.sum()
    while True:
        rest, weights = budget - sizes[dense].sum(), (raw * sizes)[~dense].sum()
        densities = np.where(dense, 1.0, raw * (max(rest, 0.0) / weights if weights else 0.0))
        over = ~dense & (densities > 1.0)
        if not bool(over.any()):
            return [float(d) for d in densities]
        dense |= over


def _share(name: str, value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise Refused(f"{name} must lie in [0, 1], got {value}")
    return value
