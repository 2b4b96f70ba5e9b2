"""What is printed when a training is over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from potentiate.cli.terminal import wide
from potentiate.events import Finished
from potentiate.listeners.progress import duration
from potentiate.study.reference import sentences, standings
from potentiate.training import Training
from potentiate.workload import References

PARTS = {"setup": "set-up", "warmup": "warm-up", "training": "training", "evaluation": "evaluation"}


def summary(
    training: Training,
    end: Finished,
    checkpoint: Path | None,
    repeat: str,
    references: References | None = None,
) -> None:
    """Print quality, with simple references beside it, time by part, throughput, and where to go from here."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    test, *rows = _rows(training, end)
    for topic, value in (test, *_beside(training, end, references or {}), *rows):
        table.add_row(topic, value)
    console = wide()
    console.print(table)
    # Paths and commands are to be copied, so they are not wrapped.
    console.print(f"checkpoint  {checkpoint}\nrepeat with  {repeat}", soft_wrap=True, markup=False)


def _beside(training: Training, end: Finished, references: References) -> list[tuple[str, str]]:
    """The references, the best first, and in a sentence whether training gained anything over them."""
    target = training.workload.target
    values = {n: told[target.metric] for n, told in references.items() if target.metric in told}
    if end.test is None or target.metric not in end.test or not values:
        return []
    found = standings(
        [end.test[target.metric]],
        values,
        higher_is_better=target.higher_is_better,
        examples=training.run.sizes.get("test") if target.metric == "accuracy" else None,
    )
    lines = [f"{target.metric} {each.value:.4f}  {each.name}" for each in found]
    return [("beside it", "\n".join([*lines, sentences(found)]))]


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
