"""What a study saves: the cost by which combinations are built and the best of the confirmed is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from potentiate.study.blocks import BASELINE, Block
from potentiate.study.plan import Objective
from potentiate.study.record import Record

SAVES: dict[Objective, str] = {
    "fastest": "faster",
    "smallest": "smaller in peak memory",
    "greenest": "greener in energy",
    "balanced": "cheaper in time and memory",
}
"""How a saving is told: 1.3x faster."""

COSTS: dict[Objective, str] = {
    "fastest": "time",
    "smallest": "peak memory",
    "greenest": "energy",
    "balanced": "time and memory",
}
"""What falls."""


def cost_ratios(
    objective: Objective, blocks: Sequence[Block], arm: str, base: str = BASELINE
) -> list[float]:
    """Cost of `arm` over that of `base`, block by block; a failed run is infinite."""
    pairs = [(block[arm], block[base]) for block in blocks if block[base].status == "ok"]
    return [cost_ratio(objective, mine, other) for mine, other in pairs]


def cost_ratio(objective: Objective, mine: Record, base: Record) -> float:
    """Cost of a run over that of another one, which ended well.

    fastest: total time. smallest: peak memory. greenest: energy, which is mean power times total time;
    where no counter is readable, the processor seconds stand in for it.
    balanced: the geometric mean of time and memory.
    """
    if mine.status != "ok":
        return math.inf
    time, memory = mine.total / base.total, mine.memory / max(1, base.memory)
    match objective:
        case "fastest":
            return time
        case "smallest":
            return memory
        case "greenest":
            return time * _power_ratio(mine, base)
        case "balanced":
            return math.sqrt(time * memory)


def _power_ratio(mine: Record, base: Record) -> float:
    kind: Literal["energy", "cpu_seconds"] = "cpu_seconds"
    if mine.energy is not None and base.energy is not None:
        kind = "energy"
    spent = [float(getattr(record, kind) or 0.0) for record in (mine, base)]
    times = [max(1e-9, record.wall - record.overhead) for record in (mine, base)]
    return (spent[0] / times[0]) / (spent[1] / times[1]) if all(spent) else 1.0
