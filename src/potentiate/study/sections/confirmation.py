"""The section on the confirmation: the only numbers that carry a claim."""

from __future__ import annotations

from collections.abc import Sequence

from potentiate.study import numbers, plots
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.rows import oriented, part_of, with_baseline
from potentiate.study.runs import BASELINE
from potentiate.study.sections.blocks import Block, Cell, Section, Table, Text
from potentiate.study.sections.cells import (
    badge,
    costs,
    gain,
    later,
    named,
    picture,
    quality_change,
)
from potentiate.study.statistics import paired_median_bootstrap
from potentiate.study.verdict import speedup

CROSS_CHECK_FROM = 10

_INTRODUCTION = (
    "Complete trainings with seeds that no choice was made on, judged on held-out data that each "
    "run reads once. Only these numbers carry the claim. The control is the baseline with its "
    "schedule squeezed: whoever does not beat it has only trained less."
)


def confirmation(findings: Findings) -> Section:
    """Baseline, controls and best on fresh seeds: the only numbers that carry a claim."""
    rows, blocks = with_baseline(findings), list[Block]()
    if rows:
        blocks += [
            Text(_INTRODUCTION),
            _confirmed_table(findings, rows),
            _origins(findings, rows),
            _sentences(findings, rows),
        ]
    blocks += picture(
        plots.quality_against_time(findings),
        "Further left is sooner; ending above the dashed line is equal quality."
        if findings.plan.higher_is_better
        else "Further left is sooner; ending below the dashed line is equal quality.",
    )
    return Section("confirmation", "Confirmation on fresh seeds", blocks or [later(findings)])


def _confirmed_table(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    metric = findings.plan.metric
    unit = "points" if numbers.is_share(metric) else metric
    return Table(
        "Confirmation against the baseline",
        (
            "arm",
            "verdict",
            "time",
            "speed-up",
            f"held-out {metric}",
            "quality change",
            f"at worst ({unit})",
            "p (Holm)",
            "against control",
        ),
        [
            (
                named(row.arm, part_of(findings, row)),
                badge(row),
                numbers.duration(row.seconds if row.seconds else None),
                gain(row),
                numbers.quality(oriented(findings, row.quality), metric),
                quality_change(row, metric),
                _at_worst(row, metric),
                numbers.p_value(row.p_adjusted, "-"),
                numbers.with_span(speedup(row.versus_control)) if row.versus_control else "-",
            )
            for row in rows
        ],
    )


def _origins(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    return Table(
        "Where the speed-up comes from: steps times time per step (ratios to the baseline)",
        (
            "arm",
            "steps",
            "steps to target",
            "time per step",
            "start-up",
            "pays off after",
            "peak memory",
            "FLOPs",
        ),
        [_origin(findings, row) for row in rows],
    )


def _sentences(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    return Table(
        "The verdicts in full sentences",
        ("arm", "sentence"),
        [
            (
                named(row.arm, part_of(findings, row)),
                numbers.plain(row.judgement.reason) + _cross_check(row),
            )
            for row in rows
            if row.arm != BASELINE
        ],
        folded=True,
    )


def _cross_check(row: ArmResult) -> str:
    """From ten pairs on, the speed-up by a second method that assumes less."""
    if len(row.ratios) < CROSS_CHECK_FROM or not all(map(numbers.known, row.ratios)):
        return ""
    again = speedup(paired_median_bootstrap(row.ratios, 0.10))
    return f" The bootstrap of the median says {numbers.with_span(again)}."


def _at_worst(row: ArmResult, metric: str) -> str:
    found = row.judgement.quality
    return "-" if found is None else numbers.signed(found.low, metric, "no bound")


def _origin(findings: Findings, row: ArmResult) -> tuple[str | Cell, ...]:
    _, steps, target, step, startup, even, flops = costs(row)
    memory = "1x" if row.arm == BASELINE else numbers.times(row.memory_ratio)
    name = named(row.arm, part_of(findings, row))
    return name, steps, target, step, startup, even, memory, flops
