"""The whole way of deciding, run on simulated machines whose truth is known.

No step is timed and nothing sleeps: times are drawn from a machine that drifts (AR(1), rho 0.95
per run, SD 3 %) with independent noise in every run, and the verdicts are counted. Rates are
logged, so that they can be quoted: pytest --log-cli-level=INFO.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from potentiate.study import design, statistics
from potentiate.study.verdict import Judgement, Verdict, confirm, judge

Floats = NDArray[np.float64]
FALSE_DISCOVERIES = 0.10


def machine(
    orders: Sequence[Sequence[str]],
    effects: Mapping[str, float],
    studies: int,
    seed: int,
    noise: float = 0.02,
    second_slot: float = 0.0,
) -> dict[str, Floats]:
    """Log times per arm, shape (studies, blocks), of runs made one after the other in this order.

    `effects` are true log time ratios, 0 where an arm is not named.
    """
    rng = np.random.default_rng(seed)
    runs = [(arm, slot) for order in orders for slot, arm in enumerate(order)]
    steps = rng.normal(0.0, 0.03 * math.sqrt(1.0 - 0.95**2), (len(runs), studies))
    drift = rng.normal(0.0, 0.03, studies)
    times: dict[str, list[Floats]] = {arm: [] for arm in orders[0]}
    for (arm, slot), step in zip(runs, steps, strict=True):
        drift = 0.95 * drift + step
        own = effects.get(arm, 0.0) + (math.log1p(second_slot) if slot else 0.0)
        times[arm].append(drift + own + rng.normal(0.0, noise, studies))
    return {arm: np.stack(column, axis=1) for arm, column in times.items()}


def ratios(times: Mapping[str, Floats], arm: str, study: int, blocks: int = 20) -> list[float]:
    return [float(x) for x in np.exp(times[arm] - times["base"])[study, :blocks]]


def look_by_look(case: Callable[[int, float], Judgement]) -> Judgement:
    """Judge after each look and stop at the first claim."""
    judgement = case(statistics.LOOKS[0], statistics.look_alpha())
    for blocks in statistics.LOOKS[1:]:
        if judgement.verdict is Verdict.FASTER_EQUAL:
            break
        judgement = case(blocks, statistics.look_alpha())
    return judgement


def confirmed(
    times: Mapping[str, Floats], arms: Sequence[str], study: int, smallest: float = 0.02
) -> set[str]:
    """Arms that any look of a confirmation with Holm calls faster."""

    def case(arm: str, blocks: int, level: float) -> Judgement:
        return judge(ratios(times, arm, study, blocks), alpha_time=level, smallest=smallest)

    claimed: set[str] = set()
    for blocks in statistics.LOOKS:
        judged = confirm({arm: partial(case, arm, blocks) for arm in arms})
        claimed |= {a for a, j in judged.items() if j.verdict is Verdict.FASTER_EQUAL}
    return claimed


Gate = Callable[[Mapping[str, Floats], Sequence[str], int], list[str]]


def by_discovery(times: Mapping[str, Floats], arms: Sequence[str], study: int) -> list[str]:
    """Up to three arms that pass Benjamini-Hochberg in the screening."""
    level = FALSE_DISCOVERIES / len(arms)
    p = {arm: statistics.faster_p(ratios(times, arm, study), level) for arm in arms}
    adjusted = statistics.benjamini_hochberg(p)
    return sorted((a for a in arms if adjusted[a] <= FALSE_DISCOVERIES), key=p.__getitem__)[:3]


def by_rank(times: Mapping[str, Floats], arms: Sequence[str], study: int) -> list[str]:
    """The three arms that look fastest in the screening, proven or not."""
    return sorted(arms, key=lambda a: float((times[a] - times["base"])[study].sum()))[:3]


def study_claims(
    effects: Mapping[str, float], arms: Sequence[str], studies: int, gate: Gate
) -> list[set[str]]:
    """Claims of whole studies: six screening blocks, then fresh blocks for those let through."""
    everything = ["base", *arms]
    screening = machine(design.block_orders(everything, 6, seed=1), effects, studies, seed=1)
    claims: list[set[str]] = []
    for study in range(studies):
        chosen = gate(screening, arms, study)
        orders = design.block_orders(["base", *chosen], 20, seed=study)
        fresh = machine(orders, effects, 1, seed=1000 + study) if chosen else {}
        claims.append(confirmed(fresh, chosen, 0) if chosen else set())
    return claims


def naive_best_of(k: int, runs: int, noise: float = 0.03, shared: bool = False) -> float:
    """Mean speed-up that the best of k null techniques seems to have, picked by its mean time.

    Args:
        k: Techniques tried, none of which does anything.
        runs: Runs of each, and of its baseline.
        noise: SD of log time from run to run.
        shared: Whether one baseline serves all; else each technique has runs of its own beside it.
    """
    studies, sd = 20_000, noise / math.sqrt(runs)
    rng = np.random.default_rng(k)
    base = rng.normal(0.0, sd, (studies, 1 if shared else k))
    return float(np.exp((base - rng.normal(0.0, sd, (studies, k))).max(axis=1)).mean() - 1.0)


def record(name: str, value: object) -> None:
    logging.getLogger(__name__).info("%s: %s", name, value)


def share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))


@pytest.mark.parametrize("gate", [by_discovery, by_rank])
def test_nulls_are_not_called_faster(gate: Gate) -> None:
    arms = [f"null-{i}" for i in range(15)]
    rate = share(bool(claims) for claims in study_claims({}, arms, 500, gate))
    record(f"false_faster_15_nulls_{gate.__name__}", rate)
    assert rate <= 0.05


def test_naive_selection_reports_a_gain_from_nothing() -> None:
    naive = {runs: naive_best_of(15, runs) for runs in (1, 3, 5, 10)}
    record("naive_best_of_15", naive)
    shared = naive_best_of(15, 3, shared=True)
    record("naive_best_of_15_shared_baseline_3_runs", shared)
    assert naive[1] > 0.06
    assert naive[3] > naive[5] > naive[10] > 0.02
    assert 0.02 < shared < naive[3]


def test_confirmation_alone_holds_the_family() -> None:
    studies, arms = 700, ["a", "b", "c"]
    times = machine(design.block_orders(["base", *arms], 20, seed=2), {}, studies, seed=2)
    rate = share(bool(confirmed(times, arms, study, 0.0)) for study in range(studies))
    record("false_faster_3_nulls_unscreened", rate)
    assert rate <= 0.05


def test_looks_spend_no_more_than_alpha() -> None:
    studies = 1500
    times = machine(design.block_orders(["base", "arm"], 20, seed=3), {}, studies, seed=3)

    def case(study: int, blocks: int, level: float) -> Judgement:
        return judge(ratios(times, "arm", study, blocks), alpha_time=level, smallest=0.0)

    def peeking(study: int, blocks: int, _level: float) -> Judgement:
        return case(study, blocks, 0.05)

    def rate(way: Callable[[int, int, float], Judgement]) -> float:
        claims = (look_by_look(partial(way, study)).verdict for study in range(studies))
        return share(verdict is Verdict.FASTER_EQUAL for verdict in claims)

    spent, peeked = rate(case), rate(peeking)
    record("false_faster_one_null_four_looks", spent)
    record("false_faster_one_null_peeking", peeked)
    assert spent <= 0.05 < peeked


def test_a_planted_speedup_is_found() -> None:
    studies, truth = 400, {"arm": math.log(1 / 1.05)}
    times = machine(design.block_orders(["base", "arm"], 20, seed=4), truth, studies, seed=4)

    def case(study: int, blocks: int, level: float) -> Judgement:
        return judge(ratios(times, "arm", study, blocks), alpha_time=level)

    found = [look_by_look(partial(case, study)) for study in range(studies)]
    rate = share(judgement.verdict is Verdict.FASTER_EQUAL for judgement in found)
    pairs = float(np.mean([judgement.time.n for judgement in found if judgement.time]))
    record("planted_5_percent_found", rate)
    record("planted_5_percent_mean_pairs", pairs)
    assert rate >= 0.90


def test_futility_stops_nulls_and_spares_a_speedup() -> None:
    studies = 400
    orders = design.block_orders(["base", "arm"], 6, seed=12)

    def stopped(truth: float) -> float:
        times = machine(orders, {"arm": -math.log1p(truth)}, studies, seed=12)
        gains = (times["base"] - times["arm"]).tolist()
        level = statistics.look_alpha()
        return share(statistics.conditional_power(g, 20, level) < 0.1 for g in gains)

    null, fast = stopped(0.0), stopped(0.05)
    record("stopped_as_futile_at_the_first_look", (null, fast))
    assert null > 0.5
    assert fast < 0.05


@pytest.mark.parametrize(("gate", "gain"), [(by_rank, 0.05), (by_discovery, 0.10)])
def test_a_planted_speedup_survives_the_whole_study(gate: Gate, gain: float) -> None:
    arms = ["arm", *(f"null-{i}" for i in range(14))]
    claims = study_claims({"arm": -math.log1p(gain)}, arms, 200, gate)
    found, false = share("arm" in c for c in claims), share(bool(c - {"arm"}) for c in claims)
    record(f"planted_{gain:g}_among_14_nulls_found_{gate.__name__}", found)
    assert found >= 0.90
    assert false <= 0.05


@pytest.mark.parametrize("margin_over_sd", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("margins", [2.0, 1.0])
def test_a_planted_quality_loss_is_refused(margin_over_sd: float, margins: float) -> None:
    studies, step, margin = 400, 1 / 1000, 0.005
    rng = np.random.default_rng(5)
    raw = rng.normal(-margins * margin, margin / margin_over_sd, (studies, 20))
    differences = np.round(raw / step) * step  # accuracies are multiples of one example
    fast = [0.5 + 0.001 * i for i in range(20)]

    def case(study: int, blocks: int, level: float) -> Judgement:
        quality = [float(d) for d in differences[study, :blocks]]
        return judge(
            fast[:blocks],
            quality,
            margin=margin,
            alpha_time=level,
            alpha_quality=level,
            resolution=step,
        )

    verdicts = [look_by_look(partial(case, study)).verdict for study in range(studies)]
    certified = share(verdict is Verdict.FASTER_EQUAL for verdict in verdicts)
    record(f"loss_of_{margins:g}_margins_at_{margin_over_sd:g}_sd_certified", certified)
    assert certified <= 0.05


def resolved(orders: Sequence[Sequence[str]], blocks: int) -> float:
    """Share of studies that see any effect between identical arms if the second slot is slower."""
    studies = 400
    times = machine(orders, {}, studies, seed=7, noise=0.01, second_slot=0.02)

    def claimed(study: int) -> bool:
        seen = ratios(times, "arm", study, blocks)
        return min(statistics.faster_p(seen), statistics.slower_p(seen)) <= 0.025

    return share(claimed(study) for study in range(studies))


@pytest.mark.parametrize("blocks", [6, 9, 20])
def test_a_slot_penalty_creates_no_effect_in_balanced_order(blocks: int) -> None:
    balanced = resolved(design.block_orders(["base", "arm"], blocks, seed=8), blocks)
    naive = resolved([["base", "arm"]] * blocks, blocks)
    record("slot_penalty_balanced_and_abab", (balanced, naive))
    assert balanced <= 0.05
    assert naive >= 0.25  # the positive control: five times the nominal rate and more


def test_a_planted_negative_interaction_is_not_recommended() -> None:
    # Each alone takes 10 % off; together they cost 20 % more than the product of the two.
    runs = design.fold_over(design.plackett_burman_12()[:, :5])
    on = (runs + 1) / 2
    clean = math.log(0.9) * on[:, :2].sum(axis=1) + math.log(1.2) * on[:, 0] * on[:, 1]
    rng = np.random.default_rng(9)
    for _ in range(100):
        times = [float(t) for t in clean + rng.normal(0.0, 0.02, len(runs))]
        effects = design.fit_log_effects(runs, times, [(0, 1)])
        joint = effects[0, 1]
        assert joint.estimate > 2.0 * joint.error
        # A main effect is an average over the other factor, which takes half of the joint one in.
        alone = [effects[(i,)].estimate - joint.estimate / 2.0 for i in (0, 1)]
        both = sum(effects[(i,)].estimate for i in (0, 1))
        assert min(alone) < both


@pytest.mark.parametrize(("startup", "step"), [(292.0, 0.2), (35.0, 0.35), (60.0, 0.399)])
def test_start_up_cost_flips_the_verdict_exactly_at_break_even(startup: float, step: float) -> None:
    even = statistics.break_even_steps(startup, 29.0, 0.4, step)
    jitter = np.exp(np.random.default_rng(11).normal(0.0, 1e-7, 9))

    def verdict(steps: float) -> Verdict:
        ratio = (startup + steps * step) / (29.0 + steps * 0.4)
        return judge([float(ratio * j) for j in jitter], smallest=0.0).verdict

    assert verdict(0.999 * even) is Verdict.SLOWER
    assert verdict(1.001 * even) is Verdict.FASTER_EQUAL
