"""What is printed when a training is over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from potentiate.cli.terminal import wide
from potentiate.events import Finished
from potentiate.listeners.progress import duration
from potentiate.training import Training

PARTS = {"setup": "set-up", "warmup": "warm-up", "training": "training", "evaluation": "evaluation"}


def summary(training: Training, end: Finished, checkpoint: Path | None, repeat: str) -> None:
    """Print quality, time by part, throughput, and where to go from here."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for topic, value in _rows(training, end):
        table.add_row(topic, value)
    console = wide()
    console.print(table)
    # Paths and commands are to be copied, so they are not wrapped.
    console.print(f"checkpoint  {checkpoint}\nrepeat with  {repeat}", soft_wrap=True, markup=False)


def _rows(training: Training, end: Finished) -> list[tuple[str, str]]:
    judged = training.history[-1] if training.history else {}
    metrics = {key: value for key, value in judged.items() if key not in ("step", "seconds")}
    rows = [("test", _metrics(end.test or {})), ("validation", _metrics(metrics))]
    total = sum(end.seconds.get(part, 0.0) for part in PARTS)
    parts = ", ".join(
        f"{name} {duration(end.seconds.get(part, 0.0))}" for part, name in PARTS.items()
    )
    seconds = end.seconds.get("training", 0.0)
    rate = end.step * training.run.batches.size / seconds if seconds else 0.0
    return [
        *rows,
        ("time", f"{duration(total)}: {parts}"),
        ("steps", f"{end.step:,} ({end.reason})"),
        ("rate", f"{rate:,.0f} {training.workload.unit}/s"),
    ]


def _metrics(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4f}" for key, value in metrics.items()) or "not read"
