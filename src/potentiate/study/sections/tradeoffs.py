"""The sections on the combination: what it trades, how it was found, how to use it."""

from __future__ import annotations

from potentiate.study import emit, numbers, plots
from potentiate.study.findings import Findings, FrontPoint, Trial
from potentiate.study.objective import COSTS
from potentiate.study.rows import oriented
from potentiate.study.runs import BASELINE
from potentiate.study.sections.blocks import Block, Cell, Code, Section, Table, Text
from potentiate.study.sections.cells import later, named, picture
from potentiate.study.verdict import speedup

_FRONT = (
    "A configuration is on the front if no other is better, beyond the intervals, in time, peak "
    "memory, FLOPs and quality at once. The chance says how often it stays there when the blocks "
    "are drawn again. The knee is the point of the front nearest to the best of every column."
)
_INTERACTION = (
    "The time of both together, divided by what the two alone predict. 1x means that their "
    "speed-ups multiply; above 1x they get in each other's way."
)
_STAGES = {
    "add": "add a lever",
    "keep": "leave one out",
    "recipe": "change the recipe",
    "length": "shorten the schedule",
}


def front(findings: Findings) -> Section:
    """Which configurations are not beaten in everything."""
    blocks: list[Block] = [later(findings)]
    if findings.front:
        caption = (
            "Up and left is better."
            if findings.plan.higher_is_better
            else "Down and left is better."
        )
        blocks = [
            Text(_FRONT),
            *picture(plots.front(findings), caption),
            Table(
                "Configurations",
                (
                    "configuration",
                    "known as",
                    "time",
                    findings.plan.metric,
                    "peak memory",
                    "FLOPs",
                    "on the front",
                    "chance",
                ),
                [_point(findings, i, point) for i, point in enumerate(findings.front, 1)],
            ),
        ]
    return Section("front", "Trade-offs: time, memory, FLOPs, quality", blocks)


def _point(findings: Findings, number: int, point: FrontPoint) -> tuple[str | Cell, ...]:
    return (
        named(point.arm, str(number)),
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
            Text(
                f"The command above reads {emit.CONFIG} beside this report. Without it, {what} is:"
            ),
            Code(emit.long_command(findings, " \\\n    ")),
            Text("In a Python script, lines with + are new and lines with - go:"),
            Code(emit.snippet(findings), "diff"),
        ],
    )


def search(findings: Findings) -> Section:
    """What was tried on the way to the combination."""
    if not findings.trials:
        return Section("search", "How the combination was found", [later(findings)])
    changes = [trial for trial in findings.trials if trial.stage != "keep"]
    kept = sum(trial.kept for trial in changes)
    return Section(
        "search",
        "How the combination was found",
        [
            Text(
                "Speed-ups do not multiply, so combinations were measured, one change at a time. "
                f"{kept} of {len(changes)} changes were taken up."
            ),
            Table(
                "Decisions of the search, in order",
                ("step", "tried", "on top of", _gain_title(findings), "quality", "decision", "why"),
                [_trial(findings, trial) for trial in findings.trials],
            ),
        ],
    )


def _gain_title(findings: Findings) -> str:
    objective = findings.plan.objective
    return "speed-up by it" if objective == "fastest" else f"{COSTS[objective]}: saved by it"


def _trial(findings: Findings, trial: Trial) -> tuple[str | Cell, ...]:
    return (
        _STAGES.get(trial.stage, trial.stage),
        named(trial.tried),
        named(trial.on or BASELINE),
        numbers.with_span(speedup(trial.cost)) if trial.cost else "-",
        _trial_quality(findings, trial),
        Cell("kept", "good", True) if trial.kept else Cell("dropped", "muted", True),
        numbers.plain(trial.reason),
    )


def _trial_quality(findings: Findings, trial: Trial) -> str:
    """A change of recipe is judged by what it changes, a length by what it reaches."""
    if trial.stage == "recipe":
        return numbers.change(trial.quality, findings.plan.metric, "-")
    return numbers.quality(oriented(findings, trial.quality), findings.plan.metric, "-")


def interactions(findings: Findings) -> Section:
    """Pairs that do more or less together than apart."""
    blocks: list[Block] = [later(findings)]
    if findings.interactions:
        rows = [
            (named(a), named(b), numbers.with_span(both), _together(both.low, both.high))
            for a, b, both in findings.interactions
        ]
        blocks = [
            Text(_INTERACTION),
            Table(
                "Interactions", ("technique", "with", "time together / predicted", "meaning"), rows
            ),
        ]
    elif findings.complete or findings.trials:
        blocks = [
            Text(
                "Not estimated: fewer than two techniques shortened the time of equal work, or the "
                "screening was cut or left out by the profile."
            )
        ]
    return Section("interactions", "Interactions", blocks)


def _together(low: float, high: float) -> str:
    if low > 1.0:
        return "they hinder each other"
    return "they help each other" if high < 1.0 else "no interaction shown"
