"""When to look, how many pairs to plan for and when to give up: the sequential part of a study.

Tests here are one-sided Student t tests of paired values (log time ratios, quality differences).
The exact rank test that decides in `statistics` is slightly more careful at the same level, so
levels and sample sizes made here err on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, ndtr, stdtr, stdtrit

from potentiate.errors import Refused

LOOKS = (6, 9, 13, 20)
"""Numbers of paired blocks after which a comparison is judged (the last one ends it)."""

_DRAWS = 400_000


def look_alpha(looks: Sequence[int] = LOOKS, alpha: float = 0.05) -> float:
    """The constant level per look that keeps `alpha` over all the looks together.

    Source: Pocock's constant boundary (Biometrika 64, 1977), here for one-sided t tests at unequal
    numbers of pairs, by a seeded simulation that is cached. Cost: under a second the first time.

    Args:
        looks: Numbers of pairs (each at least 2) at which a decision may be taken, all of them.
        alpha: The one-sided error that the whole sequence may make.

    Returns:
        `alpha` itself for a single look; 0.0187 for the four default looks at 0.05.

    Raises:
        Refused: Looks that do not increase or start below two pairs.
    """
    steps = tuple(looks)
    if not steps or steps[0] < 2 or any(b <= a for a, b in pairwise(steps)):
        raise Refused(f"looks {list(steps)} must increase and start at two pairs or more")
    if not 0.0 < alpha < 1.0:
        raise Refused(f"alpha {alpha} must lie between 0 and 1, for example 0.05")
    if len(steps) == 1:
        return alpha
    return _level(steps, alpha)


@lru_cache(maxsize=256)
def _level(looks: tuple[int, ...], alpha: float) -> float:
    return float(np.quantile(_smallest_p(looks), alpha))


@lru_cache(maxsize=16)
def _smallest_p(looks: tuple[int, ...]) -> NDArray[np.float64]:
    """Smallest p value over the looks, of sequences in which nothing is true; shape (draws,)."""
    rng = np.random.default_rng(20)
    total, squares, seen = np.zeros(_DRAWS), np.zeros(_DRAWS), 0
    smallest = np.ones(_DRAWS)
    for n in looks:
        # Sum and spread of the new pairs are independent, so each needs one draw, not one a pair.
        more = n - seen
        part = rng.standard_normal(_DRAWS) * math.sqrt(more)
        within = rng.chisquare(more - 1, _DRAWS) if more > 1 else np.zeros(_DRAWS)
        total, squares, seen = total + part, squares + within + part**2 / more, n
        spread = np.sqrt((squares - total**2 / n) / (n - 1))
        smallest = np.minimum(smallest, stdtr(n - 1, -total / (spread * math.sqrt(n))))
    return smallest


def conditional_power(
    values: Sequence[float],
    final_n: int,
    alpha: float = 0.05,
    null: float = 0.0,
    drift: float | None = None,
) -> float:
    """Chance that the claim "above `null`" succeeds at `final_n` pairs, given what was seen.

    Below 0.1 it is futile to go on. Source: the B-value of Lan and Wittes (Biometrics 44, 1988).

    Args:
        values: Paired values so far, larger is better: `-log(ratio)` for time, the difference for
            quality. Minus infinity (a crash) counts as three SDs below the worst finite value.
        final_n: Pairs at the last look.
        alpha: One-sided level at that look.
        null: The value to exceed: 0 for time, minus the margin for quality.
        drift: Assumed mean of the pairs to come; None goes on with the mean of those seen.

    Raises:
        Refused: `final_n` does not exceed the number of pairs seen.
    """
    n = len(values)
    if final_n <= n:
        raise Refused(f"no pair is to come: {n} were seen and the last look is at {final_n}")
    seen = np.asarray(values, dtype=np.float64)
    seen = np.where(np.isnan(seen), -np.inf, seen)  # a lost run proves nothing
    finite = seen[np.isfinite(seen)]
    if len(finite) < 2:
        return 0.0 if len(finite) < n else 1.0
    reach = 3.0 * float(finite.std(ddof=1))
    seen = np.clip(seen, finite.min() - reach, finite.max() + reach) - null
    mean, sd = float(seen.mean()), float(seen.std(ddof=1))
    coming = mean if drift is None else drift - null
    if sd == 0.0:
        return float(mean * n + coming * (final_n - n) > 0.0)
    need = float(stdtrit(final_n - 1, 1.0 - alpha)) * math.sqrt(final_n)
    have = (n * mean + (final_n - n) * coming) / sd
    return float(ndtr((have - need) / math.sqrt(final_n - n)))


def _power(effect: float, n: int, alpha: float) -> float:
    """Power of the one-sided t test of `n` pairs for a mean of `effect` SDs."""
    limit = float(stdtrit(n - 1, 1.0 - alpha))
    return 1.0 - float(nctdtr(n - 1, effect * math.sqrt(n), limit))


@lru_cache(maxsize=1024)
def _detectable(n: int, alpha: float, power: float) -> float:
    """Mean in SDs that `n` pairs find with the wanted power, by bisection (power grows with it)."""
    low, high = 0.0, 1.0
    while _power(high, n, alpha) < power:
        low, high = high, 2.0 * high
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _power(middle, n, alpha) < power else (low, middle)
    return high


def minimum_detectable_effect(
    log_sd: float, n: int, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Smallest speed-up that `n` pairs would have shown with the given power.

    Args:
        log_sd: SD of the log time ratios of the blocks.
        n: Number of pairs.
        alpha: One-sided level.
        power: Wanted chance of finding it.

    Returns:
        Baseline time over arm time, 1 or more: 1.04 means that a smaller speed-up than 4 % may
        well be missed. Infinite for fewer than two pairs or an infinite SD (a crashed run).
    """
    if n < 2 or not math.isfinite(log_sd):
        return math.inf
    size = _detectable(n, alpha, power) * log_sd
    return math.exp(size) if size < 700.0 else math.inf


def pairs_needed(margin_over_sd: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Pairs that show non-inferiority when there is truly no difference (noncentral t).

    Args:
        margin_over_sd: The margin divided by the SD of the paired difference.
        power: Wanted chance of showing it.
        alpha: One-sided level.

    Raises:
        Refused: A margin that is not positive, or one so small that over a million pairs are due.
    """
    if not margin_over_sd > 0.0:
        raise Refused(f"margin over SD is {margin_over_sd}; it must be positive, for example 1")
    n = 2
    while _power(margin_over_sd, n, alpha) < power:
        n += 1 if n < 1000 else n // 100
        if n > 1_000_000:
            raise Refused(f"a margin of {margin_over_sd:g} SD needs over a million pairs; widen it")
    return n
