"""What a plan will cost, and what is cut from it to fit a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from potentiate.errors import Refused
from potentiate.study.numbers import duration
from potentiate.study.plan import Forecast, Plan
from potentiate.study.record import Record

PROBE_STEPS = 100
SANITY_STEPS = 150
SURVIVORS = 0.4
"""Share of the techniques that owe quality and are expected to reach full runs; most are dropped by their time."""
FINALIST = 0.3
"""Expected length of a finalist's run, as a share of the baseline's."""


def forecast(plan: Plan, pilot: Record) -> tuple[Forecast, ...]:
    """Return the expected runs and seconds of each step, from the pilot's times."""
    full = pilot.overhead + pilot.total + pilot.evaluation_seconds
    short = (
        pilot.overhead
        + pilot.startup
        + plan.short_steps * pilot.step_seconds
        + pilot.evaluation_seconds
    )
    step = pilot.step_seconds
    rows = [
        Forecast("sanity", 1, pilot.overhead + SANITY_STEPS * step + 2 * pilot.evaluation_seconds),
        _runs("noise", 2 * plan.noise_blocks, short),
    ]
    if plan.mode == "baseline-only":
        return (*rows, _runs("quality", plan.looks[0], full))
    runnable = [c for c in plan.candidates if not c.refused]
    timed = [c for c in runnable if not c.stops]
    owing = len([c for c in runnable if c.evidence != "exact"])
    arms = 1 + (owing * SURVIVORS if plan.mode == "full" else owing)
    rows += [
        _runs("probe", len(runnable), short + PROBE_STEPS * step),
        _runs("timing", plan.timing_blocks * (len(timed) + 1), short),
        _runs("quality", round(arms * plan.looks[0]), 0.8 * full),
    ]
    if plan.mode == "full":
        share = min(plan.controls)
        rung = pilot.overhead + share * (full - pilot.overhead)
        options = plan.rounds * (len(plan.options) + 1) * plan.option_blocks
        rows += [
            _runs("combination", 8 * plan.screen_blocks + 8 * plan.build_blocks, short),
            _runs("recipe", options + 3 * plan.option_blocks, rung),
            _runs("length", 3 * plan.option_blocks, rung),
        ]
    lengths = [1.0, *plan.controls, *[FINALIST] * plan.top]
    confirm = sum(pilot.overhead + length * (full - pilot.overhead) for length in lengths)
    return (
        *rows,
        Forecast("confirm", plan.confirm_looks[0] * len(lengths), plan.confirm_looks[0] * confirm),
    )


def _runs(phase: str, runs: int, seconds: float) -> Forecast:
    return Forecast(phase, runs, runs * seconds)


def cost(rows: Sequence[Forecast]) -> float:
    """Return the seconds of a whole forecast."""
    return sum(row.seconds for row in rows)


Cut = Callable[[Plan], "tuple[Plan, str] | None"]


def _fewer_looks(plan: Plan) -> tuple[Plan, str] | None:
    if len(plan.confirm_looks) <= 2 and len(plan.looks) == 1:
        return None
    changed = replace(plan, looks=plan.looks[:1], confirm_looks=plan.confirm_looks[:2])
    return (
        changed,
        f"quality is looked at once, after {plan.looks[0]} pairs, and a claim at most twice",
    )


def _fewer_quality_pairs(plan: Plan) -> tuple[Plan, str] | None:
    if plan.looks[0] <= 3:
        return None
    return replace(plan, looks=(3,)), (
        "techniques alone are trained in full on 3 seeds only: most of their quality stays unproven"
    )


def _fewer_techniques(plan: Plan) -> tuple[Plan, str] | None:
    if len(plan.candidates) <= 8 or plan.mode == "test":
        return None
    dropped = plan.candidates[8:]
    return replace(
        plan, candidates=plan.candidates[:8]
    ), f"not measured alone: {', '.join(c.arm for c in dropped)}"


def _fewer_options(plan: Plan) -> tuple[Plan, str] | None:
    if len(plan.options) <= 4 and plan.rounds <= 2:
        return None
    dropped = ", ".join(c.arm for c in plan.options[5:])
    without = f", without: {dropped}" if dropped else ""
    return replace(
        plan, options=plan.options[:5], rounds=2
    ), f"two rounds of recipe search{without}"


def _one_option_block(plan: Plan) -> tuple[Plan, str] | None:
    if plan.option_blocks == 1:
        return None
    return replace(plan, option_blocks=1), "recipes and lengths are searched with one run each"


def _shorter_timing(plan: Plan) -> tuple[Plan, str] | None:
    if plan.timing_blocks <= 4:
        return None
    return replace(plan, timing_blocks=4, noise_blocks=4, build_blocks=2), (
        f"4 blocks instead of {plan.timing_blocks} time each technique: smaller effects stay unresolved"
    )


def _no_screen(plan: Plan) -> tuple[Plan, str] | None:
    if not plan.screen_blocks:
        return None
    return replace(
        plan, screen_blocks=0
    ), "interactions are not screened; the gains alone decide what is combined"


def _one_finalist(plan: Plan) -> tuple[Plan, str] | None:
    return (replace(plan, top=1), "one finalist is confirmed") if plan.top > 1 else None


def _one_look(plan: Plan) -> tuple[Plan, str] | None:
    if len(plan.confirm_looks) == 1:
        return None
    return replace(
        plan, confirm_looks=plan.confirm_looks[:1]
    ), f"a claim is looked at once, after {plan.confirm_looks[0]} seeds"


CUTS: tuple[Cut, ...] = (
    _fewer_looks,
    _fewer_quality_pairs,
    _fewer_options,
    _shorter_timing,
    _one_finalist,
    _fewer_techniques,
    _one_look,
    _one_option_block,
    _no_screen,
)
"""In the order in which they hurt least."""


def fitted(plan: Plan, pilot: Record) -> Plan:
    """Return the plan with its forecast, cut until it fits its budget.

    Raises:
        Refused: Even the smallest plan costs more than the budget.
    """
    rows = forecast(plan, pilot)
    for cut in CUTS if plan.budget is not None else ():
        if cost(rows) <= (plan.budget or 0.0):
            break
        changed = cut(plan)
        if changed is not None:
            plan = replace(changed[0], cut=(*plan.cut, changed[1]))
            rows = forecast(plan, pilot)
    if plan.budget is not None and cost(rows) > plan.budget:
        quick = "" if plan.profile == "quick" else "choose --profile quick, "
        raise Refused(
            f"the smallest study of '{plan.workload}' takes about {duration(cost(rows))}, the budget is "
            f"{duration(plan.budget)}; raise --budget, {quick}or train less: --set epochs=..."
        )
    return replace(plan, forecast=rows)
