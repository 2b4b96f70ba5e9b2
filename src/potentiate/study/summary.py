"""The summary over data sets, from the findings of each alone: a web page, Markdown and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from potentiate.config import FORMAT
from potentiate.study import report
from potentiate.study.across import Across, SetFindings
from potentiate.study.findings import ArmResult
from potentiate.study.interval import Interval
from potentiate.study.sections import blocks, cells, datasets, takehome
from potentiate.study.together import PooledArm
from potentiate.study.verdict import speedup

if TYPE_CHECKING:
    from rich.table import Table

SUMMARY = "summary.json"


def write(found: Across, folder: Path) -> list[Path]:
    """Write report.md, report.html and summary.json; each appears whole or not at all.

    Raises:
        Refused: The folder cannot be written; files written before stay.
    """
    built = datasets.page(found, folder)
    contents = {
        "report.md": blocks.markdown(built),
        "report.html": report.render(built),
        SUMMARY: json.dumps(summary(found), indent=2, allow_nan=False) + "\n",
    }
    return report.written(folder, contents)


def summary(found: Across) -> dict[str, Any]:
    """All numbers of the summary as JSON holds them; what is not finite is null.

    Speed-ups are baseline time over the technique's; a quality change above 0 is better.
    """
    plan = found.plan
    return _finite(
        {
            "format": FORMAT,
            "model": found.declaration.workload,
            "mode": found.declaration.mode,
            "profile": found.declaration.profile,
            "complete": found.complete,
            "take_home": takehome.take_home(found),
            "command": takehome.command(found),
            "recommended": [arm.row.arm for arm in found.recommended],
            "metric": plan.metric if plan else None,
            "margin": plan.claimed_margin if plan else None,
            "validation_margin": plan.margin if plan else None,
            "datasets": [_set(each) for each in found.sets],
            "techniques": [_arm(arm) for arm in found.arms],
        }
    )


def _set(each: SetFindings) -> dict[str, Any]:
    findings = each.findings
    values: dict[str, Any] = {"name": each.name, "refused": each.refused or None}
    if findings is None:
        return {**values, "complete": False}
    return {
        **values,
        "complete": findings.complete,
        "margin": findings.plan.claimed_margin,
        "digest": findings.plan.digest,
        "study_seconds": findings.study_seconds,
        "claim": findings.best_claim,
        "best": list(findings.best.techniques) if findings.best else [],
    }


def _arm(arm: PooledArm) -> dict[str, Any]:
    return {
        "technique": arm.row.arm,
        "pooled": {
            **_row(arm.row),
            "datasets": arm.pooled,
            "held_out": arm.held_out,
            "p_adjusted": arm.row.p_adjusted,
            "between_sd_log": arm.time.between if arm.time else None,
            "spread_share": arm.time.share if arm.time else None,
            "prediction": _interval(speedup(arm.prediction)) if arm.prediction else None,
        },
        "datasets": {name: _row(row) for name, row in arm.sets.items()},
    }


def _row(row: ArmResult) -> dict[str, Any]:
    judged = row.judgement
    return {
        "verdict": str(judged.verdict),
        "speedup": _interval(speedup(judged.time)) if judged.time else None,
        "quality_change": _interval(judged.quality) if judged.quality else None,
        "memory_ratio": row.memory_ratio,
        "runs": row.runs,
        "failures": row.failures,
        "reason": judged.reason,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return asdict(interval)


def _finite(value: Any) -> Any:
    """The same with null for every number that JSON has no word for."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}  # pyright: ignore
    if isinstance(value, list):
        return [_finite(item) for item in value]  # pyright: ignore
    return None if isinstance(value, float) and not math.isfinite(value) else value


def verdict_table(found: Across) -> Table:
    """The verdicts for a terminal: a row for each technique, over all sets and on each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(takehome.title(found)), pad_edge=False)
    for name in ("technique", "data set", "verdict", "speed-up", "quality change"):
        table.add_column(name, max_width=33, overflow="fold")
    metric = found.plan.metric if found.plan else ""
    for arm in found.arms:
        rows = {**arm.sets, **({"all together": arm.row} if len(found.sets) > 1 else {})}
        for place, (name, row) in enumerate(rows.items()):
            label = cells.badge(row)
            change = cells.quality_change(row, metric).replace(" points", " pp")
            table.add_row(
                Text(arm.row.arm if place == 0 else ""),
                Text(name, "bold" if row is arm.row else ""),
                Text(label.text, report.STYLES.get(label.tone, "dim")),
                Text(cells.gain(row)),
                Text(change),
                end_section=place == len(rows) - 1,
            )
    return table
