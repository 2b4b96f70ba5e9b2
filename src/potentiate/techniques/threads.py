"""How many processor cores one operation is spread over."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from potentiate.machine.facts import usable_cores
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.workload import Run


@dataclass(frozen=True)
class Threads(Technique):
    """Spread each operation over a stated number of processor threads.

    Source: torch.set_num_threads.
    Helps: One thread where operations are too small to share; all cores where they are large and a
        limit was inherited; fewer than all beside other work.
    Hurts: More threads than cores; few threads on large operations.
    Cost: Sums are split elsewhere, so numbers differ in the last digits. Restored after the run.

    Attributes:
        count: Threads within one operation.
    """

    count: Annotated[int, Field(ge=1)] = 1

    name: ClassVar[str] = "threads"
    stage: ClassVar[Stage] = Stage.DATA
    evidence: ClassVar[Evidence] = Evidence.EXACT

    def unavailable(self, device: str) -> str | None:
        """More threads than cores only wait for each other."""
        cores = usable_cores()
        if self.count > cores:
            return f"count={self.count} exceeds the {cores} cores of this process; use fewer"
        return None

    def apply(self, run: Run) -> Run:
        """Return the run with the thread count set while it lasts."""
        return run.edit(contexts=(*run.contexts, partial(_limited, self.count)))


@contextmanager
def _limited(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
