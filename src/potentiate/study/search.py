"""The search for a combination: what adds up, what to train with, how short it may be.

Time and quality are bought separately. First the levers on the time of a step are combined, greedily,
from a factorial screening; speed-ups do not multiply, so every addition is measured. Then, at a short
schedule, the recipe is improved by whatever learns faster there; a gain of quality is converted into
time by what it would cost to gain as much by training longer. Last, the schedule is shortened as far
as quality allows. Everything here reads validation data; nothing here is a claim.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from scipy.special import stdtrit

from potentiate.errors import Refused
from potentiate.study.blocks import (
    BASELINE,
    Ask,
    Block,
    differences,
    quality,
    request,
    run_blocks,
    time_ratios,
)
from potentiate.study.design import (
    Effect,
    fit_log_effects,
    fold_over,
    full_factorial,
    plackett_burman_12,
)
from potentiate.study.findings import Trial
from potentiate.study.plan import Candidate, Plan
from potentiate.study.record import Record
from potentiate.study.singles import PROBE_STEPS, Singles, short_steps
from potentiate.study.statistics import Interval, ratio_interval
from potentiate.study.verdict import Verdict

WORTH = 0.99
"""An addition must bring the time below this share of what it was, a member must earn as much."""
ADOPT = 0.05
"""Least gain, in units of log time, for which the recipe is changed."""
FACTORIAL_UP_TO = 4
SUSPECTS = (
    {"compile", "mixed-precision"},
    {"compile", "activation-checkpointing"},
    {"compile", "batch-size"},
    {"mixed-precision", "batch-size"},
    {"mixed-precision", "channels-last"},
)
"""Pairs whose interaction is estimated where there are too many levers to estimate all of them."""
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
    """Candidates that shorten the time of equal work and were not shown to harm; of rivals, the faster."""
    gains = dict[str, float]()
    for arm, candidate in singles.candidates.items():
        judgement, probe = singles.decided.get(arm), singles.probes.get(arm)
        if judgement is None or judgement.time is None or probe is None or candidate.stops:
            continue
        if judgement.verdict in (Verdict.FASTER_WORSE, Verdict.FAILED, Verdict.SLOWER):
            continue
        if _same_work(probe, singles.probes[BASELINE]) and judgement.time.estimate <= WORTH:
            gains[arm] = judgement.time.estimate
    chosen = list[Candidate]()
    for arm in sorted(gains, key=gains.__getitem__):
        candidate = singles.candidates[arm]
        taken = {n for other in chosen for n in other.names}
        if not taken & {*candidate.names, *candidate.excludes}:
            chosen.append(candidate)
    return chosen[:MOST_FACTORS]


def _same_work(probe: Record, pilot: Record) -> bool:
    """Whether a run of the arm sees as many samples as the baseline's, within a tenth."""
    mine, base = probe.declared_steps * probe.size, pilot.declared_steps * pilot.size
    return abs(mine / max(1, base) - 1.0) < 0.1


def screen(
    plan: Plan, ask: Ask, singles: Singles, factors: Sequence[Candidate], search: Search
) -> list[float]:
    """Return the modelled log gain of each factor; interactions are kept in `search`.

    All combinations of up to four factors, with every pair's interaction; else a Plackett-Burman design
    with its mirror image, and the pairs that are known to be suspicious.
    """
    alone = [math.log(_estimate(singles, factor)) for factor in factors]
    if not plan.screen_blocks or len(factors) < 2:
        return alone
    few = len(factors) <= FACTORIAL_UP_TO
    design = (
        full_factorial(len(factors)) if few else fold_over(plackett_burman_12())[:, : len(factors)]
    )
    rows, logs = list[list[int]](), list[float]()
    for block in range(plan.screen_blocks if few else 1):
        for index in _spread(len(design), block):
            row = [int(level) for level in design[index]]
            specs = tuple(
                s for f, on in zip(factors, row, strict=True) if on > 0 for s in f.techniques
            )
            asked = request(
                plan,
                f"screen {index}",
                label(specs),
                specs,
                block=block,
                max_steps=min(_short(plan, singles, f) for f in factors),
            )
            record = ask(asked)
            if record.status == "ok":
                rows.append(row)
                logs.append(math.log(record.total))
    pairs = [(j, i) for i in range(len(factors)) for j in range(i)]
    if not few:
        pairs = [(j, i) for j, i in pairs if {*factors[j].names, *factors[i].names} in SUSPECTS]
    try:
        effects = fit_log_effects(_matrix(rows), logs, pairs)
    except Refused:
        return alone  # too many runs failed for the design to tell the effects apart
    for i, j in pairs:
        interval = _interval(effects[i, j], len(logs), plan.alpha)
        search.interactions.append((factors[i].arm, factors[j].arm, interval))
    return [effects[(i,)].estimate for i in range(len(factors))]


def _interval(effect: Effect, runs: int, alpha: float) -> Interval:
    """The interval of an effect on log time, as a ratio."""
    reach = math.inf
    if effect.spare > 0:
        reach = float(stdtrit(effect.spare, 1.0 - alpha / 2.0)) * effect.error
    logs = (effect.estimate, effect.estimate - reach, effect.estimate + reach)
    low, high = (0.0 if e < -50 else math.inf if e > 50 else math.exp(e) for e in logs[1:])
    method = f"least squares, {effect.spare} degrees of freedom"
    return Interval(math.exp(logs[0]), low, high, runs, method)


def _matrix(rows: list[list[int]]):
    import numpy as np

    return np.array(rows, dtype=np.int64)


def _spread(count: int, seed: int) -> list[int]:
    import numpy as np

    return [int(i) for i in np.random.default_rng(seed).permutation(count)]


def _estimate(singles: Singles, factor: Candidate) -> float:
    judgement = singles.decided[factor.arm]
    return judgement.time.estimate if judgement.time is not None else 1.0


def _short(plan: Plan, singles: Singles, factor: Candidate) -> int:
    return short_steps(plan, singles.probes[factor.arm], singles.probes[BASELINE])


def build(
    plan: Plan,
    ask: Ask,
    singles: Singles,
    factors: Sequence[Candidate],
    gains: Sequence[float],
    search: Search,
) -> None:
    """Add factors in the order of their modelled gain while they pay, then drop what no longer does."""
    kept = list[Candidate]()
    for index in sorted(range(len(factors)), key=gains.__getitem__):
        factor = factors[index]
        current = tuple(s for f in kept for s in f.techniques)
        ratio = _compare(
            plan,
            ask,
            singles,
            f"build {len(search.trials)}",
            current,
            (*current, *factor.techniques),
        )
        good = ratio is not None and ratio.estimate <= WORTH
        search.trials.append(_trial("add", factor.arm, current, ratio, good))
        if good:
            kept.append(factor)
    for factor in list(kept) if len(kept) > 1 else []:
        whole = tuple(s for f in kept for s in f.techniques)
        without = tuple(s for f in kept if f is not factor for s in f.techniques)
        ratio = _compare(plan, ask, singles, f"build {len(search.trials)}", without, whole)
        good = ratio is not None and ratio.estimate <= WORTH
        search.trials.append(_trial("keep", factor.arm, without, ratio, good))
        if not good:
            kept.remove(factor)
    search.techniques = tuple(s for f in kept for s in f.techniques)


def _compare(
    plan: Plan, ask: Ask, singles: Singles, phase: str, a: tuple[str, ...], b: tuple[str, ...]
) -> Interval | None:
    """Time of combination `b` over `a`, in short paired runs; None if `b` failed."""
    arms = {label(a): a, label(b): b}
    short = dict.fromkeys(arms, plan.short_steps)
    blocks = run_blocks(plan, ask, phase, arms, range(plan.build_blocks), short=short)
    ratios = time_ratios(blocks, label(b), label(a))
    return ratio_interval(ratios, 0.10) if ratios and all(map(math.isfinite, ratios)) else None


def _trial(stage: str, tried: str, on: Sequence[str], time: Interval | None, kept: bool) -> Trial:
    if time is None:
        reason = "it failed in this combination"
    elif kept:
        reason = f"time falls to {time.estimate:.3f} of what it was"
    else:
        reason = f"time is {time.estimate:.3f} of what it was; 1 % is asked"
    return Trial(stage, tried, label(on), time, None, kept, reason)


def improve_recipe(plan: Plan, ask: Ask, search: Search) -> None:
    """At the shortest control's schedule, adopt the option that gains most, as often as one pays."""
    share = min(plan.controls)
    slope = _slope(plan, ask, search.techniques, share)
    remaining = list(plan.options)
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
    """Log time that an option saves, its gain of quality counted at what training longer would cost."""
    gains, ratios = differences(plan, blocks, arm, base), time_ratios(blocks, arm, base)
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
    ratios = time_ratios(blocks, arm, base)
    finite = bool(ratios) and all(map(math.isfinite, ratios))
    gains = [d for d in differences(plan, blocks, arm, base) if math.isfinite(d)]
    gain = statistics.fmean(gains) if gains else None
    worth = (
        "it failed"
        if not math.isfinite(score)
        else f"worth {100 * math.expm1(score):+.0f} % of time"
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
    and the next longer ones.
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
    start = ladder.index(min(good)) if good else len(ladder) - 1
    shares = ladder[start : start + plan.top]
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
    search.finalists = sound
