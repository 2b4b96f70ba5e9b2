"""Which checkpoints of a run stay on disk, and which one to go on from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potentiate.checkpoint.folder import discard, locked, settle
from potentiate.checkpoint.snapshot import save, verify
from potentiate.errors import Refused


@dataclass(frozen=True)
class Shelf:
    """A folder of checkpoints by step, of which the newest few and the best are kept.

    Attributes:
        folder: Holds `step-00000120`, ... and `best`.
        keep: How many steps stay; `best` is never counted nor removed.
    """

    folder: Path
    keep: int = 10

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise Refused(
                f"keep={self.keep} checkpoints in {self.folder} is refused; keep at least 1"
            )

    def put(self, state: Any, step: int, facts: Mapping[str, Any]) -> Path:
        """Save `state` under `step`, which joins the facts, then drop what is beyond `keep`.

        The one just written always stays, also after a return to an earlier step. See `save`.
        """
        target = save(self._at(step), state, facts={**facts, "step": step})
        others = [other for other in self.steps() if other != step]
        for old in others[: max(0, len(others) - self.keep + 1)]:
            with suppress(OSError):  # the save itself succeeded; the next one tries again
                discard(self._at(old))
        return target

    def put_best(self, state: Any, step: int, facts: Mapping[str, Any]) -> Path:
        """Save `state` as the best so far, replacing the one before; see `save`."""
        return save(self.folder / "best", state, facts={**facts, "step": step})

    def steps(self) -> tuple[int, ...]:
        """Return the steps on the shelf, ascending; none where the folder does not exist."""
        if not self.folder.is_dir():
            return ()
        found = (
            re.fullmatch(r"step-(\d{8,})", path.name)
            for path in self.folder.iterdir()
            if path.is_dir()
        )
        return tuple(sorted(int(match[1]) for match in found if match))

    def latest(self) -> Path | None:
        """Return the newest checkpoint that is undamaged; clean up after a killed writer.

        Cost: one read of that checkpoint. Damaged ones are passed over and left for inspection.
        """
        self._sweep()
        for step in reversed(self.steps()):
            with suppress(Refused):
                verify(self._at(step))
                return self._at(step)
        return None

    def _at(self, step: int) -> Path:
        if step < 0:
            raise Refused(f"step {step} is refused as the name of a checkpoint; steps count from 0")
        return self.folder / f"step-{step:08d}"

    def _sweep(self) -> None:
        if not self.folder.is_dir():
            return
        # a shelf that is being written to, or that we may not change, is left alone
        with suppress(OSError), locked(self.folder, wait=False):
            for leftover in self.folder.iterdir():
                if match := re.fullmatch(r"\.(step-\d{8,}|best)\.(new|old|gone)", leftover.name):
                    settle(self.folder / match[1])
