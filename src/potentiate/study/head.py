"""The head of a report: what to do, what it buys, how sure that is."""

from __future__ import annotations

from pathlib import Path

from potentiate.study import emit, numbers
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.page import Head
from potentiate.study.runs import BASELINE, full_runs, predicted
from potentiate.study.verdict import Verdict, speedup


def head(findings: Findings, folder: Path) -> Head:
    """What a newcomer sees first."""
    state, headline, subline = _headline(findings)
    return Head(
        state=state,
        workload=numbers.plain(findings.plan.workload),
        headline=headline,
        subline=subline,
        claim=emit.claim(findings),
        command=emit.command(findings, folder),
        command_note=_command_note(findings),
        before_after=_before_after(findings),
        sure=_sure(findings),
        warnings=[numbers.plain(note) for note in findings.notes],
    )


def title(findings: Findings) -> str:
    """The title of the page."""
    return f"Training-efficiency study of {numbers.plain(findings.plan.workload)}"


def baseline_row(findings: Findings) -> ArmResult | None:
    """The baseline of the confirmation."""
    return next((row for row in findings.confirmation if row.arm == BASELINE), None)


def _headline(findings: Findings) -> tuple[str, str, str]:
    best = findings.best
    if best and best.judgement.time:
        gain = speedup(best.judgement.time)
        good = best.judgement.verdict is Verdict.FASTER_EQUAL
        subline = "at equal quality, confirmed on fresh seeds" if good else "confirmed on fresh seeds"
        return "confirmed", f"{_big(gain.estimate)} faster", subline
    if best and best.judgement.memory_ratio is not None:
        saved = numbers.share(1.0 - best.judgement.memory_ratio)
        return "confirmed", f"{saved} less memory", "confirmed on fresh seeds"
    if not findings.complete:
        step = numbers.plain(findings.pending) or "more runs"
        return "open", "Not finished yet", f"next comes: {step}; start the same command to go on"
    if findings.plan.mode == "full" or findings.confirmation:
        return "nothing", "Nothing was confirmed", "the baseline stays as it is"
    if not findings.singles:
        return "measured", "Baseline measured", "no technique was asked for"
    good = sum(row.judgement.verdict is Verdict.FASTER_EQUAL for row in findings.singles)
    subline = "measured alone; a claim needs the confirmation of a full study"
    techniques = f"{len(findings.singles)} technique{'s' * (len(findings.singles) != 1)}"
    return "measured", f"{good} of {techniques} faster", subline


def _big(value: float) -> str:
    """Two digits are enough for the big number, and honest for small ones."""
    return f"{value:.2f}x" if value < 1.995 else f"{value:.1f}x" if value < 9.95 else f"{value:.0f}x"


def _command_note(findings: Findings) -> str:
    if not findings.best:
        return "This trains with the baseline recipe, because nothing better is proven."
    seconds = predicted(findings, findings.best.arm)
    if seconds is None:
        return "This trains with the confirmed combination."
    low, high = map(numbers.duration, seconds.seconds)
    return f"Expect {low} to {high} of training on the machine below, 19 times out of 20."


def _before_after(findings: Findings) -> list[tuple[str, str, str, str]]:
    best, base = findings.best, baseline_row(findings)
    if best is None or base is None:
        return _baseline_only(findings)
    metric, judged = findings.plan.metric, best.judgement
    rows = [
        (
            "training time, start-up and evaluations included",
            numbers.duration(base.seconds),
            numbers.duration(best.seconds),
            f"{numbers.with_span(speedup(judged.time))} as fast" if judged.time else "",
        ),
        (
            f"held-out {metric}",
            numbers.quality(base.quality, metric),
            numbers.quality(best.quality, metric),
            _quality_remark(findings, best),
        ),
    ]
    if best.memory_ratio is not None:
        # A bare ratio needs no bytes; those stand in the records.
        rows.append(("peak memory", "1x", numbers.times(best.memory_ratio), "of the baseline's"))
    return rows


def _quality_remark(findings: Findings, best: ArmResult) -> str:
    metric, found = findings.plan.metric, best.judgement.quality
    if found is None:
        return "the same numbers are computed"
    allowed = f"a loss of {numbers.margin(findings.plan.margin, metric)} was accepted beforehand"
    return f"{numbers.change_with_span(found, metric)}; {allowed}"


def _baseline_only(findings: Findings) -> list[tuple[str, str, str, str]]:
    runs = full_runs(findings, BASELINE)
    if not runs:
        return []
    metric = findings.plan.metric
    seconds = sorted(run.total for run in runs)[len(runs) // 2]
    values = [run.validation[metric] for run in runs if metric in run.validation]
    mean = sum(values) / len(values) if values else None
    remark = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    return [
        ("training time of the baseline", numbers.duration(seconds), "stays", remark),
        (f"validation {metric} of the baseline", numbers.quality(mean, metric), "stays", remark),
    ]


def _sure(findings: Findings) -> list[str]:
    lines = [*_best_lines(findings), *_noise_line(findings)]
    if findings.checks:
        bad = [name for name, passed, _ in findings.checks if not passed]
        lines.append(
            f"{len(findings.checks) - len(bad)} of {len(findings.checks)} sanity checks of the "
            "workload passed" + (f"; failed: {', '.join(map(numbers.plain, bad))}." if bad else ".")
        )
    return lines


def _best_lines(findings: Findings) -> list[str]:
    best = findings.best
    if best is None or best.judgement.time is None:
        return []
    gain = speedup(best.judgement.time)
    p = "" if best.p_adjusted is None else f" (p {_is(numbers.p_value(best.p_adjusted))} after Holm)"
    lines = [
        f"The speed-up lies between {numbers.span(gain.low, gain.high)} times with "
        f"{numbers.level(gain)} confidence, from {gain.n} paired runs on seeds that no choice was "
        f"made on{p}."
    ]
    if best.versus_control:
        over = speedup(best.versus_control)
        what = "faster than" if over.low > 1.0 else "not surely faster than"
        lines.append(
            f"It is {what} just training shorter: {numbers.with_span(over)} the speed of "
            "the baseline's schedule squeezed as far as its quality allows."
        )
    if best.failures:
        lines.append(f"{best.failures} of {best.runs} runs failed and count as infinitely slow.")
    return lines


def _is(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _noise_line(findings: Findings) -> list[str]:
    found = findings.noise
    if found is None:
        return []
    return [
        f"Noise floor: identical runs on this machine differ by {numbers.share(found.log_sd)} "
        f"(standard deviation), so with {len(found.ratios)} blocks a speed-up below "
        f"{numbers.times(found.smallest_effect)} could not be told from chance."
    ]
