"""What may be said about a technique, and the sentence that says it.

The claim "faster at equal quality" has two parts, and both must pass at their own level: an
intersection-union test, which needs no correction for being two (Berger, Technometrics 24, 1982).
What is not shown is not claimed: the default is "no difference shown".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from potentiate.errors import Refused
from potentiate.study import statistics
from potentiate.study.interval import Interval


class Verdict(StrEnum):
    """The nine things a study can say about an arm."""

    FASTER_EQUAL = "faster-equal"
    FASTER_QUALITY_UNPROVEN = "faster-quality-unproven"
    FASTER_WORSE = "faster-worse"
    EQUAL = "equal"
    UNRESOLVED = "unresolved"
    SLOWER = "slower"
    MEMORY_ONLY = "memory-only"
    INAPPLICABLE = "inapplicable"
    FAILED = "failed"


@dataclass(frozen=True)
class Judgement:
    """A verdict with its evidence.

    Attributes:
        verdict: What may be said.
        time: Interval of arm time over baseline time, None if nothing was timed.
        quality: Interval of arm quality minus baseline quality, None if no proof is owed.
        p_time: One-sided p value of "faster", 1 if nothing was timed.
        p_quality: One-sided p value of "not worse by the margin", None if no proof is owed.
        mde: Smallest speed-up that these blocks would have shown with 80 % power (1.04 is 4 %).
        memory_ratio: Peak memory of the arm over that of the baseline, None if unknown.
        reason: One sentence for a newcomer.

    Both intervals are at level `1 - 2 * alpha` of the one-sided tests, so that they always agree
    with the verdict: 96.3 % at one of four looks, 90 % at a single one.
    """

    verdict: Verdict
    time: Interval | None
    quality: Interval | None
    p_time: float
    p_quality: float | None
    mde: float
    memory_ratio: float | None
    reason: str

    @property
    def p_claim(self) -> float:
        """P value of the whole claim: the larger of its parts."""
        return max(self.p_time, self.p_quality or 0.0)


def speedup(ratio: Interval) -> Interval:
    """Baseline time over arm time ("1.31x faster") from arm time over baseline time."""

    def invert(value: float) -> float:
        return 1.0 / value if value > 0.0 else math.inf

    return Interval(
        invert(ratio.estimate), invert(ratio.high), invert(ratio.low), ratio.n, ratio.method
    )


def unmeasured(verdict: Verdict, reason: str) -> Judgement:
    """The judgement of an arm that was never timed: inapplicable, or failed in its probe."""
    return Judgement(verdict, None, None, 1.0, None, math.inf, None, reason)


@dataclass(frozen=True)
class Part:
    """One half of the claim: the interval, its p value, whether it is shown, and whether its opposite is."""

    interval: Interval
    p: float
    shown: bool
    opposite: bool


def judge(
    time_ratios: Sequence[float],
    quality_differences: Sequence[float] | None = None,
    *,
    margin: float = 0.0,
    alpha_time: float = 0.05,
    alpha_quality: float = 0.05,
    smallest: float = 0.02,
    memory_ratio: float | None = None,
    smallest_saving: float = 0.10,
    failures: int = 0,
    resolution: float = 0.0,
) -> Judgement:
    """Judge one arm against the baseline.

    Args:
        time_ratios: Arm time over baseline time per block; infinity or NaN for a run that crashed,
            went non-finite or missed the target, which counts as infinitely slow.
        quality_differences: Arm minus baseline quality per block, higher is better, NaN for a lost
            run; None where none is owed (the technique computes the same numbers).
        margin: Loss of quality that would still be accepted, in units of the quality.
        alpha_time: One-sided level of "faster" (and "slower", "equal"): the level per look.
        alpha_quality: One-sided level of "not worse by the margin".
        smallest: Smallest speed-up worth the name; also the bounds of "equal".
        memory_ratio: Peak memory, arm over baseline.
        smallest_saving: Share of memory from which a saving is worth a verdict of its own.
        failures: Runs of the arm that failed; those not among `time_ratios` are added to both
            parts.
        resolution: Smallest step of the quality (1 / test examples for an accuracy), 0 if unknown.

    Raises:
        Refused: No run at all, or a margin that is not positive or below one test example.
    """
    ratios, lost = _with_failures(time_ratios, failures)
    time = _time_part(ratios, alpha_time, smallest)
    quality = None
    if quality_differences is not None:
        _check_margin(margin, resolution)
        differences = [*quality_differences, *[-math.inf] * lost]
        quality = _quality_part(differences, margin, alpha_quality, resolution)
    equal = statistics.equivalent(ratios, smallest, alpha_time)
    saves = memory_ratio is not None and memory_ratio <= 1.0 - smallest_saving
    failed = sum(map(math.isinf, ratios))
    verdict = Verdict.FAILED
    if failed < len(ratios):
        verdict = decide(time, quality, equal, saves)
    result = Judgement(
        verdict=verdict,
        time=time.interval,
        quality=None if quality is None else quality.interval,
        p_time=time.p,
        p_quality=None if quality is None else quality.p,
        mde=_detectable(ratios, alpha_time),
        memory_ratio=memory_ratio,
        reason="",
    )
    sentence = _sentence(result, quality, margin, smallest) + _failure_clause(failed, len(ratios))
    return replace(result, reason=sentence + ".")


def _with_failures(time_ratios: Sequence[float], failures: int) -> tuple[list[float], int]:
    """Ratios with every failed run as infinity, and how many had to be added."""
    ratios = [math.inf if math.isnan(ratio) else ratio for ratio in time_ratios]
    lost = max(0, failures - sum(map(math.isinf, ratios)))
    return ratios + [math.inf] * lost, lost


def _detectable(ratios: Sequence[float], alpha: float) -> float:
    if len(ratios) < 2:
        return math.inf
    with np.errstate(invalid="ignore"):  # crashed runs make it NaN, which is as good as infinite
        sd = float(statistics.log_ratios(ratios).std(ddof=1))
    return statistics.minimum_detectable_effect(sd, len(ratios), alpha)


def _check_margin(margin: float, resolution: float) -> None:
    if not margin > 0.0 or margin < resolution:
        raise Refused(
            f"a quality margin of {margin:g} is less than one test example ({resolution:g}) or not "
            "positive; widen the margin or evaluate on more examples"
        )


def _time_part(ratios: Sequence[float], alpha: float, smallest: float) -> Part:
    interval = statistics.ratio_interval(ratios, 2.0 * alpha)
    p = statistics.faster_p(ratios, alpha)
    worth = interval.estimate <= 1.0 / (1.0 + smallest)
    return Part(interval, p, p <= alpha and worth, statistics.slower_p(ratios, alpha) <= alpha)


def _quality_part(
    differences: Sequence[float], margin: float, alpha: float, resolution: float
) -> Part:
    interval = statistics.difference_interval(differences, 2.0 * alpha, resolution)
    p = statistics.noninferior_p(differences, margin, alpha, resolution)
    worse = statistics.inferior_p(differences, margin, alpha, resolution) <= alpha
    return Part(interval, p, p <= alpha, worse)


def decide(time: Part, quality: Part | None, equal: bool, saves: bool) -> Verdict:
    """The verdict from the two halves; a resolved "equal" outranks a tiny proven difference."""
    if time.shown and not equal:
        if quality is None or quality.shown:
            return Verdict.FASTER_EQUAL
        return Verdict.FASTER_WORSE if quality.opposite else Verdict.FASTER_QUALITY_UNPROVEN
    if saves and (quality is None or quality.shown):
        return Verdict.MEMORY_ONLY
    if equal:
        return Verdict.EQUAL
    return Verdict.SLOWER if time.opposite else Verdict.UNRESOLVED


def _sentence(result: Judgement, quality: Part | None, margin: float, smallest: float) -> str:
    """What was found, in words, without the full stop."""
    if result.verdict is Verdict.FAILED or result.time is None:
        return "no run finished: each crashed, met a number that is not finite or missed the target"
    speed = _times(speedup(result.time))
    blocks = f"over {result.time.n} paired block{'s' * (result.time.n != 1)}"
    missed = _missed(result.time, result.mde, smallest)
    time = f"no difference in time shown: {speed} {blocks}, {missed}"
    if result.verdict is Verdict.EQUAL:
        time = f"takes the same time within {100.0 * smallest:g} %: {speed} {blocks}"
    elif result.verdict is Verdict.SLOWER:
        time = f"{_times(result.time, 'slower')} {blocks}"
    elif result.verdict is Verdict.MEMORY_ONLY and result.memory_ratio is not None:
        saved = 100.0 * (1.0 - result.memory_ratio)
        time = f"saves memory ({saved:.0f} % less), not time: {speed} {blocks}"
    elif result.verdict is not Verdict.UNRESOLVED:
        time = f"{_times(speedup(result.time), 'faster')} {blocks}"
    silent = quality is None and result.verdict is not Verdict.FASTER_EQUAL
    return time if silent else f"{time}; {_quality_clause(quality, margin)}"


def _times(ratio: Interval, word: str = "the speed") -> str:
    return f"{ratio.estimate:.2f}x {word} ({ratio.low:.2f} to {ratio.high:.2f})"


def _missed(ratio: Interval, mde: float, smallest: float) -> str:
    """Why nothing was shown about time: too small to matter, or too noisy to see."""
    if ratio.high < 1.0:
        return f"a gain not shown to reach the {100.0 * smallest:g} % that would matter"
    if math.isinf(mde):
        return "and these runs could not have shown any speed-up"
    return f"and a speed-up below {mde:.2f}x may well have been missed"


def _quality_clause(quality: Part | None, margin: float) -> str:
    if quality is None:
        return "no proof of quality is owed, as the same numbers are computed"
    found = quality.interval
    size = f"difference {found.estimate:+.3g}, {found.low:+.3g} to {found.high:+.3g}"
    if quality.shown:
        return f"quality is kept within the margin of {margin:g} ({size})"
    if quality.opposite:
        return f"quality is worse by more than the margin of {margin:g} ({size})"
    return f"quality is not shown to be kept within the margin of {margin:g} ({size})"


def _failure_clause(failed: int, runs: int) -> str:
    if failed in (0, runs):
        return ""
    return f"; {failed} of {runs} runs failed and count as infinitely slow"


def confirm(
    cases: Mapping[str, Callable[[float], Judgement]],
    looks: Sequence[int] = statistics.LOOKS,
    alpha: float = 0.05,
) -> dict[str, Judgement]:
    """Judge several candidates on fresh data so that any false "faster-equal" has chance `alpha`.

    Holm's procedure over the candidates, each at the level that its looks leave: all are judged at
    alpha over their number; those that pass are settled and the rest judged again, less strictly.

    Args:
        cases: Per candidate a function that judges it at a one-sided level per look, for example
            `lambda level: judge(ratios, alpha_time=level, alpha_quality=level)`.
        looks: All looks that are planned, not only those so far; one number for a single look.
        alpha: Chance of any false claim over all candidates and looks.
    """
    settled: dict[str, Judgement] = {}
    while len(settled) < len(cases):
        waiting = {name: case for name, case in cases.items() if name not in settled}
        level = statistics.look_alpha(looks, alpha / len(waiting))
        judged = {name: case(level) for name, case in waiting.items()}
        passed = {n: j for n, j in judged.items() if j.verdict is Verdict.FASTER_EQUAL}
        settled |= passed or judged
    return {name: settled[name] for name in cases}
