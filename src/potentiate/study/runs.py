"""What the report reads out of runs: curves, parts of the time, what a next run will show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from scipy.special import stdtrit

from potentiate.study.findings import Findings
from potentiate.study.record import Record

BASELINE = "baseline"

PARTS = (
    *("start-up", "data", "forward", "backward", "optimizer", "other"),
    *("training steps", "evaluation"),
)
"""Parts of the total time, in the order of a run; "training steps" where a step was not split."""


def full_runs(findings: Findings, arm: str) -> list[Record]:
    """Complete runs of an arm, from the latest phase that has any: confirmation before quality."""
    runs = [
        record
        for record in findings.records
        if record.request.arm == arm
        and record.request.mode == "run"
        and record.request.max_steps is None
        and record.status == "ok"
    ]
    phases = [record.request.phase for record in runs]
    chosen = next((phase for phase in ("confirm", "quality") if phase in phases), None)
    return [record for record in runs if chosen is None or record.request.phase == chosen]


def parts(findings: Findings, arm: str) -> dict[str, float]:
    """Median seconds by part of a complete run; a step is split as the arm's probe saw it."""
    runs = full_runs(findings, arm)
    if not runs:
        return {}
    training = median(run.seconds.get("training", 0.0) for run in runs)
    result = {
        "start-up": median(run.startup for run in runs),
        **_split(findings, arm, training),
        "evaluation": median(run.seconds.get("evaluation", 0.0) for run in runs),
    }
    return {part: result[part] for part in PARTS if result.get(part, 0.0) > 0.0}


def _split(findings: Findings, arm: str, training: float) -> dict[str, float]:
    probe = next(
        (r for r in findings.records if r.request.arm == arm and r.phases and r.status == "ok"),
        None,
    )
    whole = sum(probe.phases.values()) if probe else 0.0
    if probe is None or whole <= 0.0:
        return {"training steps": training}
    split = dict[str, float]()
    for part, seconds in probe.phases.items():
        name = part if part in PARTS else "other"
        split[name] = split.get(name, 0.0) + training * seconds / whole
    return split


@dataclass(frozen=True)
class Point:
    """One evaluation of an arm, over its seeds: median time, and median and range of the metric."""

    seconds: float
    quality: float
    low: float
    high: float


def curve(findings: Findings, arm: str) -> list[Point]:
    """Quality against time as a user pays it: start-up and the evaluations so far included."""
    metric, points = findings.plan.metric, list[Point]()
    runs = full_runs(findings, arm)
    for i in range(max((len(run.history) for run in runs), default=0)):
        seen = [run for run in runs if len(run.history) > i and metric in run.history[i]]
        values = [run.history[i][metric] for run in seen if math.isfinite(run.history[i][metric])]
        if values:
            points.append(
                Point(
                    median(_paid(run, i) for run in seen), median(values), min(values), max(values)
                )
            )
    return points


def _paid(run: Record, evaluation: int) -> float:
    share = run.seconds.get("evaluation", 0.0) * (evaluation + 1) / len(run.history)
    return run.startup + run.history[evaluation].get("seconds", 0.0) + share


@dataclass(frozen=True)
class Prediction:
    """Where a run with a new seed is expected, 19 times of 20: seconds and held-out quality."""

    seconds: tuple[float, float]
    quality: tuple[float, float] | None


def predicted(findings: Findings, arm: str) -> Prediction | None:
    """The prediction interval of one more run, from the complete runs of an arm; None without any.

    Times are taken as log-normal, with at least the spread that the machine gave identical runs;
    qualities as normal, with at least the spread of counting test examples one by one.
    """
    runs = full_runs(findings, arm)
    totals = [run.total for run in runs if 0.0 < run.total < math.inf]
    if not totals:
        return None
    # The log ratio of two runs has twice the variance of one; short runs exaggerate it.
    noise = findings.noise.log_sd if findings.noise else math.nan
    floor = min(noise / math.sqrt(2.0), 0.1) if math.isfinite(noise) else 0.02
    low, high = _next([math.log(total) for total in totals], floor)
    metric = findings.plan.metric
    read = [run.test[metric] for run in runs if run.test and metric in run.test]
    qualities = [value for value in read if math.isfinite(value)]
    resolution = 1.0 / examples if (examples := findings.plan.sizes.get("test", 0)) else 0.0
    return Prediction(
        (math.exp(low), math.exp(high)), _next(qualities, resolution) if qualities else None
    )


def _next(values: Sequence[float], floor: float) -> tuple[float, float]:
    n = len(values)
    spread = max(stdev(values), floor) if n > 1 else max(floor, 0.05 * abs(values[0]))
    half = float(stdtrit(max(n - 1, 2), 0.975)) * spread * math.sqrt(1.0 + 1.0 / n)
    return fmean(values) - half, fmean(values) + half
