"""The section on each technique alone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from potentiate.study import numbers, plots
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.rows import ran, ranked
from potentiate.study.runs import BASELINE
from potentiate.study.sections.blocks import Block, Section, Table, Text
from potentiate.study.sections.cells import (
    badge,
    costs,
    gain,
    later,
    named,
    picture,
    quality_change,
)
from potentiate.study.statistics import look_alpha, pairs_needed
from potentiate.study.verdict import Verdict, speedup

_INTRODUCTION = (
    "Each technique was switched on alone and compared with the baseline in paired blocks of runs, "
    "in balanced order. A speed-up above 1x is faster; in brackets the range that the data allow. "
    "Quality is {metric} on validation data. These numbers choose what to combine; they carry no "
    "claim."
)


def singles(findings: Findings) -> Section:
    """Every technique alone, best first; what cannot run or failed stands at the end."""
    rows = ranked(findings.singles)
    blocks: list[Block] = []
    if rows:
        blocks += [
            Text(_INTRODUCTION.format(metric=numbers.plain(findings.plan.metric))),
            *picture(plots.forest(findings), "A bar to the right of the line at 1x is faster."),
            _singles_table(findings, rows),
            _details(findings, rows),
        ]
    return Section("techniques", "Each technique alone", blocks or [later(findings)])


def _singles_table(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    metric = findings.plan.metric
    return Table(
        "Verdicts, best first",
        ("technique", "verdict", "speed-up", "quality change", "peak memory", "why"),
        [
            (
                named(row.arm),
                badge(row),
                gain(row),
                quality_change(row, metric),
                numbers.times(row.memory_ratio, numbers.MISSING) if ran(row) else "-",
                why(findings, row),
            )
            for row in rows
        ],
    )


def _details(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    return Table(
        "All figures of each technique",
        (
            "technique",
            "proof owed",
            "runs",
            "p (adjusted)",
            "total time",
            "steps",
            "steps to target",
            "time per step",
            "start-up",
            "pays off after",
            "FLOPs",
            "the verdict's sentence",
        ),
        [
            (
                named(row.arm),
                row.evidence,
                f"{row.runs}, {row.failures} failed" if row.failures else str(row.runs),
                numbers.p_value(row.p_adjusted),
                *costs(row),
                numbers.plain(row.judgement.reason),
            )
            for row in rows
        ],
        folded=True,
    )


def why(findings: Findings, row: ArmResult) -> str:
    """The reason of a verdict in a few words; its full sentence stands in the folded table."""
    judged, verdict = row.judgement, row.judgement.verdict
    if judged.time is None or verdict is Verdict.FAILED or row.arm == BASELINE:
        return numbers.plain(judged.reason)
    words = [_verdict_words(findings, row), *_control_words(row)]
    if row.failures:
        words.append(f"{row.failures} of {row.runs} runs failed and count as infinitely slow")
    sentence = "; ".join(words)
    return sentence[0].upper() + sentence[1:] + "."


def _verdict_words(findings: Findings, row: ArmResult) -> str:
    judged, accepted = row.judgement, numbers.margin(findings.plan.margin, findings.plan.metric)
    match judged.verdict:
        case Verdict.FASTER_EQUAL if judged.quality is None:
            return "computes the same numbers in less time"
        case Verdict.FASTER_EQUAL:
            return f"quality is kept: a loss of {accepted} is ruled out"
        case Verdict.FASTER_QUALITY_UNPROVEN:
            return f"a loss of more than {accepted} is not ruled out yet{_still_due(findings, row)}"
        case Verdict.FASTER_WORSE:
            return f"costs more quality than the {accepted} accepted"
        case Verdict.EQUAL:
            return f"takes the same time within {numbers.share(findings.plan.smallest)}"
        case Verdict.SLOWER:
            return "takes longer on this machine"
        case Verdict.MEMORY_ONLY:
            return f"peak memory falls to {numbers.times(judged.memory_ratio)}, time does not"
        case _:
            return _unresolved(findings, row)


def _still_due(findings: Findings, row: ArmResult) -> str:
    """How many pairs would settle the quality, from the spread of those there are."""
    sound = [d for d in row.differences if numbers.known(d)]
    spread = stdev(sound) if len(sound) > 2 else 0.0
    if spread == 0.0:
        return ""
    alpha = look_alpha(findings.plan.looks, findings.plan.alpha)
    pairs = pairs_needed(max(findings.plan.margin / spread, 0.01), alpha=alpha)
    return f"; if there is none, about {pairs:,} pairs would show it" if pairs > len(sound) else ""


def _unresolved(findings: Findings, row: ArmResult) -> str:
    judged = row.judgement
    if (
        row.p_adjusted is not None
        and judged.time
        and judged.time.high < 1.0
        and judged.p_claim <= findings.plan.alpha
    ):
        return "looks faster, but of so many techniques tried one may do so by luck"
    if judged.time and judged.time.high < 1.0:
        return f"faster, but not shown to reach {numbers.share(findings.plan.smallest)}"
    if judged.quality is not None and judged.quality.high < -findings.plan.margin:
        return "costs more quality than accepted, without a speed-up to show for it"
    if not numbers.known(judged.mde):
        return "these runs could not have shown any speed-up"
    return f"too noisy to say: a speed-up below {numbers.faster_by(judged.mde)} would be missed"


def _control_words(row: ArmResult) -> list[str]:
    if row.versus_control is None:
        return []
    over = speedup(row.versus_control)
    if over.low > 1.0:
        return [f"{numbers.times(over.estimate)} the speed of just training shorter"]
    if over.high < 1.0:
        return [f"slower than just training shorter ({numbers.with_span(over)} its speed)"]
    return [f"not shown to beat just training shorter ({numbers.with_span(over)})"]
