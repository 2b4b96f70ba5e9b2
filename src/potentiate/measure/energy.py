"""Energy by counters in the hardware, never by an estimate; where there is none, the reason.

The counters only grow, so an amount is the difference of two readings. NVML's moves every 20 to
100 ms: of a run under a second it says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """One reading of the counters of one kind of hardware.

    Attributes:
        joules: All counters together, from an arbitrary zero; None where nothing can be read.
        source: "nvml", "rapl" or "".
        reason: Why there is no reading, or "".
        counters: Joules by device: "cuda:0", or "intel-rapl:0" for a processor package.
        wraps: Joules at which a counter starts again from 0, where it does.
    """

    joules: float | None = None
    source: str = ""
    reason: str = ""
    counters: Mapping[str, float] = field(default_factory=dict[str, float])
    wraps: Mapping[str, float] = field(default_factory=dict[str, float])

    def since(self, earlier: Energy) -> float | None:
        """Return the joules spent between two readings; None unless both are of the same counters.

        A counter that started again is followed once. RAPL's do so after some minutes to hours of
        load, so longer runs should be read in between.
        """
        if not self.counters or set(self.counters) != set(earlier.counters):
            return None
        spent = 0.0
        for name, value in self.counters.items():
            grown = value - earlier.counters[name]
            spent += grown if grown >= 0 else grown + self.wraps.get(name, 0.0)
        return spent


def energy(device: object = None) -> Energy:
    """Read the energy counter that belongs to `device`.

    Args:
        device: "cuda:0" reads that GPU through NVML, "cpu" the processor packages through RAPL
            (which only root may read on most machines); None the first GPU, or without one the
            processor.

    Cost: some 10 ms for the first reading of a GPU, under 1 ms afterwards.
    """
    wanted = "" if device is None else str(device)
    if wanted.startswith("cuda"):
        return _nvml(int(wanted.partition(":")[2] or 0))
    if wanted and not wanted.startswith("cpu"):
        return Energy(reason=f"there is no energy counter for the device '{wanted}'")
    gpu = Energy() if wanted else _nvml(0)
    found = gpu if gpu.counters else _rapl()
    return found if found.counters or wanted else Energy(reason=f"{gpu.reason}; {found.reason}")


def _nvml(index: int) -> Energy:
    try:
        pynvml: Any = import_module("pynvml")
    except ImportError:
        return Energy(reason="GPU: NVML is not installed (pip install 'potentiate[gpu]')")
    try:
        pynvml.nvmlInit()
        joules = pynvml.nvmlDeviceGetTotalEnergyConsumption(_handle(pynvml, index)) / 1e3
    except pynvml.NVMLError as error:
        return Energy(reason=f"GPU: {error}")
    return Energy(joules, "nvml", counters={f"cuda:{index}": joules})


def _handle(pynvml: Any, index: int) -> Any:
    """NVML numbers all GPUs of the machine, torch those that CUDA_VISIBLE_DEVICES names."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    name = visible[index].strip() if index < len(visible) else str(index)
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)


def _rapl() -> Energy:
    counters: dict[str, float] = {}
    wraps: dict[str, float] = {}
    for zone in sorted(_POWERCAP.glob("intel-rapl:*")):
        if zone.name.count(":") != 1:  # intel-rapl:0:0 is contained in intel-rapl:0
            continue
        try:
            counters[zone.name] = int((zone / "energy_uj").read_text()) / 1e6
            wraps[zone.name] = int((zone / "max_energy_range_uj").read_text()) / 1e6
        except (OSError, ValueError) as error:
            return Energy(reason=f"processor: the counter {zone} cannot be read ({error})")
    if not counters:
        return Energy(reason=f"processor: there is no energy counter in {_POWERCAP}")
    return Energy(sum(counters.values()), "rapl", counters=counters, wraps=wraps)
