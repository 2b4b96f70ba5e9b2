"""The sections of a report that say why to believe it, what it cost, and how to check it."""

from __future__ import annotations

from collections import Counter

from potentiate.study import emit, numbers, plots
from potentiate.study.findings import Findings, Noise
from potentiate.study.sections.blocks import Block, Cell, Items, Picture, Section, Table, Text
from potentiate.study.sections.cells import later, named

_STEPS = {"screen": "combination", "build": "combination", "option": "recipe"}
"""Phases of the evidence that the forecast counts under another name."""


CROWDED = 1.25  # load per core from which other programs must be at work; a run alone makes 1


def headroom(findings: Findings) -> Section:
    """Where the time of the baseline goes, and how much could be won there at most."""
    blocks: list[Block] = []
    svg = plots.where_time_goes(findings)
    if svg:
        blocks.append(Picture(svg, "What remains is what the next technique can still win."))
    if findings.headroom:
        blocks.append(
            Table(
                "The baseline's time by part, and the most that speeding this part alone can bring",
                ("part", "share of the time", "speed-up if it took no time at all"),
                [
                    (part, numbers.share(share), _ceiling(share))
                    for part, share in findings.headroom.items()
                ],
            )
        )
    return Section("headroom", "Where the time goes", blocks or [later(findings)])


def _ceiling(share: float) -> str:
    return numbers.times(1.0 / (1.0 - share)) if share < 0.9995 else "no bound"


def noise(findings: Findings) -> Section:
    """What identical runs do on this machine, and so what cannot be seen."""
    found = findings.noise
    if found is None:
        return Section("noise", "Noise of this machine", [later(findings)])
    svg = plots.noise(findings)
    blocks: list[Block] = [
        Text(
            "Before anything was compared, the baseline was run against itself. The ratio should "
            "be 1; how far it strays is what chance alone does here."
        ),
        *([Picture(svg, "Dots far outside the band mean a noisy machine.")] if svg else []),
        Table(
            "The baseline against itself",
            ("what", "value", "meaning"),
            _noise_rows(findings, found),
        ),
    ]
    return Section("noise", "Noise of this machine", blocks)


def _noise_rows(findings: Findings, found: Noise) -> list[tuple[str, str, str]]:
    holds = found.interval.low <= 1.0 <= found.interval.high
    smallest = findings.plan.smallest
    seen = max(found.smallest_effect, 1.0 / found.smallest_effect) if found.smallest_effect else 0.0
    coarse = not seen - 1.0 <= smallest  # so that what is not a number is coarse
    rows = [
        (
            "time ratio of identical runs",
            numbers.with_span(found.interval),
            "1 is inside, as it should be" if holds else "1 is outside: times here are biased",
        ),
        ("spread of the log ratio", numbers.share(found.log_sd), "standard deviation over blocks"),
        (
            "smallest speed-up that can be seen",
            numbers.faster_by(seen),
            f"coarser than the {numbers.share(smallest)} that would matter"
            if coarse
            else f"finer than the {numbers.share(smallest)} that would matter",
        ),
        (
            "second run of a block against the first",
            numbers.relative(found.order_effect),
            "the order of runs is balanced"
            + (", and each block opens with a discarded run" if found.warmed else ""),
        ),
        (
            "drift, first of these runs to last",
            numbers.relative(found.drift),
            "pairs are close in time, so it cancels",
        ),
    ]
    return [*rows, *_disturbances(findings, found)]


def _disturbances(findings: Findings, found: Noise) -> list[tuple[str, str, str]]:
    """What came from outside, and from the seeds."""
    rows = list[tuple[str, str, str]]()
    cores = findings.machine.get("usable_cores")
    if isinstance(cores, int) and findings.records:
        beside = sum(record.load > CROWDED * cores for record in findings.records)
        rows.append(
            (
                "runs beside other programs",
                f"{beside} of {len(findings.records)}",
                f"load above {CROWDED * cores:g} on {cores} cores; pairs share it, but threads that wait "
                "for each other suffer most",
            )
        )
    held = sum(record.throttled for record in findings.records)
    if held > 0.0:
        why = "a quota on this machine's cores held runs back"
        rows.append(("runs throttled", numbers.duration(held), why))
    if found.quality_sd is not None:
        metric = findings.plan.metric
        spread = numbers.margin(found.quality_sd, metric)
        allowed = numbers.margin(findings.plan.margin, metric)
        meaning = f"standard deviation of the baseline; the margin is {allowed}"
        rows.append(("spread of quality over seeds", spread, meaning))
    return rows


def checks(findings: Findings) -> Section:
    """Whether the workload can be trusted at all, and what was noticed on the way."""
    rows = [
        (name, _passed(passed), numbers.plain(detail)) for name, passed, detail in findings.checks
    ]
    table = Table("Checks before the study", ("check", "result", "detail"), rows)
    blocks: list[Block] = [table] if rows else [later(findings)]
    crash = next((r for r in findings.records if r.request.mode == "sanity" and not r.checks), None)
    if crash:
        blocks = [Text(f"The checks could not be made: {numbers.plain(crash.reason)}")]
    if findings.notes:
        blocks += [Text("Noticed on the way:"), Items([*map(numbers.plain, findings.notes)])]
    return Section("checks", "Sanity checks and notes", blocks)


def _passed(passed: bool) -> Cell:
    return Cell("passed", "good", True) if passed else Cell("failed", "bad", True)


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
                f"Runs that failed ({len(failed)} of {len(findings.records)}); every one counts",
                ("step", "arm", "block", "reason"),
                [
                    (
                        r.request.phase,
                        named(r.request.arm),
                        str(r.request.block),
                        numbers.plain(r.reason),
                    )
                    for r in failed
                ],
            )
        )
    return Section("cost", "What the study cost", blocks)


def _cost_rows(findings: Findings) -> list[tuple[str, ...]]:
    forecast = {f.phase: f for f in findings.plan.forecast}
    phases = [_step(record.request.phase) for record in findings.records]
    done, taken = Counter(phases), dict.fromkeys(phases, 0.0)
    for phase, record in zip(phases, findings.records, strict=True):
        taken[phase] += record.wall
    return [
        (
            phase,
            str(forecast[phase].runs) if phase in forecast else "-",
            str(done[phase]),
            numbers.duration(forecast[phase].seconds) if phase in forecast else "-",
            numbers.duration(taken[phase]) if done[phase] else "-",
        )
        for phase in dict.fromkeys([*forecast, *done])
    ]


def _step(phase: str) -> str:
    """The step of the forecast that a run belongs to: its phase without a number."""
    word = (phase.split() or ["?"])[0]
    return _STEPS.get(word, word)
