"""Each technique alone: can it run, is it exact, what does it do to the time, what to the quality."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from potentiate.study.blocks import (
    BASELINE,
    Ask,
    Block,
    affordable,
    differences,
    failures,
    quality,
    request,
    run_blocks,
    time_ratios,
)
from potentiate.study.findings import ArmResult
from potentiate.study.plan import Candidate, Plan
from potentiate.study.record import Record
from potentiate.study.statistics import (
    benjamini_hochberg,
    break_even_steps,
    conditional_power,
    look_alpha,
)
from potentiate.study.verdict import Judgement, Verdict, judge, unmeasured

PROBE_STEPS = 20
TRACE_TOLERANCE = 1e-3
"""Largest relative difference of a loss within 50 steps that still counts as the same training: rounding
in another order grows along a trajectory, while another algorithm differs from the first steps on."""
HOPELESS = 0.99
"""An arm whose time ratio is surely above this cannot gain 1 %."""
FUTILE = 0.10


@dataclass
class Singles:
    """What is known of every candidate so far.

    Attributes:
        candidates: With the evidence class that the probe left them: an exact one whose trace differs
            owes quality like any other.
        probes: The probe of every arm that ran, the baseline's among them.
        decided: Judgements that need no further runs.
    """

    candidates: dict[str, Candidate] = field(default_factory=dict[str, Candidate])
    probes: dict[str, Record] = field(default_factory=dict[str, Record])
    decided: dict[str, Judgement] = field(default_factory=dict[str, Judgement])
    timing: list[Block] = field(default_factory=list[Block])
    quality: list[Block] = field(default_factory=list[Block])
    notes: list[str] = field(default_factory=list[str])

    @property
    def open(self) -> list[str]:
        """Arms without a judgement yet."""
        return [arm for arm in self.candidates if arm not in self.decided]


def probe(plan: Plan, ask: Ask, pilot: Record, shares: Mapping[str, float]) -> Singles:
    """Run each candidate for a few steps; drop what cannot run, and what could not gain by its nature."""
    singles = Singles(probes={BASELINE: pilot})
    for candidate in plan.candidates:
        arm = candidate.arm
        singles.candidates[arm] = candidate
        reason = candidate.refused or _no_headroom(candidate, shares, plan.smallest)
        if reason:
            singles.decided[arm] = unmeasured(Verdict.INAPPLICABLE, reason)
            continue
        asked = request(
            plan, "probe", arm, candidate.techniques, mode="probe", max_steps=PROBE_STEPS
        )
        record = ask(asked)
        singles.probes[arm] = record
        if record.status != "ok":
            verdict = Verdict.INAPPLICABLE if record.status == "inapplicable" else Verdict.FAILED
            singles.decided[arm] = unmeasured(verdict, record.reason)
        elif candidate.evidence == "exact":
            singles.candidates[arm] = _verified(candidate, record, pilot, singles.notes)
    return singles


def _no_headroom(candidate: Candidate, shares: Mapping[str, float], smallest: float) -> str:
    if not candidate.speeds or not shares:
        return ""
    share = sum(shares.get(part, 0.0) for part in candidate.speeds)
    if share >= smallest:
        return ""
    parts = " and ".join(candidate.speeds)
    return f"{parts} takes {100 * share:.1f} % of the time here, so it cannot gain {100 * smallest:.0f} %"


def _verified(candidate: Candidate, record: Record, pilot: Record, notes: list[str]) -> Candidate:
    """Return the candidate, no longer exact if its trace differs from the baseline's."""
    worst = max(
        (abs(a - b) / max(1.0, abs(b)) for a, b in zip(record.trace, pilot.trace, strict=False)),
        default=0.0,
    )
    if len(record.trace) == len(pilot.trace) and worst <= TRACE_TOLERANCE:
        kind = "bitwise" if record.weights == pilot.weights else f"within {worst:.1e}"
        notes.append(f"{candidate.arm}: the 50-step trace equals the baseline's {kind}")
        return candidate
    notes.append(
        f"{candidate.arm}: its trace departs by {worst:.1e}, so it owes a proof of quality here"
    )
    return replace(candidate, evidence="numerics")


def short_steps(plan: Plan, record: Record, pilot: Record) -> int:
    """Steps of a short run of an arm: as many samples as the baseline's, at least 10, never past its end."""
    same_samples = math.ceil(plan.short_steps * pilot.size / max(1, record.size))
    return min(record.declared_steps, max(10, same_samples))


def time_arms(plan: Plan, ask: Ask, singles: Singles, *, warmed: bool) -> None:
    """Short runs in balanced blocks; arms that cannot gain are decided, exact ones are decided by time alone."""
    timed = [arm for arm in singles.open if not singles.candidates[arm].stops]
    if not timed:
        return
    pilot = singles.probes[BASELINE]
    arms = {BASELINE: (), **{arm: singles.candidates[arm].techniques for arm in timed}}
    short = {arm: short_steps(plan, singles.probes[arm], pilot) for arm in arms}
    singles.timing = run_blocks(
        plan, ask, "timing", arms, range(plan.timing_blocks), short=short, warmed=warmed
    )
    for arm in timed:
        judgement = _judge(plan, singles.timing, arm, plan.alpha, with_quality=False)
        hopeless = judgement.time is not None and judgement.time.low > HOPELESS
        if singles.candidates[arm].evidence == "exact" or hopeless:
            singles.decided[arm] = judgement


def prove_quality(plan: Plan, ask: Ask, singles: Singles, *, warmed: bool) -> None:
    """Full runs of what is left, looked at with spent alpha; an arm leaves when it is shown or hopeless."""
    alpha, seen = look_alpha(plan.looks, plan.alpha), 0
    waiting = singles.open
    for look in plan.looks:
        arms = {BASELINE: (), **{arm: singles.candidates[arm].techniques for arm in waiting}}
        singles.quality += run_blocks(plan, ask, "quality", arms, range(seen, look), warmed=warmed)
        seen, still = look, list[str]()
        for arm in waiting:
            blocks = [block for block in singles.quality if arm in block]
            judgement = _judge(plan, blocks, arm, alpha, with_quality=True)
            singles.decided[arm] = judgement
            if not _settled(plan, judgement, blocks, arm, alpha):
                still.append(arm)
        waiting = still
        if not waiting or not _more(plan, ask, singles.quality[-1], waiting, look):
            break


def _more(plan: Plan, ask: Ask, last: Block, waiting: Sequence[str], look: int) -> bool:
    """Whether the next look fits the budget with the steps after it still to come."""
    coming = [number for number in plan.looks if number > look]
    if not coming:
        return False
    phases = [row.phase for row in plan.forecast]
    later = (
        sum(row.seconds for row in plan.forecast[phases.index("quality") + 1 :]) if phases else 0.0
    )
    records = [last[arm] for arm in (BASELINE, *waiting) if arm in last]
    return affordable(plan, ask, coming[0] - look, records, reserve=later)


def _judge(
    plan: Plan, blocks: Sequence[Block], arm: str, alpha: float, *, with_quality: bool
) -> Judgement:
    memory = median(block[arm].memory / max(1, block[BASELINE].memory) for block in blocks)
    return judge(
        time_ratios(blocks, arm),
        differences(plan, blocks, arm) if with_quality else None,
        margin=plan.margin,
        alpha_time=alpha,
        alpha_quality=alpha,
        smallest=plan.smallest,
        memory_ratio=memory,
        failures=failures(blocks, arm),
        resolution=resolution(plan, "validation"),
    )


def resolution(plan: Plan, part: str) -> float:
    """The smallest step of the quality: one example of an accuracy; 0 for other metrics."""
    count = plan.sizes.get(part, 0)
    return 1.0 / count if plan.metric == "accuracy" and count else 0.0


def _settled(
    plan: Plan, judgement: Judgement, blocks: Sequence[Block], arm: str, alpha: float
) -> bool:
    if judgement.verdict in (
        Verdict.FASTER_EQUAL,
        Verdict.FASTER_WORSE,
        Verdict.SLOWER,
        Verdict.FAILED,
    ):
        return True
    final = plan.looks[-1]
    if len(blocks) >= final:
        return True
    chance = conditional_power(differences(plan, blocks, arm), final, alpha, -plan.margin)
    return chance < FUTILE


def results(plan: Plan, singles: Singles) -> list[ArmResult]:
    """The verdict table, with p values adjusted for the number of techniques."""
    rows = [_result(plan, singles, arm) for arm in singles.candidates if arm in singles.decided]
    adjusted = benjamini_hochberg(
        {r.arm: r.judgement.p_claim for r in rows if r.judgement.time is not None}
    )
    return [_held(plan, replace(row, p_adjusted=adjusted.get(row.arm))) for row in rows]


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
    return (
        describe(plan, row, blocks, singles.probes, with_quality=bool(in_quality))
        if blocks
        else row
    )


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
    steps = median(_steps(r) for r in mine), median(_steps(r) for r in base)
    per_step = median(r.total / _steps(r) for r in mine), median(r.total / _steps(r) for r in base)
    startup = median(r.startup for r in mine), median(r.startup for r in base)
    step = median(r.step_seconds for r in mine), median(r.step_seconds for r in base)
    return replace(
        row,
        runs=len(blocks),
        failures=failures(blocks, arm),
        seconds=median(r.total for r in mine),
        quality=statistics.fmean(quality(plan, r) for r in mine) if with_quality else None,
        steps_ratio=steps[0] / steps[1],
        step_ratio=per_step[0] / per_step[1],
        startup=startup[0],
        break_even_steps=break_even_steps(startup[0], startup[1], step[1], step[0]),
        memory_ratio=median(r.memory for r in mine) / max(1.0, median(r.memory for r in base)),
        flops_ratio=_flops_ratio(_probe_of(arm, probes), probes.get(BASELINE), steps),
        ratios=tuple(time_ratios(blocks, arm)),
        differences=tuple(differences(plan, blocks, arm)) if with_quality else (),
    )


def _steps(record: Record) -> int:
    """Steps that the total time is for: those done in a full run, those declared in a short one."""
    return max(1, record.declared_steps if record.request.max_steps is not None else record.steps)


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


def median(values: Iterable[float]) -> float:
    """Return the median as a float."""
    return float(statistics.median(values))
