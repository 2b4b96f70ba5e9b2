"""Rows of the tables: the verdict on an arm, with everything its runs say beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from potentiate.study.blocks import BASELINE, Block, differences, failures, quality, time_ratios
from potentiate.study.findings import ArmResult
from potentiate.study.plan import Plan
from potentiate.study.record import Record
from potentiate.study.singles import Singles, resolution
from potentiate.study.statistics import (
    Interval,
    benjamini_hochberg,
    break_even_steps,
    faster_p,
    noninferior_p,
    ratio_interval,
)
from potentiate.study.verdict import Verdict


def results(plan: Plan, singles: Singles) -> list[ArmResult]:
    """The verdict table, with p values adjusted for the number of techniques."""
    rows = [_result(plan, singles, arm) for arm in singles.candidates if arm in singles.decided]
    timed = [row for row in rows if row.judgement.time is not None]
    adjusted = benjamini_hochberg({row.arm: _p_claim(plan, row, len(timed)) for row in timed})
    return [_held(plan, replace(row, p_adjusted=adjusted.get(row.arm))) for row in rows]


def _p_claim(plan: Plan, row: ArmResult, among: int) -> float:
    """P value of the row's claim, by a test that can reach the level it is held against.

    The smallest p value of six ranks is 1/64, which an adjustment for seven techniques would never pass.
    """
    if not row.ratios:
        return row.judgement.p_claim
    level = plan.q / among
    time = faster_p(row.ratios, level)
    if row.judgement.quality is None:
        return time
    step = resolution(plan, "validation")
    return max(time, noninferior_p(row.differences, plan.margin, level, step))


def _held(plan: Plan, row: ArmResult) -> ArmResult:
    """Take "faster" back where so many techniques were tried that one such result is luck."""
    p = row.p_adjusted
    if row.judgement.verdict is not Verdict.FASTER_EQUAL or p is None or p <= plan.q:
        return row
    reason = (
        f"{row.judgement.reason.rstrip('.')}; not shown, because of so many techniques tried one may "
        f"look as good by luck (adjusted p {p:.2f})."
    )
    return replace(row, judgement=replace(row.judgement, verdict=Verdict.UNRESOLVED, reason=reason))


def _result(plan: Plan, singles: Singles, arm: str) -> ArmResult:
    candidate = singles.candidates[arm]
    in_quality = [block for block in singles.quality if arm in block]
    in_timing = [block for block in singles.timing if arm in block]
    blocks = in_quality or in_timing
    row = ArmResult(arm, candidate.techniques, candidate.evidence, singles.decided[arm])
    if not blocks:
        return row
    row = describe(plan, row, blocks, singles.probes, with_quality=bool(in_quality))
    return replace(row, versus_control=_against_shorter(plan, singles, row))


def _against_shorter(plan: Plan, singles: Singles, row: ArmResult) -> Interval | None:
    """Time over that of just training shorter, for what claims speed by training otherwise."""
    faster = (Verdict.FASTER_EQUAL, Verdict.FASTER_QUALITY_UNPROVEN)
    if row.evidence != "semantics" or row.judgement.verdict not in faster:
        return None
    shorter = (arm for arm in singles.decided if arm.startswith("short-schedule"))
    control = next((c for c in shorter if singles.decided[c].verdict in faster), row.arm)
    blocks = [block for block in singles.quality if {row.arm, control} <= block.keys()]
    ratios = time_ratios(blocks, row.arm, control)
    return ratio_interval(ratios, 2.0 * plan.alpha) if control != row.arm and ratios else None


def describe(
    plan: Plan,
    row: ArmResult,
    blocks: Sequence[Block],
    probes: Mapping[str, Record],
    *,
    with_quality: bool,
) -> ArmResult:
    """Return the row with everything that its blocks and its probe say beside the verdict."""
    arm = row.arm
    mine = [block[arm] for block in blocks if block[arm].status == "ok"]
    base = [block[BASELINE] for block in blocks if block[BASELINE].status == "ok"]
    if not mine or not base:
        return replace(row, runs=len(blocks), failures=failures(blocks, arm))
    steps = _median(_steps(r) for r in mine), _median(_steps(r) for r in base)
    per_step = (
        _median(r.total / _steps(r) for r in mine),
        _median(r.total / _steps(r) for r in base),
    )
    startup = _median(r.startup for r in mine), _median(r.startup for r in base)
    # Spread over the baseline's steps, or a longer step that is done less often would never pay.
    rate = [_median((r.total - r.startup) / steps[1] for r in runs) for runs in (mine, base)]
    return replace(
        row,
        runs=len(blocks),
        failures=failures(blocks, arm),
        seconds=_median(r.total for r in mine),
        quality=statistics.fmean(quality(plan, r) for r in mine) if with_quality else None,
        steps_ratio=steps[0] / steps[1],
        step_ratio=per_step[0] / per_step[1],
        target_ratio=_target_ratio(plan, mine, base) if with_quality else None,
        startup=startup[0],
        break_even_steps=break_even_steps(startup[0], startup[1], rate[1], rate[0]),
        memory_ratio=_median(r.memory for r in mine) / max(1.0, _median(r.memory for r in base)),
        flops_ratio=_flops_ratio(_probe_of(arm, probes), probes.get(BASELINE), steps),
        ratios=tuple(time_ratios(blocks, arm)),
        differences=tuple(differences(plan, blocks, arm)) if with_quality else (),
    )


def _steps(record: Record) -> int:
    """Steps that the total time is for: those done in a full run, those declared in a short one."""
    return max(1, record.declared_steps if record.request.max_steps is not None else record.steps)


def _target_ratio(plan: Plan, mine: Sequence[Record], base: Sequence[Record]) -> float | None:
    """Steps after which validation quality first came within the margin of the baseline's end, over the baseline's."""
    sign = 1.0 if plan.higher_is_better else -1.0
    floor = statistics.fmean(sign * r.validation[plan.metric] for r in base) - plan.margin

    def reached(record: Record) -> float:
        hits = (e["step"] for e in record.history if sign * e[plan.metric] >= floor)
        return next(hits, math.inf)

    slow = _median(reached(r) for r in base)
    return _median(reached(r) for r in mine) / slow if math.isfinite(slow) else None


def _probe_of(arm: str, probes: Mapping[str, Record]) -> Record | None:
    """The arm's own probe; a shorter schedule does the baseline's step, fewer times."""
    alone = arm.startswith("short-schedule:") and " + " not in arm
    return probes.get(arm) or (probes.get(BASELINE) if alone else None)


def _flops_ratio(
    mine: Record | None, base: Record | None, steps: tuple[float, float]
) -> float | None:
    if mine is None or base is None or not mine.flops or not base.flops:
        return None
    counts = [flops["matmul"] + flops["elementwise"] for flops in (mine.flops, base.flops)]
    return steps[0] * counts[0] / (steps[1] * counts[1]) if counts[1] else None


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(values))
