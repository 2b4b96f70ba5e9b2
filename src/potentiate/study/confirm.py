"""The claim: finalists against the baseline and against simply training shorter, on seeds that no decision saw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from potentiate.study.blocks import (
    BASELINE,
    Arms,
    Ask,
    Block,
    affordable,
    differences,
    failures,
    memory_ratio,
    run_blocks,
)
from potentiate.study.findings import ArmResult
from potentiate.study.interval import Interval
from potentiate.study.objective import cost_ratios
from potentiate.study.plan import Objective, Plan
from potentiate.study.record import Record
from potentiate.study.results import describe
from potentiate.study.search import label, name, shortened
from potentiate.study.singles import resolution
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
    cut: list[str] = field(default_factory=list[str])


def control_arms(
    plan: Plan, finalists: Iterable[tuple[str, ...]] = ()
) -> dict[str, tuple[str, ...]]:
    """The baseline on shares of its schedule, from long to short: what anybody gets by training less.

    A finalist that does nothing else is one more of them.
    """
    shares = {share for techniques in finalists if (share := share_alone(techniques)) is not None}
    specs = [shortened((), share) for share in sorted({*plan.controls, *shares}, reverse=True)]
    return {label(techniques): techniques for techniques in specs}


def share_alone(techniques: Sequence[str]) -> float | None:
    """The share of the schedule, if a shorter schedule is all that `techniques` do."""
    if len(techniques) != 1 or name(techniques[0]) != "short-schedule":
        return None
    return float(techniques[0].partition("factor=")[2])


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
    controls = control_arms(plan, finalists)
    own = {label(t): t for t in finalists if share_alone(t) is None}
    evidence = {label(techniques): kind for techniques, kind in finalists.items()}
    arms = {BASELINE: (), **controls, **own}
    seen, waiting = 0, list(arms)
    for look in plan.confirm_looks:
        chosen = {arm: arms[arm] for arm in waiting}
        found.blocks += run_blocks(
            plan, ask, "confirm", chosen, range(seen, look), test=True, warmed=warmed
        )
        seen = look
        found.rows = _rows(plan, found, arms, evidence, probes, controls, own)
        waiting = _waiting(found, waiting, controls, own)
        coming = [number for number in plan.confirm_looks if number > look]
        last = [record.wall for arm, record in found.blocks[-1].items() if arm in waiting]
        if len(waiting) < 2 or not coming:
            break
        if not affordable(plan, ask, coming[0] - look, last):
            found.cut.append(
                f"the claim was looked at after {look} seeds, not {plan.confirm_looks[-1]}"
            )
            break
    claimed = [row for row in found.rows if _holds(plan, row, found.control, own)]
    found.best = min(claimed, key=lambda row: _cost(plan, row), default=None)
    return found


def _cost(plan: Plan, row: ArmResult) -> float:
    return row.saved.estimate if row.saved and plan.objective != "fastest" else row.seconds


def _buys_one_with_the_other(plan: Plan, row: ArmResult) -> bool:
    """Whether time or memory is worse than the baseline's, for the sake of the other."""
    dearer = row.memory_ratio is None or row.memory_ratio > 1.0 + plan.smallest
    return dearer or row.judgement.verdict is Verdict.SLOWER


def _claimed(row: ArmResult) -> Verdict:
    """The verdict by what the study is to save: "faster" then reads "cheaper"."""
    return (row.claim or row.judgement).verdict


def _judgements(
    plan: Plan,
    blocks: Sequence[Block],
    controls: Collection[str],
    own: Collection[str],
    objective: Objective,
) -> dict[str, Judgement]:
    """Judge controls one by one, finalists together: any false claim about a combination has chance alpha."""

    def case(arm: str) -> Callable[[float], Judgement]:
        return lambda level: _judge(plan, blocks, arm, level, objective)

    alpha = look_alpha(plan.confirm_looks, plan.alpha)
    return {
        **{arm: _judge(plan, blocks, arm, alpha, objective) for arm in controls},
        **hold_together({arm: case(arm) for arm in own}, plan.confirm_looks, plan.alpha),
    }


def _judge(
    plan: Plan, blocks: Sequence[Block], arm: str, alpha: float, objective: Objective
) -> Judgement:
    mine = [block for block in blocks if arm in block]
    if not any(block[arm].status == "ok" for block in mine):
        return unmeasured(Verdict.FAILED, "every run failed")
    return judge(
        cost_ratios(objective, mine, arm),
        differences(plan, mine, arm),
        margin=plan.claimed_margin,
        alpha_time=alpha,
        alpha_quality=alpha,
        smallest=plan.smallest,
        memory_ratio=memory_ratio(mine, arm),
        failures=failures(mine, arm),
        resolution=resolution(plan, "test"),
    )


def _rows(
    plan: Plan,
    found: Confirmation,
    arms: Arms,
    evidence: Mapping[str, str],
    probes: Mapping[str, Record],
    controls: Collection[str],
    own: Collection[str],
) -> list[ArmResult]:
    """The confirmation table as the blocks so far have it; the control that counts is noted."""
    by_time = _judgements(plan, found.blocks, controls, own, "fastest")
    claims = by_time
    if plan.objective != "fastest":
        claims = _judgements(plan, found.blocks, controls, own, plan.objective)
    found.control = _control(by_time, controls)
    adjusted = holm({arm: claims[arm].p_claim for arm in own})
    # Beating the control is one more part of the same claim, so it owes the same level.
    alpha = look_alpha(plan.confirm_looks, plan.alpha / max(1, len(own)))
    rows = list[ArmResult]()
    for arm, judgement in by_time.items():
        mine = [block for block in found.blocks if arm in block]
        kind = evidence.get(arm, "semantics")
        row = ArmResult(arm, arms[arm], kind, judgement, p_adjusted=adjusted.get(arm))
        row = describe(plan, row, mine, probes, with_quality=True)
        versus = _versus(plan, found.control, mine, arm, alpha)
        rows.append(replace(row, claim=claims[arm], versus_control=versus))
    return rows


def _control(judgements: Mapping[str, Judgement], controls: Collection[str]) -> str | None:
    """The shortest control that is itself not inferior, asked from long to short until one fails.

    Where none is proven, the longest that was not shown to be worse stands in: quality that is merely
    unproven is no proof that training shorter costs any.
    """
    equal = list(takewhile(lambda c: judgements[c].verdict is Verdict.FASTER_EQUAL, controls))
    if equal:
        return equal[-1]
    lost = (Verdict.FASTER_WORSE, Verdict.FAILED)
    return next((c for c in controls if judgements[c].verdict not in lost), None)


def _waiting(
    found: Confirmation, waiting: Sequence[str], controls: Collection[str], own: Collection[str]
) -> list[str]:
    """Arms with an open question; baseline and control stay as long as any finalist is open."""
    answered = (
        Verdict.FASTER_EQUAL,
        Verdict.FASTER_WORSE,
        Verdict.SLOWER,
        Verdict.FAILED,
        Verdict.EQUAL,
    )
    rows = {row.arm: row for row in found.rows}
    verdicts = {
        arm: _claimed(row) if arm in own else row.judgement.verdict for arm, row in rows.items()
    }
    still = [arm for arm in waiting if arm in rows and verdicts[arm] not in answered]
    still += [arm for arm in own if arm in waiting and _beaten_by_control(rows[arm])]
    if not still:
        return []
    keep = {BASELINE, *still, found.control, *(arm for arm in own if arm in waiting)}
    return [arm for arm in waiting if arm in keep]


def _beaten_by_control(row: ArmResult) -> bool:
    """Whether it is not shown yet that a combination beats training less."""
    versus = row.versus_control
    owes = row.evidence == "semantics" and _claimed(row) is Verdict.FASTER_EQUAL
    return owes and versus is not None and not versus.high < 1.0


def _versus(
    plan: Plan, control: str | None, blocks: Sequence[Block], arm: str, alpha: float
) -> Interval | None:
    if control is None or arm == control or plan.objective == "smallest":
        return None  # a shorter schedule needs as much memory
    ratios = cost_ratios(plan.objective, [b for b in blocks if control in b], arm, control)
    return ratio_interval(ratios, 2.0 * alpha) if ratios else None


def _holds(plan: Plan, row: ArmResult, control: str | None, own: Collection[str]) -> bool:
    """Whether a row may be recommended: proven, and not beaten by training less.

    The control that counts may itself be recommended: then training shorter is what pays.
    """
    if _claimed(row) is not Verdict.FASTER_EQUAL:
        return False
    if plan.objective == "balanced" and _buys_one_with_the_other(plan, row):
        return False
    return not _beaten_by_control(row) if row.arm in own else row.arm == control
