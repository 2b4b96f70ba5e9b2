"""The log of a run, read back: whatever a crash left whole, and what had to be left out.

The log is JSON lines, as `potentiate.listeners.MetricsLog` writes them. A null is NaN here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused

LOG = "metrics.jsonl"
FORMAT = 1
EVENTS = "started", "stepped", "evaluated", "rewired", "finished", "beside"
DAMAGE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What reading a line raises that is not what a run writes."""


class Evaluation(NamedTuple):
    """Metrics after `step` steps and `seconds` of training; seconds are NaN where unknown."""

    step: int
    seconds: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Histogram:
    """How many (`counts` [k]) lie between each two of the rising borders (`edges` [k + 1])."""

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True)
class Rewiring:
    """One topology update of one part of a plastic network; NaN and None stand for what is unknown.

    `density`, `change` (of edges) and `explored` (of possible edges) are shares in [0, 1], `band` is
    what `change` should stay within, `interval` is in steps, `seconds` is the time of this update and
    `batch_seconds` the mean time of a batch since the last. `blocks` counts edges,
    [targets, sources].
    """

    step: int
    edges: float
    density: float
    dropped: float
    grown: float
    change: float
    explored: float
    threshold: float
    interval: float
    rate: float
    seconds: float
    batch_seconds: float
    memory_mb: float
    band: tuple[float, float] | None
    fan_in: Histogram | None
    fan_out: Histogram | None
    ages: Histogram | None
    lengths: Histogram | None
    blocks: NDArray[np.float64] | None


NUMBERS = (
    "edges", "density", "dropped", "grown", "change", "explored", "threshold", "interval", "rate",
    "seconds", "batch_seconds", "memory_mb",
)  # fmt: skip
HISTOGRAMS = "fan_in", "fan_out", "ages", "lengths"


class Beside(NamedTuple):
    """What simple references reach on the test part, metrics by name, and the metric that judges the run."""

    metric: str
    references: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RunLog:
    """What a run wrote of itself, in the order of its steps.

    `losses` are (step, loss); `test` is as if evaluated once more at the end; `parts` holds the topology
    updates of each part of a plastic network; `beside` what simple references reach; `damaged` are the numbers
    of lines that were left out.
    """

    path: Path
    workload: str = ""
    losses: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    evaluations: list[Evaluation] = field(default_factory=list[Evaluation])
    test: Evaluation | None = None
    parts: dict[str, list[Rewiring]] = field(default_factory=dict[str, list[Rewiring]])
    damaged: Sequence[int] = ()
    beside: Beside | None = None

    def left_out(self) -> Iterator[str]:
        """Say, in a sentence each, what pictures of this log cannot show."""
        if self.damaged:
            places = ", ".join(str(number) for number in self.damaged[:5])
            more = ", ..." if len(self.damaged) > 5 else ""
            yield f"{self.path}: left out what cannot be read: line {places}{more}"
        losses = [step for step, loss in self.losses if math.isnan(loss)]
        if losses:
            yield f"{self.path}: losses that are not finite are left out, the first at step {losses[0]}"
        first: dict[str, int] = {}
        for each in self.evaluations:
            for name, value in each.metrics.items():
                if math.isnan(value):
                    first.setdefault(name, each.step)
        for name, step in first.items():
            yield f"{self.path}: {name} is not finite at some evaluations, the first at step {step}"


def load(path: Path) -> RunLog:
    """Read the log of the run in the folder `path`, or the log at `path`; linear in its length.

    Raises:
        Refused: There is none, it is empty, of a newer format, or something else.
    """
    path = path / LOG if path.is_dir() else path
    if not path.is_file():
        raise Refused(f"there is no log of a run at {path}; name a run's folder, which holds {LOG}")
    try:
        with path.open("rb") as lines:
            return _read(path, lines)
    except OSError as error:
        raise Refused(
            f"{path} cannot be read ({error.strerror or error}); check its permissions"
        ) from None


def _read(path: Path, lines: Any) -> RunLog:
    found: dict[str, list[Any]] = {event: [] for event in EVENTS}
    parts: dict[str, list[Rewiring]] = {}
    damaged = list[int]()
    first = lines.readline()
    _check(path, first)
    lines.seek(0)
    for number, line in enumerate(lines, start=1):
        try:
            event, value = _event(json.loads(line))
        except DAMAGE:
            damaged.append(number)
            continue
        if event == "rewired":
            part, update = value
            parts.setdefault(part, []).append(update)
        elif event in found:
            found[event].append(value)
    return RunLog(
        path,
        next(iter(found["started"]), ""),
        found["stepped"],
        found["evaluated"],
        next(reversed(found["finished"]), None),
        parts,
        damaged,
        next(reversed(found["beside"]), None),
    )


def _check(path: Path, first: bytes) -> None:
    """Refuse what is no log by its first line, before all of a long file is read."""
    if not first:
        raise Refused(f"{path} is empty, so there is nothing to draw; name another run")
    try:
        start: Any = json.loads(first)
        ours = start["event"] in EVENTS
    except DAMAGE:
        if first.startswith(b'{"event"'):
            raise Refused(
                f"{path} holds no whole line, because the run ended as it began; name another run"
            ) from None
        start, ours = {}, False
    if not ours:
        raise Refused(f"{path} is no log of a run; name a run's folder, which holds {LOG}")
    if start.get("format", FORMAT) != FORMAT:
        raise Refused(
            f"{path} is of format {start['format']}, and this version reads {FORMAT}; "
            "draw it with the version that wrote it"
        )


def _event(line: Any) -> tuple[str, Any]:
    """The kind of a line, and its content as it is kept."""
    event, step = line["event"], line["step"]
    if not isinstance(step, int):
        raise TypeError("a step is a whole number")
    match event:
        case "started":
            return event, str(line.get("workload") or "")
        case "stepped":
            return event, (step, _number(line["loss"]))
        case "evaluated":
            return event, Evaluation(step, _number(line.get("seconds")), _numbers(line["metrics"]))
        case "finished":
            seconds = _number((line.get("seconds") or {}).get("training"))
            return event, Evaluation(step, seconds, _numbers(line.get("test") or {}))
        case "beside":
            references = {str(k): _numbers(v) for k, v in line["references"].items()}
            return event, Beside(str(line["metric"]), references)
        case "rewired":
            measures = line["measures"]
            return event, (str(measures["part"]), _rewiring(step, measures))
        case _:
            return str(event), None


def _rewiring(step: int, measures: Mapping[str, Any]) -> Rewiring:
    """One update; a measure that is not there is as unknown as one that is null."""
    band = measures.get("band")
    numbers: dict[str, Any] = {name: _number(measures.get(name)) for name in NUMBERS}
    counted: dict[str, Any] = {name: _histogram(measures.get(name)) for name in HISTOGRAMS}
    return Rewiring(
        step,
        **numbers,
        **counted,
        band=None if band is None else (float(band[0]), float(band[1])),
        blocks=_blocks(measures.get("blocks")),
    )


def _number(value: Any) -> float:
    """A JSON number; null, and what is not finite, as NaN."""
    if value is None:
        return math.nan
    if not isinstance(value, int | float):
        raise TypeError("a number was expected")
    return float(value) if math.isfinite(value) else math.nan


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: _number(value) for name, value in metrics.items()}


def _histogram(value: Any) -> Histogram | None:
    """Return the histogram; None where nothing was counted."""
    if value is None:
        return None
    edges, counts = (np.asarray(value[key], np.float64) for key in ("edges", "counts"))
    if edges.shape != (len(counts) + 1,) or not np.isfinite([*edges, *counts]).all():
        raise ValueError("a histogram has one border more than counts")
    if (np.diff(edges) <= 0).any() or (counts < 0).any():
        raise ValueError("the borders of a histogram rise, and its counts are not negative")
    return Histogram(edges, counts) if counts.any() else None


def _blocks(value: Any) -> NDArray[np.float64] | None:
    """Return the counts [targets, sources]; None where there are no blocks."""
    if value is None:
        return None
    blocks = np.asarray(value, np.float64)
    if blocks.size and (blocks.ndim != 2 or not np.isfinite(blocks).all()):
        raise ValueError("blocks are rows of equal length")
    return blocks if blocks.size else None
