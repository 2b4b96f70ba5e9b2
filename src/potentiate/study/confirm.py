"""The claim: finalists against the baseline and against simply training shorter, on seeds that no decision saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from potentiate.study.blocks import (
    BASELINE,
    Ask,
    Block,
    affordable,
    differences,
    failures,
    run_blocks,
    time_ratios,
)
from potentiate.study.findings import ArmResult
from potentiate.study.interval import Interval
from potentiate.study.plan import Plan
from potentiate.study.record import Record
from potentiate.study.search import label
from potentiate.study.singles import describe, median, resolution
from potentiate.study.statistics import holm, look_alpha, ratio_interval
from potentiate.study.verdict import Judgement, Verdict, judge, unmeasured
from potentiate.study.verdict import confirm as hold_together


@dataclass
class Confirmation:
    """Rows of the confirmation table, the control that counts, and the configuration to recommend."""

    rows: list[ArmResult] = field(default_factory=list[ArmResult])
    blocks: list[Block] = field(default_factory=list[Block])
    control: str | None = None
    best: ArmResult | None = None


def control_arms(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The baseline on shares of its schedule: what anybody gets by just training less."""
    specs = [f"short-schedule:factor={share:g}" for share in sorted(plan.controls, reverse=True)]
    return {spec: (spec,) for spec in specs}


def confirm(
    plan: Plan,
    ask: Ask,
    finalists: Mapping[tuple[str, ...], str],
    probes: Mapping[str, Record],
    *,
    warmed: bool,
) -> Confirmation:
    """Run baseline, controls and finalists in full, block by block, until every question is answered.

    Args:
        plan: Declares looks, margin and alpha.
        ask: Gives a record for a request.
        finalists: Technique specs -> evidence class of the combination.
        probes: For FLOPs.
        warmed: Whether a discarded run opens each block.
    """
    found = Confirmation()
    controls = control_arms(plan)
    own = {
        label(techniques): techniques
        for techniques in finalists
        if label(techniques) not in controls
    }
    arms = {BASELINE: (), **controls, **own}
    seen, waiting = 0, list(arms)
    for look in plan.confirm_looks:
        chosen = {arm: arms[arm] for arm in waiting}
        found.blocks += run_blocks(
            plan, ask, "confirm", chosen, range(seen, look), test=True, warmed=warmed
        )
        seen = look
        judgements = _judgements(plan, found.blocks, list(controls), list(own))
        found.control = _control(judgements, list(controls))
        waiting = _waiting(judgements, waiting, found.control, list(own))
        coming = [number for number in plan.confirm_looks if number > look]
        last = [record for arm, record in found.blocks[-1].items() if arm in waiting]
        if len(waiting) < 2 or not coming or not affordable(plan, ask, coming[0] - look, last):
            break
    _conclude(plan, found, arms, finalists, probes, list(own))
    return found


def _judgements(
    plan: Plan, blocks: Sequence[Block], controls: Sequence[str], own: Sequence[str]
) -> dict[str, Judgement]:
    """Judge controls one by one and finalists together, so that any false claim has chance alpha."""

    def case(arm: str) -> Callable[[float], Judgement]:
        return lambda level: _judge(plan, blocks, arm, level)

    alpha = look_alpha(plan.confirm_looks, plan.alpha)
    return {
        **{arm: _judge(plan, blocks, arm, alpha) for arm in controls},
        **hold_together({arm: case(arm) for arm in own}, plan.confirm_looks, plan.alpha),
    }


def _judge(plan: Plan, blocks: Sequence[Block], arm: str, alpha: float) -> Judgement:
    mine = [block for block in blocks if arm in block]
    if not any(block[arm].status == "ok" for block in mine):
        return unmeasured(Verdict.FAILED, "every run failed")
    return judge(
        time_ratios(mine, arm),
        differences(plan, mine, arm),
        margin=plan.margin,
        alpha_time=alpha,
        alpha_quality=alpha,
        smallest=plan.smallest,
        memory_ratio=median(b[arm].peak_memory / max(1, b[BASELINE].peak_memory) for b in mine),
        failures=failures(mine, arm),
        resolution=resolution(plan, "test"),
    )


def _control(judgements: Mapping[str, Judgement], controls: Sequence[str]) -> str | None:
    """The shortest control (they are listed from long to short) that is itself not inferior."""
    equal = [c for c in controls if judgements[c].verdict is Verdict.FASTER_EQUAL]
    return equal[-1] if equal else None


def _waiting(
    judgements: Mapping[str, Judgement],
    waiting: Sequence[str],
    control: str | None,
    own: Sequence[str],
) -> list[str]:
    """Arms with an open question; baseline and control stay as long as any finalist is open."""
    answered = (
        Verdict.FASTER_EQUAL,
        Verdict.FASTER_WORSE,
        Verdict.SLOWER,
        Verdict.FAILED,
        Verdict.EQUAL,
    )
    still = [arm for arm in waiting if arm != BASELINE and judgements[arm].verdict not in answered]
    if not still:
        return []
    keep = {
        BASELINE,
        *still,
        *([control] if control else []),
        *(arm for arm in own if arm in waiting),
    }
    return [arm for arm in waiting if arm in keep]


def _conclude(
    plan: Plan,
    found: Confirmation,
    arms: Mapping[str, tuple[str, ...]],
    finalists: Mapping[tuple[str, ...], str],
    probes: Mapping[str, Record],
    own: Sequence[str],
) -> None:
    controls = list(control_arms(plan))
    judgements = _judgements(plan, found.blocks, controls, own)
    found.control = _control(judgements, controls)
    evidence = {label(techniques): kind for techniques, kind in finalists.items()}
    adjusted = holm({arm: judgements[arm].p_claim for arm in own})
    alpha = look_alpha(plan.confirm_looks, plan.alpha)
    for arm, judgement in judgements.items():
        mine = [block for block in found.blocks if arm in block]
        row = ArmResult(
            arm, arms[arm], evidence.get(arm, "semantics"), judgement, p_adjusted=adjusted.get(arm)
        )
        row = describe(plan, row, mine, probes, with_quality=True)
        found.rows.append(replace(row, versus_control=_versus(found.control, mine, arm, alpha)))
    claimed = [row for row in found.rows if _holds(row, found.control, own)]
    found.best = min(claimed, key=lambda row: row.seconds, default=None)


def _versus(
    control: str | None, blocks: Sequence[Block], arm: str, alpha: float
) -> Interval | None:
    if control is None or arm == control:
        return None
    ratios = time_ratios([b for b in blocks if control in b], arm, control)
    return ratio_interval(ratios, 2.0 * alpha) if ratios else None


def _holds(row: ArmResult, control: str | None, own: Sequence[str]) -> bool:
    """Whether a row may be recommended: proven, and not beaten by training less.

    The control that counts may itself be recommended: then training shorter is what pays.
    """
    if row.judgement.verdict is not Verdict.FASTER_EQUAL:
        return False
    if row.arm not in own:
        return row.arm == control
    if row.evidence != "semantics" or control is None:
        return True
    versus = row.versus_control
    return versus is not None and math.isfinite(versus.high) and versus.high < 1.0
