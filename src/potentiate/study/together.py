"""A technique over several data sets: its verdict, by the rules of a single study.

The default is "no difference shown"; "faster at equal quality" asks both halves of the pooled effect, and
is adjusted for the number of techniques. A set on which runs failed, or on which a quality that is owed
was not measured, takes the claim back.
"""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from potentiate.study import numbers
from potentiate.study.findings import ArmResult
from potentiate.study.interval import Interval, exponential
from potentiate.study.plan import Plan
from potentiate.study.pooling import Pooled, pool
from potentiate.study.singles import resolution
from potentiate.study.statistics import benjamini_hochberg, minimum_detectable_effect
from potentiate.study.verdict import Judgement, Part, Verdict, decide, speedup, unmeasured

LEAST = 1e-6
"""Smallest standard error of a set: blocks that agree to the last digit have some noise, too."""
SAVING = 0.10
"""Share of memory from which a saving on every set is worth a verdict of its own."""


@dataclass(frozen=True)
class PooledArm:
    """A technique over the data sets.

    Attributes:
        row: As in a table of one study, its intervals over data sets.
        sets: Its row on each set that has one.
        pooled: On how many sets it was timed; one is no pooling, and the row is that set's.
        held_out: Whether these are the confirmations; else they are the runs with the technique alone.
        time: The pooled logarithm of the time ratio; None on fewer than two sets.
        prediction: Time ratio to expect on one more set like these; None on fewer than three.
    """

    row: ArmResult
    sets: Mapping[str, ArmResult]
    pooled: int
    held_out: bool = False
    time: Pooled | None = None
    prediction: Interval | None = None


def pooled_arm(
    plan: Plan, plans: Mapping[str, Plan], rows: Mapping[str, ArmResult], held_out: bool
) -> PooledArm:
    """Pool a technique's rows, and judge it over the sets.

    Args:
        plan: With the margins and levels that hold over all sets.
        plans: Of each set, for its number of examples.
        rows: The technique's row on each set that has one, at least one.
        held_out: Whether these are confirmations.
    """
    if held_out:
        plan = replace(plan, margin=plan.claimed_margin)
    timed = {name: row for name, row in rows.items() if _sound(row)}
    failed = [name for name, row in rows.items() if _failed(row)]
    first = next(iter(rows.values()))
    if len(timed) < 2:
        return PooledArm(_alone(rows, timed, failed), rows, len(timed), held_out)
    time = pool(*_times(timed))
    quality = _qualities(plans, timed, "test" if held_out else "validation")
    row = replace(
        first,
        evidence=next((r.evidence for r in timed.values() if r.evidence != "exact"), "exact"),
        judgement=_judgement(plan, timed, failed, time, quality),
        runs=sum(r.runs for r in rows.values()),
        failures=sum(r.failures for r in rows.values()),
        memory_ratio=_memory(timed),
        p_adjusted=None,
    )
    ahead = time.prediction(2.0 * plan.alpha)
    return PooledArm(row, rows, len(timed), held_out, time, exponential(ahead) if ahead else None)


def _sound(row: ArmResult) -> bool:
    return len(row.ratios) > 1 and all(map(math.isfinite, row.ratios))


def _failed(row: ArmResult) -> bool:
    lost = not all(map(math.isfinite, row.ratios))
    return lost or row.judgement.verdict is Verdict.FAILED


def _alone(
    rows: Mapping[str, ArmResult], timed: Mapping[str, ArmResult], failed: Sequence[str]
) -> ArmResult:
    """The row of the only set that can speak, or of none."""
    if timed:
        name, row = next(iter(timed.items()))
    else:
        name = failed[0] if failed else next(iter(rows))
        row = rows[name]
    if len(rows) == 1:
        return row
    if timed and failed:
        why = f"runs failed on {_listed(failed)}, and one data set is left"
        return replace(row, judgement=unmeasured(Verdict.UNRESOLVED, f"{why}."))
    reason = f"on {name} alone: {row.judgement.reason}" if timed else row.judgement.reason
    return replace(row, judgement=replace(row.judgement, reason=reason))


def _times(rows: Mapping[str, ArmResult]) -> tuple[list[float], list[float]]:
    """Log time ratio and its error on each set, the ratio as the set's own report gives it."""
    effects, errors = list[float](), list[float]()
    for row in rows.values():
        logs = [math.log(ratio) for ratio in row.ratios]
        time = row.judgement.time
        known = time is not None and 0.0 < time.estimate < math.inf
        effects.append(math.log(time.estimate) if time and known else plain.fmean(logs))
        errors.append(max(LEAST, plain.stdev(logs) / math.sqrt(len(logs))))
    return effects, errors


def _qualities(
    plans: Mapping[str, Plan], rows: Mapping[str, ArmResult], part: str
) -> Pooled | None:
    """The change of quality over all sets; None where one of them owes a proof and has none.

    Where the same numbers are computed, the change is 0.
    """
    effects, errors = list[float](), list[float]()
    for name, row in rows.items():
        found = row.differences
        if row.evidence == "exact":
            effects.append(0.0)
            errors.append(LEAST)
        elif len(found) < 2 or not all(map(math.isfinite, found)):
            return None
        else:
            # Equal accuracies are no proof of no noise, as in a single study.
            sd = max(plain.stdev(found), resolution(plans[name], part) / 2.0, LEAST)
            effects.append(plain.fmean(found))
            errors.append(sd / math.sqrt(len(found)))
    return pool(effects, errors)


def _memory(rows: Mapping[str, ArmResult]) -> float | None:
    known = [row.memory_ratio for row in rows.values() if row.memory_ratio]
    return plain.geometric_mean(known) if known else None


def _judgement(
    plan: Plan,
    rows: Mapping[str, ArmResult],
    failed: Sequence[str],
    time: Pooled,
    quality: Pooled | None,
) -> Judgement:
    alpha, limit = plan.alpha, math.log1p(plan.smallest)
    faster = time.below_p(0.0)
    timed = Part(
        exponential(time.interval(2.0 * alpha)),
        faster,
        faster <= alpha and time.mean <= -limit,
        time.above_p(0.0) <= alpha,
    )
    owed = any(row.evidence != "exact" for row in rows.values())
    kept = _kept(plan, quality) if owed else None
    equal = max(time.above_p(-limit), time.below_p(limit)) <= alpha
    saves = all(row.memory_ratio and row.memory_ratio <= 1.0 - SAVING for row in rows.values())
    verdict = decide(timed, kept, equal, saves)
    if failed and verdict not in (Verdict.SLOWER, Verdict.EQUAL):
        verdict = Verdict.UNRESOLVED
    shown = quality if owed else None
    return Judgement(
        verdict=verdict,
        time=timed.interval,
        quality=shown.interval(2.0 * alpha) if shown else None,
        p_time=timed.p,
        p_quality=kept.p if kept else None,
        mde=minimum_detectable_effect(time.error * math.sqrt(time.count), time.count, alpha),
        memory_ratio=_memory(rows),
        reason=_reason(plan, verdict, timed.interval, shown, owed, failed),
    )


def _kept(plan: Plan, quality: Pooled | None) -> Part:
    """The half of the claim about quality; what was not measured everywhere shows nothing."""
    if quality is None:
        return Part(Interval(math.nan, -math.inf, math.inf, 0, "not measured"), 1.0, False, False)
    p, worse = quality.above_p(-plan.margin), quality.below_p(-plan.margin)
    return Part(quality.interval(2.0 * plan.alpha), p, p <= plan.alpha, worse <= plan.alpha)


def _reason(
    plan: Plan,
    verdict: Verdict,
    ratio: Interval,
    quality: Pooled | None,
    owed: bool,
    failed: Sequence[str],
) -> str:
    """One sentence for a newcomer."""
    speed = numbers.with_span(speedup(ratio))
    words = {
        Verdict.SLOWER: f"slower: {speed} the speed",
        Verdict.EQUAL: f"takes the same time within {numbers.share(plan.smallest)}: {speed}",
        Verdict.UNRESOLVED: f"no difference in time shown: {speed}",
        Verdict.MEMORY_ONLY: f"saves memory on every set, not time: {speed}",
    }
    parts = [f"{words.get(verdict, f'{speed} faster')} over {ratio.n} data sets"]
    allowed = numbers.margin(plan.margin, plan.metric)
    if not owed:
        parts.append("no proof of quality is owed, as the same numbers are computed")
    elif quality is None:
        parts.append("quality was not measured on every one of them")
    else:
        kept = quality.above_p(-plan.margin) <= plan.alpha
        found = numbers.change_with_span(quality.interval(2.0 * plan.alpha), plan.metric)
        shown = "is kept" if kept else "is not shown to be kept"
        parts.append(f"{plan.metric} {shown} within {allowed}: {found}")
    if failed:
        parts.append(f"runs failed on {_listed(failed)}, so nothing is claimed of all sets")
    return "; ".join(parts) + "."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def adjusted(plan: Plan, arms: Sequence[PooledArm]) -> list[PooledArm]:
    """The arms with p values adjusted for their number; "faster" is taken back where it may be luck."""
    timed = {arm.row.arm: arm.row.judgement.p_claim for arm in arms if arm.time}
    values = benjamini_hochberg(timed)
    return [_held(plan, arm, values[arm.row.arm]) if arm.time else arm for arm in arms]


def _held(plan: Plan, arm: PooledArm, p: float) -> PooledArm:
    judged = arm.row.judgement
    if judged.verdict is Verdict.FASTER_EQUAL and p > plan.q:
        reason = (
            f"{judged.reason.rstrip('.')}; not shown, because of so many techniques tried one may look as "
            f"good by luck (adjusted p {p:.2f})."
        )
        judged = replace(judged, verdict=Verdict.UNRESOLVED, reason=reason)
    return replace(arm, row=replace(arm.row, judgement=judged, p_adjusted=p))
