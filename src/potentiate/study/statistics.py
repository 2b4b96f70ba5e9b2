"""Intervals and tests for paired blocks: what a study may say about a difference.

Conventions: a *ratio* is arm time over baseline time of one block (below 1 is faster, infinity is a
crash or a missed target, NaN counts as infinity); a *difference* is arm quality minus baseline
quality of one block, higher being better (NaN counts as minus infinity). P values are one-sided.
Ratios are analyzed as logarithms and per block, never the arms apart. How a typical value is
estimated and tested stands in `location`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.study.front import Directions, front_probability, pareto_front
from potentiate.study.interval import Interval, exponential
from potentiate.study.location import above_p, location_interval
from potentiate.study.looks import (
    LOOKS,
    conditional_power,
    look_alpha,
    minimum_detectable_effect,
    pairs_needed,
)

__all__ = [
    "LOOKS",
    "Directions",
    "Interval",
    "benjamini_hochberg",
    "break_even_steps",
    "conditional_power",
    "difference_interval",
    "equivalent",
    "faster_p",
    "front_probability",
    "holm",
    "inferior_p",
    "log_ratios",
    "look_alpha",
    "minimum_detectable_effect",
    "noninferior_p",
    "paired_median_bootstrap",
    "pairs_needed",
    "pareto_front",
    "ratio_interval",
    "slower_p",
]

Floats = NDArray[np.float64]


def log_ratios(ratios: Sequence[float]) -> Floats:
    """Logarithms of time ratios; NaN becomes infinity (a run without a time was not faster).

    Raises:
        Refused: No ratio at all, or a negative one.
    """
    values = np.asarray(ratios, dtype=np.float64)
    values = np.where(np.isnan(values), np.inf, values)
    if values.size == 0 or bool((values < 0.0).any()):
        raise Refused("time ratios must be one or more numbers of at least 0; measure a pair first")
    with np.errstate(divide="ignore"):
        return np.log(values)


def _differences(differences: Sequence[float]) -> Floats:
    """Quality differences; NaN becomes minus infinity (a run without a quality has lost it)."""
    values = np.asarray(differences, dtype=np.float64)
    if values.size == 0:
        raise Refused("there is no quality difference to judge; evaluate at least one pair of runs")
    return np.where(np.isnan(values), -np.inf, values)


def ratio_interval(ratios: Sequence[float], alpha: float = 0.05) -> Interval:
    """Interval of the typical time ratio (arm over baseline) at level `1 - alpha`.

    With six pairs or more, infinite ratios are
    merely the largest values; with fewer, one is enough to leave the interval open.

    Raises:
        Refused: No ratio, a negative one, or an alpha outside 0 to 1.
    """
    return exponential(location_interval(log_ratios(ratios), alpha, None))


def difference_interval(
    differences: Sequence[float], alpha: float = 0.05, resolution: float = 0.0
) -> Interval:
    """Interval of the typical quality difference (arm minus baseline) at level `1 - alpha`.

    Args:
        differences: One per block, NaN for a run without a quality.
        alpha: Two-sided error.
        resolution: Smallest step of the quality, 1 / number of test examples for an accuracy; 0 if
            unknown. Values inside one step can have an SD of half a step, so with five pairs or
            fewer that much is assumed at least: equal accuracies are no proof of no noise.

    Raises:
        Refused: No difference, or an alpha outside 0 to 1.
    """
    return location_interval(_differences(differences), alpha, resolution / 2.0)


def faster_p(ratios: Sequence[float], alpha: float = 0.05) -> float:
    """P value of "faster" (null: the ratio is 1 or more).

    `alpha` is the level the value will be held against, needed only to choose the test: with six
    pairs ranks cannot go below 1/64, so a stricter level (15 techniques at once) makes it a t test.
    """
    return above_p(-log_ratios(ratios), 0.0, alpha, None)


def slower_p(ratios: Sequence[float], alpha: float = 0.05) -> float:
    """P value of "slower" (null: the ratio is 1 or less); `alpha` as in `faster_p`."""
    return above_p(log_ratios(ratios), 0.0, alpha, None)


def noninferior_p(
    differences: Sequence[float], margin: float, alpha: float = 0.05, resolution: float = 0.0
) -> float:
    """P value of "not worse by the margin" (null: the difference is `-margin` or less)."""
    return above_p(_differences(differences), -margin, alpha, resolution / 2.0)


def inferior_p(
    differences: Sequence[float], margin: float = 0.0, alpha: float = 0.05, resolution: float = 0.0
) -> float:
    """P value of "worse by more than the margin" (null: the difference is `-margin` or more)."""
    return above_p(-_differences(differences), margin, alpha, resolution / 2.0)


def equivalent(ratios: Sequence[float], bound: float = 0.02, alpha: float = 0.05) -> bool:
    """Whether two one-sided tests put the ratio between `1 / (1 + bound)` and `1 + bound`.

    Source: Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987. "Not significant" is not "equal".
    """
    logs, limit = log_ratios(ratios), math.log1p(bound)
    above = above_p(logs, -limit, alpha, None)
    return max(above, above_p(-logs, -limit, alpha, None)) <= alpha


def paired_median_bootstrap(
    ratios: Sequence[float], alpha: float = 0.05, draws: int = 10_000, seed: int = 0
) -> Interval:
    """Cross-check of `ratio_interval`: percentile bootstrap of the median ratio, blocks resampled.

    Raises:
        Refused: Fewer than ten pairs, where such an interval is too narrow.
    """
    logs = log_ratios(ratios)
    n = len(logs)
    if n < 10:
        raise Refused(f"the bootstrap needs ten pairs and has {n}; use the Wilcoxon interval")
    picks = np.random.default_rng(seed).integers(0, n, (draws, n))
    # A quantile that is one of the values needs no arithmetic, which infinities would spoil.
    medians = np.quantile(logs[picks], 0.5, axis=1, method="inverted_cdf")
    low, high = np.quantile(medians, [alpha / 2.0, 1.0 - alpha / 2.0], method="inverted_cdf")
    middle = float(np.quantile(logs, 0.5, method="inverted_cdf"))
    method = f"paired bootstrap of the median, {100.0 * (1.0 - alpha):.3g} %"
    return exponential(Interval(middle, float(low), float(high), n, method))


@overload
def holm(p_values: Mapping[str, float]) -> dict[str, float]: ...
@overload
def holm(p_values: Sequence[float]) -> list[float]: ...
def holm(p_values: Mapping[str, float] | Sequence[float]) -> dict[str, float] | list[float]:
    """Adjusted p values that hold the chance of any false claim (Holm, Scand. J. Stat. 6, 1979)."""
    if isinstance(p_values, Mapping):
        return dict(zip(p_values, holm(list(p_values.values())), strict=True))
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    return _unsorted(np.maximum.accumulate(steps), order)


@overload
def benjamini_hochberg(p_values: Mapping[str, float]) -> dict[str, float]: ...
@overload
def benjamini_hochberg(p_values: Sequence[float]) -> list[float]: ...
def benjamini_hochberg(
    p_values: Mapping[str, float] | Sequence[float],
) -> dict[str, float] | list[float]:
    """Adjusted p values; of those up to q, at most the share q is false on average.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995.
    """
    if isinstance(p_values, Mapping):
        return dict(zip(p_values, benjamini_hochberg(list(p_values.values())), strict=True))
    order = np.argsort(p_values, kind="stable")
    count = len(order)
    steps = np.asarray(p_values, dtype=np.float64)[order] * count / np.arange(1, count + 1)
    return _unsorted(np.minimum.accumulate(steps[::-1])[::-1], order)


def _unsorted(adjusted: Floats, order: NDArray[np.intp]) -> list[float]:
    """Adjusted p values, at most 1, back in the order in which they came."""
    result = np.empty_like(adjusted)
    result[order] = np.minimum(adjusted, 1.0)
    return [float(p) for p in result]


def break_even_steps(
    startup_arm: float, startup_base: float, step_base: float, step_arm: float
) -> float:
    """Number of steps beyond which every longer run is faster with the technique.

    Args:
        startup_arm: Seconds before the first step with the technique (compilation, warm-up).
        startup_base: The same without it.
        step_base: Seconds per step without it.
        step_arm: Seconds per step with it.

    Returns:
        `(startup_arm - startup_base) / (step_base - step_arm)`; 0 if it is ahead from the start on
        and stays so, infinity if no length of run makes it stay ahead.
    """
    cost, gain = startup_arm - startup_base, step_base - step_arm
    if cost <= 0.0:
        ahead = gain > 0.0 or (gain == 0.0 and cost < 0.0)
        return 0.0 if ahead else math.inf
    return cost / gain if gain > 0.0 else math.inf
