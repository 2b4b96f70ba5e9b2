"""From what a person asks to a plan that fits the budget: declared, forecast, cut, fixed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from potentiate import __version__
from potentiate.errors import NotApplicable, Refused
from potentiate.machine import fingerprint
from potentiate.models.reference import find
from potentiate.study.blocks import BASELINE
from potentiate.study.budget import fitted
from potentiate.study.declaration import FILE, Declaration, write_declaration
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Candidate, Plan, plan_from_json, plan_to_json
from potentiate.study.record import Record, Request
from potentiate.techniques.base import Stage, Technique, arrange
from potentiate.techniques.reference import parse
from potentiate.workload import Workload

DEFAULT_ACCURACY_MARGIN = 0.005
SHORT_SECONDS = 2.0
SHORT_STEPS = 30
ORDER = ("exact", "numerics", "semantics", "deployment")

STANDARD: tuple[str, ...] = (
    "channels-last",
    "data-loading",
    "fused-optimizer",
    "batch-size:size={double}",
    "rarer-evaluation",
    "compile",
    "mixed-precision",
    "one-cycle",
    "early-stopping",
    "short-schedule:factor=0.5",
    "adaptive-batch",
    "threads:count=1",
    "activation-checkpointing",
    "gradient-accumulation",
    "cosine",
    "label-smoothing",
    "ema-weights",
)
"""Techniques tried alone, the most promising first; a small budget cuts from the end."""

OPTIONS: tuple[str, ...] = (
    "optimizer:kind=AdamW,lr=0.003 + one-cycle",
    "optimizer:kind=AdamW,lr=0.006 + one-cycle",
    "one-cycle",
    "batch-size:size={double}",
    "label-smoothing",
    "ema-weights",
    "optimizer:kind=AdamW,lr=0.002 + cosine",
    "batch-size:size={half}",
)
"""Ways to learn more in a short schedule, tried on top of the combination."""

QUICK = ("channels-last", "data-loading", "fused-optimizer", "batch-size:size={double}")
QUICK_OPTIONS = ("optimizer:kind=AdamW,lr=0.006 + one-cycle", "batch-size:size={double}")

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "noise_blocks": 3,
        "timing_blocks": 4,
        "build_blocks": 2,
        "screen_blocks": 0,
        "option_blocks": 1,
        "rounds": 1,
        "looks": (3,),
        "confirm_looks": (6,),
        "controls": (0.5, 0.2),
        "lengths": (0.2, 0.35, 0.5),
        "top": 1,
    },
    "standard": {},
    "thorough": {
        "noise_blocks": 10,
        "timing_blocks": 10,
        "build_blocks": 5,
        "option_blocks": 3,
        "screen_blocks": 2,
    },
}


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
    asked = {"kind": "declaration", **_plain(asdict(declaration))}
    before = ledger.fact("declaration")
    if before is not None and before != asked:
        changed = sorted(key for key in asked if before.get(key) != asked[key])
        raise Refused(
            f"{ledger.path} holds a study that was asked with another {', '.join(changed)}; "
            "choose another --out, or delete the folder"
        )
    workload = find(declaration.workload).varied(declaration.recipe)
    stored = ledger.fact("plan")
    if stored is not None:
        plan = plan_from_json(stored)
        pilot = ledger(_pilot_request(declaration))
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
    plan = fitted(_plan(declaration, workload, pilot), pilot)
    ledger.append(plan_to_json(plan))
    show(plan, pilot)
    return plan, pilot


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
    for spec in declaration.tests:
        parse(spec)


def _plan(declaration: Declaration, workload: Workload, pilot: Record) -> Plan:
    singles, options = _arms(declaration)
    margin = declaration.margin if declaration.margin is not None else _margin(workload, pilot)
    smallest = 1.0 / max(1, pilot.sizes.get("test", 0))
    if workload.target.metric == "accuracy" and margin < smallest:
        raise Refused(
            f"a margin of {100 * margin:g} points is less than one of the {pilot.sizes.get('test', 0)} test "
            f"examples; choose --margin {100 * smallest:.2g}pp or more"
        )
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
        margin=margin,
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
        **PROFILES[declaration.profile],
    )
    if declaration.seeds is not None:
        plan = replace(plan, looks=(declaration.seeds,), confirm_looks=(declaration.seeds,))
    return plan


def _margin(workload: Workload, pilot: Record) -> float:
    """The workload's own margin, or half a point of accuracy but never less than 1.5 examples, or 1 % of a loss."""
    if workload.margin is not None:
        return workload.margin
    if workload.target.metric == "accuracy":
        return max(DEFAULT_ACCURACY_MARGIN, 1.5 / max(1, pilot.sizes.get("test", 1)))
    return 0.01 * abs(pilot.validation[workload.target.metric])


def _arms(declaration: Declaration) -> tuple[Sequence[str], Sequence[str]]:
    if declaration.mode == "test":
        return declaration.tests, ()
    if declaration.mode == "baseline-only":
        return (), ()
    return (QUICK, QUICK_OPTIONS) if declaration.profile == "quick" else (STANDARD, OPTIONS)


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
