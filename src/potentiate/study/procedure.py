"""The study, step by step. Given the same evidence it takes the same decisions and asks for the same runs.

Declare and fingerprint happen before (`planning`); emitting and replaying after (`emit`, `replay`).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from potentiate.errors import Refused
from potentiate.study.blocks import BASELINE, Ask, quality, request, run_blocks
from potentiate.study.calibrate import headroom, looks_for, measure_noise
from potentiate.study.claim import claim
from potentiate.study.confirm import confirm
from potentiate.study.findings import Findings, Noise
from potentiate.study.ledger import Incomplete, Ledger
from potentiate.study.plan import Plan
from potentiate.study.points import front_points
from potentiate.study.recipe import improve_recipe, probe_finalists, shorten
from potentiate.study.record import GRADIENT, Record
from potentiate.study.results import results
from potentiate.study.screening import screen
from potentiate.study.search import WORTH, Search, build, costs_alone, levers, name
from potentiate.study.singles import Singles, probe, prove_quality, time_arms
from potentiate.study.verdict import Verdict

STRICTNESS = ("exact", "numerics", "semantics", "deployment")


def investigate(
    plan: Plan,
    pilot: Record,
    ledger: Ledger,
    machine: Mapping[str, Any],
    *,
    references: bool = False,
) -> Findings:
    """Follow the plan as far as the ledger's evidence, or its runner, goes.

    Args:
        plan: What was declared.
        pilot: The probe of the baseline that the plan was made from.
        ledger: Gives every record; one that only reads stops the study where its evidence ends.
        machine: The fingerprint, for the report.
        references: Whether the workload declares simple references; those in the evidence are shown anyway.
    """
    findings = Findings(plan, machine)
    try:
        _steps(plan, pilot, ledger, findings, references=references)
        findings.complete = True
    except Incomplete as stop:
        findings.pending = stop.request.phase
    findings.records = list(ledger.records.values())
    findings.study_seconds = ledger.spent
    findings.best_claim = claim(findings)
    findings.payback_runs = _payback(findings)
    return findings


def _steps(
    plan: Plan, pilot: Record, ask: Ask, findings: Findings, *, references: bool = False
) -> None:
    checked = ask(request(plan, "sanity", BASELINE, (), mode="sanity"))
    findings.checks = checked.checks
    _refuse_broken(plan, checked)
    simple = request(plan, "beside", BASELINE, (), mode="beside")
    if references or simple.key in ask.records:  # older evidence has none, and asks for none
        findings.beside = ask(simple)
    noise = findings.noise = measure_noise(plan, ask)
    findings.headroom = headroom(pilot)
    if plan.mode == "baseline-only":
        _baseline_only(plan, ask, findings)
        return
    singles = probe(plan, ask, pilot, findings.headroom)
    findings.notes, findings.cut = singles.notes, singles.cut
    findings.singles = results(plan, singles)
    time_arms(plan, ask, singles, warmed=noise.warmed)
    findings.singles = results(plan, singles)
    prove_quality(plan, ask, singles, warmed=noise.warmed)
    findings.singles = results(plan, singles)
    full = [block[BASELINE] for block in singles.quality]
    findings.noise = _with_quality_sd(plan, noise, full)
    search = Search(trials=findings.trials, interactions=findings.interactions)
    _combine(plan, ask, singles, search, full)
    probe_finalists(plan, ask, search, singles)
    finalists = {
        techniques: _evidence(plan, singles, techniques) for techniques in search.finalists
    }
    looks = looks_for(plan, findings.noise, len(search.finalists))
    if looks != plan.confirm_looks:
        findings.notes.append(
            f"the noise seen asks for no more than {looks[-1]} pairs of a confirmation"
        )
    confirmed = confirm(
        replace(plan, confirm_looks=looks), ask, finalists, singles.probes, warmed=noise.warmed
    )
    findings.cut += confirmed.cut
    findings.confirmation, findings.control, findings.best = (
        confirmed.rows,
        confirmed.control,
        confirmed.best,
    )
    findings.front = front_points(plan, confirmed, singles.probes)


def _combine(
    plan: Plan, ask: Ask, singles: Singles, search: Search, full: Sequence[Record]
) -> None:
    """Find the finalists; `full` are the baseline's complete runs so far."""
    if plan.mode == "test":
        search.finalists = _proven(plan, singles)
        return
    factors = levers(plan, singles)
    gains = screen(plan, ask, singles, factors, search)
    build(plan, ask, singles, factors, gains, search)
    improve_recipe(plan, ask, search)
    shorten(plan, ask, search, full)


def _refuse_broken(plan: Plan, checked: Record) -> None:
    """Comparing runs of a broken workload would cost the budget and mean nothing."""
    broken = [
        f"{what} ({detail})"
        for what, holds, detail in checked.checks
        if not holds and what != GRADIENT
    ]
    if checked.status != "ok":
        broken.append(checked.reason)
    if broken:
        raise Refused(
            f"the workload '{plan.workload}' fails a check that a study rests on: {'; '.join(broken)}; "
            "mend it and start a new study"
        )


def _baseline_only(plan: Plan, ask: Ask, findings: Findings) -> None:
    blocks = run_blocks(plan, ask, "quality", {BASELINE: ()}, range(plan.looks[0]), test=True)
    records = [block[BASELINE] for block in blocks]
    assert findings.noise is not None
    findings.noise = _with_quality_sd(plan, findings.noise, records)


def _with_quality_sd(plan: Plan, noise: Noise, records: list[Record]) -> Noise:
    values = [quality(plan, record) for record in records if record.status == "ok"]
    sd = statistics.stdev(values) if len(values) > 1 else None
    return replace(noise, quality_sd=sd, quality_runs=len(values))


def _proven(plan: Plan, singles: Singles) -> list[tuple[str, ...]]:
    """For a test of named techniques: each that saved and was not worse, and all of them together."""
    good = (Verdict.FASTER_EQUAL, Verdict.FASTER_QUALITY_UNPROVEN)
    arms = [arm for arm in singles.candidates if singles.decided[arm].verdict in good]
    if plan.objective != "fastest":
        cheaper = [arm for arm, cost in costs_alone(plan, singles).items() if cost <= WORTH]
        arms = [arm for arm in singles.candidates if arm in cheaper]
    alone = [singles.candidates[arm].techniques for arm in arms]
    together = tuple(spec for techniques in alone for spec in techniques)
    names = [name(spec) for spec in together]
    return [*alone, together] if len(alone) > 1 and len(set(names)) == len(names) else alone


def _evidence(plan: Plan, singles: Singles, techniques: tuple[str, ...]) -> str:
    """The strictest proof that any part of a combination owes."""
    known = {
        spec: candidate.evidence
        for candidate in (*plan.options, *plan.candidates, *singles.candidates.values())
        for spec in candidate.techniques
    }
    kinds = [known.get(spec, "semantics") for spec in techniques]
    return max(kinds, key=STRICTNESS.index, default="exact")


def _payback(findings: Findings) -> float | None:
    """Trainings after which the study has saved what it cost."""
    if findings.best is None:
        return None
    base = [
        r.total
        for r in findings.records
        if r.request.phase == "confirm" and r.request.arm == BASELINE
    ]
    saved = statistics.median(base) - findings.best.seconds if base else 0.0
    return findings.study_seconds / saved if saved > 0 else None
