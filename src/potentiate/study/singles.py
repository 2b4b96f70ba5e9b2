"""Each technique alone: can it run, is it exact, what does it do to the time, what to the quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from potentiate.errors import Refused
from potentiate.study.blocks import (
    BASELINE,
    Ask,
    Block,
    affordable,
    differences,
    failures,
    memory_ratio,
    request,
    run_blocks,
    time_ratios,
)
from potentiate.study.objective import COSTS, cost_ratios
from potentiate.study.plan import Candidate, Plan
from potentiate.study.record import Record
from potentiate.study.statistics import (
    conditional_power,
    look_alpha,
    ratio_interval,
)
from potentiate.study.verdict import Judgement, Verdict, judge, unmeasured

PROBE_STEPS = 20
TRACE_TOLERANCE = 1e-3
"""Largest relative difference of a loss within 50 steps that still counts as the same training: rounding
in another order grows along a trajectory, while another algorithm differs from the first steps on."""
HOPELESS = 0.99
"""An arm whose time ratio is surely above this cannot gain 1 %."""
FUTILE = 0.10
FEWEST = 3
"""Pairs below which nothing can be said about quality."""


@dataclass
class Singles:
    """What is known of every candidate so far.

    Attributes:
        candidates: With the evidence class that the probe left them: an exact one whose trace differs
            owes quality like any other.
        probes: The probe of every arm that ran, the baseline's among them.
        decided: Judgements that need no further runs.
        cut: What the budget did not hold.
    """

    candidates: dict[str, Candidate] = field(default_factory=dict[str, Candidate])
    probes: dict[str, Record] = field(default_factory=dict[str, Record])
    decided: dict[str, Judgement] = field(default_factory=dict[str, Judgement])
    timing: list[Block] = field(default_factory=list[Block])
    quality: list[Block] = field(default_factory=list[Block])
    notes: list[str] = field(default_factory=list[str])
    cut: list[str] = field(default_factory=list[str])

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
        reason = candidate.refused or _no_headroom(plan, candidate, shares)
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


def _no_headroom(plan: Plan, candidate: Candidate, shares: Mapping[str, float]) -> str:
    if plan.objective != "fastest":
        return ""  # it may save something else
    if not candidate.speeds or not shares.keys() >= set(candidate.speeds):
        return ""  # where a step is not split, nothing is known of its parts
    smallest = plan.smallest
    share = sum(shares[part] for part in candidate.speeds)
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
        exact = singles.candidates[arm].evidence == "exact"
        judgement = _judge(
            plan,
            singles.timing,
            arm,
            plan.alpha,
            with_quality=False,
            with_memory=exact,  # for the others a saving counts only once quality is proven
        )
        if exact:
            singles.decided[arm] = judgement
        elif _hopeless(plan, singles.timing, arm, judgement):
            singles.decided[arm] = _not_pursued(plan, judgement)


def _hopeless(plan: Plan, blocks: Sequence[Block], arm: str, judgement: Judgement) -> bool:
    """Whether more runs cannot show a gain, so that proving the quality would be for nothing."""
    cost = judgement.time
    if plan.objective != "fastest":
        cost = ratio_interval(cost_ratios(plan.objective, blocks, arm), 2.0 * plan.alpha)
    return cost is not None and cost.low > HOPELESS


def _not_pursued(plan: Plan, judgement: Judgement) -> Judgement:
    """Without a proof of quality nothing is "equal": it saves time, which is not what is to be saved."""
    if judgement.verdict is not Verdict.FASTER_EQUAL:
        return judgement
    reason = (
        f"{judgement.reason.partition(';')[0]}; it saves no {COSTS[plan.objective]}, so its quality was "
        "not measured."
    )
    return replace(judgement, verdict=Verdict.FASTER_QUALITY_UNPROVEN, reason=reason)


def prove_quality(plan: Plan, ask: Ask, singles: Singles, *, warmed: bool) -> None:
    """Full runs of what is left, looked at with spent alpha; an arm leaves when it is shown or hopeless."""
    looks = _affordable_looks(plan, ask, singles)
    alpha, seen = look_alpha(looks, plan.alpha), 0
    waiting = singles.open
    for look in looks:
        arms = {BASELINE: (), **{arm: singles.candidates[arm].techniques for arm in waiting}}
        singles.quality += run_blocks(plan, ask, "quality", arms, range(seen, look), warmed=warmed)
        _refuse_unsound(plan, singles.quality)
        seen, still = look, list[str]()
        for arm in waiting:
            blocks = [block for block in singles.quality if arm in block]
            judgement = _judge(plan, blocks, arm, alpha, with_quality=True)
            singles.decided[arm] = judgement
            claim = judgement
            if plan.objective != "fastest":
                ratios = cost_ratios(plan.objective, blocks, arm)
                claim = _judge(plan, blocks, arm, alpha, with_quality=True, ratios=ratios)
            if not _settled(plan, claim, blocks, arm, alpha, looks[-1]):
                still.append(arm)
        waiting = still
        coming = [number for number in looks if number > look]
        costs = [singles.quality[-1][arm].wall for arm in (BASELINE, *waiting)]
        if not waiting or not coming:
            break
        if not _fits(plan, ask, coming[0] - look, costs):
            singles.cut.append(
                f"quality of techniques alone was looked at after {look} pairs, not {looks[-1]}"
            )
            break


def _refuse_unsound(plan: Plan, blocks: Sequence[Block]) -> None:
    """A baseline that never reaches its end leaves nothing to compare with."""
    if not any(block[BASELINE].status == "ok" for block in blocks):
        raise Refused(
            f"the baseline of '{plan.workload}' does not run to its end: {blocks[0][BASELINE].reason}"
        )


def _affordable_looks(plan: Plan, ask: Ask, singles: Singles) -> tuple[int, ...]:
    """The planned looks; a single one after three pairs where the budget does not hold more.

    The forecast had to guess how many techniques come this far; here it is known.
    """
    records = [singles.probes[arm] for arm in (BASELINE, *singles.open)]
    costs = [record.overhead + record.total for record in records]
    if plan.looks[0] <= FEWEST or _fits(plan, ask, plan.looks[0], costs):
        return plan.looks
    singles.cut.append(
        f"{len(singles.open)} techniques owed quality, more than forecast: each was trained in full on "
        f"{FEWEST} seeds only"
    )
    return (FEWEST,)


def _fits(plan: Plan, ask: Ask, blocks: int, costs: Sequence[float]) -> bool:
    """Whether blocks of runs at these costs, in seconds, leave the steps after them their time."""
    phases = [row.phase for row in plan.forecast]
    later = plan.forecast[phases.index("quality") + 1 :] if "quality" in phases else ()
    return affordable(plan, ask, blocks, costs, reserve=sum(row.seconds for row in later))


def _judge(
    plan: Plan,
    blocks: Sequence[Block],
    arm: str,
    alpha: float,
    *,
    with_quality: bool,
    with_memory: bool = True,
    ratios: Sequence[float] | None = None,
) -> Judgement:
    """Judge an arm by its times, or by `ratios` of another cost."""
    return judge(
        time_ratios(blocks, arm) if ratios is None else ratios,
        differences(plan, blocks, arm) if with_quality else None,
        margin=plan.margin,
        alpha_time=alpha,
        alpha_quality=alpha,
        smallest=plan.smallest,
        memory_ratio=memory_ratio(blocks, arm) if with_memory else None,
        failures=failures(blocks, arm),
        resolution=resolution(plan, "validation"),
    )


def resolution(plan: Plan, part: str) -> float:
    """The smallest step of the quality: one example of an accuracy; 0 for other metrics."""
    count = plan.sizes.get(part, 0)
    return 1.0 / count if plan.metric == "accuracy" and count else 0.0


def _settled(
    plan: Plan, judgement: Judgement, blocks: Sequence[Block], arm: str, alpha: float, final: int
) -> bool:
    if judgement.verdict in (
        Verdict.FASTER_EQUAL,
        Verdict.FASTER_WORSE,
        Verdict.SLOWER,
        Verdict.FAILED,
    ):
        return True
    if len(blocks) >= final or _hopeless(plan, blocks, arm, judgement):
        return True
    chance = conditional_power(differences(plan, blocks, arm), final, alpha, -plan.margin)
    return chance < FUTILE
