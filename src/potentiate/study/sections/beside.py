"""The section of a report with simple references beside what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from potentiate.study import numbers
from potentiate.study.findings import Findings
from potentiate.study.record import Record
from potentiate.study.reference import Standing, sentences, standings
from potentiate.study.runs import BASELINE, full_runs
from potentiate.study.sections.blocks import Block, Cell, Section, Table, Text
from potentiate.study.sections.cells import named

_INTRODUCTION = (
    "What simple ways reach on the same held-out data, each judged once, says how much of the result "
    "is owed to training. No claim is made from it and no decision read it."
)
_NOISE = (
    "The noise is two standard errors: of the mean over seeds and, for a share of examples that are "
    "right, of two such shares of the held-out examples, taken as independent."
)

_TONES = {"better": "bad", "as good": "bad", "within the noise": "doubt", "worse": "good"}


def beside(findings: Findings) -> list[Section]:
    """Majority class, classifiers on raw values and the like; no section where none were judged."""
    run = findings.beside
    if run is None or run.status == "inapplicable":
        return []
    blocks: list[Block] = [Text(_INTRODUCTION)]
    if run.status != "ok":
        blocks = [Text(f"They could not be judged: {numbers.plain(run.reason)}.")]
    else:
        blocks += _judged(findings, run)
    return [Section("beside", "Beside simple references", blocks)]


def _judged(findings: Findings, run: Record) -> list[Block]:
    metric = findings.plan.metric
    values = {n: told[metric] for n, told in run.references.items() if metric in told}
    trained = {arm: ours for arm in _arms(findings) if (ours := _tested(findings, arm))}
    ours = max(trained.values(), key=lambda v: _sign(findings) * fmean(v), default=list[float]())
    if not ours:
        rows = [(numbers.plain(n), numbers.quality(v, metric), "-", "-") for n, v in values.items()]
        return [_table(metric, rows), Text("No run has read the held-out data yet.", tone="quiet")]
    found = standings(
        ours,
        values,
        higher_is_better=findings.plan.higher_is_better,
        examples=findings.plan.sizes.get("test") if metric == "accuracy" else None,
    )
    rows = [_trained(findings, arm, values) for arm, values in trained.items()]
    rows += [_reference(metric, each) for each in found]
    return [Text(sentences(found)), _table(metric, rows), Text(_NOISE, tone="quiet")]


def _arms(findings: Findings) -> list[str]:
    best = findings.best.arm if findings.best else BASELINE
    return list(dict.fromkeys([BASELINE, best]))


def _sign(findings: Findings) -> float:
    return 1.0 if findings.plan.higher_is_better else -1.0


def _tested(findings: Findings, arm: str) -> list[float]:
    """The metric of an arm's full runs on held-out data."""
    metric = findings.plan.metric
    read = [run.test for run in full_runs(findings, arm) if run.test is not None]
    return [test[metric] for test in read if numbers.known(test.get(metric))]


def _trained(findings: Findings, arm: str, values: Sequence[float]) -> tuple[str | Cell, ...]:
    what = f"mean of {len(values)} run{'s' * (len(values) != 1)}"
    quality = numbers.quality(fmean(values), findings.plan.metric)
    return named(arm, "" if arm == BASELINE else "best"), quality, what, "-"


def _reference(metric: str, each: Standing) -> tuple[str | Cell, ...]:
    change = numbers.change(each.gain, metric)
    return (
        numbers.plain(each.name),
        numbers.quality(each.value, metric),
        f"{change}, noise {numbers.margin(each.noise, metric)}",
        Cell(each.verdict, _TONES[each.verdict], True),
    )


def _table(metric: str, rows: Sequence[tuple[str | Cell, ...]]) -> Table:
    columns = ("what", f"held-out {metric}", "gained over it by training", "the reference is")
    return Table("Trained, and not trained", columns, rows)
