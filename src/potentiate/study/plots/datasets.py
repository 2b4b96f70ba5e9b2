"""Speed-ups of each technique on every data set, and over all of them."""

from __future__ import annotations

import math

from potentiate.study.across import Across
from potentiate.study.findings import ArmResult
from potentiate.study.plots.forest import Row, drawn
from potentiate.study.together import PooledArm
from potentiate.study.verdict import speedup

TOGETHER = "all data sets"


def datasets(found: Across) -> str:
    """A group for each technique that was timed on two sets or more; hollow markers are single sets."""
    return drawn(
        "datasets", [(arm.row.arm, _rows(arm)) for arm in found.arms if arm.time is not None]
    )


def _rows(arm: PooledArm) -> list[Row]:
    each = [_row(row, name, hollow=True) for name, row in arm.sets.items()]
    return [row for row in (*each, _row(arm.row, TOGETHER, hollow=False)) if row]


def _row(row: ArmResult, name: str, *, hollow: bool) -> Row | None:
    time = row.judgement.time
    if time is None or not 0.0 < time.estimate < math.inf:
        return None
    return Row(name, speedup(time), row.judgement.verdict, hollow)
