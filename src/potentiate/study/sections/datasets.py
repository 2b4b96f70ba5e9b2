"""The summary over data sets as a page: what holds on all of them, and on each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from potentiate.study import emit, numbers, plots
from potentiate.study.across import Across, SetFindings
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.glossary import WORDS
from potentiate.study.plan import Plan
from potentiate.study.rows import baseline_row, is_control, oriented
from potentiate.study.sections.blocks import (
    Block,
    Cell,
    Code,
    Items,
    Page,
    Section,
    Table,
    Text,
)
from potentiate.study.sections.cells import badge, gain, named, picture, quality_change
from potentiate.study.sections.takehome import head, title
from potentiate.study.together import PooledArm
from potentiate.study.verdict import speedup

_POOLED = (
    "Each data set counts alike: the speed-up is the geometric mean over the sets, and its interval takes "
    "the sets as a sample of sets like these, so that two sets leave it wide. Where every set confirmed a "
    "technique, its confirmations on held-out data are pooled, else the runs with it alone, which are judged "
    "on validation data. The spread says how much of the difference between sets is more than noise; the "
    "prediction is where the speed-up on one more set like these would lie."
)
_TERMS = (
    "Over data sets: faster, or equal in quality, on average over sets like those that were studied; a "
    "single set may differ.",
    "Geometric mean: the number that, in place of each set's speed-up, gives the same product.",
    "Spread (I\u00b2): share of the variance between sets that noise within the sets does not explain.",
    "Margin: the loss of quality that was accepted as equal before the first run; of sets with different "
    "margins the smallest holds for all of them together.",
)


def page(found: Across, folder: Path = Path()) -> Page:
    """All that the summary says, in order; `folder` is where it will lie, as it is typed in commands."""
    return Page(
        title(found),
        head(found),
        [
            _verdicts(found),
            _pooled(found),
            _sets(found),
            _each(found),
            _rebuild(found, folder),
            _glossary(),
        ],
    )


def _verdicts(found: Across) -> Section:
    """The verdict on each technique on each set."""
    names = list(found.measured)
    blocks: list[Block] = [_nothing(found)]
    if found.arms:
        together = ["over data sets"] if len(found.sets) > 1 else []
        rows = [
            (
                _name(arm),
                *([badge(arm.row)] if together else []),
                *(badge(arm.sets[name]) if name in arm.sets else Cell("-") for name in names),
            )
            for arm in found.arms
        ]
        blocks = [Table("Verdicts, best first", ("technique", *together, *names), rows)]
    return Section("verdicts", "Each technique on each data set", blocks)


def _name(arm: PooledArm) -> Cell:
    return named(arm.row.arm, "control" if is_control(arm.row) else "")


def _nothing(found: Across) -> Text:
    asked = found.declaration.mode != "baseline-only"
    return Text("Not reached yet." if asked else "No technique was asked for.", tone="quiet")


def _pooled(found: Across) -> Section:
    blocks: list[Block] = []
    pooled = [arm for arm in found.arms if arm.time is not None]
    if found.plan is not None and pooled:
        drawing = plots.datasets(found)
        caption = (
            "A bar to the right of the line at 1x is faster; the last row of each is all sets."
        )
        rows = [_pooled_row(found.plan, arm) for arm in pooled]
        columns = (
            *("technique", "verdict", "sets", "judged on", "speed-up", "quality change"),
            *("p (adjusted)", "spread (I\u00b2)", "one more set"),
        )
        sentences = [(_name(a), numbers.plain(a.row.judgement.reason)) for a in found.arms]
        blocks = [
            Text(_POOLED),
            *picture(drawing, caption),
            Table("Over all data sets", columns, rows),
            Table(
                "The verdicts in full sentences", ("technique", "sentence"), sentences, folded=True
            ),
        ]
    elif found.arms:
        blocks = [Text("No technique was timed on two data sets or more, so nothing is pooled.")]
    return Section("pooled", "All data sets together", blocks or [_nothing(found)])


def _pooled_row(plan: Plan, arm: PooledArm) -> tuple[str | Cell, ...]:
    return (
        _name(arm),
        badge(arm.row),
        str(arm.pooled),
        "held-out data" if arm.held_out else "validation data",
        gain(arm.row),
        quality_change(arm.row, plan.metric),
        numbers.p_value(arm.row.p_adjusted),
        numbers.share(arm.time.share if arm.time else None),
        numbers.with_span(speedup(arm.prediction), "-") if arm.prediction else "needs 3 sets",
    )


def _sets(found: Across) -> Section:
    """Each set with its own report."""
    columns = (
        *("data set", "report", "state", "examples", "a baseline run", "quality"),
        *("margin", "study took", "its own claim"),
    )
    rows = [_set(each) for each in found.sets]
    text = "Each set is a study of its own, with its own report, evidence and recommended command."
    return Section("sets", "The data sets", [Text(text), Table("The sets", columns, rows)])


def _set(each: SetFindings) -> tuple[str | Cell, ...]:
    findings = each.findings
    state = _state(each)
    if findings is None:
        return (each.name, "-", state, *["-"] * 5, numbers.plain(each.refused) or "-")
    plan, base = findings.plan, baseline_row(findings)
    return (
        each.name,
        Cell("report", link=quote(f"{each.name}/report.html")),
        state,
        ", ".join(f"{count:,} {part}" for part, count in plan.sizes.items()) or "not known",
        numbers.duration(base.seconds if base else None),
        numbers.quality(oriented(findings, base.quality) if base else None, plan.metric),
        numbers.margin(plan.claimed_margin, plan.metric),
        numbers.duration(findings.study_seconds),
        numbers.plain(each.refused) or emit.claim(findings),
    )


def _state(each: SetFindings) -> Cell:
    if each.refused:
        return Cell("refused", "bad", True)
    if each.findings is None:
        return Cell("not started", "muted", True)
    if not each.findings.complete:
        return Cell("not finished", "doubt", True)
    return Cell("done", "good", True)


def _each(found: Across) -> Section:
    """The figures of every technique on every set."""
    rows = [
        (_name(arm), name, badge(row), gain(row), _change(found, name, row), str(row.runs))
        for arm in found.arms
        for name, row in arm.sets.items()
    ]
    blocks: list[Block] = [_nothing(found)]
    if rows:
        columns = ("technique", "data set", "verdict", "speed-up", "quality change", "runs")
        blocks = [Table("Every technique on every data set", columns, rows, folded=True)]
    return Section("figures", "All figures", blocks)


def _change(found: Across, name: str, row: ArmResult) -> str:
    findings: Findings = found.measured[name]
    return quality_change(row, findings.plan.metric)


def _rebuild(found: Across, folder: Path) -> Section:
    one: Sequence[str] = [each.name for each in found.sets][:1]
    lines = [folder, *(folder / name for name in one)]
    return Section(
        "rebuild",
        "Check it yourself",
        [
            Text(
                "Every run is one line of the evidence.jsonl of its set. The first command makes this summary "
                "and all reports again from that alone; the second one set's."
            ),
            Code("\n".join(f"potentiate report {shlex.quote(str(line))}" for line in lines)),
        ],
    )


def _glossary() -> Section:
    rows = [
        (Cell(word.label, word.tone, True), str(verdict), word.meaning)
        for verdict, word in WORDS.items()
    ]
    table = Table("The nine verdicts", ("verdict", "in the evidence", "meaning"), rows)
    return Section("glossary", "What the words mean", [table, Items(_TERMS)])
