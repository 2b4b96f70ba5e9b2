"""Blocks of runs: every arm once per block, with one seed, in an order that no slot profits from."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from potentiate.study.design import block_orders
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Plan
from potentiate.study.record import Mode, Record, Request

Ask = Ledger
Arms = Mapping[str, tuple[str, ...]]
Block = dict[str, Record]

BASELINE = "baseline"
SEEDS = {
    "noise": 0,
    "timing": 100,
    "screen": 200,
    "build": 300,
    "quality": 1000,
    "option": 2000,
    "confirm": 10_000,
}
"""Where the seeds of a phase begin; confirmation runs on seeds that no decision has seen."""


def request(
    plan: Plan,
    phase: str,
    arm: str,
    techniques: tuple[str, ...],
    *,
    block: int = 0,
    slot: int = 0,
    mode: Mode = "run",
    max_steps: int | None = None,
    test: bool = False,
) -> Request:
    """Return the request of one run of the plan; the seed follows from phase and block."""
    start = next((first for name, first in SEEDS.items() if phase.startswith(name)), 0)
    return Request(
        phase=phase,
        arm=arm,
        techniques=techniques,
        block=block,
        slot=slot,
        seed=plan.seed + start + block,
        mode=mode,
        max_steps=max_steps,
        workload=plan.workload,
        recipe=dict(plan.recipe),
        device=plan.device,
        threads=plan.threads,
        test=test,
    )


def run_blocks(
    plan: Plan,
    ask: Ask,
    phase: str,
    arms: Arms,
    blocks: Sequence[int],
    *,
    short: Mapping[str, int] | None = None,
    test: bool = False,
    warmed: bool = False,
) -> list[Block]:
    """Run the numbered blocks and return their records by arm.

    Args:
        plan: What the study declared.
        ask: Gives a record for a request.
        phase: Step of the study.
        arms: Arm name -> technique specs.
        blocks: Numbers of the blocks, for example range(6).
        short: Steps of a short run by arm; None trains in full.
        test: Whether to read the held-out data.
        warmed: Whether a discarded run opens each block.
    """
    orders = block_orders(list(arms), max(blocks, default=-1) + 1, plan.seed)
    done = list[Block]()
    for block in blocks:
        if warmed:
            steps = min((short or {}).values(), default=20)
            ask(request(plan, phase, "discarded", (), block=block, slot=-1, max_steps=steps))
        records = {
            arm: ask(
                request(
                    plan,
                    phase,
                    arm,
                    arms[arm],
                    block=block,
                    slot=slot,
                    max_steps=None if short is None else short[arm],
                    test=test,
                )
            )
            for slot, arm in enumerate(orders[block])
        }
        done.append(records)
    return done


def time_ratios(blocks: Sequence[Block], arm: str, base: str = BASELINE) -> list[float]:
    """Time of `arm` over that of `base`, block by block; a failed run is infinite."""
    return [block[arm].total / block[base].total for block in blocks if block[base].status == "ok"]


def memory_ratio(blocks: Sequence[Block], arm: str) -> float | None:
    """Peak memory of `arm` over the baseline's, median over blocks; None where no pair of runs ended."""
    pairs = [(block[arm], block[BASELINE]) for block in blocks]
    sound = [(a, b) for a, b in pairs if a.status == b.status == "ok"]
    return statistics.median(a.memory / max(1, b.memory) for a, b in sound) if sound else None


def failures(blocks: Sequence[Block], arm: str) -> int:
    """Runs of `arm` that failed."""
    return sum(block[arm].status != "ok" for block in blocks)


def quality(plan: Plan, record: Record) -> float:
    """The metric of a run, held-out where it was read, oriented so that higher is better; NaN if it failed."""
    metrics = record.test if record.test is not None else record.validation
    value = metrics.get(plan.metric, float("nan")) if record.status == "ok" else float("nan")
    return value if plan.higher_is_better else -value


def differences(plan: Plan, blocks: Sequence[Block], arm: str, base: str = BASELINE) -> list[float]:
    """Quality of `arm` minus that of `base`, block by block, above 0 is better."""
    sound = [block for block in blocks if block[base].status == "ok"]
    return [quality(plan, block[arm]) - quality(plan, block[base]) for block in sound]


def affordable(
    plan: Plan, ask: Ask, blocks: int, costs: Sequence[float], reserve: float = 0.0
) -> bool:
    """Whether so many more blocks of runs at these costs still fit the budget, less a reserve; in seconds."""
    if plan.budget is None:
        return True
    return ask.charged + blocks * sum(costs) <= plan.budget - reserve
