"""The search for a recipe: what to train with, and how short the schedule may then be.

Time and quality are bought separately. At a short schedule the recipe is improved by whatever learns
faster there; a gain of quality is converted into time by what it would cost to gain as much by training
longer. Last, the schedule is shortened as far as quality allows. Everything here reads validation data;
nothing here is a claim.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from potentiate.study.blocks import (
    Ask,
    Block,
    differences,
    quality,
    request,
    run_blocks,
)
from potentiate.study.findings import Trial
from potentiate.study.objective import COSTS, cost_ratios
from potentiate.study.plan import Candidate, Plan
from potentiate.study.record import Record
from potentiate.study.search import Search, joined, label, shortened
from potentiate.study.singles import PROBE_STEPS, Singles
from potentiate.study.statistics import ratio_interval

ADOPT = 0.05
"""Least gain, in units of log time, for which the recipe is changed."""


def improve_recipe(plan: Plan, ask: Ask, search: Search) -> None:
    """At the shortest control's schedule, adopt the option that gains most, as often as one pays.

    What learns faster shortens the schedule, which saves time and energy, but no memory.
    """
    if plan.objective == "smallest":
        return
    share = min(plan.controls)
    remaining = list(plan.options)
    slope = _slope(plan, ask, search.techniques, share) if remaining else math.inf
    for round_number in range(plan.rounds):
        base = shortened(search.techniques, share)
        options = {label(shortened(joined(search.techniques, o), share)): o for o in remaining}
        options = {arm: o for arm, o in options.items() if arm != label(base)}
        arms = {
            label(base): base,
            **{arm: shortened(joined(search.techniques, o), share) for arm, o in options.items()},
        }
        if not options:
            return
        blocks = run_blocks(plan, ask, f"option {round_number}", arms, range(plan.option_blocks))
        scores = {arm: _score(plan, blocks, arm, label(base), slope) for arm in options}
        best = max(scores, key=scores.__getitem__)
        for arm, option in options.items():
            kept = arm == best and scores[arm] >= ADOPT
            search.trials.append(
                _recipe_trial(plan, blocks, arm, label(base), option, scores[arm], kept)
            )
        if scores[best] < ADOPT:
            return
        search.techniques = joined(search.techniques, options[best])
        remaining = [o for o in remaining if o is not options[best]]


def _slope(plan: Plan, ask: Ask, techniques: tuple[str, ...], share: float) -> float:
    """Quality gained per unit of log time by training longer: twice the schedule against once."""
    once, twice = shortened(techniques, share), shortened(techniques, min(1.0, 2 * share))
    arms = {label(once): once, label(twice): twice}
    blocks = run_blocks(plan, ask, "option slope", arms, range(plan.option_blocks))
    gains = [d for d in differences(plan, blocks, label(twice), label(once)) if math.isfinite(d)]
    gain = statistics.fmean(gains) if gains else 0.0
    return max(gain, plan.margin / 3) / math.log(2)


def _score(plan: Plan, blocks: Sequence[Block], arm: str, base: str, slope: float) -> float:
    """Log cost that an option saves, its gain of quality counted at what training longer would cost."""
    gains = differences(plan, blocks, arm, base)
    ratios = cost_ratios(plan.objective, blocks, arm, base)
    if not gains or not ratios or not all(map(math.isfinite, [*gains, *ratios])):
        return -math.inf
    return statistics.fmean(gains) / slope - statistics.fmean(map(math.log, ratios))


def _recipe_trial(
    plan: Plan,
    blocks: Sequence[Block],
    arm: str,
    base: str,
    option: Candidate,
    score: float,
    kept: bool,
) -> Trial:
    ratios = cost_ratios(plan.objective, blocks, arm, base)
    finite = bool(ratios) and all(map(math.isfinite, ratios))
    gains = [d for d in differences(plan, blocks, arm, base) if math.isfinite(d)]
    gain = statistics.fmean(gains) if gains else None
    worth = (
        "it failed"
        if not math.isfinite(score)
        else f"worth {-100 * math.expm1(-max(-5.0, min(5.0, score))):+.0f} % of {COSTS[plan.objective]}"
    )
    return Trial(
        "recipe",
        option.arm,
        base,
        ratio_interval(ratios, 0.10) if finite else None,
        gain,
        kept,
        worth,
    )


def shorten(plan: Plan, ask: Ask, search: Search, reference: Sequence[Record]) -> None:
    """Find the shortest schedule whose validation quality stays above the baseline's less half the margin.

    Walks up or down the ladder of lengths from its middle. The finalists are the shortest that passed
    and the next longer ones; where none passed, the whole schedule.
    """
    floor = (
        statistics.fmean(quality(plan, r) for r in reference if r.status == "ok") - plan.margin / 2
    )
    ladder = sorted(plan.lengths)
    passed = dict[float, bool]()
    at = len(ladder) // 2
    while 0 <= at < len(ladder) and ladder[at] not in passed:
        passed[ladder[at]] = _long_enough(plan, ask, search, ladder[at], floor)
        at += -1 if passed[ladder[at]] else 1
    good = [share for share in ladder if passed.get(share)]
    shares = ladder[ladder.index(min(good)) :][: plan.top] if good else [1.0]
    search.finalists = [shortened(search.techniques, share) for share in shares]


def _long_enough(plan: Plan, ask: Ask, search: Search, share: float, floor: float) -> bool:
    techniques = shortened(search.techniques, share)
    arm = label(techniques)
    blocks = run_blocks(
        plan, ask, f"length {share:g}", {arm: techniques}, range(plan.option_blocks)
    )
    values = [quality(plan, block[arm]) for block in blocks]
    sound = [v for v in values if math.isfinite(v)]
    mean = statistics.fmean(sound) if len(sound) == len(values) and sound else -math.inf
    good = mean >= floor
    reason = (
        f"validation {plan.metric} {abs(mean):.4f} against {abs(floor):.4f} asked"
        if math.isfinite(mean)
        else "it failed"
    )
    search.trials.append(
        Trial(
            "length",
            f"{share:g} of the schedule",
            label(search.techniques),
            None,
            mean,
            good,
            reason,
        )
    )
    return good


def probe_finalists(plan: Plan, ask: Ask, search: Search, singles: Singles) -> None:
    """Count the FLOPs of the finalists and leave out those that cannot run together."""
    sound = list[tuple[str, ...]]()
    for techniques in search.finalists:
        asked = request(
            plan, "probe", label(techniques), techniques, mode="probe", max_steps=PROBE_STEPS
        )
        record = ask(asked)
        if record.status == "ok":
            singles.probes[label(techniques)] = record
            sound.append(techniques)
        else:
            reason = f"it cannot run as a whole: {record.reason}"
            search.trials.append(Trial("length", label(techniques), "", None, None, False, reason))
    search.finalists = sound
