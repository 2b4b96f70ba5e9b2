"""Numbers into spikes and back.

Spikes are bool [T, ...]: one row for each step, and then the shape of what was encoded. Rates are in
Hz and times in ms; a spike at step t stands for the time t dt. Randomness comes from the generator
that is passed in. The cost of every code is one pass over the spikes it returns.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from potentiate.errors import Refused

Floats = NDArray[np.float64]
Spikes = NDArray[np.bool_]


class _Range(NamedTuple):
    """What numbers may be, both ends included, and how that is said."""

    low: float
    high: float
    rule: str


LARGEST = sys.float_info.max
FINITE = _Range(-LARGEST, LARGEST, "finite numbers")
NOT_NEGATIVE = _Range(0.0, np.inf, "numbers of 0 or more")
ACTIVITY = _Range(0.0, LARGEST, "finite numbers of 0 or more")
SHARE = _Range(0.0, 1.0, "numbers from 0 to 1")


def poisson(rate_hz: ArrayLike, steps: int, dt: float, random: Generator) -> Spikes:
    """Spikes at random times, in a step with chance 1 - exp(-rate dt): one or more of a Poisson process.

    Args:
        rate_hz: [...], Hz; infinity fires in every step.
        steps: T.
        dt: Step, ms.
        random: Where chance comes from.

    Returns:
        [T, ...].

    Raises:
        Refused: A rate is negative or NaN, T or dt is not above 0, or `random` is no generator.
    """
    rates = _numbers("poisson: rate_hz", rate_hz, NOT_NEGATIVE)
    steps = _count("poisson: steps", steps)
    expected = rates * (_positive("poisson: dt", dt) / 1000)
    return bernoulli(-np.expm1(-expected), steps, random)


def bernoulli(p: ArrayLike, steps: int, random: Generator) -> Spikes:
    """Spikes in each step with chance `p`, independent of all others: [...] to [T, ...].

    Raises:
        Refused: A chance is NaN or outside [0, 1], T is not above 0, or `random` is no generator.
    """
    chance = _numbers("bernoulli: p", p, SHARE)
    if not isinstance(random, Generator):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise Refused(f"random is {random}; give a generator, such as numpy.random.default_rng(0)")
    return random.random((_count("bernoulli: steps", steps), *chance.shape)) < chance


def latency(values: ArrayLike, steps: int) -> Spikes:
    """One spike for each value, the larger the sooner: at step round((1 - value) (T - 1)), 0 never.

    Args:
        values: [...], in [0, 1].
        steps: T.

    Returns:
        [T, ...].

    Raises:
        Refused: A value is NaN or outside [0, 1], or T is not above 0.
    """
    given, steps = _numbers("latency: values", values, SHARE), _count("latency: steps", steps)
    return (_clock(steps, given.ndim) == np.round((1.0 - given) * (steps - 1))) & (given > 0.0)


class Fields(NamedTuple):
    """Gaussian receptive fields: centers [n], and the one standard deviation of all."""

    centers: Floats
    width: float


def receptive_fields(count: int, low: float, high: float, overlap: float = 1.5) -> Fields:
    """Fields that cover [low, high] evenly, with the outermost centers half a distance beyond it.

    Their width is the distance of two centers over `overlap`. Towards the ends there are fewer
    fields, so whoever decodes by the population vector lays them a few widths wider.
    Source: Bohte, La Poutre and Kok 2002.

    Raises:
        Refused: There are fewer than three fields, low is not below high, or overlap not above 0.
    """
    ends = _numbers("receptive_fields: low and high", (low, high))
    covered = ends.shape == (2,) and 0 < float(ends[1]) - float(ends[0]) <= LARGEST
    if _count("receptive_fields: count", count) < 3 or not covered:
        raise Refused(
            f"receptive_fields: {count} from {low} to {high} cover nothing; give three or more, and "
            "low below high"
        )
    apart = float(ends[1] - ends[0]) / (count - 2)
    centers = ends[0] + apart * (np.arange(count) - 0.5)
    return Fields(centers, apart / _positive("receptive_fields: overlap", overlap))


def gaussian_population(values: ArrayLike, centers: ArrayLike, width: float) -> Floats:
    """Activity in [0, 1] of neurons that each prefer another value: exp(-(value - center)^2 / 2 width^2).

    Args:
        values: [...].
        centers: [n], what the neurons prefer.
        width: Standard deviation of all, in the unit of the values.

    Returns:
        [..., n], to be multiplied by the highest rate for `poisson`, or given to `latency`.

    Raises:
        Refused: A value or a center is not finite, the centers are no row, or width is not above 0.

    Example:
        >>> activity = gaussian_population([0.2, 0.7], *receptive_fields(8, 0.0, 1.0))
        >>> poisson(100.0 * activity, steps=50, dt=1.0, random=np.random.default_rng(0)).shape
        (50, 2, 8)
    """
    given = _numbers("gaussian_population: values", values)
    preferred = _numbers("gaussian_population: centers", centers)
    if preferred.ndim != 1:
        raise Refused("gaussian_population: the centers are no row of numbers; give [n]")
    distance = given[..., None] - preferred
    return np.exp(-0.5 * (distance / _positive("gaussian_population: width", width)) ** 2)


def rank_order(values: ArrayLike, steps: int | None = None) -> Spikes:
    """One neuron a step, by falling value; of equal values the first fires first.

    Args:
        values: [..., n].
        steps: T, to keep the first ranks only. Default: n, so that every neuron fires once.

    Returns:
        [T, ..., n], n^2 cells for a whole order.

    Raises:
        Refused: A value is not finite, there is no axis of neurons, or T is not above 0.

    Source: Thorpe and Gautrais 1998.
    """
    given = _numbers("rank_order: values", values)
    if given.ndim == 0:
        raise Refused("rank_order: one number has no order; give an array [..., n]")
    kept = given.shape[-1] if steps is None else _count("rank_order: steps", steps)
    ranks = np.argsort(np.argsort(-given, axis=-1, kind="stable"), axis=-1)
    return _clock(kept, given.ndim) == ranks


def delta(signal: ArrayLike, threshold: float) -> Spikes:
    """A spike, ON or OFF, when the signal is more than `threshold` off a level that the spike moves by it.

    The level starts as the first value, so the first step is silent. `reconstruction` is off by at
    most the threshold as long as the signal moves by no more than that in a step; after a larger
    jump the level catches up by one threshold a step.

    Args:
        signal: [T, ...].
        threshold: Above 0, in the unit of the signal.

    Returns:
        [T, ..., 2], ON before OFF. Cost: a few NumPy calls a step.

    Raises:
        Refused: The signal is not finite or has no axis of time, or the threshold is not above 0.

    Source: Lichtsteiner, Posch and Delbruck 2008, for a sensor.
    """
    given = _numbers("delta: signal", signal)
    if given.ndim == 0:
        raise Refused("delta: the signal is one number; give an array [T, ...], a row a step")
    height = (given - given[:1]) / _positive("delta: threshold", threshold)
    spikes, level = np.zeros((*given.shape, 2), np.bool_), np.zeros(given.shape[1:], np.int64)
    for t in range(1, len(height)):
        on, off = height[t] > level + 1, height[t] < level - 1
        spikes[t, ..., 0], spikes[t, ..., 1] = on, off
        level = level + on - off
    return spikes


def reconstruction(spikes: ArrayLike, threshold: float, start: ArrayLike = 0.0) -> Floats:
    """The signal that `delta` spikes tell: [T, ..., 2] to [T, ...], from the first value [...] on.

    Raises:
        Refused: The spikes are not such, the threshold is not above 0, or the start does not fit.
    """
    given = _trains("reconstruction", spikes, 0)
    if given.ndim < 2 or given.shape[-1] != 2:
        raise Refused(f"reconstruction: spikes are of shape {given.shape}; give [T, ..., 2]")
    level = np.cumsum(np.subtract(given[..., 0], given[..., 1], dtype=np.float64), axis=0)
    first = _numbers("reconstruction: start", start)
    if first.shape not in ((), level.shape[1:]):
        raise Refused(f"reconstruction: start is of shape {first.shape}; give {level.shape[1:]}")
    return first + _positive("reconstruction: threshold", threshold) * level


def rate(spikes: ArrayLike, dt: float) -> Floats:
    """Mean rate in Hz: spikes or counts [T, ...] with steps of dt ms to [...].

    Raises:
        Refused: There is no step, a count is negative or not finite, or dt is not above 0.
    """
    per_step = _trains("rate", spikes).mean(axis=0, dtype=np.float64)
    return np.asarray(per_step * (1000 / _positive("rate: dt", dt)))


def first_spike(spikes: ArrayLike, dt: float) -> Floats:
    """Time of the first spike in ms, infinity where there is none: [T, ...] with steps of dt ms to [...].

    Raises:
        Refused: There is no step, a count is negative or not finite, or dt is not above 0.
    """
    fired = _trains("first_spike", spikes) != 0
    at = fired.argmax(axis=0) * _positive("first_spike: dt", dt)
    return np.where(fired.any(axis=0), at, np.inf)


def population_vector(activity: ArrayLike, preferred: ArrayLike) -> Floats:
    """What neurons prefer, averaged by their activity; NaN where all are silent.

    Args:
        activity: [..., n], rates or counts.
        preferred: [n] values, giving [...]; or [n, k] vectors, giving [..., k], whose directions are
            those of Georgopoulos, Schwartz and Kettner 1986.

    Raises:
        Refused: An activity is negative or not finite, or the neurons of both differ in number.
    """
    given = _numbers("population_vector: activity", activity, ACTIVITY)
    values = _numbers("population_vector: preferred", preferred)
    if given.ndim == 0 or values.ndim not in (1, 2) or given.shape[-1] != len(values):
        raise Refused(
            f"population_vector: activity is of shape {given.shape} and preferred of {values.shape}; "
            "give [..., n] and [n] or [n, k]"
        )
    total = given.sum(axis=-1).reshape(given.shape[:-1] + (1,) * (values.ndim - 1))
    nothing = np.full(given.shape[:-1] + values.shape[1:], np.nan)
    return np.divide(given @ values, total, out=nothing, where=total > 0)


def _clock(steps: int, axes: int) -> NDArray[np.int64]:
    """The steps as [T, 1, ...], with `axes` ones."""
    return np.arange(steps, dtype=np.int64).reshape(-1, *(1,) * axes)


def _trains(code: str, spikes: Any, steps: int = 1) -> NDArray[Any]:
    """Return spikes or counts of at least so many steps; bool stays, at an eighth of the memory."""
    known = getattr(spikes, "dtype", None) == np.bool_
    given = spikes if known else _numbers(f"{code}: spikes", spikes, ACTIVITY)
    if given.ndim == 0 or len(given) < steps:
        raise Refused(f"{code}: there is no step in the spikes; give [T, ...] with T above 0")
    return given


def _numbers(what: str, values: ArrayLike, allowed: _Range = FINITE) -> Floats:
    """Return `values` as float64; refuse what is no number or not allowed."""
    try:
        found = np.asarray(values)
        given = np.asarray(found if found.dtype.kind in "biufO" else "text", dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise Refused(f"{what} cannot be read as numbers; give {allowed.rule}") from None
    wrong = given[~((given >= allowed.low) & (given <= allowed.high))]
    if wrong.size:
        raise Refused(f"{what} holds {wrong.flat[0]:g}; give {allowed.rule}")
    return given


def _positive(what: str, value: float) -> float:
    with suppress(TypeError, ValueError):  # text cannot be compared
        if 0 < value < np.inf:
            return float(value)
    told = repr(value) if isinstance(value, str) else value
    raise Refused(f"{what} is {told}; give a finite number above 0")


def _count(what: str, value: int) -> int:
    with suppress(TypeError):
        if index(value) > 0:
            return index(value)
    raise Refused(f"{what} is {value}; give a whole number above 0")
