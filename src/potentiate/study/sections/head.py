"""The head of a report: what to do, what it buys, how sure that is."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import median

from potentiate.study import emit, numbers
from potentiate.study.claim import control_is_proven
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.objective import SAVES
from potentiate.study.plan import Plan, workload_name
from potentiate.study.record import GRADIENT
from potentiate.study.rows import baseline_row, oriented
from potentiate.study.runs import predicted
from potentiate.study.sections.blocks import Head
from potentiate.study.verdict import Verdict, speedup


def head(findings: Findings, folder: Path) -> Head:
    """What a newcomer sees first."""
    state, headline, subline = _headline(findings)
    return Head(
        state=state,
        workload=numbers.plain(workload_name(findings.plan)),
        headline=headline,
        subline=subline,
        claim=emit.claim(findings),
        command=emit.command(findings, folder),
        command_note=_command_note(findings),
        before_after=_before_after(findings),
        before_title="What it buys" if findings.best else "What the baseline takes",
        sure=_sure(findings),
        warnings=_warnings(findings),
    )


def title(findings: Findings) -> str:
    """The title of the page."""
    return f"Training-efficiency study of {numbers.plain(workload_name(findings.plan))}"


def _headline(findings: Findings) -> tuple[str, str, str]:
    best = findings.best
    if best and best.saved and numbers.known(best.saved.estimate):
        gain = speedup(best.saved)
        good = (best.claim or best.judgement).verdict is Verdict.FASTER_EQUAL
        subline = (
            "at equal quality, confirmed on fresh seeds" if good else "confirmed on fresh seeds"
        )
        what = SAVES[findings.plan.objective]
        return "confirmed", f"{_big(gain.estimate)} {what}", subline
    if best and numbers.known(best.judgement.memory_ratio):
        saved = numbers.share(1.0 - (best.judgement.memory_ratio or 0.0))
        return "confirmed", f"{saved} less memory", "confirmed on fresh seeds"
    if not findings.complete:
        return "open", "Not finished yet", "what follows holds for the runs so far"
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
    return (
        f"{value:.2f}x" if value < 1.995 else f"{value:.1f}x" if value < 9.95 else f"{value:.0f}x"
    )


def _command_note(findings: Findings) -> str:
    if not findings.best and not findings.complete:
        return (
            "This trains with the baseline recipe, as nothing better is proven yet; to go on with "
            "the study, start its command again: no run is repeated."
        )
    if not findings.best:
        return (
            "This trains with the baseline recipe, because nothing better is proven. "
            + _next_try(findings.plan)
        )
    seconds = predicted(findings, findings.best.arm)
    if seconds is None:
        return "This trains with the confirmed combination."
    low, high = map(numbers.duration, seconds.seconds)
    return f"Expect {low} to {high} of training on the machine below, 19 times out of 20."


def _next_try(plan: Plan) -> str:
    """What somebody does who hoped for more."""
    if plan.mode == "full" and plan.profile == "quick":
        return "A quick study tries little and sees only large effects: leave --profile quick out."
    if plan.mode == "full":
        return "More seeds show smaller effects: --profile thorough, on a quiet machine."
    return "To search for a combination, study it with --full."


def _before_after(findings: Findings) -> list[tuple[str, str, str, str]]:
    best, base = findings.best, baseline_row(findings)
    if best is None or base is None:
        return _baseline_only(findings)
    metric, judged = findings.plan.metric, best.judgement
    rows = [
        (
            "training time, all included",
            numbers.duration(base.seconds),
            numbers.duration(best.seconds),
            f"{numbers.with_span(speedup(judged.time))} faster" if judged.time else "",
        ),
        (
            f"held-out {metric}",
            numbers.quality(oriented(findings, base.quality), metric),
            numbers.quality(oriented(findings, best.quality), metric),
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
    allowed = (
        f"a loss of {numbers.margin(findings.plan.claimed_margin, metric)} was accepted beforehand"
    )
    return f"{numbers.change_with_span(found, metric)}; {allowed}"


def _baseline_only(findings: Findings) -> list[tuple[str, str, str, str]]:
    base = baseline_row(findings)
    if base is None:
        return []
    metric, remark = findings.plan.metric, f"{base.runs} run{'s' * (base.runs != 1)}"
    quality = numbers.quality(oriented(findings, base.quality), metric)
    return [
        ("training time, all included", numbers.duration(base.seconds), "", remark),
        (metric, quality, "", remark),
    ]


def _warnings(findings: Findings) -> list[str]:
    """What a reader must know before believing the numbers."""
    found, texts = findings.noise, list[str]()
    bad = [name for name, passed, _ in findings.checks if not passed]
    if any(r.request.mode == "sanity" and not r.checks for r in findings.records):
        texts.append("The sanity checks of the workload could not be made.")
    if bad:
        texts.append(f"Failed sanity checks: {', '.join(map(numbers.plain, bad))}.")
    if GRADIENT in bad:
        texts.append(
            "Surrogate and straight-through gradients disagree with differences by design; any other "
            "disagreement is an error in the network or its loss."
        )
    if found and not found.interval.low <= 1.0 <= found.interval.high:
        texts.append(
            "Identical runs differed on this machine "
            f"({numbers.with_span(found.interval)}), so times here are biased by that much."
        )
    if stalled := _stalled(findings):
        texts.append(
            f"{stalled} of {len(findings.records)} runs took over three times as long as others like them: "
            "other programs were in the way. Study again on a quiet machine to see smaller effects."
        )
    if findings.replays and not findings.replays[-1].inside:
        texts.append("The last replay of the command did not land in the predicted interval.")
    return texts


def _stalled(findings: Findings) -> int:
    """Runs that took over three times the median of their phase and arm."""
    kinds = defaultdict[tuple[str, str], list[float]](list)
    for record in findings.records:
        request = record.request
        if record.status == "ok" and request.mode == "run" and request.arm != "discarded":
            kinds[request.phase, request.arm].append(record.total)
    return sum(
        time > 3.0 * median(times) for times in kinds.values() if len(times) > 2 for time in times
    )


def _sure(findings: Findings) -> list[str]:
    lines = [*_best_lines(findings), *_noise_line(findings)]
    passed = sum(good for _, good, _ in findings.checks)
    if findings.checks:
        lines.append(f"{passed} of {len(findings.checks)} sanity checks of the workload passed.")
    return lines


def _best_lines(findings: Findings) -> list[str]:
    best = findings.best
    if best is None or best.saved is None:
        return []
    gain = speedup(best.saved)
    what = (
        "Speed-up"
        if findings.plan.objective == "fastest"
        else f"{SAVES[findings.plan.objective].capitalize()} by"
    )
    p = numbers.p_value(best.p_adjusted)
    tested = f" (p {_is(p)} after Holm)" if numbers.known(best.p_adjusted) else ""
    lines = [
        f"{what} {numbers.span(gain.low, gain.high)} times at {numbers.level(gain)} confidence, "
        f"from {gain.n} paired runs on seeds that no choice was made on{tested}."
    ]
    if best.versus_control:
        over = speedup(best.versus_control)
        timed = findings.plan.objective == "fastest"
        better, worse = ("faster", "slower") if timed else ("better", "worse")
        unit = "the speed" if timed else "as good as that"
        sure = better if over.low > 1.0 else worse if over.high < 1.0 else f"not surely {better}"
        allows = "allows" if control_is_proven(findings) else "may allow, which is not proven"
        lines.append(
            f"It is {sure} than just training shorter: {numbers.with_span(over)} {unit} "
            f"of the baseline's schedule squeezed as far as its quality {allows}."
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
        f"(standard deviation), so with {findings.plan.timing_blocks} blocks a speed-up below "
        f"{numbers.faster_by(found.smallest_effect)} of a technique alone could not be told from chance."
    ]
