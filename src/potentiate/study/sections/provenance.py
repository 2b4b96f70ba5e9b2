"""The sections of a report on what was fixed beforehand, where it ran, and how to check it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from potentiate.study import numbers
from potentiate.study.findings import Findings, Replay
from potentiate.study.glossary import TERMS, WORDS
from potentiate.study.objective import COSTS
from potentiate.study.plan import Plan
from potentiate.study.sections.blocks import Block, Cell, Code, Items, Section, Table, Text


def cut(findings: Findings) -> Section:
    """What the budget left out."""
    blocks = list[Block]()
    if findings.plan.cut:
        blocks += [
            Text("Decided before the first run, so that the study fits its budget:"),
            Items([*map(numbers.plain, findings.plan.cut)]),
        ]
    if findings.cut:
        blocks += [
            Text("Decided on the way, because the budget held no more:"),
            Items([*map(numbers.plain, findings.cut)]),
        ]
    if not blocks:
        unlimited = findings.plan.budget is None
        why = "no budget was set" if unlimited else "the whole plan fits its budget"
        blocks = [Text(f"Nothing: {why}.")]
    return Section("cut", "What was cut", blocks)


def machine(findings: Findings) -> Section:
    """The declaration, the machine and the versions."""
    facts = [(key, value) for key, value in _flat(findings.machine)]
    return Section(
        "machine",
        "Declaration, machine and versions",
        [
            Table("Fixed before the first run", ("what", "value"), _declared(findings)),
            Table(
                "Machine and software",
                ("what", "value"),
                facts or [("machine", "not known")],
                folded=True,
            ),
        ],
    )


def _declared(findings: Findings) -> list[tuple[str, str]]:
    plan = findings.plan
    looks = ", ".join(map(str, plan.confirm_looks))
    return [
        ("workload", plan.workload),
        (
            "settings changed",
            ", ".join(f"{k}={numbers.fact(v)}" for k, v in plan.recipe.items()) or "none",
        ),
        ("mode and profile", f"{plan.mode}, {plan.profile}"),
        ("to be saved", f"{COSTS[plan.objective]} (objective: {plan.objective})"),
        ("metric", f"{plan.metric}, {'higher' if plan.higher_is_better else 'lower'} is better"),
        (
            "margin: largest loss that counts as equal",
            numbers.margin(plan.claimed_margin, plan.metric),
        ),
        *_coarse(plan),
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


def _coarse(plan: Plan) -> list[tuple[str, str]]:
    if plan.held_out_margin is None:
        return []
    return [
        (
            "margin on validation data, too few for that one",
            numbers.margin(plan.margin, plan.metric),
        )
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
    quoted = shlex.quote(str(folder))
    return Section(
        "rebuild",
        "Check it yourself",
        [
            Text(
                f"Every run is one line of evidence.jsonl ({len(findings.records):,} now). The "
                "first command makes this report again from that file alone; the second runs the "
                "emitted command and says whether it lands in the predicted interval."
            ),
            Code(f"potentiate report {quoted}\npotentiate replay {quoted}"),
        ],
    )


def replays(findings: Findings) -> Section:
    """Later runs of the emitted command."""
    if not findings.replays:
        return Section("replays", "Replays", [Text("No replay yet.", tone="quiet")])
    rows = [_replay(findings.plan.metric, replay) for replay in findings.replays]
    columns = (
        "when",
        "result",
        "time",
        "predicted",
        "quality",
        "predicted quality",
        "machine",
        "version",
    )
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
        (Cell(word.label, word.tone, True), str(verdict), word.meaning)
        for verdict, word in WORDS.items()
    ]
    return Section(
        "glossary",
        "What the words mean",
        [
            Table("The nine verdicts", ("verdict", "in the evidence", "meaning"), rows),
            Items([*TERMS, _margin_term(findings)]),
        ],
    )


def _margin_term(findings: Findings) -> str:
    metric = numbers.plain(findings.plan.metric)
    return f"Margin: the loss of {metric} that was accepted as equal before the first run."
