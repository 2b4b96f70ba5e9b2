"""The last section of a report: what others claim of a technique, beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from potentiate.study import numbers
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.interval import Interval
from potentiate.study.plan import EVERYTHING, Claim, Measure
from potentiate.study.record import Record
from potentiate.study.runs import BASELINE
from potentiate.study.sections.blocks import Cell, Section, Table, Text
from potentiate.study.sections.cells import named
from potentiate.study.statistics import ratio_interval
from potentiate.study.verdict import Verdict, speedup

_INTRODUCTION = (
    "Claims were written down before the first run and changed nothing of what was run. A factor is "
    "the baseline's figure over the arm's: 2x is half the time or half the memory. Time is that of "
    "a whole run, start-up and evaluations included; a step is one of training, with all that it "
    "does only now and then; memory is the peak of the whole process, libraries and data included. "
    "An interval is within a claim that holds all of it (or that is one figure, which it holds), and "
    "less or more than one of which it holds nothing."
)
_MEASURES: Mapping[Measure, str] = {
    "time": "time of a run",
    "step": "time of a step",
    "memory": "peak memory",
}
_COSTS: Mapping[Measure, Callable[[Record], float]] = {
    "step": lambda run: run.seconds.get("training", 0.0) / max(1, run.steps),
    "memory": lambda run: float(run.memory),
}
_PHASES = {"confirm": "full runs, fresh seeds", "quality": "full runs", "timing": "short runs"}
"""Where runs are looked for, the strongest first."""


@dataclass(frozen=True)
class _Found:
    """A measurement: its interval as a claim counts (None: there is none), and what the table shows."""

    interval: Interval | None
    measured: str
    span: str = "-"
    runs: str = "-"


def claims(findings: Findings) -> list[Section]:
    """What others claim beside what was measured; no section where nobody claims anything."""
    stated = findings.plan.claims
    if not stated:
        return []
    introduction = _INTRODUCTION + _everything(findings)
    tables = [_table(findings, source) for source in dict.fromkeys(c.source for c in stated)]
    return [
        Section("claims", "What is claimed, and what was measured", [Text(introduction), *tables])
    ]


def _everything(findings: Findings) -> str:
    whole = next((c.arm for c in findings.plan.claims if _is_everything(findings, c.arm)), "")
    return f" Everything is {whole}." if whole else ""


def _is_everything(findings: Findings, arm: str) -> bool:
    """Whether an arm of several techniques holds all that are tested."""
    tested = {spec for candidate in findings.plan.candidates for spec in candidate.techniques}
    return " + " in arm and tested <= set(arm.split(" + "))


def _table(findings: Findings, source: str) -> Table:
    return Table(
        numbers.plain(source) or "Claims",
        ("arm", "measure", "the page says", "measured", "interval", "from", "the interval is"),
        [_row(findings, claim) for claim in findings.plan.claims if claim.source == source],
    )


def _row(findings: Findings, claim: Claim) -> tuple[str | Cell, ...]:
    whole = _is_everything(findings, claim.arm)
    found = _found(findings, claim)
    return (
        Cell(EVERYTHING) if whole else named(claim.arm),
        _MEASURES.get(claim.measure, findings.plan.metric),
        claim.says,
        found.measured,
        found.span,
        found.runs,
        _order(claim, found.interval),
    )


def _order(claim: Claim, found: Interval | None) -> Cell:
    """Where the interval lies against what is claimed, as far as the claim is a number."""
    if found is None or (claim.low is None and claim.high is None):
        return Cell("-")
    low = -math.inf if claim.low is None else claim.low
    high = math.inf if claim.high is None else claim.high
    if found.high < low:
        return Cell("less", "bad", True)
    if found.low > high:
        return Cell("more", "info", True)
    inside = low <= found.low and found.high <= high
    if inside or (low == high and found.low <= low <= found.high):
        return Cell("within", "good", True)
    return Cell("unresolved", "muted", True)


def _found(findings: Findings, claim: Claim) -> _Found:
    rows = [*findings.confirmation, *findings.singles]
    row = next((row for row in rows if row.arm == claim.arm), None)
    if row is None:
        return _Found(None, numbers.MISSING if findings.complete else "not reached yet")
    if row.judgement.verdict is Verdict.INAPPLICABLE:
        return _Found(None, f"does not apply: {numbers.plain(row.judgement.reason)}")
    if row.judgement.verdict is Verdict.FAILED:
        return _Found(None, "failed")
    if claim.measure == "quality":
        return _quality(findings, row)
    pairs, runs = _pairs(findings, claim.arm)
    cost = _COSTS.get(claim.measure)
    ratio = row.judgement.time if cost is None else _ratio(pairs, cost, 2.0 * findings.plan.alpha)
    return _factor(ratio, runs)


def _quality(findings: Findings, row: ArmResult) -> _Found:
    found, metric = row.judgement.quality, findings.plan.metric
    if found is None:
        return _Found(None, "same numbers" if row.evidence == "exact" else numbers.MISSING)
    if not numbers.known(found.estimate):
        return _Found(None, "failed")
    ends = numbers.span(found.low, found.high, lambda v: numbers.signed(v, metric), -math.inf)
    return _Found(found, numbers.change(found.estimate, metric), ends, _pairs(findings, row.arm)[1])


def _factor(ratio: Interval | None, runs: str) -> _Found:
    if ratio is None:
        return _Found(None, numbers.MISSING)
    gain = speedup(ratio)
    if not gain.estimate or not numbers.known(gain.estimate):
        return _Found(None, "failed", "-", runs)
    return _Found(gain, numbers.times(gain.estimate), numbers.span(gain.low, gain.high), runs)


def _pairs(findings: Findings, arm: str) -> tuple[list[tuple[Record, Record]], str]:
    """Runs of an arm with the baseline's of the same block, from the strongest phase, and what they are."""
    for phase, words in _PHASES.items():
        by_arm = {
            name: {r.request.block: r for r in findings.records if _is(r, phase, name)}
            for name in (arm, BASELINE)
        }
        blocks = by_arm[arm].keys() & by_arm[BASELINE].keys()
        pairs = [(by_arm[arm][block], by_arm[BASELINE][block]) for block in sorted(blocks)]
        sound = [pair for pair in pairs if pair[1].status == "ok"]
        if sound:
            return sound, f"{len(sound)} pairs of {words}"
    return [], "-"


def _is(record: Record, phase: str, arm: str) -> bool:
    return record.request.phase == phase and record.request.arm == arm


def _ratio(
    pairs: Sequence[tuple[Record, Record]], cost: Callable[[Record], float], alpha: float
) -> Interval | None:
    """Cost of an arm over the baseline's at level `1 - alpha`; a failed run costs without bound."""
    costs = [(cost(a) if a.status == "ok" else math.inf, cost(b)) for a, b in pairs]
    ratios = [mine / base for mine, base in costs if mine > 0.0 and base > 0.0]
    return ratio_interval(ratios, alpha) if ratios else None
