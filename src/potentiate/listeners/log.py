"""The log of a run: one JSON object per line, complete up to the last line after any crash."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, cast

from potentiate.errors import Refused, make_way
from potentiate.events import Evaluated, Event, Finished, Rewired, Started, Stepped
from potentiate.settings import plain

FORMAT = 1


class MetricsLog:
    """Writes a line at the start, each evaluation, the end, and the loss of every n-th step.

    Each line is an object with "event" ("started", "stepped", "rewired", "evaluated", "finished", "beside")
    and "step"; the first also has "format". A number that is not finite is null.

    A run that goes on from a checkpoint cuts off what was written after it, so that no step is in
    the log twice.

    Args:
        path: The file, made with its folder; lines are added to one that is there.
        every: Steps between two losses; 0 logs none. Reading a loss waits for the device.

    Raises:
        Refused: The file cannot be written.
    """

    def __init__(self, path: Path, every: int = 50) -> None:
        self.path, self.every = path, every
        self._due = every
        self._file = self._guarded(self._open)

    def __call__(self, event: Event) -> None:
        """Write what `event` says, if it is one that is logged."""
        if isinstance(event, Stepped):
            if self.every and event.step >= self._due:
                self._due = event.step + self.every
                self._line("stepped", event.step, loss=float(event.loss))
        elif isinstance(event, Evaluated):
            self._line("evaluated", event.step, seconds=event.seconds, metrics=dict(event.metrics))
        elif isinstance(event, Rewired):
            self._line("rewired", event.step, measures=dict(event.measures))
        elif isinstance(event, Started):
            self._started(event)
        else:
            self._finished(event)

    def beside(self, step: int, metric: str, references: Mapping[str, Mapping[str, float]]) -> None:
        """Write what simple references reach on the test part; `metric` is what judges the run."""
        self._line("beside", step, metric=metric, references=dict(references))

    def state_dict(self) -> dict[str, Any]:
        """Return how far the log had come."""
        return {"bytes": self._file.tell()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Cut off what lies after the place where `state` was taken."""
        self._guarded(lambda: self._cut(int(state["bytes"])))

    def close(self) -> None:
        """Close the file; the log takes no more lines."""
        self._file.close()

    def _started(self, event: Started) -> None:
        training = event.training
        self._due = (training.position // self.every + 1) * self.every if self.every else 0
        self._line(
            "started",
            training.position,
            format=FORMAT,
            workload=training.workload.name,
            recipe=plain(training.workload.recipe),
            techniques=[technique.spec for technique in training.techniques],
            seed=training.seed,
            device=str(training.device),
            steps=training.total,
        )

    def _finished(self, event: Finished) -> None:
        test = None if event.test is None else dict(event.test)
        self._line(
            "finished", event.step, reason=event.reason, test=test, seconds=dict(event.seconds)
        )

    def _line(self, event: str, step: int, **more: Any) -> None:
        line = json.dumps(
            _finite({"event": event, "step": step, **more}), allow_nan=False, default=str
        )
        content = f"{line}\n".encode()
        # One unbuffered write per line: whoever reads sees whole lines.
        self._guarded(lambda: self._write(content))

    def _write(self, content: bytes) -> None:
        while content:  # a full disk may take a part of a line before it refuses the rest
            content = content[self._file.write(content) or 0 :]

    def _open(self) -> FileIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(self.path, "a+")
        file.seek(0, os.SEEK_END)
        return file

    def _cut(self, size: int) -> None:
        self._file.truncate(min(size, self.path.stat().st_size))
        self._file.seek(0, os.SEEK_END)

    def _guarded(self, action: Any) -> Any:
        try:
            return action()
        except OSError as error:
            raise Refused(
                f"the log {self.path} could not be written ({error.strerror or error}); {make_way(error)}"
            ) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {str(key): _finite(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in cast("Sequence[Any]", value)]
    return value
