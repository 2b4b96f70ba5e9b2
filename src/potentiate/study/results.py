"""The sections of a report that say what was found."""

from __future__ import annotations

from collections.abc import Sequence

from potentiate.study import emit, numbers, plots
from potentiate.study.findings import ArmResult, Findings, FrontPoint, Trial
from potentiate.study.page import Block, Cell, Code, Picture, Section, Table, Text
from potentiate.study.runs import BASELINE
from potentiate.study.verdict import Verdict, speedup

VERDICTS = {
    Verdict.FASTER_EQUAL: (
        "faster, equal quality",
        "Faster beyond chance, and quality is shown to be kept within the margin (or the numbers are "
        "the same). Use it.",
    ),
    Verdict.FASTER_QUALITY_UNPROVEN: (
        "faster, quality unproven",
        "Faster beyond chance, but these runs do not show that quality is kept. It may be; measure "
        "more seeds or widen the margin.",
    ),
    Verdict.FASTER_WORSE: (
        "faster, worse",
        "Faster beyond chance, and quality drops by more than the margin beyond chance.",
    ),
    Verdict.EQUAL: (
        "same speed",
        "The time is shown to be the same within the smallest difference that matters.",
    ),
    Verdict.UNRESOLVED: (
        "unresolved",
        "Neither a difference nor its absence is shown. The smallest speed-up that these runs would "
        "have shown is given.",
    ),
    Verdict.SLOWER: ("slower", "Slower beyond chance."),
    Verdict.MEMORY_ONLY: ("saves memory only", "Clearly less peak memory, without a gain of time."),
    Verdict.INAPPLICABLE: (
        "does not apply",
        "Cannot run on this workload or this machine; the reason is given.",
    ),
    Verdict.FAILED: (
        "failed",
        "Every run crashed, met a number that is not finite or missed the target.",
    ),
}
"""Each verdict in plain words, and what it means."""

LATER = Text("Not reached yet.", tone="quiet")


def badge(row: ArmResult) -> Cell:
    """The verdict as a label; the baseline has none."""
    if row.arm == BASELINE:
        return Cell("reference", "muted", True)
    verdict = row.judgement.verdict
    return Cell(VERDICTS[verdict][0], plots.MARKERS[verdict][0], True)


def gain(row: ArmResult) -> str:
    """The speed-up with its interval."""
    if row.arm == BASELINE:
        return "1x"
    failed = row.judgement.verdict is Verdict.FAILED
    time = row.judgement.time
    if failed or time is None:
        return "failed" if failed else numbers.MISSING
    return numbers.with_span(speedup(time))


def quality_change(row: ArmResult, metric: str) -> str:
    """The change of quality with its interval, or why there is none."""
    if row.judgement.quality is not None:
        return numbers.change_with_span(row.judgement.quality, metric)
    if row.arm == BASELINE:
        return "reference"
    return "same numbers" if row.evidence == "exact" and row.judgement.time else numbers.MISSING


def why(findings: Findings, row: ArmResult) -> str:
    """The reason of a verdict in a few plain words; the full sentence stands in the folded table."""
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
            return f"a loss of more than {accepted} is not ruled out yet"
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


def _unresolved(findings: Findings, row: ArmResult) -> str:
    judged = row.judgement
    if judged.time and judged.time.high < 1.0:
        return f"faster, but not shown to reach the {numbers.share(findings.plan.smallest)} that matters"
    if not numbers.known(judged.mde):
        return "these runs could not have shown any speed-up"
    return f"too noisy to say: a speed-up below {numbers.times(judged.mde)} would be missed"


def _control_words(row: ArmResult) -> list[str]:
    if row.versus_control is None:
        return []
    over = speedup(row.versus_control)
    if over.low > 1.0:
        return [f"{numbers.times(over.estimate)} the speed of just training shorter"]
    return [f"not shown to beat just training shorter ({numbers.with_span(over)})"]


def singles(findings: Findings) -> Section:
    """Every technique alone, best first; what cannot run or failed stands at the end."""
    rows = plots.ranked(findings.singles)
    blocks: list[Block] = []
    if rows:
        blocks += [
            Text(
                "Each technique was switched on alone and compared with the baseline in paired blocks "
                "of runs, in balanced order. A speed-up above 1x is faster; in brackets the range that "
                f"the data allow. Quality is {numbers.plain(findings.plan.metric)} on validation data."
            ),
            *_picture(plots.forest(findings), "A bar to the right of the line at 1x is faster."),
            _singles_table(findings, rows),
            _details(findings, rows),
        ]
    return Section("techniques", "Each technique alone", blocks or [LATER])


def _picture(svg: str, caption: str) -> list[Block]:
    return [Picture(svg, caption)] if svg else []


def _singles_table(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    metric = findings.plan.metric
    return Table(
        "Verdicts, best first",
        ("technique", "verdict", "speed-up", "quality change", "peak memory", "why"),
        [
            (
                row.arm,
                badge(row),
                gain(row),
                quality_change(row, metric),
                numbers.times(row.memory_ratio, numbers.MISSING),
                why(findings, row),
            )
            for row in rows
        ],
    )


def _details(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    return Table(
        "All figures of each technique",
        ("technique", "proof owed", "runs", "p (adjusted)", "total time", "steps", "time per step",
         "start-up", "pays off after", "FLOPs", "the verdict's sentence"),
        [
            (
                row.arm,
                row.evidence,
                f"{row.runs}, {row.failures} failed" if row.failures else str(row.runs),
                numbers.p_value(row.p_adjusted),
                *_costs(row),
                numbers.plain(row.judgement.reason),
            )
            for row in rows
        ],
        folded=True,
    )  # fmt: skip


def _costs(row: ArmResult) -> tuple[str, ...]:
    """Total time, steps, time per step, start-up, break-even and FLOPs."""
    if row.judgement.verdict in (Verdict.INAPPLICABLE, Verdict.FAILED):
        return ("failed" if row.judgement.verdict is Verdict.FAILED else "-", *["-"] * 5)
    return (
        numbers.duration(row.seconds if row.seconds else None),
        numbers.times(row.steps_ratio, numbers.MISSING),
        numbers.times(row.step_ratio, numbers.MISSING),
        numbers.duration(row.startup),
        _break_even(row),
        numbers.times(row.flops_ratio, "not counted"),
    )


def _break_even(row: ArmResult) -> str:
    if row.arm == BASELINE:
        return "-"
    if row.break_even_steps == 0.0:
        return "at once"
    steps = numbers.count(row.break_even_steps)
    return steps if steps in (numbers.NEVER, numbers.MISSING) else f"{steps} steps"


def confirmation(findings: Findings) -> Section:
    """Baseline, controls and best on fresh seeds: the only numbers that carry a claim."""
    rows, blocks = findings.confirmation, list[Block]()
    if rows:
        blocks += [
            Text(
                "Complete trainings with seeds that no choice was made on, judged on held-out data that "
                "each run reads once. Only these numbers carry the claim. The control is the baseline "
                "with its schedule squeezed: whoever does not beat it has only trained less."
            ),
            _confirmed_table(findings, rows),
            Table(
                "Where the speed-up comes from (ratios to the baseline; steps times time per step is "
                "the time, but for start-up)",
                ("arm", "steps", "time per step", "start-up", "pays off after", "peak memory", "FLOPs"),
                [_origin(findings, row) for row in rows],
            ),
            *(
                Text(numbers.plain(row.judgement.reason), f"{plots.arm_name(findings, row)}:", "quiet")
                for row in rows
                if row.arm != BASELINE and row.judgement.reason
            ),
        ]
    blocks += _picture(
        plots.quality_against_time(findings),
        "Further left is sooner; ending above the dashed line is equal quality."
        if findings.plan.higher_is_better
        else "Further left is sooner; ending below the dashed line is equal quality.",
    )
    return Section("confirmation", "Confirmation on fresh seeds", blocks or [LATER])


def _confirmed_table(findings: Findings, rows: Sequence[ArmResult]) -> Table:
    metric = findings.plan.metric
    return Table(
        "Confirmation against the baseline",
        ("arm", "verdict", "time", "speed-up", f"held-out {metric}", "quality change",
         "at worst", "p (Holm)", "against control"),
        [
            (
                plots.arm_name(findings, row),
                badge(row),
                numbers.duration(row.seconds if row.seconds else None),
                gain(row),
                numbers.quality(row.quality, metric),
                quality_change(row, metric),
                _at_worst(row, metric),
                "-" if row.arm == BASELINE else numbers.p_value(row.p_adjusted),
                numbers.with_span(speedup(row.versus_control)) if row.versus_control else "-",
            )
            for row in rows
        ],
    )  # fmt: skip


def _at_worst(row: ArmResult, metric: str) -> str:
    found = row.judgement.quality
    return "-" if found is None else numbers.change(found.low, metric, "no bound")


def _origin(findings: Findings, row: ArmResult) -> tuple[str, ...]:
    _, steps, step, startup, even, flops = _costs(row)
    memory = "1x" if row.arm == BASELINE else numbers.times(row.memory_ratio)
    return plots.arm_name(findings, row), steps, step, startup, even, memory, flops


def front(findings: Findings) -> Section:
    """Which configurations are not beaten in everything."""
    blocks: list[Block] = [LATER]
    if findings.front:
        caption = "Up and left is better." if findings.plan.higher_is_better else "Down and left is better."
        blocks = [
            Text(
                "A configuration is on the front if no other is better, beyond the intervals, in time, "
                "peak memory, FLOPs and quality at once. The chance says how often it stays there when "
                "the blocks are drawn again."
            ),
            *_picture(plots.front(findings), caption),
            Table(
                "Configurations",
                ("#", "configuration", "known as", "time", findings.plan.metric, "peak memory",
                 "FLOPs", "on the front", "chance"),
                [_point(findings, i, point) for i, point in enumerate(findings.front, 1)],
            ),
        ]  # fmt: skip
    return Section("front", "Trade-offs: time, memory, FLOPs, quality", blocks)


def _point(findings: Findings, number: int, point: FrontPoint) -> tuple[str | Cell, ...]:
    return (
        str(number),
        point.arm,
        ", ".join(point.titles) or "-",
        numbers.duration(point.seconds),
        numbers.quality(point.quality, findings.plan.metric),
        numbers.size(point.memory),
        numbers.operations(point.flops),
        Cell("yes", "good", True) if point.on_front else Cell("no", "muted", True),
        numbers.share(point.probability),
    )


def take_home(findings: Findings) -> Section:
    """The same training without the file, and from Python."""
    what = "the confirmed combination" if findings.best else "the baseline"
    return Section(
        "use",
        "Use it elsewhere",
        [
            Text(f"The command above reads {emit.CONFIG} beside this report. Without it, {what} is:"),
            Code(emit.long_command(findings)),
            Text("In a Python script, lines with + are new and lines with - go:"),
            Code(emit.snippet(findings), "diff"),
        ],
    )


def search(findings: Findings) -> Section:
    """What was tried on the way to the combination."""
    if not findings.trials:
        return Section("search", "How the combination was found", [LATER])
    kept = sum(trial.kept for trial in findings.trials)
    return Section(
        "search",
        "How the combination was found",
        [
            Text(
                "Speed-ups do not multiply, so combinations were measured, one change at a time. "
                f"{kept} of {len(findings.trials)} changes stayed."
            ),
            Table(
                "Decisions of the search, in order",
                ("step", "tried", "on top of", "speed-up by it", "quality", "decision", "why"),
                [_trial(findings, trial) for trial in findings.trials],
            ),
        ],
    )


def _trial(findings: Findings, trial: Trial) -> tuple[str | Cell, ...]:
    return (
        trial.stage,
        trial.tried,
        trial.on or BASELINE,
        numbers.with_span(speedup(trial.time)) if trial.time else numbers.MISSING,
        numbers.quality(trial.quality, findings.plan.metric),
        Cell("kept", "good", True) if trial.kept else Cell("dropped", "muted", True),
        numbers.plain(trial.reason),
    )


def interactions(findings: Findings) -> Section:
    """Pairs that do more or less together than apart."""
    blocks: list[Block] = [LATER]
    if findings.interactions:
        rows = [(a, b, numbers.with_span(both), _together(both.low, both.high))
                for a, b, both in findings.interactions]  # fmt: skip
        blocks = [
            Text(
                "The time of both together, divided by what the two alone predict. 1x means that their "
                "speed-ups multiply; above 1x they get in each other's way."
            ),
            Table("Interactions", ("technique", "with", "time together / predicted", "meaning"), rows),
        ]
    elif findings.complete or findings.trials:
        blocks = [Text("No pair of techniques was suspected of an interaction, or too few survived.")]
    return Section("interactions", "Interactions", blocks)


def _together(low: float, high: float) -> str:
    if low > 1.0:
        return "they hinder each other"
    return "they help each other" if high < 1.0 else "no interaction shown"
