"""Rows of the verdict tables: their order, their part in the study, and the baseline's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from potentiate.study.claim import control_is_proven
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.glossary import WORDS
from potentiate.study.runs import BASELINE, full_runs
from potentiate.study.verdict import Verdict, unmeasured


def ranked(rows: Sequence[ArmResult]) -> list[ArmResult]:
    """Best first: by verdict, then by speed; what did not run or failed comes last."""
    order = {verdict: float(place) for place, verdict in enumerate(WORDS)}
    order |= {Verdict.MEMORY_ONLY: 1.5, Verdict.FASTER_WORSE: 4.5}

    def key(row: ArmResult) -> tuple[float, float, str]:
        time = row.judgement.time
        estimate = time.estimate if time and not math.isnan(time.estimate) else math.inf
        return order[row.judgement.verdict], estimate, row.arm

    return sorted(rows, key=key)


def ran(row: ArmResult) -> bool:
    """Whether there is anything to compare."""
    return row.judgement.time is not None and row.judgement.verdict is not Verdict.FAILED


def is_control(row: ArmResult) -> bool:
    """Whether the arm is the baseline on a shorter schedule and nothing else."""
    return len(row.techniques) == 1 and row.arm.startswith("short-schedule")


def part_of(findings: Findings, row: ArmResult) -> str:
    """What an arm is in the confirmation."""
    if row.arm == BASELINE:
        return ""
    if findings.best is not None and findings.best.arm == row.arm:
        return "best"
    if row.arm == findings.control:
        doubt = "" if control_is_proven(findings) else ", its quality unproven"
        return f"control, the baseline trained shorter{doubt}"
    if not is_control(row):
        return "finalist"
    match row.judgement.verdict:
        case Verdict.FASTER_EQUAL:
            return "a longer control"
        case Verdict.FASTER_WORSE:
            return "control that loses quality"
        case _:
            return "control, unproven"


def arm_name(findings: Findings, row: ArmResult) -> str:
    """The arm with its part in the confirmation."""
    part = part_of(findings, row)
    return f"{part}: {row.arm}" if part else row.arm


def baseline_row(findings: Findings) -> ArmResult | None:
    """The baseline of the confirmation (or of the quality runs before it); None before it ran."""
    stored = next((row for row in findings.confirmation if row.arm == BASELINE), None)
    runs = full_runs(findings, BASELINE)
    if stored is not None or not runs:
        return stored
    metric = findings.plan.metric
    read = [run.test if run.test is not None else run.validation for run in runs]
    values = [metrics[metric] for metrics in read if metric in metrics]
    return ArmResult(
        BASELINE,
        (),
        "exact",
        unmeasured(Verdict.EQUAL, ""),
        runs=len(runs),
        seconds=median(run.total for run in runs),
        quality=oriented(findings, fmean(values)) if values else None,
        startup=median(run.startup for run in runs),
        memory_ratio=1.0,
        flops_ratio=1.0 if any(record.flops for record in findings.records) else None,
    )


def with_baseline(findings: Findings) -> list[ArmResult]:
    """The rows of the confirmation, the baseline first."""
    base, rows = baseline_row(findings), [r for r in findings.confirmation if r.arm != BASELINE]
    return [base, *rows] if base and rows else rows


def oriented(findings: Findings, value: float | None) -> float | None:
    """A quality as the study compares it, higher being better, from one as it is read, or back."""
    return value if value is None or findings.plan.higher_is_better else -value
