"""How training data gets to the step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from potentiate.data.batches import LoaderBatches
from potentiate.data.resident import resident
from potentiate.errors import NotApplicable, Refused
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.workload import Run

WORKERS = 2
"""Processes, where none are stated."""


@dataclass(frozen=True)
class DataLoading(Technique):
    """Deliver the same samples in the same order, from memory or by worker processes.

    Source: torch.utils.data, and indexing tensors in its place where the data fits into memory.
    Helps: resident: small and medium data whose items a loader collects one by one. workers: decoding
        and augmentation that take longer than the step.
    Hurts: workers on data that is in memory already cost more than they save: starting them, and
        moving each batch between processes. resident reads the whole set before the first step.
    Cost: resident: the memory of the set, once. workers: a process each. Items that change between two
        readings (augmentation) cannot be kept and are refused.

    Attributes:
        mode: "resident" keeps all data as tensors, "workers" reads it in processes; none: workers where
            `workers` or `pin` is stated, else resident.
        workers: Processes, for mode=workers; none: 2.
        pin: Page-locked memory, for mode=workers on a GPU.
    """

    mode: Literal["resident", "workers"] | None = None
    workers: Annotated[int, Field(ge=1)] | None = None
    pin: bool = False

    name: ClassVar[str] = "data-loading"
    stage: ClassVar[Stage] = Stage.DATA
    evidence: ClassVar[Evidence] = Evidence.EXACT
    speeds: ClassVar[tuple[str, ...]] = ("data",)

    def __post_init__(self) -> None:
        if self.mode == "resident" and self._by_workers:
            raise Refused(
                "data-loading: mode=resident loads no batches, so workers and pin have no effect; leave "
                "them out, or state mode=workers"
            )

    @property
    def _by_workers(self) -> bool:
        return self.mode == "workers" or self.workers is not None or self.pin

    def unavailable(self, device: str) -> str | None:
        """Pinning is for copies to a GPU."""
        if self.pin and (device != "cuda" or not torch.cuda.is_available()):
            return "pinned memory is for copies to a GPU and the run is on the CPU; leave pin out"
        return None

    def apply(self, run: Run) -> Run:
        """Return the run with its data delivered this way."""
        batches = run.batches
        if not isinstance(batches, LoaderBatches):
            raise NotApplicable("data-loading: the data is in memory already and nothing loads it")
        if self._by_workers:
            return run.edit(batches=replace(batches, workers=self.workers or WORKERS, pin=self.pin))
        try:
            return run.edit(batches=resident(batches))
        except Refused as reason:
            raise NotApplicable(f"data-loading: {reason}") from None
