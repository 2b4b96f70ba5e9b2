"""The confirmed configurations as points: time, peak memory, FLOPs and quality, and which no other beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from potentiate.study.blocks import BASELINE, quality
from potentiate.study.confirm import Confirmation
from potentiate.study.findings import FrontPoint
from potentiate.study.front import Directions, knee
from potentiate.study.interval import Interval
from potentiate.study.plan import Plan
from potentiate.study.record import Record
from potentiate.study.statistics import difference_interval, front_probability, pareto_front

WAYS: Directions = {"seconds": "lower", "memory": "lower", "flops": "lower", "quality": "higher"}
TITLES = {
    "seconds": "fastest",
    "memory": "smallest",
    "flops": "fewest FLOPs",
    "quality": "best quality",
    "knee": "knee",
}
Samples = dict[str, dict[str, list[float]]]
"""Arm and axis -> one value for each run."""


def front_points(
    plan: Plan, confirmed: Confirmation, probes: Mapping[str, Record]
) -> list[FrontPoint]:
    """Return every configuration of the confirmation, with its place on or off the front."""
    counted = probes[BASELINE].flops is not None
    ways: Directions = {axis: way for axis, way in WAYS.items() if counted or axis != "flops"}
    samples = _samples(plan, confirmed, probes)
    points = {
        arm: {axis: _spread(values) for axis, values in axes.items()}
        for arm, axes in samples.items()
    }
    on_front = pareto_front(points, ways)
    chances = front_probability(samples, ways)
    best = _best(points, on_front, ways)
    return [
        FrontPoint(
            arm,
            point["seconds"].estimate,
            point["memory"].estimate,
            point["flops"].estimate if counted else None,
            point["quality"].estimate if plan.higher_is_better else -point["quality"].estimate,
            arm in on_front,
            chances[arm],
            tuple(title for axis, title in TITLES.items() if best.get(axis) == arm),
        )
        for arm, point in points.items()
    ]


def _samples(plan: Plan, confirmed: Confirmation, probes: Mapping[str, Record]) -> Samples:
    base, samples = probes[BASELINE].flops, Samples()
    for arm in [BASELINE, *(row.arm for row in confirmed.rows)]:
        records = [b[arm] for b in confirmed.blocks if arm in b and b[arm].status == "ok"]
        if not records:
            continue
        axes = samples[arm] = {
            "seconds": [r.total for r in records],
            "memory": [float(r.memory) for r in records],
        }
        if base is not None:  # a shorter schedule does the same step, fewer times
            counted = probes.get(arm, probes[BASELINE]).flops or base
            step = counted["matmul"] + counted["elementwise"]
            axes["flops"] = [step * r.steps for r in records]
        axes["quality"] = [quality(plan, r) for r in records]
    return samples


def _best(
    points: Mapping[str, Mapping[str, Interval]], on_front: Sequence[str], ways: Directions
) -> dict[str, str]:
    """The best arm of each axis, and the knee of the front."""

    def costs(axis: str, way: str) -> dict[str, float]:
        sign = 1.0 if way == "lower" else -1.0
        return {arm: sign * point[axis].estimate for arm, point in points.items()}

    best = {axis: min(points, key=costs(axis, way).__getitem__) for axis, way in ways.items()}
    estimates = {arm: {axis: points[arm][axis].estimate for axis in ways} for arm in on_front}
    return {**best, "knee": knee(estimates, ways) or ""}


def _spread(values: list[float]) -> Interval:
    """The interval of a typical value; of a single one, the value."""
    return (
        difference_interval(values)
        if len(values) > 1
        else Interval(values[0], values[0], values[0], 1, "single run")
    )
