"""What the machine and the seed do by themselves: the baseline against the baseline, and where its time goes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import datetime

from scipy.special import chdtri

from potentiate.errors import Refused
from potentiate.study.blocks import BASELINE, Ask, Block, run_blocks, time_ratios
from potentiate.study.findings import Noise
from potentiate.study.plan import Plan
from potentiate.study.record import Record
from potentiate.study.statistics import (
    look_alpha,
    minimum_detectable_effect,
    pairs_needed,
    ratio_interval,
)

AGAIN = "baseline again"
ORDER_LIMIT = 0.01
FEWEST, MOST = 6, 20
"""Pairs of runs below which the rank test shows nothing, and above which a study costs more than it tells."""


def measure_noise(plan: Plan, ask: Ask) -> Noise:
    """Compare the baseline with itself; where the order matters, once more with a discarded run per block."""
    noise = _noise(plan, ask, "noise", warmed=False)
    suspicious = (
        abs(noise.order_effect) > max(ORDER_LIMIT, noise.log_sd)
        or not noise.interval.low <= 1.0 <= noise.interval.high
    )
    return _noise(plan, ask, "noise again", warmed=True) if suspicious else noise


def _noise(plan: Plan, ask: Ask, phase: str, *, warmed: bool) -> Noise:
    arms = {BASELINE: (), AGAIN: ()}
    short = dict.fromkeys(arms, plan.short_steps)
    blocks = run_blocks(
        plan, ask, phase, arms, range(plan.noise_blocks), short=short, warmed=warmed
    )
    ratios = time_ratios(blocks, AGAIN)
    ratios = [r for r in ratios if math.isfinite(r)]
    if not ratios:
        reason = next(r.reason for block in blocks for r in block.values() if r.status != "ok")
        raise Refused(f"the baseline of '{plan.workload}' does not run: {reason}")
    logs = [math.log(r) for r in ratios]
    sd = statistics.stdev(logs) if len(logs) > 1 else 0.0
    return Noise(
        ratios=tuple(ratios),
        interval=ratio_interval(ratios, plan.alpha),
        log_sd=sd,
        order_effect=_order_effect(blocks),
        drift=_drift(blocks),
        smallest_effect=minimum_detectable_effect(sd, max(2, plan.timing_blocks), plan.alpha),
        warmed=warmed,
    )


def looks_for(plan: Plan, noise: Noise, finalists: int = 1) -> tuple[int, ...]:
    """The looks at the confirmation that this noise makes worth having: pairs beyond them show little more.

    Enough pairs are those by which either part of the claim, the smallest speed-up that matters and a
    quality that truly is equal, shows with a chance of 80 % at the level of the planned looks. The
    spreads are those of the baseline, at the upper end of what so few runs say of them (80 %).
    """
    level = look_alpha(plan.confirm_looks, plan.alpha / max(1, finalists))
    effects = [(math.log1p(plan.smallest), _at_most(noise.log_sd, len(noise.ratios)))]
    if noise.quality_sd is not None:
        example = (
            0.5 / max(1, plan.sizes.get("validation", 0)) if plan.metric == "accuracy" else 0.0
        )
        spread = _at_most(max(noise.quality_sd, example), noise.quality_runs)
        effects.append((plan.margin, math.sqrt(2.0) * spread))
    enough = max(
        pairs_needed(max(0.1, size / sd), alpha=level) if sd > 0.0 else 0 for size, sd in effects
    )
    enough = min(max(enough, FEWEST), MOST)
    later = [look for look in plan.confirm_looks if look >= enough]
    return tuple(look for look in plan.confirm_looks if not later or look <= later[0])


def _at_most(sd: float, runs: int) -> float:
    """The 80 % upper bound of a standard deviation that `runs` values gave (chi-square)."""
    if runs < 2:
        return math.inf
    return sd * math.sqrt((runs - 1) / float(chdtri(runs - 1, 0.8)))


def _order_effect(blocks: Sequence[Block]) -> float:
    """Relative time of the second slot over the first."""
    logs = list[float]()
    for block in blocks:
        first, second = sorted(block.values(), key=lambda record: record.request.slot)
        if first.status == second.status == "ok":
            logs.append(math.log(second.total / first.total))
    return math.expm1(statistics.fmean(logs)) if logs else 0.0


def _drift(blocks: Sequence[Block]) -> float:
    """Relative change of the time from the first of the blocks to the last, by a line through the log times."""
    points = [
        (datetime.fromisoformat(record.when).timestamp(), math.log(record.total))
        for block in blocks
        for record in block.values()
        if record.status == "ok" and record.when
    ]
    moments = {moment for moment, _ in points}
    if len(moments) < 3:
        return 0.0
    slope, _ = statistics.linear_regression(*zip(*points, strict=True))
    return math.expm1(slope * (max(moments) - min(moments)))


def headroom(pilot: Record) -> dict[str, float]:
    """Share of the baseline's total time by part, from its probe."""
    split = pilot.phases or {"training steps": pilot.step_seconds}
    training = {part: seconds * pilot.declared_steps for part, seconds in split.items()}
    parts = {
        **training,
        "evaluation": pilot.declared_evaluations * pilot.evaluation_seconds,
        "start-up": pilot.startup,
    }
    total = sum(parts.values())
    return {part: seconds / total for part, seconds in parts.items()} if total > 0 else {}
