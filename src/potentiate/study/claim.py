"""The one sentence at the head of a report, and what it leaves out nowhere: just training shorter."""

from __future__ import annotations

from potentiate.study import numbers
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.interval import Interval
from potentiate.study.objective import COSTS, SAVES
from potentiate.study.plan import Plan
from potentiate.study.verdict import Verdict, speedup


def claim(findings: Findings) -> str:
    """Return what a study found in one sentence; without a confirmed row it claims nothing."""
    plan, best = findings.plan, findings.best
    if not findings.complete:
        return f"The study is not finished; it stopped before '{findings.pending}'. Start the same command to go on."
    if plan.mode == "baseline-only":
        return "The baseline was measured; nothing was compared with it."
    if best is None or best.saved is None:
        return f"Nothing was confirmed to save {COSTS[plan.objective]}: keep the baseline."
    text = _gain(plan, speedup(best.saved))
    if best.judgement.quality is not None:
        text += f" at {plan.metric} not worse by {numbers.margin(plan.claimed_margin, plan.metric)}"
    if plan.objective != "fastest" and best.judgement.time is not None:
        time = speedup(best.judgement.time)
        text += f", at {time.estimate:.2f}x the speed ({time.low:.2f} to {time.high:.2f})"
        if best.memory_ratio is not None:
            text += f" and {best.memory_ratio:.2f}x the peak memory"
    if best.arm == findings.control:
        return f"{text}: simply training shorter is what pays here."
    return f"{text}{_against_control(findings, best)}; confirmed on {best.runs} fresh seeds."


def _against_control(findings: Findings, best: ArmResult) -> str:
    plan, versus = findings.plan, best.versus_control
    if versus is None:
        lost = best.evidence == "semantics" and plan.objective != "smallest"
        return "; training shorter did not keep the quality" if lost else ""
    if versus.high < 1.0:
        doubt = "" if control_is_proven(findings) else ", which is not proven to keep the quality"
        return f", and {_gain(plan, speedup(versus))} than training shorter{doubt}"
    if versus.low > 1.0:
        proven = "at equal quality" if control_is_proven(findings) else "at a quality not proven"
        return f"; just training shorter would be {_gain(plan, versus)} still, {proven}"
    over, unit = speedup(versus), "its speed" if plan.objective == "fastest" else "times as good"
    return f"; not shown to beat training shorter ({over.low:.2f} to {over.high:.2f} {unit})"


def control_is_proven(findings: Findings) -> bool:
    """Whether the control keeps the quality, rather than merely not being shown to lose it."""
    rows = (row for row in findings.confirmation if row.arm == findings.control)
    return any(row.judgement.verdict is Verdict.FASTER_EQUAL for row in rows)


def _gain(plan: Plan, gain: Interval) -> str:
    return f"{gain.estimate:.2f}x {SAVES[plan.objective]} ({gain.low:.2f} to {gain.high:.2f})"
