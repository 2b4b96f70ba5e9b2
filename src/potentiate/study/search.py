"""The search for levers: what lowers the cost of equal work, and what of it adds up.

The cost is the time, unless the study is to save something else.

A factorial screening models the gain of each and what pairs of them do to each other; then they are
combined greedily. Speed-ups do not multiply, so every addition is measured. Everything here reads
validation data; nothing here is a claim.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from potentiate.study.blocks import (
    BASELINE,
    Ask,
    run_blocks,
)
from potentiate.study.findings import Trial
from potentiate.study.objective import COSTS, cost_ratios
from potentiate.study.plan import Candidate, Plan
from potentiate.study.record import Record
from potentiate.study.singles import Singles
from potentiate.study.statistics import Interval, ratio_interval
from potentiate.study.verdict import Judgement, Verdict

WORTH = 0.99
"""An addition must bring the cost below this share of what it was, a member must earn as much.

By its estimate: asking that each be detectable would build nothing on a noisy machine, and a member
that earned nothing cannot make the whole look good, which is confirmed on fresh seeds.
"""
MOST_FACTORS = 11
"""As many as the Plackett-Burman design of 12 runs holds; the rest gained least alone."""


@dataclass
class Search:
    """The combination as it stands, and how it came about."""

    techniques: tuple[str, ...] = ()
    trials: list[Trial] = field(default_factory=list[Trial])
    interactions: list[tuple[str, str, Interval]] = field(
        default_factory=list[tuple[str, str, Interval]]
    )
    finalists: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])


def name(spec: str) -> str:
    """Return the technique's name of a spec."""
    return spec.partition(":")[0]


def label(techniques: Sequence[str]) -> str:
    """Return the arm's name of a combination."""
    return " + ".join(techniques) or BASELINE


def joined(current: Sequence[str], option: Candidate) -> tuple[str, ...]:
    """Return `current` with `option`, which takes the place of what it excludes or names again."""
    gone = {*option.names, *option.excludes}
    return (*(spec for spec in current if name(spec) not in gone), *option.techniques)


def shortened(techniques: Sequence[str], share: float) -> tuple[str, ...]:
    """Return the combination on `share` of its schedule."""
    rest = tuple(spec for spec in techniques if name(spec) != "short-schedule")
    return rest if share >= 1.0 else (*rest, f"short-schedule:factor={share:g}")


def levers(plan: Plan, singles: Singles) -> list[Candidate]:
    """Candidates that lower the cost of equal work and were not shown to harm; of rivals, the better."""
    gains = {
        arm: cost
        for arm, cost in costs_alone(plan, singles).items()
        if cost <= WORTH and _same_work(singles.probes[arm], singles.probes[BASELINE])
    }
    chosen = list[Candidate]()
    for arm in sorted(gains, key=gains.__getitem__):
        if not _clashes(singles.candidates[arm], chosen):
            chosen.append(singles.candidates[arm])
    return chosen[:MOST_FACTORS]


def _clashes(candidate: Candidate, others: Iterable[Candidate]) -> bool:
    """Whether it names again, or excludes, what one of the others does, or the other way round."""
    return any(
        {*candidate.names} & {*other.names, *other.excludes}
        or {*candidate.excludes} & {*other.names}
        for other in others
    )


def small_levers(plan: Plan, singles: Singles, factors: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that gained nothing alone, but whose part of the time grows once the rest is faster.

    Only what leaves the result as it is: the others owe quality, and are tried as recipes.
    """
    tried = {factor.arm for factor in factors}
    costs = costs_alone(plan, singles)
    return [
        singles.candidates[arm]
        for arm in sorted(costs, key=costs.__getitem__)
        if arm not in tried and singles.candidates[arm].evidence == "exact"
    ]


def costs_alone(plan: Plan, singles: Singles) -> dict[str, float]:
    """Cost ratio of every candidate that runs on its own and was not shown to harm."""
    found = {
        arm: saving(plan, singles, arm)
        for arm, judgement in singles.decided.items()
        if not _harms(plan, judgement)
        and arm in singles.probes
        and not singles.candidates[arm].stops
    }
    return {arm: cost.estimate for arm, cost in found.items() if cost and cost.low <= 1.0}


def _harms(plan: Plan, judgement: Judgement) -> bool:
    """Whether it fails, loses quality, or costs the time that is to be saved."""
    lost = judgement.quality is not None and judgement.quality.high < -plan.margin
    slower = plan.objective == "fastest" and judgement.verdict is Verdict.SLOWER
    return lost or slower or judgement.verdict in (Verdict.FASTER_WORSE, Verdict.FAILED)


def saving(plan: Plan, singles: Singles, arm: str) -> Interval | None:
    """Cost of a candidate alone over the baseline's; None if it was never timed."""
    time = singles.decided[arm].time
    if time is None or plan.objective == "fastest":
        return time
    full = [block for block in singles.quality if arm in block]
    blocks = full or [block for block in singles.timing if arm in block]
    return ratio_interval(cost_ratios(plan.objective, blocks, arm), 2.0 * plan.alpha)


def _same_work(probe: Record, pilot: Record) -> bool:
    """Whether a run of the arm sees as many samples as the baseline's, within a tenth."""
    mine, base = probe.declared_steps * probe.size, pilot.declared_steps * pilot.size
    return abs(mine / max(1, base) - 1.0) < 0.1


def build(
    plan: Plan,
    ask: Ask,
    singles: Singles,
    factors: Sequence[Candidate],
    gains: Sequence[float],
    search: Search,
) -> None:
    """Add factors in the order of their modelled gain while they pay, then drop what no longer does.

    What was too small to show alone is tried again on top: once the step is twice as fast, a part of it
    that was left alone weighs twice as much.
    """
    kept = list[Candidate]()
    ordered = [factors[i] for i in sorted(range(len(factors)), key=gains.__getitem__)]
    for factor in ordered:
        _add(plan, ask, search, kept, factor)
    for factor in small_levers(plan, singles, factors) if kept else []:
        _add(plan, ask, search, kept, factor)
    for factor in list(kept) if len(kept) > 1 else []:
        whole = _specs(kept)
        without = _specs(f for f in kept if f is not factor)
        ratio = _compare(plan, ask, f"build {len(search.trials)}", without, whole)
        good = ratio is not None and ratio.estimate <= WORTH
        search.trials.append(_trial(plan, "keep", factor.arm, without, ratio, good))
        if not good:
            kept.remove(factor)
    search.techniques = _specs(kept)


def _add(plan: Plan, ask: Ask, search: Search, kept: list[Candidate], factor: Candidate) -> None:
    """Add `factor` to what is kept if it goes with all of it and pays."""
    if _clashes(factor, kept):
        return
    current = _specs(kept)
    phase = f"build {len(search.trials)}"
    ratio = _compare(plan, ask, phase, current, (*current, *factor.techniques))
    good = ratio is not None and ratio.estimate <= WORTH
    search.trials.append(_trial(plan, "add", factor.arm, current, ratio, good))
    if good:
        kept.append(factor)


def _specs(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    return tuple(spec for candidate in candidates for spec in candidate.techniques)


def _compare(
    plan: Plan, ask: Ask, phase: str, a: tuple[str, ...], b: tuple[str, ...]
) -> Interval | None:
    """Cost of combination `b` over `a`, in short paired runs; None if `b` failed."""
    arms = {label(a): a, label(b): b}
    short = dict.fromkeys(arms, plan.short_steps)
    blocks = run_blocks(plan, ask, phase, arms, range(plan.build_blocks), short=short)
    ratios = cost_ratios(plan.objective, blocks, label(b), label(a))
    return ratio_interval(ratios, 0.10) if ratios and all(map(math.isfinite, ratios)) else None


def _trial(
    plan: Plan, stage: str, tried: str, on: Sequence[str], cost: Interval | None, kept: bool
) -> Trial:
    what = COSTS[plan.objective]
    if cost is None:
        reason = "it failed in this combination"
    elif kept:
        reason = f"{what} falls to {cost.estimate:.3f} of what it was"
    else:
        reason = f"{what} is {cost.estimate:.3f} of what it was; 1 % is asked"
    return Trial(stage, tried, label(on), cost, None, kept, reason)
