"""Where the figures of this machine are kept, so that a table can be made from them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from potentiate.machine import fingerprint

FOLDER = Path(__file__).parent / "records"


def store(name: str, figures: Mapping[str, Any], summary: Sequence[Mapping[str, str]]) -> Path:
    """Write `figures` beside the facts of the machine as records/NAME-MACHINE.json.

    `summary` holds the rows that docs/benchmarks.md shows: "what", "measured" and "bar".
    """
    machine = fingerprint()
    cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", str(machine["cpu"]).lower())).strip(
        "-"
    )
    path = FOLDER / f"{name}-{cpu}-{machine['usable_cores']}-cores.json"
    record = {
        "benchmark": name,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "summary": list(summary),
        "figures": figures,
        "machine": machine,
    }
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path
