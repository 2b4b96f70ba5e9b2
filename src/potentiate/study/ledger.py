"""The evidence of a study: every run once, kept as JSON lines that survive a kill at any moment.

A study is a function of its evidence. Whoever asks for a run gets the stored record if there is one;
so resuming is asking again from the start, and a report is the same asking with nobody to run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from potentiate.errors import Refused
from potentiate.study.record import Record, Request, from_json, to_json

Runner = Callable[[Request], Record]


class Incomplete(Exception):
    """The evidence does not hold a run that was asked for, and nobody may run it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.phase)
        self.request = request


class Ledger:
    """Records by key, and the file they are kept in.

    Args:
        folder: Where evidence.jsonl is.
        runner: Makes a record that is not there; None refuses with `Incomplete`.
        watch: Called with every record that was newly made.
    """

    def __init__(
        self,
        folder: Path | None,
        runner: Runner | None = None,
        watch: Callable[[Record], None] = lambda record: None,
    ) -> None:
        self.path = None if folder is None else folder / "evidence.jsonl"
        self.runner, self.watch = runner, watch
        self.facts: list[dict[str, Any]] = []
        self.records: dict[str, Record] = {}
        self.charged = 0.0
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        *lines, torn = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._keep(path, number, line)
        if torn and self.runner is not None:  # the writer was killed within its last line
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - len(torn))

    def _keep(self, path: Path, number: int, line: bytes) -> None:
        try:
            values: dict[str, Any] = json.loads(line)
            if values.get("kind") != "run":
                self.facts.append(values)
                return
            record = from_json(values)
        except (ValueError, AttributeError, TypeError):  # ValidationError is a ValueError
            raise Refused(
                f"{path} line {number} is damaged; restore the file or start a new study"
            ) from None
        self.records[record.request.key] = record

    def __call__(self, request: Request) -> Record:
        """Return the record of `request`, from the evidence or by running it now.

        `charged` adds up what every record asked for cost, stored or new, so that a budget ends a
        resumed study where it would have ended an uninterrupted one.

        Raises:
            Incomplete: It is not there and this ledger only reads.
        """
        record = self.records.get(request.key) or self._made(request)
        self.charged += record.wall
        return record

    def _made(self, request: Request) -> Record:
        if self.runner is None:
            raise Incomplete(request)
        record = self.runner(request)
        self.append(to_json(record))
        self.records[request.key] = record
        self.watch(record)
        return record

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line and wait until it is on the disk."""
        if line.get("kind") != "run":
            self.facts.append(dict(line))
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Refused(
                f"{self.path} cannot be written ({error.strerror}); make room or choose another --out, "
                "then start the same command again: no run is repeated"
            ) from None

    def fact(self, kind: str) -> dict[str, Any] | None:
        """Return the first line of a kind, or None."""
        return next((line for line in self.facts if line.get("kind") == kind), None)

    @property
    def spent(self) -> float:
        """Seconds that the runs so far took."""
        return sum(record.wall for record in self.records.values())
