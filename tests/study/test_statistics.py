"""Intervals and tests against hand-made cases, published figures, scipy and their own laws."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from potentiate.errors import Refused
from potentiate.study import statistics as s
from potentiate.study.front import knee
from potentiate.study.interval import Interval

scipy_stats: Any = scipy.stats
ratios_of = st.lists(st.floats(0.3, 3.0), min_size=2, max_size=14)
# Accuracies of 50 examples: ties, zeros and repeated values are the rule.
accuracies = st.lists(st.integers(-5, 5).map(lambda k: k / 50), min_size=2, max_size=14)


def noise(n: int, seed: int = 1, sd: float = 0.05, mean: float = 0.0) -> list[float]:
    return [float(x) for x in np.exp(np.random.default_rng(seed).normal(mean, sd, n))]


@pytest.mark.parametrize("n", [6, 9, 13, 20])
def test_rank_p_equals_scipy_without_ties(n: int) -> None:
    ratios = noise(n, seed=n)
    for alternative, p in (("less", s.faster_p(ratios)), ("greater", s.slower_p(ratios))):
        exact = scipy_stats.wilcoxon(np.log(ratios), alternative=alternative, method="exact")
        assert p == pytest.approx(exact.pvalue)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_small_samples_use_t_on_logs(n: int) -> None:
    ratios = noise(n, seed=n)
    exact = scipy_stats.ttest_1samp(np.log(ratios), 0.0, alternative="less")
    assert s.faster_p(ratios) == pytest.approx(exact.pvalue)
    interval = s.ratio_interval(ratios)
    two_sided = scipy_stats.ttest_1samp(np.log(ratios), 0.0).confidence_interval(0.95)
    assert interval.low == pytest.approx(math.exp(two_sided.low))
    assert interval.high == pytest.approx(math.exp(two_sided.high))
    assert interval.method.startswith("Student t")


def test_six_pairs_give_their_range_and_stricter_levels_fall_back_to_t() -> None:
    ratios = [0.80, 0.82, 0.79, 0.85, 0.81, 0.78]
    interval = s.ratio_interval(ratios, alpha=0.05)
    assert (interval.low, interval.high) == (pytest.approx(0.78), pytest.approx(0.85))
    assert "Wilcoxon" in interval.method
    assert s.faster_p(ratios) == 1 / 64
    assert "cannot reach" in s.ratio_interval(ratios, alpha=0.01).method
    assert s.faster_p(ratios, alpha=0.005) < 0.001


def test_a_single_pair_bounds_nothing() -> None:
    interval = s.ratio_interval([0.5])
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.0, math.inf)
    assert s.faster_p([0.5]) == 1.0


def test_a_crash_is_the_largest_value_and_never_helps() -> None:
    good = noise(9, mean=-0.3, sd=0.02)
    crashed = [*good[:8], math.inf]
    assert s.faster_p(good) == 2**-9
    assert s.faster_p(good) < s.faster_p(crashed)
    assert s.ratio_interval(crashed).high == math.inf
    assert s.ratio_interval(crashed).estimate < 1.0
    assert s.faster_p([*good[:8], math.nan]) == s.faster_p(crashed)
    assert s.ratio_interval([0.7, 0.8, math.inf]).high == math.inf
    assert s.faster_p([0.7, 0.7, 0.7, math.inf]) > 0.5
    assert s.ratio_interval([math.inf] * 7) == Interval(
        math.inf, math.inf, math.inf, 7, "Hodges-Lehmann, exact Wilcoxon, 95 %"
    )


def test_crashes_on_both_sides_leave_the_interval_open() -> None:
    interval = s.ratio_interval([0.0, 0.0, 0.9, 1.0, 1.1, math.inf, math.inf])
    assert (interval.low, interval.high) == (0.0, math.inf)


@given(ratios_of, st.sampled_from([0.05, 0.018, 0.005]))
def test_interval_and_test_agree_for_times(ratios: list[float], alpha: float) -> None:
    interval = s.ratio_interval(ratios, 2 * alpha)
    if abs(math.log(interval.high)) > 1e-9:
        assert (s.faster_p(ratios, alpha) <= alpha) == (interval.high < 1.0)
    assert interval.low <= interval.estimate <= interval.high


@given(accuracies, st.sampled_from([0.05, 0.018]), st.sampled_from([0.0, 0.02]))
def test_interval_and_test_agree_for_accuracies(
    differences: list[float], alpha: float, resolution: float
) -> None:
    margin = 0.03
    bound = s.difference_interval(differences, 2 * alpha, resolution).low
    if abs(bound + margin) > 1e-9:
        p = s.noninferior_p(differences, margin, alpha, resolution)
        assert (p <= alpha) == (bound > -margin)


@given(ratios_of)
def test_swapping_the_arms_mirrors_everything(ratios: list[float]) -> None:
    swapped = [1.0 / ratio for ratio in ratios]
    assert s.slower_p(swapped) == pytest.approx(s.faster_p(ratios), abs=1e-9)
    assert 1.0 / s.ratio_interval(swapped).low == pytest.approx(s.ratio_interval(ratios).high)


def test_ties_never_make_the_rank_test_reject_too_often() -> None:
    # Every sign pattern of tied magnitudes is equally likely under the null, so this is exact.
    for magnitudes in ([1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 3, 3, 3, 4]):
        signs = itertools.product((-1, 1), repeat=len(magnitudes))
        p = np.array([
            s.noninferior_p([a * b / 50 for a, b in zip(sign, magnitudes, strict=True)], 0.0)
            for sign in signs
        ])  # fmt: skip
        for alpha in (0.018, 0.05, 0.1):
            assert (p <= alpha).mean() <= alpha


def test_equal_accuracies_are_no_proof_of_no_noise() -> None:
    assert s.noninferior_p([0.0, 0.0], 0.005) == 0.25
    assert s.difference_interval([0.0, 0.0]).low == -math.inf
    # One example in 100 is known to be the step: three equal values leave room for half of it.
    known = s.difference_interval([0.0] * 3, resolution=0.01)
    assert known.low == pytest.approx(-4.303 * 0.005 / math.sqrt(3), rel=1e-3)
    assert s.noninferior_p([0.0] * 6, 0.005) == 1 / 64
    assert s.noninferior_p([-0.005] * 6, 0.005) == 1.0


def test_inferior_is_the_opposite_claim() -> None:
    loss = [-0.04, -0.05, -0.045, -0.05, -0.06, -0.04, -0.05]
    assert s.inferior_p(loss, 0.01) == 2**-7
    assert s.noninferior_p(loss, 0.01) == 1.0
    assert s.noninferior_p([*loss[:6], math.nan], 0.1) > s.noninferior_p(loss, 0.1)


@pytest.mark.parametrize("bad", [[], [-1.0, 0.5]])
def test_senseless_ratios_are_refused(bad: list[float]) -> None:
    with pytest.raises(Refused, match="time ratios"):
        s.ratio_interval(bad)
    with pytest.raises(Refused, match="alpha"):
        s.ratio_interval([0.5, 0.6], alpha=1.5)
    with pytest.raises(Refused, match="quality"):
        s.difference_interval([])


def test_equivalence_needs_narrow_intervals_not_large_p() -> None:
    assert s.equivalent(noise(12, sd=0.005))
    assert not s.equivalent(noise(12, sd=0.10))
    assert not s.equivalent(noise(12, sd=0.002, mean=0.03))


@pytest.mark.parametrize(
    ("power", "pairs"),
    [(0.8, [101, 27, 13, 8, 5, 4, 3]), (0.9, [139, 36, 17, 11, 6, 4, 3])],
)
def test_pairs_needed_gives_the_planning_table(power: float, pairs: list[int]) -> None:
    ratios = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    assert [s.pairs_needed(ratio, power) for ratio in ratios] == pairs
    with pytest.raises(Refused, match="positive"):
        s.pairs_needed(0.0)
    with pytest.raises(Refused, match="million"):
        s.pairs_needed(0.001)


def test_minimum_detectable_effect_undoes_pairs_needed() -> None:
    # 27 pairs find half an SD with 80 % power, so 0.02 of SD makes it just under 1 %.
    found = math.log(s.minimum_detectable_effect(0.02, 27)) / 0.02
    assert 0.48 < found <= 0.5
    assert s.minimum_detectable_effect(0.02, 1) == math.inf
    assert s.minimum_detectable_effect(math.nan, 9) == math.inf


def test_adjusted_p_values() -> None:
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    assert s.holm(p) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    expected = scipy_stats.false_discovery_control(list(p.values()))
    assert list(s.benjamini_hochberg(p).values()) == pytest.approx(expected)
    assert s.holm([0.9, 0.8]) == [1.0, 1.0]
    assert s.holm([]) == s.benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_stricter_than_benjamini_hochberg(p_values: list[float]) -> None:
    strict, lenient = s.holm(p_values), s.benjamini_hochberg(p_values)
    assert all(
        p <= b + 1e-12 <= h + 2e-12 for p, b, h in zip(p_values, lenient, strict, strict=True)
    )


def test_look_alpha_restores_the_level() -> None:
    assert s.look_alpha() == pytest.approx(0.0187, abs=4e-4)
    assert s.look_alpha((9,), 0.05) == 0.05
    assert s.look_alpha((6, 9)) > s.look_alpha((6, 9, 13)) > s.look_alpha()
    for looks in ((), (1, 3), (6, 6)):
        with pytest.raises(Refused, match="increase"):
            s.look_alpha(looks)
    with pytest.raises(Refused, match="alpha"):
        s.look_alpha(alpha=0.0)


def test_conditional_power_tells_hope_from_futility() -> None:
    promising = [1.2, 0.4, 1.9, -0.3, 0.8, 1.4, 0.9, 0.2, 1.1]
    hopeless = [x - 1.1 for x in promising]
    assert s.conditional_power(promising, 20) > 0.9
    assert s.conditional_power(hopeless, 20) < 0.1
    assert s.conditional_power(hopeless, 20, drift=1.0) > s.conditional_power(hopeless, 20)
    assert s.conditional_power(promising, 20, null=3.0) < 0.01
    assert s.conditional_power([0.1, 0.1, 0.1], 9) == 1.0
    crashed = [*promising[:8], -math.inf]
    assert s.conditional_power(crashed, 20) < s.conditional_power(promising, 20)
    assert s.conditional_power([-math.inf] * 6, 20) == 0.0
    with pytest.raises(Refused, match="no pair is to come"):
        s.conditional_power([1.0] * 20, 20)


def test_conditional_power_matches_simulation() -> None:
    rng = np.random.default_rng(4)
    seen = rng.normal(0.3, 1.0, 9)
    future = rng.normal(seen.mean(), seen.std(ddof=1), (20_000, 11))
    whole = np.concatenate([np.tile(seen, (20_000, 1)), future], axis=1)
    t = whole.mean(axis=1) / whole.std(axis=1, ddof=1) * math.sqrt(20)
    share = float((t >= scipy_stats.t.ppf(0.95, 19)).mean())
    assert s.conditional_power(list(seen), 20) == pytest.approx(share, abs=0.03)


def test_bootstrap_cross_check() -> None:
    ratios = noise(12, mean=-0.3)
    check = s.paired_median_bootstrap(ratios)
    assert check == s.paired_median_bootstrap(ratios)
    assert check.low <= check.estimate <= check.high < 1.0
    assert s.paired_median_bootstrap([*ratios, *[math.inf] * 11]).high == math.inf
    with pytest.raises(Refused, match="ten pairs"):
        s.paired_median_bootstrap(ratios[:9])


@pytest.mark.parametrize(
    ("startup_arm", "startup_base", "step_base", "step_arm", "steps"),
    [
        (292.0, 29.0, 0.4, 0.2, 1315.0),
        (1.0, 2.0, 0.4, 0.2, 0.0),
        (2.0, 2.0, 0.4, 0.2, 0.0),
        (1.0, 2.0, 0.3, 0.3, 0.0),
        (2.0, 2.0, 0.3, 0.3, math.inf),
        (1.0, 2.0, 0.2, 0.3, math.inf),
        (3.0, 2.0, 0.2, 0.3, math.inf),
    ],
)
def test_break_even(
    startup_arm: float, startup_base: float, step_base: float, step_arm: float, steps: float
) -> None:
    found = s.break_even_steps(startup_arm, startup_base, step_base, step_arm)
    assert found == pytest.approx(steps)


def point(**axes: tuple[float, float]) -> dict[str, Interval]:
    return {a: Interval((lo + hi) / 2, lo, hi, 9, "") for a, (lo, hi) in axes.items()}


def test_only_sure_losers_leave_the_front() -> None:
    points = {
        "base": point(time=(9.5, 10.5), quality=(0.90, 0.91), flops=(5.0, 5.0)),
        "sure": point(time=(5.0, 6.0), quality=(0.92, 0.93), flops=(5.0, 5.0)),
        "close": point(time=(5.5, 6.5), quality=(0.90, 0.905), flops=(5.0, 5.0)),
        "worse": point(time=(7.0, 8.0), quality=(0.80, 0.81), flops=(6.0, 6.0)),
    }
    directions: s.Directions = {"time": "lower", "quality": "higher", "flops": "lower"}
    assert s.pareto_front(points, directions) == ["sure", "close"]
    assert s.pareto_front({"a": points["sure"], "b": points["sure"]}, directions) == ["a", "b"]
    with pytest.raises(Refused, match="has no memory"):
        s.pareto_front(points, {"memory": "lower"})


def test_probability_of_the_front() -> None:
    samples = {
        "fast": {"time": noise(9, 1, 0.2), "loss": noise(9, 2, 0.2, 0.5)},
        "good": {"time": noise(9, 3, 0.2, 0.5), "loss": noise(9, 4, 0.2)},
        "bad": {"time": noise(9, 5, 0.2, 2.0), "loss": noise(9, 6, 0.2, 2.0)},
        "twin": {"time": noise(9, 12, 0.2), "loss": noise(9, 2, 0.2, 0.5)},
    }
    directions: s.Directions = {"time": "lower", "loss": "lower"}
    chance = s.front_probability(samples, directions)
    assert chance == s.front_probability(samples, directions)
    assert chance["bad"] == 0.0
    assert chance["good"] > 0.95
    # The twins differ in time only, by nothing but noise: one of them is on the front.
    assert 0.05 < chance["twin"] < 0.95
    assert chance["twin"] + chance["fast"] == pytest.approx(1.0, abs=0.05)
    with pytest.raises(Refused, match="equally many"):
        s.front_probability({"a": {"time": [1.0], "loss": []}}, directions)


def test_the_knee_is_nearest_to_the_best_of_every_axis() -> None:
    directions = {"seconds": "lower", "quality": "higher"}
    points = {
        "fast": {"seconds": 1.0, "quality": 0.90},
        "good": {"seconds": 9.0, "quality": 1.00},
        "both": {"seconds": 2.0, "quality": 0.99},
    }
    assert knee(points, directions) == "both"
    assert knee({name: points[name] for name in ("fast", "good")}, directions) is None
