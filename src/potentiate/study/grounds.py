"""The sections of a report that say why to believe it, what it cost, and how to check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from potentiate.study import emit, numbers, plots
from potentiate.study.findings import Findings, Noise, Replay
from potentiate.study.page import Block, Cell, Code, Items, Picture, Section, Table, Text
from potentiate.study.results import LATER, VERDICTS


def headroom(findings: Findings) -> Section:
    """Where the time of the baseline goes, and how much could be won there at most."""
    blocks: list[Block] = []
    svg = plots.where_time_goes(findings)
    if svg:
        blocks.append(Picture(svg, "What remains is what the next technique can still win."))
    if findings.headroom:
        blocks.append(
            Table(
                "The baseline's time by part, and the ceiling for a technique that only speeds that part",
                ("part", "share of the time", "speed-up if it took no time at all"),
                [
                    (part, numbers.share(share), _ceiling(share))
                    for part, share in findings.headroom.items()
                ],
            )
        )
    return Section("headroom", "Where the time goes", blocks or [LATER])


def _ceiling(share: float) -> str:
    return numbers.times(1.0 / (1.0 - share)) if share < 0.9995 else "no bound"


def noise(findings: Findings) -> Section:
    """What identical runs do on this machine, and so what cannot be seen."""
    found = findings.noise
    if found is None:
        return Section("noise", "Noise of this machine", [LATER])
    svg = plots.noise(findings)
    blocks: list[Block] = [
        Text(
            "Before anything was compared, the baseline was run against itself. The ratio should be 1; "
            "how far it strays is what chance alone does here."
        ),
        *([Picture(svg, "Dots far outside the band mean a noisy machine.")] if svg else []),
        Table("The baseline against itself", ("what", "value", "meaning"), _noise_rows(findings, found)),
    ]
    return Section("noise", "Noise of this machine", blocks)


def _noise_rows(findings: Findings, found: Noise) -> list[tuple[str, str, str]]:
    holds = found.interval.low <= 1.0 <= found.interval.high
    smallest = findings.plan.smallest
    seen = max(found.smallest_effect, 1.0 / found.smallest_effect) if found.smallest_effect else 0.0
    coarse = seen - 1.0 > smallest
    rows = [
        (
            "time ratio of identical runs",
            numbers.with_span(found.interval),
            "1 is inside, as it should be" if holds else "1 is outside: times here are biased",
        ),
        ("spread of the log ratio", numbers.share(found.log_sd), "standard deviation over blocks"),
        (
            "smallest speed-up that can be seen",
            numbers.times(seen),
            f"coarser than the {numbers.share(smallest)} that would matter"
            if coarse
            else f"finer than the {numbers.share(smallest)} that would matter",
        ),
        (
            "second run of a block over the first",
            numbers.times(found.order_effect),
            "the order of runs is balanced"
            + (", and each block opens with a discarded run" if found.warmed else ""),
        ),
        ("drift", f"{numbers.share(found.drift)} per hour", "pairs are close in time, so it cancels"),
    ]
    if found.quality_sd is not None:
        metric = findings.plan.metric
        spread = numbers.margin(found.quality_sd, metric)
        meaning = f"standard deviation of the baseline; the margin is {numbers.margin(findings.plan.margin, metric)}"
        rows.append(("spread of quality over seeds", spread, meaning))
    return rows


def checks(findings: Findings) -> Section:
    """Whether the workload can be trusted at all."""
    if not findings.checks:
        return Section("checks", "Sanity checks", [LATER])
    rows = [
        (name, Cell("passed", "good", True) if passed else Cell("failed", "bad", True), numbers.plain(detail))
        for name, passed, detail in findings.checks
    ]
    return Section(
        "checks", "Sanity checks", [Table("Checks before the study", ("check", "result", "detail"), rows)]
    )


def cost(findings: Findings) -> Section:
    """What the study took, and when that is earned back."""
    blocks: list[Block] = [Text(emit.payback(findings))]
    rows = _cost_rows(findings)
    if rows:
        columns = ("step of the study", "runs forecast", "runs done", "time forecast", "time taken")
        blocks.append(Table("Cost by step", columns, rows))
    failed = [record for record in findings.records if record.status == "failed"]
    if failed:
        blocks.append(
            Table(
                f"Runs that failed ({len(failed)} of {len(findings.records)}); none is left out of a comparison",
                ("step", "arm", "block", "reason"),
                [
                    (r.request.phase, r.request.arm, str(r.request.block), numbers.plain(r.reason))
                    for r in failed
                ],
            )
        )
    return Section("cost", "What the study cost", blocks)


def _cost_rows(findings: Findings) -> list[tuple[str, ...]]:
    forecast = {f.phase: f for f in findings.plan.forecast}
    done = Counter(record.request.phase for record in findings.records)
    taken = Counter[str]()
    for record in findings.records:
        taken[record.request.phase] += record.wall  # pyright: ignore[reportArgumentType]
    return [
        (
            phase,
            str(forecast[phase].runs) if phase in forecast else "-",
            str(done[phase]),
            numbers.duration(forecast[phase].seconds) if phase in forecast else "-",
            numbers.duration(float(taken[phase])),
        )
        for phase in dict.fromkeys([*forecast, *done])
    ]


def cut(findings: Findings) -> Section:
    """What the budget left out."""
    if not findings.plan.cut:
        return Section("cut", "What was cut", [Text("Nothing: the whole plan fits its budget.")])
    intro = Text("Decided before the first run, so that the study fits its budget:")
    return Section("cut", "What was cut", [intro, Items([*map(numbers.plain, findings.plan.cut)])])


def machine(findings: Findings) -> Section:
    """The declaration, the machine and the versions."""
    facts = [(key, value) for key, value in _flat(findings.machine)]
    return Section(
        "machine",
        "Declaration, machine and versions",
        [
            Table("Fixed before the first run", ("what", "value"), _declared(findings)),
            Table("Machine and software", ("what", "value"), facts or [("machine", "not known")], folded=True),
        ],
    )


def _declared(findings: Findings) -> list[tuple[str, str]]:
    plan = findings.plan
    looks = ", ".join(map(str, plan.confirm_looks))
    return [
        ("workload", plan.workload),
        ("settings changed", ", ".join(f"{k}={numbers.fact(v)}" for k, v in plan.recipe.items()) or "none"),
        ("mode and profile", f"{plan.mode}, {plan.profile}"),
        ("metric", f"{plan.metric}, {'higher' if plan.higher_is_better else 'lower'} is better"),
        ("margin: largest loss that counts as equal", numbers.margin(plan.margin, plan.metric)),
        ("chance of a false claim", numbers.share(plan.alpha)),
        ("smallest speed-up that matters", numbers.share(plan.smallest)),
        ("looks at the confirmation", f"after {looks} paired runs"),
        ("seed", str(plan.seed)),
        ("device and threads", f"{plan.device}, {plan.threads or 'default'} threads"),
        ("budget", numbers.duration(plan.budget, "none set")),
        ("examples", ", ".join(f"{k} {v:,}" for k, v in plan.sizes.items()) or "not known"),
        ("version of potentiate", plan.version or "not known"),
        ("digest of this declaration", plan.digest),
    ]


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Facts as lines; what is nested gets a name with dots."""
    for key, value in facts.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(cast(Mapping[str, Any], value), f"{name}.")
        elif isinstance(value, list | tuple):
            items = list(cast(list[object], value))
            if items and all(isinstance(item, Mapping) for item in items):
                for number, item in enumerate(items, 1):
                    yield from _flat(cast(Mapping[str, Any], item), f"{name}.{number}.")
            else:
                yield name, ", ".join(map(numbers.fact, items)) or "none"
        elif key == "memory" and isinstance(value, int | float):
            yield name, numbers.size(value)
        else:
            yield name, numbers.fact(value)


def rebuild(findings: Findings, folder: Path) -> Section:
    """How anybody can check the numbers."""
    return Section(
        "rebuild",
        "Check it yourself",
        [
            Text(
                f"Every run is one line of evidence.jsonl ({len(findings.records):,} so far). The first "
                "command makes this report again from that file alone; the second runs the emitted "
                "command and says whether it lands in the predicted interval."
            ),
            Code(f"potentiate report {_quoted(folder)}\npotentiate replay {_quoted(folder)}"),
        ],
    )


def _quoted(folder: Path) -> str:
    import shlex

    return shlex.quote(str(folder))


def replays(findings: Findings) -> Section:
    """Later runs of the emitted command."""
    if not findings.replays:
        return Section("replays", "Replays", [Text("No replay yet.", tone="quiet")])
    rows = [_replay(findings.plan.metric, replay) for replay in findings.replays]
    columns = ("when", "result", "time", "predicted", "quality", "predicted quality", "machine", "version")
    return Section("replays", "Replays", [Table("Runs of the emitted command", columns, rows)])


def _replay(metric: str, replay: Replay) -> tuple[str | Cell, ...]:
    return (
        replay.when,
        Cell("as predicted", "good", True) if replay.inside else Cell("outside", "bad", True),
        numbers.duration(replay.seconds),
        numbers.span(*replay.predicted_seconds, numbers.duration),
        numbers.quality(replay.quality, metric),
        numbers.span(*replay.predicted_quality, lambda v: numbers.quality(v, metric)),
        numbers.plain(replay.machine),
        replay.version,
    )


def glossary(findings: Findings) -> Section:
    """The nine verdicts and the words of this page."""
    rows = [
        (Cell(words, plots.MARKERS[verdict][0], True), str(verdict), meaning)
        for verdict, (words, meaning) in VERDICTS.items()
    ]
    return Section(
        "glossary",
        "What the words mean",
        [
            Table("The nine verdicts", ("verdict", "in the evidence", "meaning"), rows),
            Items(
                [
                    "Speed-up: the baseline's total training time over the arm's, start-up and "
                    "evaluations included; a failed run counts as infinitely slow.",
                    "Interval, in brackets: the values that the paired runs do not rule out.",
                    "Block: runs of all arms side by side with one seed, so that a slow hour of the "
                    "machine hits all of them.",
                    f"Margin: the loss of {numbers.plain(findings.plan.metric)} that was accepted as "
                    "equal before the first run.",
                    "Short-schedule control: the baseline trained for as short a schedule as keeps its "
                    "quality; a technique must beat it, or it has only trained less.",
                    "Pays off after: number of steps from which a longer start-up is earned back.",
                    "Held-out data: read once at the end of a run, never to decide anything.",
                ]
            ),
        ],
    )
