"""What a study saves: the cost by which combinations are built and the best of the confirmed is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from potentiate.study.blocks import BASELINE, Block
from potentiate.study.plan import Objective
from potentiate.study.record import Record

SAVES: dict[Objective, str] = {
    "fastest": "faster",
    "smallest": "smaller in peak memory",
    "greenest": "greener in energy",
    "balanced": "cheaper in the mean of time and memory",
}
"""How a saving is told: 1.3x faster."""

COSTS: dict[Objective, str] = {
    "fastest": "time",
    "smallest": "peak memory",
    "greenest": "energy",
    "balanced": "the mean of time and memory",
}
"""What falls."""


def cost_ratios(
    objective: Objective, blocks: Sequence[Block], arm: str, base: str = BASELINE
) -> list[float]:
    """Cost of `arm` over that of `base`, block by block; a run that failed or was not measured is infinite."""
    pairs = [(cost(objective, b[arm]), cost(objective, b[base])) for b in blocks]
    return [mine / other for mine, other in pairs if other < math.inf]


def cost(objective: Objective, record: Record) -> float:
    """Return what a run costs, above 0; infinite if it failed or the cost was not measured.

    fastest: total seconds. smallest: bytes at the peak, loader workers included. greenest: joules, mean
    power times total time. balanced: the geometric mean of seconds and bytes.
    """
    seconds, memory = record.total, float(record.memory) or math.inf
    energy = (record.energy or math.inf) / max(1e-9, record.wall - record.overhead) * seconds
    costs: dict[Objective, float] = {
        "fastest": seconds,
        "smallest": memory,
        "greenest": energy,
        "balanced": math.sqrt(seconds * memory),
    }
    return costs[objective] if record.status == "ok" else math.inf
