"""From what a person asks to a plan that fits the budget: declared, forecast, cut, fixed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from potentiate import __version__
from potentiate.errors import NotApplicable, Refused
from potentiate.machine import fingerprint, usable_cores
from potentiate.models.reference import find
from potentiate.study.blocks import BASELINE
from potentiate.study.budget import fitted
from potentiate.study.declaration import (
    FILE,
    Declaration,
    resolved_claims,
    write_declaration,
)
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Candidate, Plan, plan_from_json, plan_to_json
from potentiate.study.profiles import PROFILES, suggested
from potentiate.study.record import Record, Request
from potentiate.techniques.base import Stage, Technique, arrange
from potentiate.techniques.reference import parse
from potentiate.workload import Workload

DEFAULT_ACCURACY_MARGIN = 0.005
SHORT_SECONDS = 2.0
SHORT_STEPS = 30
WIDEST = 0.2  # a margin of accuracy that was probably meant in points
ORDER = ("exact", "numerics", "semantics", "deployment")


def open_study(
    declaration: Declaration,
    ledger: Ledger,
    show: Callable[[Plan, Record], None] = lambda plan, pilot: None,
) -> tuple[Plan, Record]:
    """Return the plan and its pilot run: those in the evidence, or new ones that are written there.

    Args:
        declaration: What was asked.
        ledger: The evidence, with a runner.
        show: Called with the plan before the first run that counts.

    Raises:
        Refused: The folder holds another study, or nothing can be planned.
    """
    asked = {
        "kind": "declaration",
        **_plain(asdict(declaration)),
        "version": __version__,
        "file": _file_digest(declaration.workload),
    }
    _check_threads(declaration.threads)
    if _nothing_counts(ledger, asked):
        ledger.restart()
    before = ledger.fact("declaration")
    if before is not None:  # what was asked before an option existed had its default
        before = {**_plain(asdict(Declaration(""))), **before}
    if before is not None and before != asked:
        changed = [_change(key, before.get(key), asked[key]) for key in asked]
        raise Refused(
            f"{ledger.path} holds a study that was asked with another {', '.join(filter(None, changed))}; "
            "choose another --out, or delete the folder"
        )
    workload = find(declaration.workload).varied(declaration.recipe)
    stored = ledger.fact("plan")
    if stored is not None:
        plan = plan_from_json(stored)
        pilot = ledger(_pilot_request(declaration))
        ledger.ask_again("pilot full")
        show(plan, pilot)
        return plan, pilot
    if before is None:
        _check_tests(declaration)
        ledger.append(asked)
        ledger.append({"kind": "machine", "facts": fingerprint()})
        if ledger.path is not None:
            write_declaration(ledger.path.parent / FILE, declaration)
    pilot = ledger(_pilot_request(declaration))
    if pilot.status != "ok":
        raise Refused(f"the baseline of '{workload.name}' does not run: {pilot.reason}")
    _check_objective(declaration, pilot)
    standard = _standard_margin(workload, pilot, ledger) if declaration.margin is None else 0.0
    plan = fitted(_plan(declaration, workload, pilot, standard), pilot)
    ledger.append(plan_to_json(plan))
    show(plan, pilot)
    return plan, pilot


def _check_threads(threads: int | None) -> None:
    if threads is not None and threads > usable_cores():
        raise Refused(
            f"--threads {threads} is more than the {usable_cores()} cores of this machine, where threads would "
            "wait for each other; choose fewer"
        )


def _check_objective(declaration: Declaration, pilot: Record) -> None:
    if declaration.objective == "greenest" and not pilot.energy:
        why = pilot.energy_reason or "its counter stands still"
        raise Refused(
            f"--objective greenest needs an energy counter, and none can be read here ({why}); choose "
            "fastest, smallest or balanced, or a machine that counts"
        )


def _nothing_counts(ledger: Ledger, asked: dict[str, Any]) -> bool:
    """Whether all there is are pilot runs that failed, or that planned another study and no more."""
    records = ledger.records.values()
    if not ledger.facts or any(not r.request.phase.startswith("pilot") for r in records):
        return False
    return ledger.fact("declaration") != asked or any(r.status != "ok" for r in records)


def _change(key: str, before: object, now: object) -> str:
    """A setting that differs, with both values; a hash says nothing to a reader."""
    if before == now:
        return ""
    return key if key in ("file", "kind") else f"{key} ({_shown(before)}, now {_shown(now)})"


def _shown(value: object) -> str:
    return (
        ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else f"{value}"
    )


def _file_digest(workload: str) -> str:
    """A hash of a user's workload file, so that an edited one is not mixed into old evidence."""
    path = Path(workload.rpartition(":")[0])
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(values))


def _pilot_request(declaration: Declaration) -> Request:
    return Request(
        phase="pilot",
        arm=BASELINE,
        seed=declaration.seed,
        mode="probe",
        max_steps=SHORT_STEPS,
        workload=declaration.workload,
        recipe=declaration.recipe,
        device=declaration.device,
        threads=declaration.threads,
    )


def _check_tests(declaration: Declaration) -> None:
    for arm in declaration.tests:
        for spec in arm.split(" + "):
            parse(spec)
    resolved_claims(declaration)


def _plan(declaration: Declaration, workload: Workload, pilot: Record, standard: float) -> Plan:
    singles, options = _arms(declaration, workload)
    margin = declaration.margin if declaration.margin is not None else standard
    example = 1.0 / max(1, pilot.sizes.get("test", 1))
    typed = declaration.margin is not None
    if typed and workload.target.metric == "accuracy" and margin >= WIDEST:
        raise Refused(
            f"a margin of {100 * margin:g} points of accuracy accepts almost any loss; points are written "
            "with pp, such as --margin 0.5pp"
        )
    if workload.target.metric == "accuracy" and margin < example:
        raise Refused(
            f"a margin of {100 * margin:g} points is less than one of the {round(1 / example)} examples it is "
            f"judged on; choose --margin {100 * example:.2g}pp or more, or evaluate on more examples"
        )
    coarse = _on_validation(margin, workload, pilot)
    short = max(SHORT_STEPS, math.ceil(SHORT_SECONDS / max(1e-6, pilot.step_seconds)))
    if declaration.profile == "quick":
        short = max(SHORT_STEPS, short // 4)
    plan = Plan(
        workload=declaration.workload,
        mode=declaration.mode,
        profile=declaration.profile,
        recipe=declaration.recipe,
        metric=workload.target.metric,
        higher_is_better=workload.target.higher_is_better,
        margin=coarse,
        held_out_margin=None if coarse == margin else margin,
        objective=declaration.objective,
        candidates=_candidates(singles, workload, pilot, declaration.device),
        options=tuple(
            c for c in _candidates(options, workload, pilot, declaration.device) if not c.refused
        ),
        short_steps=min(short, pilot.declared_steps),
        epochs=pilot.declared_steps / max(1, pilot.steps_per_epoch),
        seed=declaration.seed,
        device=declaration.device,
        threads=declaration.threads,
        budget=declaration.budget,
        sizes=dict(pilot.sizes),
        version=__version__,
        claims=resolved_claims(declaration),
        **PROFILES[declaration.profile],
    )
    if declaration.seeds is not None:
        plan = replace(plan, looks=(declaration.seeds,), confirm_looks=(declaration.seeds,))
    return plan


def _on_validation(margin: float, workload: Workload, pilot: Record) -> float:
    """The margin that validation data can show: 1.5 of their examples, where one is more than `margin`."""
    example = 1.0 / max(1, pilot.sizes.get("validation", 1))
    coarse = workload.target.metric == "accuracy" and margin < example
    return 1.5 * example if coarse else margin


def _one_example(pilot: Record) -> float:
    """The smallest step of an accuracy, on the smaller of the two parts that judge."""
    return 1.0 / max(1, min(pilot.sizes.get("validation", 1), pilot.sizes.get("test", 1)))


def _standard_margin(workload: Workload, pilot: Record, ask: Ledger) -> float:
    """The workload's own margin, but no less than a held-out example; or half a point of accuracy, or 1.5 examples.

    Another metric has no such scale: 1 % of what a full run of the baseline reaches counts.
    """
    if workload.margin is not None:
        example = 1.0 / max(1, pilot.sizes.get("test", 1))
        coarse = workload.target.metric == "accuracy" and workload.margin < example
        return 1.5 * example if coarse else workload.margin
    if workload.target.metric == "accuracy":
        return max(DEFAULT_ACCURACY_MARGIN, 1.5 * _one_example(pilot))
    full = ask(replace(pilot.request, phase="pilot full", mode="run", max_steps=None))
    if full.status != "ok":
        raise Refused(f"the baseline of '{workload.name}' does not run to its end: {full.reason}")
    margin = 0.01 * abs(full.validation[workload.target.metric])
    if margin == 0.0:
        raise Refused(
            f"{workload.target.metric} is 0 on validation data, so no margin follows from it; "
            "state one with --margin"
        )
    return margin


def _arms(declaration: Declaration, workload: Workload) -> tuple[Sequence[str], Sequence[str]]:
    if declaration.mode == "test":
        return declaration.tests, ()
    if declaration.mode == "baseline-only":
        return (), ()
    return suggested(workload.provides, quick=declaration.profile == "quick")


def _candidates(
    arms: Sequence[str], workload: Workload, pilot: Record, device: str
) -> tuple[Candidate, ...]:
    sizes = {"double": 2 * pilot.size, "half": max(1, pilot.size // 2)}
    texts = [text.format(**sizes) if "{" in text else text for text in arms]
    return tuple(candidate(text.split(" + "), workload, device) for text in dict.fromkeys(texts))


def candidate(specs: Sequence[str], workload: Workload, device: str) -> Candidate:
    """Return the arm that `specs` make on `workload`, with the reason if they cannot run here."""
    techniques = [parse(spec) for spec in specs]
    refused = ""
    try:
        arrange(workload, techniques, device)
    except NotApplicable as reason:
        refused = str(reason)
    return Candidate(
        techniques=tuple(t.spec for t in techniques),
        names=tuple(t.name for t in techniques),
        evidence=max((str(t.evidence) for t in techniques), key=ORDER.index),
        excludes=tuple(sorted({name for t in techniques for name in t.excludes})),
        stops=any(_stops(t) for t in techniques),
        speeds=techniques[0].speeds if len(techniques) == 1 else (),
        refused=refused,
    )


def _stops(technique: Technique) -> bool:
    return technique.stage is Stage.STOP and technique.evidence != "exact"
