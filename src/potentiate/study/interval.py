"""An estimate with what it could as well have been."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval.

    Attributes:
        estimate: The point estimate, in the unit of the quantity (a ratio has none).
        low: Lower end, included; minus infinity (0 for a ratio) where nothing bounds it.
        high: Upper end, included; infinity where crashed runs or too few pairs leave it open.
        n: Number of paired blocks behind it.
        method: How it was made and at which level, for the report.
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str


def exponential(logs: Interval) -> Interval:
    """The interval of a ratio from that of its logarithm; open ends become 0 and infinity."""

    def power(value: float) -> float:
        return math.inf if value > 700.0 else math.exp(value)  # exp overflows above 709

    return Interval(power(logs.estimate), power(logs.low), power(logs.high), logs.n, logs.method)
