"""Where paired values typically lie: one interval and one test that always agree.

From six pairs on, the Hodges-Lehmann estimate and the exact Wilcoxon signed-rank test decide
(Hodges and Lehmann, Ann. Math. Stat. 34, 1963); with fewer pairs, or where so few cannot reach the
wanted level by ranks (p is at least 2^-n), Student's t does. A tie counts against the claim: it is
the least favorable way of breaking it, so that p values stay valid for accuracies, which are
multiples of one example, and a test at `alpha` agrees with the interval at `2 * alpha`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from potentiate.errors import Refused
from potentiate.study.interval import Interval

Floats = NDArray[np.float64]
_TIE = 1e-12  # differences of accuracies that should be equal differ by rounding only


def _by_ranks(n: int, alpha: float) -> bool:
    """Whether ranks decide: enough pairs, whose smallest possible p value is small enough."""
    return n >= 6 and 2.0**-n <= alpha


@lru_cache(maxsize=256)
def _rank_sum_tail(n: int) -> Floats:
    """P(W >= w) for w = 0 .. n(n+1)/2 + 1; W is the signed-rank sum of n pairs under the null."""
    chance = np.zeros(n * (n + 1) // 2 + 1)
    chance[0] = 1.0
    for rank in range(1, n + 1):
        chance[rank:] = chance[rank:] + chance[:-rank]
        chance /= 2.0
    return np.append(np.cumsum(chance[::-1])[::-1], 0.0)


def _walsh(values: Floats) -> Floats:
    """Means of all pairs, a value with itself included; NaN for opposite infinities."""
    i, j = np.triu_indices(len(values))
    with np.errstate(invalid="ignore"):
        return (values[i] + values[j]) / 2.0


def _rank_interval(values: Floats, alpha: float) -> tuple[float, float, float]:
    """Hodges-Lehmann estimate, low, high: the shifts that the signed-rank test does not refuse."""
    means = _walsh(values)
    tail = _rank_sum_tail(len(values))
    below = int((tail > alpha / 2.0).sum())  # smallest sum that a one-sided test refuses
    last = len(means) - below
    low = np.sort(np.where(np.isnan(means), -np.inf, means))[last]
    high = np.sort(np.where(np.isnan(means), np.inf, means))[-1 - last]
    known = np.sort(means[~np.isnan(means)])
    lower, upper = float(known[(len(known) - 1) // 2]), float(known[len(known) // 2])
    return (lower if lower == upper else (lower + upper) / 2.0), float(low), float(high)


def _moments(values: Floats, floor: float) -> tuple[float, float, float]:
    """Mean, standard error and the size from which a number stands for infinity.

    An infinite value becomes a huge one, which is the limit of the t statistic as a value grows.
    """
    finite = values[np.isfinite(values)]
    huge = 1e6 * (1.0 + float(np.abs(finite).max(initial=0.0)))
    capped = np.clip(values, -huge, huge)
    sd = max(float(capped.std(ddof=1)), floor)
    return float(capped.mean()), sd / math.sqrt(len(values)), huge / 1e3


def _t_interval(values: Floats, alpha: float, floor: float) -> tuple[float, float, float]:
    mean, error, huge = _moments(values, floor)
    half = float(stdtrit(len(values) - 1, 1.0 - alpha / 2.0)) * error
    low, middle, high = (
        math.copysign(math.inf, x) if abs(x) > huge else x for x in (mean - half, mean, mean + half)
    )
    return middle, low, high


def _unproven(values: Floats, alpha: float, floor: float | None) -> bool:
    """Whether equal discrete values of unknown resolution are too few even for a sign test."""
    return floor == 0.0 and bool((values == values[0]).all()) and 2.0 ** -len(values) > alpha


def location_interval(values: Floats, alpha: float, floor: float | None) -> Interval:
    """Interval of the typical value at level `1 - alpha`.

    Args:
        values: One number per block, infinities allowed, NaN not.
        alpha: Two-sided error.
        floor: Least SD of a discrete quantity (0 if its step is unknown); None if continuous, in
            which case equal values mean that there is no noise.

    Raises:
        Refused: An alpha outside 0 to 1.
    """
    if not 0.0 < alpha < 1.0:
        raise Refused(f"alpha {alpha} must lie between 0 and 1, for example 0.05")
    n, level = len(values), f"{100.0 * (1.0 - alpha):.3g} %"
    if n == 1:
        return Interval(float(values[0]), -math.inf, math.inf, 1, "one pair, no interval")
    if _by_ranks(n, alpha / 2.0):
        ends, method = _rank_interval(values, alpha), "Hodges-Lehmann, exact Wilcoxon"
    else:
        ends, method = _t_interval(values, alpha, floor or 0.0), "Student t"
        if _unproven(values, alpha / 2.0, floor):
            ends, method = (ends[0], -math.inf, math.inf), "equal values, too few for a sign test"
        elif n >= 6:
            method = "Student t, as so few pairs cannot reach this level by ranks"
    return Interval(*ends, n, f"{method}, {level}")


def above_p(values: Floats, null: float, alpha: float, floor: float | None) -> float:
    """One-sided p value of "the typical value is above `null`".

    `alpha` is the level it will be held against and only chooses the test; the other arguments are
    those of `location_interval`. A single pair proves nothing: 1.
    """
    n = len(values)
    if n == 1:
        return 1.0
    if _by_ranks(n, alpha):
        return float(_rank_sum_tail(n)[int((_walsh(values) > null + _TIE).sum())])
    mean, error, _ = _moments(values, floor or 0.0)
    if error == 0.0:
        least = 0.0 if floor is None else 2.0**-n
        return least if mean > null + _TIE else 1.0
    return float(stdtr(n - 1, (null - mean) / error))
