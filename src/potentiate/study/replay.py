"""Does the recommended command do what was predicted? Each replay is added to the evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from potentiate import __version__
from potentiate.config import without_format
from potentiate.errors import Refused
from potentiate.machine import fingerprint
from potentiate.study.emit import CONFIG, machine_line
from potentiate.study.findings import Replay
from potentiate.study.ledger import Ledger

FIRST_SEED = 50_000
"""Where the seeds of replays begin, away from those of the study."""
PARTS = ("setup", "warmup", "training", "evaluation")


def read_replays(ledger: Ledger) -> list[Replay]:
    """Return the replays in the evidence, oldest first."""
    lines = [line for line in ledger.facts if line.get("kind") == "replay"]
    plain = [{key: value for key, value in line.items() if key != "kind"} for line in lines]
    return TypeAdapter(list[Replay]).validate_python(plain)


def replay(folder: Path, ledger: Ledger, seed: int | None = None) -> Replay:
    """Run `potentiate run best.toml` in a fresh process and compare it with the prediction beside it.

    The result is appended to the evidence and returned.

    Raises:
        Refused: The folder holds no prediction yet, the run was refused, or a study writes there.
    """
    ledger.claim()
    expected = _expected(folder / CONFIG)
    done = read_replays(ledger)
    chosen = FIRST_SEED + len(done) if seed is None else seed
    names = (folder / "replays" / f"{number}-seed-{chosen}" for number in count(len(done) + 1))
    out = next(name for name in names if not name.exists())  # one that was interrupted stays
    end = _run(folder / CONFIG, chosen, out)
    metric, spent = expected["metric"], sum(end["seconds"].get(part, 0.0) for part in PARTS)
    quality = end["test"][metric]
    inside = (
        expected["seconds"][0] <= spent <= expected["seconds"][1]
        and expected["quality"][0] <= quality <= expected["quality"][1]
    )
    facts = fingerprint()
    result = Replay(
        when=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        machine=machine_line(facts),
        version=f"{__version__}, torch {facts['torch']['version']}, {facts['python']}",
        seconds=spent,
        quality=quality,
        predicted_seconds=expected["seconds"],
        predicted_quality=expected["quality"],
        inside=inside,
    )
    ledger.append({"kind": "replay", **asdict(result)})
    return result


def _expected(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        origin = without_format(path, content)["study"]
        seconds, quality = origin["predicted_seconds"], origin["predicted_quality"]
        return {
            "seconds": (seconds["low"], seconds["high"]),
            "quality": (quality["low"], quality["high"]),
            "metric": quality["metric"],
        }
    except (OSError, ValueError, KeyError, TypeError):  # TOML and UTF-8 errors are ValueErrors
        raise Refused(
            f"{path} holds no prediction to replay; let the study finish, or rebuild it with "
            f"'potentiate report {path.parent}'"
        ) from None


def _run(config: Path, seed: int, out: Path) -> dict[str, Any]:
    """Return the line of the log that ends the run; references may stand behind it."""
    origin = tomllib.loads(config.read_text(encoding="utf-8"))["study"]
    environment = dict(os.environ)
    if "threads" in origin:
        environment["OMP_NUM_THREADS"] = str(origin["threads"])
    command = [sys.executable, "-m", "potentiate", "run", str(config), "--seed", str(seed)]
    done = subprocess.run([*command, "--out", str(out)], env=environment, check=False)
    if done.returncode != 0:
        raise Refused(
            f"the replayed run ended with code {done.returncode}; its message stands above"
        )
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").strip().splitlines()
    ends = (line for each in reversed(lines) if (line := json.loads(each))["event"] == "finished")
    return next(ends)
