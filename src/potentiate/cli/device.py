"""Which device `--device` means."""

from __future__ import annotations

import torch

from potentiate.errors import Refused


def device_of(name: str) -> str:
    """Return the device that `--device` means on this machine.

    Raises:
        Refused: There is no such device, or not here.
    """
    kind = name.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise Refused(f"there is no device '{name}'; choose cpu, cuda or auto")
    if kind == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise Refused(
            "torch finds no CUDA device here; choose --device cpu, and see 'potentiate doctor'"
        )
    try:
        index = torch.device(name).index or 0
    except RuntimeError:
        raise Refused(f"'{name}' is no device; write {kind}, or {kind}:0") from None
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise Refused(
            f"there is no '{name}': this machine has {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    return name
