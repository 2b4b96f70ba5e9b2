"""Number formats: how precisely a step computes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from potentiate.errors import NotApplicable
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.techniques.gradient import gradient_step
from potentiate.workload import Run


@dataclass(frozen=True)
class MixedPrecision(Technique):
    """Compute forward pass and loss in a shorter number format; weights and updates stay fp32.

    Source: Micikevicius et al. 2018, Mixed Precision Training; Kalamkar et al. 2019 for bf16.
    Helps: Matrix products and convolutions large enough to be limited by arithmetic or memory, on
        GPUs with tensor cores and on processors with AVX512-BF16 or AMX; halves activation memory.
    Hurts: Small networks, where casting costs more than it saves; processors without bf16
        instructions (see `potentiate doctor`), where it is several times slower. fp16 overflows: the
        scaler skips such updates, and the schedule goes on as if they had happened.
    Cost: Rounding of 8 (bf16), 11 (fp16, tf32) instead of 24 bits. Evaluation stays in fp32.

    Attributes:
        dtype: "bf16", "fp16" with a loss scaler, or "tf32", which shortens only what matrix products
            read.
    """

    dtype: Literal["bf16", "fp16", "tf32"] = "bf16"

    name: ClassVar[str] = "mixed-precision"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.NUMERICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    speeds: ClassVar[tuple[str, ...]] = ("forward", "backward")

    def unavailable(self, device: str) -> str | None:
        """Ask the GPU; every processor can do bf16 and fp16, though not every one fast."""
        if device != "cuda":
            only_gpu = "tf32 is a format of NVIDIA GPUs and the run is on the CPU; use dtype=bf16"
            return only_gpu if self.dtype == "tf32" else None
        if self.dtype != "fp16" and torch.cuda.get_device_capability() < (8, 0):
            return f"this GPU has no {self.dtype} units (they came with Ampere); use dtype=fp16"
        return None

    def apply(self, run: Run) -> Run:
        """Return the run with autocast (and a scaler for fp16), or with tf32 allowed while it lasts."""
        if gradient_step(run, self.name).autocast is not None:
            raise NotApplicable("mixed-precision: the step computes in a shorter format already")
        if self.dtype == "tf32":
            return run.edit(contexts=(*run.contexts, _tf32))
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[self.dtype]
        return run.edit_step(autocast=dtype, scale=self.dtype == "fp16")


@contextmanager
def _tf32() -> Generator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
