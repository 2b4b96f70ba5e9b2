"""What a reader takes home: the command, the configuration file, and the same thing in Python."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from potentiate.config import FORMAT
from potentiate.study import numbers
from potentiate.study.findings import Findings
from potentiate.study.runs import BASELINE, predicted

CONFIG = "best.toml"


def techniques(findings: Findings) -> tuple[str, ...]:
    """Specs of the confirmed combination; none where nothing was confirmed."""
    specs = findings.best.techniques if findings.best else ()
    threads = findings.plan.threads
    if threads is None or any(spec.startswith("threads") for spec in specs):
        return specs
    return (*specs, f"threads:count={threads}")  # what was measured ran on so many


def command(findings: Findings, folder: Path) -> str:
    """The exact command that trains with what was confirmed, or as before if nothing was."""
    return shlex.join(["potentiate", "run", str(folder / CONFIG)])


def long_command(findings: Findings, between: str = " ") -> str:
    """The same training without the file: every technique and setting spelled out.

    Args:
        findings: What the study found.
        between: What parts the options: a blank, or a continued line.
    """
    plan = findings.plan
    options = [("--technique", spec) for spec in techniques(findings)]
    options += [("--set", f"{key}={typed(value)}") for key, value in plan.recipe.items()]
    options += [("--seed", str(plan.seed)), ("--device", plan.device)]
    start = ("potentiate", "train", plan.workload)
    return between.join(map(shlex.join, [start, *options]))


def typed(value: Any) -> str:
    """A setting as it is typed: lists with bars, a missing value as "none"."""
    if isinstance(value, list | tuple):
        items = list(cast(Iterable[object], value))
        return "|".join(map(str, items)) + ("|" if len(items) == 1 else "")
    return "none" if value is None else str(value)


def best_config(findings: Findings) -> dict[str, Any]:
    """The content of best.toml: what to train with, and under [study] where it comes from.

    Without a confirmed combination the list of techniques is empty and the claim says so.
    """
    plan = findings.plan
    config: dict[str, Any] = {
        "format": FORMAT,
        "workload": plan.workload,
        "seed": plan.seed,
        "device": plan.device,
        "techniques": list(techniques(findings)),
    }
    if plan.recipe:
        config["recipe"] = {key: _storable(value) for key, value in plan.recipe.items()}
    return {**config, "study": _origin(findings)}


def _origin(findings: Findings) -> dict[str, Any]:
    plan = findings.plan
    origin: dict[str, Any] = {
        "digest": plan.digest,
        "claim": claim(findings),
        "complete": findings.complete,
        "machine": machine_line(findings.machine),
        "version": plan.version,
    }
    if plan.threads is not None:
        origin["threads"] = plan.threads
    expected = predicted(findings, findings.best.arm if findings.best else BASELINE)
    if expected:
        origin["predicted_seconds"] = _bounds(expected.seconds)
        if expected.quality:
            origin["predicted_quality"] = {"metric": plan.metric, **_bounds(expected.quality)}
    return origin


def _bounds(ends: tuple[float, float]) -> dict[str, float]:
    return {"low": float(f"{ends[0]:.6g}"), "high": float(f"{ends[1]:.6g}")}


def _storable(value: Any) -> Any:
    """TOML has no null."""
    if value is None:
        return "none"
    return list(cast(Iterable[object], value)) if isinstance(value, tuple) else value


def claim(findings: Findings) -> str:
    """The sentence for the head of the report and of best.toml."""
    if findings.best_claim:
        return numbers.plain(findings.best_claim)
    if findings.best:
        return numbers.plain(findings.best.judgement.reason)
    if not findings.complete:
        return "The study is not finished, so nothing is claimed yet and the baseline stays."
    return "No combination was confirmed, so the baseline stays."


def machine_line(machine: Mapping[str, Any]) -> str:
    """The machine in a few words: processor, usable cores, accelerators."""
    cores = machine.get("usable_cores") or machine.get("cores")
    gpus: list[Any] = machine.get("gpus") or []
    words = [str(machine.get("cpu") or "unknown processor")]
    words += [f"{cores} core{'s' * (cores != 1)}"] if cores else []
    return numbers.plain(", ".join([*words, *map(str, gpus)]))


def snippet(findings: Findings) -> str:
    """The change to a script that trains the workload, as a patch."""
    plan, specs = findings.plan, techniques(findings)
    varied = f".varied({plan.recipe!r})" if plan.recipe else ""
    lines = [
        " from potentiate import train",
        " from potentiate.models.reference import find",
        *(["+from potentiate.techniques.reference import parse"] if specs else []),
        " ",
        f" workload = find({plan.workload!r}){varied}",
    ]
    settings = f"seed={plan.seed}, device={plan.device!r}"
    if not specs:
        return "\n".join([*lines, f" for event in train(workload, {settings}):", "     ..."])
    return "\n".join(
        [
            *lines,
            "+techniques = [",
            *(f"+    parse({spec!r})," for spec in specs),
            "+]",
            f"-for event in train(workload, {settings}):",
            f"+for event in train(workload, techniques, {settings}):",
            "     ...",
        ]
    )


def payback(findings: Findings) -> str:
    """What the study cost, and after how many trainings that is earned back."""
    cost = f"The study took {numbers.duration(findings.study_seconds)} of machine time."
    runs = findings.payback_runs
    if findings.best is None:
        return f"{cost} It found nothing that would earn it back."
    if not numbers.known(runs):
        return f"{cost} The time saved will never earn that back."
    trainings = (
        "one training" if runs is not None and runs <= 1 else f"{numbers.count(runs)} trainings"
    )
    return f"{cost} It has paid for itself after {trainings} with the new command."
