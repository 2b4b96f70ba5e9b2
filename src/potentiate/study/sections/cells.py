"""Pieces that several sections of a report share: cells of their tables."""

from __future__ import annotations

import math

from potentiate.study import numbers
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.glossary import WORDS
from potentiate.study.rows import ran
from potentiate.study.runs import BASELINE
from potentiate.study.sections.blocks import Block, Cell, Picture, Text
from potentiate.study.verdict import Verdict, speedup


def later(findings: Findings) -> Text:
    """What stands in a section that is still empty."""
    words = "Not part of this study." if findings.complete else "Not reached yet."
    return Text(words, tone="quiet")


def named(arm: str, part: str = "") -> Cell:
    """The name of an arm, with its part in the study before it."""
    return Cell(arm, specs=True, note=part)


def badge(row: ArmResult) -> Cell:
    """The verdict as a label; the baseline has none."""
    if row.arm == BASELINE:
        return Cell("reference", "muted", True)
    word = WORDS[row.judgement.verdict]
    return Cell(word.label, word.tone, True)


def gain(row: ArmResult) -> str:
    """The speed-up with its interval."""
    if row.arm == BASELINE:
        return "1x"
    failed = row.judgement.verdict is Verdict.FAILED
    time = row.judgement.time
    if failed or time is None:
        return "failed" if failed else "-"
    return numbers.with_span(speedup(time))


def quality_change(row: ArmResult, metric: str) -> str:
    """The change of quality with its interval, or why there is none."""
    if row.judgement.quality is not None:
        return numbers.change_with_span(row.judgement.quality, metric)
    if row.arm == BASELINE:
        return "reference"
    if not ran(row):
        return "-"
    return "same numbers" if row.evidence == "exact" else numbers.MISSING


def picture(svg: str, caption: str) -> list[Block]:
    """The drawing, or nothing where there was nothing to draw."""
    return [Picture(svg, caption)] if svg else []


def costs(row: ArmResult) -> tuple[str, ...]:
    """Total time, steps, steps to the target, time per step, start-up, break-even and FLOPs."""
    if row.arm == BASELINE:
        startup, flops = numbers.duration(row.startup), "1x" if row.flops_ratio else "not counted"
        return numbers.duration(row.seconds), "1x", "1x", "1x", startup, "-", flops
    if row.judgement.verdict in (Verdict.INAPPLICABLE, Verdict.FAILED):
        return ("failed" if row.judgement.verdict is Verdict.FAILED else "-", *["-"] * 6)
    return (
        numbers.duration(row.seconds if row.seconds else None),
        numbers.times(row.steps_ratio, numbers.MISSING),
        _target(row),
        numbers.times(row.step_ratio, numbers.MISSING),
        numbers.duration(row.startup),
        _break_even(row),
        numbers.times(row.flops_ratio, "not counted"),
    )


def _target(row: ArmResult) -> str:
    return "not reached" if row.target_ratio == math.inf else numbers.times(row.target_ratio, "-")


def _break_even(row: ArmResult) -> str:
    if row.break_even_steps == 0.0:
        return "at once"
    steps = numbers.count(row.break_even_steps)
    return steps if steps in (numbers.NEVER, numbers.MISSING) else f"{steps} steps"
