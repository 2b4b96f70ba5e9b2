"""Each verdict is reached by the evidence it names, and its sentence says so."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiate.errors import Refused
from potentiate.study.verdict import (
    Judgement,
    Verdict,
    confirm,
    judge,
    speedup,
    unmeasured,
)

FASTER = [0.76, 0.77, 0.75, 0.78, 0.76, 0.77, 0.74, 0.79, 0.76]
SAME = [0.999, 1.001, 1.002, 0.998, 1.0, 1.003, 0.997, 1.001, 0.999]
NOISY = [0.9, 1.1, 1.05, 0.96, 1.2, 0.85, 1.0, 1.1, 0.92]
SLOWER = [1.1, 1.12, 1.09, 1.13, 1.1, 1.11, 1.08, 1.12, 1.1]
KEPT = [0.001, -0.001, 0.0, 0.002, -0.002, 0.0, 0.001, 0.0, -0.001]
VAGUE = [0.01, -0.02, 0.02, -0.01, 0.0, -0.015, 0.012, -0.01, 0.004]
LOST = [-0.02, -0.021, -0.019, -0.022, -0.02, -0.018, -0.02, -0.021, -0.02]


def judged(
    ratios: list[float], quality: list[float] | None = None, memory: float | None = None
) -> Judgement:
    return judge(ratios, quality, margin=0.005, memory_ratio=memory)


@pytest.mark.parametrize(
    ("judgement", "verdict", "words"),
    [
        (judged(FASTER), Verdict.FASTER_EQUAL, "no proof of quality is owed"),
        (judged(FASTER, KEPT), Verdict.FASTER_EQUAL, "quality is kept within the margin of 0.005"),
        (judged(FASTER, VAGUE), Verdict.FASTER_QUALITY_UNPROVEN, "quality is not shown"),
        (judged(FASTER, LOST), Verdict.FASTER_WORSE, "worse by more than the margin"),
        (judged(SAME, KEPT), Verdict.EQUAL, "takes the same time within 2 %"),
        (judged(NOISY), Verdict.UNRESOLVED, "may well have been missed"),
        (judged([0.7]), Verdict.UNRESOLVED, "over 1 paired block,"),
        (judged(SLOWER), Verdict.SLOWER, "1.10x slower"),
        (judged(SLOWER, KEPT, 0.6), Verdict.MEMORY_ONLY, "saves memory (40 % less), not time"),
        (judged(SAME, None, 0.6), Verdict.MEMORY_ONLY, "saves memory"),
        (judged(SLOWER, LOST, 0.6), Verdict.SLOWER, "slower"),
        (judged(SLOWER, KEPT, 0.95), Verdict.SLOWER, "slower"),
        (judged([math.inf, math.nan]), Verdict.FAILED, "no run finished"),
        (judge([], failures=3), Verdict.FAILED, "no run finished"),
        (unmeasured(Verdict.INAPPLICABLE, "there is no GPU."), Verdict.INAPPLICABLE, "no GPU"),
    ],
)
def test_every_verdict(judgement: Judgement, verdict: Verdict, words: str) -> None:
    assert judgement.verdict is verdict
    assert words in judgement.reason
    assert judgement.reason.endswith(".")
    assert judgement.reason.count(". ") == 0


def test_the_verdicts_are_these_nine() -> None:
    assert {v.value for v in Verdict} == {
        "faster-equal", "faster-quality-unproven", "faster-worse", "equal", "unresolved",
        "slower", "memory-only", "inapplicable", "failed",
    }  # fmt: skip


def test_speed_is_told_as_a_speed_up() -> None:
    judgement = judged(FASTER, KEPT)
    assert judgement.time is not None
    shown = speedup(judgement.time)
    assert shown.estimate == pytest.approx(1 / judgement.time.estimate)
    assert (shown.low, shown.high) == (1 / judgement.time.high, 1 / judgement.time.low)
    assert judgement.reason.startswith(
        f"{shown.estimate:.2f}x faster ({shown.low:.2f} to {shown.high:.2f}) over 9 paired blocks"
    )


def test_an_open_interval_inverts_to_zero_and_infinity() -> None:
    opened = judge([0.5]).time
    assert opened is not None
    assert (speedup(opened).low, speedup(opened).high) == (0.0, math.inf)


def test_a_gain_too_small_to_matter_is_not_called_faster() -> None:
    tiny = [0.985, 0.975, 0.99, 0.984, 0.98, 0.995, 0.982, 0.986, 0.988]
    judgement = judge(tiny)
    assert judgement.p_time < 0.05
    assert judgement.verdict is Verdict.EQUAL
    assert judge([ratio - 0.002 for ratio in tiny], alpha_time=0.01).verdict is Verdict.UNRESOLVED
    assert judge(tiny, smallest=0.01).verdict is Verdict.FASTER_EQUAL


def test_a_failed_run_counts_wherever_it_is_reported() -> None:
    inside = judge([*FASTER[:8], math.inf], [*KEPT[:8], math.nan], margin=0.005, failures=1)
    outside = judge(FASTER[:8], KEPT[:8], margin=0.005, failures=1)
    assert (inside.verdict, inside.time, inside.p_time) == (
        outside.verdict, outside.time, outside.p_time
    )  # fmt: skip
    assert inside.quality == outside.quality
    assert "1 of 9 runs failed and count as infinitely slow" in inside.reason
    assert inside.p_time > judged(FASTER).p_time
    assert judge([*FASTER[:5], math.inf]).verdict is Verdict.UNRESOLVED


@given(st.integers(0, 9))
def test_more_failures_never_help(failures: int) -> None:
    fewer, more = judge(FASTER, failures=failures), judge(FASTER, failures=failures + 1)
    assert fewer.p_time <= more.p_time


def test_both_parts_must_pass() -> None:
    judgement = judged(FASTER, VAGUE)
    assert judgement.p_quality is not None
    assert judgement.p_claim == judgement.p_quality > 0.05 > judgement.p_time
    assert judged(FASTER).p_claim == judged(FASTER).p_time
    assert judged(FASTER).p_quality is None


def test_a_margin_below_one_example_is_refused() -> None:
    with pytest.raises(Refused, match="one test example"):
        judge(FASTER, KEPT, margin=0.001, resolution=1 / 360)
    with pytest.raises(Refused, match="positive"):
        judge(FASTER, KEPT)


def test_kept_quality_is_certified() -> None:
    rng = np.random.default_rng(6)
    fast = [0.5 + 0.001 * i for i in range(9)]
    verdicts = [
        judge(fast, [float(d) for d in rng.normal(0.0, 0.002, 9)], margin=0.005).verdict
        for _ in range(200)
    ]
    assert verdicts.count(Verdict.FASTER_EQUAL) >= 190


def test_a_crashing_arm_is_never_certified() -> None:
    rng = np.random.default_rng(10)
    for _ in range(100):
        times = [float(t) for t in np.exp(rng.normal(math.log(0.8), 0.02, 9))]
        for crashed in range(3, 9):
            times[crashed] = math.nan
        assert judge(times).verdict not in (Verdict.FASTER_EQUAL, Verdict.EQUAL)


def case(mean: float, seed: int) -> Callable[[float], Judgement]:
    ratios = np.exp(np.random.default_rng(seed).normal(mean, 0.03, 13))
    return lambda level: judge([float(r) for r in ratios], alpha_time=level, alpha_quality=level)


def test_confirmation_steps_down_as_holm_does() -> None:
    cases = {"strong": case(-0.3, 1), "null": case(0.0, 2), "good": case(-0.1, 3)}
    result = confirm(cases, looks=(13,))
    assert list(result) == list(cases)
    assert result["strong"].verdict is result["good"].verdict is Verdict.FASTER_EQUAL
    assert result["null"].verdict is not Verdict.FASTER_EQUAL
    # Between alpha / 2 and alpha: too weak among two, enough once the other is settled.
    middling: list[float] = []

    def weak(level: float) -> Judgement:
        middling.append(level)
        return judge(FASTER if level >= 0.05 else NOISY, alpha_time=level)

    assert confirm({"strong": case(-0.3, 1), "weak": weak}, (13,))["weak"].p_time < 0.05
    assert middling == [0.025, 0.05]
    assert confirm({}) == {}
