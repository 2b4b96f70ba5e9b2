"""The evidence of a study: every run once, kept as JSON lines that survive a kill at any moment.

A study is a function of its evidence. Whoever asks for a run gets the stored record if there is one;
so resuming is asking again from the start, and a report is the same asking with nobody to run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from potentiate.errors import Refused, make_way
from potentiate.study.record import FORMAT, Record, Request, from_json, to_json

Runner = Callable[[Request], Record]


class Incomplete(Exception):
    """The evidence does not hold a run that was asked for, and nobody may run it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.phase)
        self.request = request


class Ledger:
    """Records by key, and the file they are kept in, which one ledger at a time writes.

    Args:
        folder: Where evidence.jsonl is.
        runner: Makes a record that is not there; None refuses with `Incomplete`.
        watch: Called with every record that was newly made.

    Raises:
        Refused: A line is damaged or of a newer format; or another ledger writes there.
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
        self._claim: ExitStack | None = None
        if self.path is not None and self.path.exists():
            if runner is not None:
                self.claim()
            self._read(self.path)

    def claim(self) -> None:
        """Be the only writer of the folder until `close`; whoever only reads claims nothing.

        Raises:
            Refused: Another study or replay writes there, or nobody can.
        """
        if self.path is None or self._claim is not None:
            return
        from potentiate.checkpoint.folder import locked  # brings torch, which no report needs

        folder, claim = self.path.parent, ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim.enter_context(locked(folder, wait=False))
        except BlockingIOError:
            raise Refused(
                f"another study or replay is writing to {folder}; wait until it has ended, or choose "
                "another --out"
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None
        self._claim = claim

    def close(self) -> None:
        """Let others write; a process that ends does so too, however it ends."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def restart(self) -> None:
        """Forget everything, on the disk too: for evidence in which nothing counts yet.

        Raises:
            Refused: As `claim`.
        """
        self.claim()
        self.facts.clear()
        self.records.clear()
        if self.path is not None and self.path.exists():
            with self.path.open("r+b") as file:
                file.truncate(0)

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
                self.facts.append(_fact(path, values))
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
            Refused: What is there under its name is another run.
        """
        record = self.records.get(request.key) or self._made(request)
        if record.request != request:
            raise Refused(
                f"{self.path} holds another run under '{request.key}' than this version asks for; rebuild the "
                "report with the version that made it, or start a new study"
            )
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
        """Add a line, marked with the format, and wait until it is on the disk.

        Raises:
            Refused: As `claim`.
        """
        self.claim()
        if line.get("kind") != "run":
            self.facts.append(dict(line))
        if self.path is None:
            return
        marked = {"kind": line.get("kind"), "format": FORMAT, **line}
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(marked).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> Refused:
        return Refused(
            f"{self.path} cannot be written ({error.strerror}); {make_way(error)}, "
            "then start the same command again: no run is repeated"
        )

    def ask_again(self, phase: str) -> None:
        """Ask for the stored runs of a phase, so that they are charged as when they were made."""
        for record in list(self.records.values()):
            if record.request.phase == phase:
                self(record.request)

    def fact(self, kind: str) -> dict[str, Any] | None:
        """Return the first line of a kind, or None."""
        return next((line for line in self.facts if line.get("kind") == kind), None)

    @property
    def spent(self) -> float:
        """Seconds that the runs so far took."""
        return sum(record.wall for record in self.records.values())


def _fact(path: Path, line: dict[str, Any]) -> dict[str, Any]:
    """A line that is no run, without its format; before there were formats it was the first."""
    version = line.pop("format", 1)
    if version not in range(1, FORMAT + 1):
        raise Refused(
            f"{path} holds a {line.get('kind')} of format {version} and this potentiate reads up to "
            f"{FORMAT}; use the version of potentiate that wrote it"
        )
    return line
