"""A factorial screening of the levers: what each gains, and what pairs of them do to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from potentiate.errors import Refused
from potentiate.study.blocks import BASELINE, Ask, request
from potentiate.study.design import (
    Design,
    Effect,
    fit_log_effects,
    fold_over,
    full_factorial,
    plackett_burman_12,
)
from potentiate.study.objective import cost
from potentiate.study.plan import Candidate, Plan
from potentiate.study.search import Search, label, saving
from potentiate.study.singles import Singles, short_steps
from potentiate.study.statistics import Interval

FACTORIAL_UP_TO = 4
SUSPECTS = (
    {"compile", "mixed-precision"},
    {"compile", "activation-checkpointing"},
    {"compile", "batch-size"},
    {"mixed-precision", "batch-size"},
    {"mixed-precision", "channels-last"},
)
"""Pairs whose interaction is estimated where there are too many levers to estimate all of them."""


def screen(
    plan: Plan, ask: Ask, singles: Singles, factors: Sequence[Candidate], search: Search
) -> list[float]:
    """Return the modelled log gain of each factor; interactions are kept in `search`.

    All combinations of up to four factors, with every pair's interaction; else a Plackett-Burman design
    with its mirror image, and the pairs that are known to be suspicious.
    """
    alone = [math.log(_estimate(plan, singles, factor)) for factor in factors]
    if not plan.screen_blocks or len(factors) < 2:
        return alone
    few = len(factors) <= FACTORIAL_UP_TO
    design = (
        full_factorial(len(factors)) if few else fold_over(plackett_burman_12())[:, : len(factors)]
    )
    blocks = plan.screen_blocks if few else 1
    rows, logs = _measured(plan, ask, singles, factors, design, blocks)
    pairs = [(j, i) for i in range(len(factors)) for j in range(i)]
    if not few:
        pairs = [(j, i) for j, i in pairs if {*factors[j].names, *factors[i].names} in SUSPECTS]
    try:
        effects = fit_log_effects(rows, logs, pairs)
    except Refused:
        return alone  # too many runs failed for the design to tell the effects apart
    for i, j in pairs:
        interval = _interval(effects[i, j], len(logs), plan.alpha)
        search.interactions.append((factors[i].arm, factors[j].arm, interval))
    return [effects[(i,)].estimate for i in range(len(factors))]


def _measured(
    plan: Plan,
    ask: Ask,
    singles: Singles,
    factors: Sequence[Candidate],
    design: Design,
    blocks: int,
) -> tuple[Design, list[float]]:
    """Run the design in short runs, shuffled; return the rows that ran and the logs of their costs."""
    rows, logs = list[Design](), list[float]()
    steps = min(_short(plan, singles, factor) for factor in factors)
    for block in range(blocks):
        for index in map(int, np.random.default_rng(block).permutation(len(design))):
            on = zip(factors, design[index], strict=True)
            specs = tuple(spec for factor, level in on if level > 0 for spec in factor.techniques)
            asked = request(
                plan, f"screen {index}", label(specs), specs, block=block, max_steps=steps
            )
            record = ask(asked)
            if (price := cost(plan.objective, record)) < math.inf:
                rows.append(design[index])
                logs.append(math.log(price))
    return np.array(rows, dtype=np.int64).reshape(-1, len(factors)), logs


def _interval(effect: Effect, runs: int, alpha: float) -> Interval:
    """The interval of an effect on log time, as a ratio."""
    reach = math.inf
    if effect.spare > 0:
        reach = float(stdtrit(effect.spare, 1.0 - alpha / 2.0)) * effect.error
    logs = (effect.estimate, effect.estimate - reach, effect.estimate + reach)
    low, high = (0.0 if e < -50 else math.inf if e > 50 else math.exp(e) for e in logs[1:])
    method = f"least squares, {effect.spare} degrees of freedom"
    return Interval(math.exp(logs[0]), low, high, runs, method)


def _estimate(plan: Plan, singles: Singles, factor: Candidate) -> float:
    cost = saving(plan, singles, factor.arm)
    return cost.estimate if cost is not None else 1.0


def _short(plan: Plan, singles: Singles, factor: Candidate) -> int:
    return short_steps(plan, singles.probes[factor.arm], singles.probes[BASELINE])
