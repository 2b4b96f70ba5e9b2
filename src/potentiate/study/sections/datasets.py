"""The summary over data sets as a page: what holds on all of them, and on each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from potentiate.study import emit, numbers, plots
from potentiate.study.across import Across, PooledArm, SetFindings
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.glossary import WORDS
from potentiate.study.plan import Plan
from potentiate.study.rows import baseline_row, is_control, oriented
from potentiate.study.sections.blocks import (
    Block,
    Cell,
    Code,
    Head,
    Items,
    Page,
    Section,
    Table,
    Text,
)
from potentiate.study.sections.cells import badge, gain, named, picture, quality_change
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
        _head(found, folder),
        [
            _verdicts(found),
            _pooled(found),
            _sets(found),
            _each(found),
            _rebuild(found, folder),
            _glossary(),
        ],
    )


def title(found: Across) -> str:
    """The title of the page."""
    count = len(found.sets)
    sets = f"{count} data set{'s' * (count != 1)}"
    return f"Training-efficiency study of {numbers.plain(found.declaration.workload)} on {sets}"


def take_home(found: Across) -> str:
    """The sentence that a reader keeps."""
    if found.plan is None:
        return "No data set was measured yet, so nothing is claimed."
    sets, open_still = found.measured, _waiting(found)
    if len(found.sets) == 1:
        text = emit.claim(next(iter(sets.values())))
    elif found.declaration.mode == "baseline-only":
        text = "The baselines were measured; nothing was compared with them."
    elif good := found.recommended:
        text = f"Use {good[0].row.arm}: {numbers.plain(good[0].row.judgement.reason)}"
        if is_control(good[0].row):
            text += " Simply training shorter is what pays here."
        if len(good) > 1:
            others = ", ".join(arm.row.arm for arm in good[1:])
            text += f" Also shown: {others}; what they do together was not measured over the sets."
    else:
        text = "No technique is shown to be faster at equal quality over the data sets; keep the baseline."
    return f"{text} {open_still}".strip()


def _waiting(found: Across) -> str:
    waiting = [each.name for each in found.sets if not (each.findings and each.findings.complete)]
    if not waiting:
        return ""
    return f"Not finished: {', '.join(waiting)}."


def command(found: Across) -> str:
    """The command that trains with what is recommended, on the first set."""
    name = next(iter(found.measured), found.sets[0].name)
    one = found.measured.get(name)
    if len(found.sets) == 1 and one is not None:
        return emit.long_command(one)
    declaration = found.declaration
    words = ["potentiate", "train", f"{declaration.workload}/{name}"]
    for spec in found.recommended[0].row.techniques if found.recommended else ():
        words += ["--technique", spec]
    if declaration.threads is not None:
        words += ["--technique", f"threads:count={declaration.threads}"]
    for key, value in declaration.recipe.items():
        words += ["--set", f"{key}={emit.typed(value)}"]
    return shlex.join([*words, "--seed", str(declaration.seed), "--device", declaration.device])


def _head(found: Across, folder: Path) -> Head:
    state, headline, subline = _headline(found)
    several = "; for another set put its name in place of this one" * (len(found.sets) > 1)
    what = "what is shown to pay" if found.recommended else "the baseline recipe"
    if len(found.sets) == 1:
        what = "what the study of the set recommends"
    return Head(
        state=state,
        workload=numbers.plain(found.declaration.workload),
        headline=headline,
        subline=subline,
        claim=numbers.plain(take_home(found)),
        command=command(found),
        command_note=f"This trains with {what}{several}.",
        before_after=_before_after(found),
        before_title="What it buys on each set" if found.recommended else "What the baseline takes",
        sure=_sure(found),
        warnings=[
            f"{each.name}: {numbers.plain(each.refused)}" for each in found.sets if each.refused
        ],
    )


def _headline(found: Across) -> tuple[str, str, str]:
    good, count = found.recommended, len(found.measured)
    if good:
        judged = good[0].row.judgement
        assert judged.time is not None
        gain = numbers.times(speedup(judged.time).estimate)
        judged_on = "" if _held_out(good[0]) else ", judged on validation data"
        return (
            "confirmed",
            f"{gain} faster",
            f"at equal quality, over {good[0].pooled} data sets{judged_on}",
        )
    if not found.complete and not all(each.refused for each in found.sets if not each.findings):
        return "open", "Not finished yet", "what follows holds for the runs so far"
    if found.declaration.mode == "baseline-only":
        return "measured", "Baselines measured", "no technique was asked for"
    if len(found.sets) == 1:
        best = next((f.best for f in found.measured.values()), None)
        if best is not None:
            return "confirmed", "Confirmed", "on one data set, which says nothing of others"
    return "nothing", "Nothing was shown", f"over {count} data set{'s' * (count != 1)}"


def _held_out(arm: PooledArm) -> bool:
    """Whether held-out data bear it out; where the same numbers are computed there is nothing to bear out."""
    return arm.held_out or arm.row.evidence == "exact"


def _before_after(found: Across) -> list[tuple[str, str, str, str]]:
    """Time of a run on each set, with what is recommended where there is anything."""
    best = found.recommended[0] if found.recommended else None
    lines = list[tuple[str, str, str, str]]()
    for name, findings in found.measured.items():
        base = baseline_row(findings)
        if base is None:
            continue
        row = best.sets.get(name) if best else None
        before, metric = numbers.duration(base.seconds), findings.plan.metric
        if row is not None and row.judgement.time is not None:
            after = numbers.duration(base.seconds * row.judgement.time.estimate)
            lines.append((name, before, after, f"{gain(row)} faster"))
        else:
            reached = numbers.quality(oriented(findings, base.quality), metric)
            lines.append((name, before, "", f"a run, to {reached} {metric}"))
    return lines


def _sure(found: Across) -> list[str]:
    if found.plan is None:
        return []
    plan, lines = found.plan, list[str]()
    for arm in found.recommended[:1]:
        judged = arm.row.judgement
        assert judged.time is not None
        over = speedup(judged.time)
        lines.append(
            f"Speed-up {numbers.span(over.low, over.high)} times at {numbers.level(over)} confidence, data "
            f"sets taken as a sample (p {numbers.p_value(arm.row.p_adjusted)}, adjusted for the techniques)."
        )
        lines += [f"{sentence[0].upper()}{sentence[1:]}." for sentence in _differ(arm)]
        if not _held_out(arm):
            lines.append(
                "Its quality was judged on validation data: not every set confirmed it on held-out data."
            )
        if arm.row.evidence == "semantics" and not is_control(arm.row):
            lines.append(
                "It trains otherwise, and was compared with the baseline, not with just training shorter."
            )
    allowed = numbers.margin(plan.claimed_margin, plan.metric)
    lines.append(
        f"Equal means: held-out {plan.metric} not worse by {allowed} on average over the sets"
        f"{_coarse(plan)}."
    )
    if len(found.measured) == 2:
        lines.append("Two data sets say little of others: only large effects can be shown on them.")
    return lines


def _coarse(plan: Plan) -> str:
    if plan.margin == plan.claimed_margin:
        return ""
    coarse = numbers.margin(plan.margin, plan.metric)
    return f"; validation {plan.metric}, where there are few examples, by {coarse}"


def _differ(arm: PooledArm) -> list[str]:
    """How much the sets differ, in sentences without a stop."""
    if arm.time is None:
        return []
    timed = [(name, row.judgement.time) for name, row in arm.sets.items()]
    gains = sorted((speedup(time).estimate, name) for name, time in timed if time)
    (least, slow), (most, fast) = gains[0], gains[-1]
    text = f"from {numbers.times(least)} on {slow} to {numbers.times(most)} on {fast}"
    lines = [f"{text}; {numbers.share(arm.time.share)} of that spread is more than noise"]
    if arm.prediction is not None:
        ahead = speedup(arm.prediction)
        lines.append(
            f"on one more set like these expect {numbers.span(ahead.low, ahead.high)} times, 9 times out of 10"
        )
    return lines


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
