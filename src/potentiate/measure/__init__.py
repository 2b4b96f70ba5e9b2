"""What a training costs: time by part, memory, operations, energy.

Importing this is cheap; torch is imported when operations are counted or a device is asked.

Example:
    >>> import torch
    >>> flops = count_flops(lambda: torch.ones(4, 3) @ torch.ones(3, 2) + 1)
    >>> flops.matmul, flops.elementwise
    (48, 8)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from potentiate.measure.clock import Clock
from potentiate.measure.costs import Flops
from potentiate.measure.energy import Energy, energy
from potentiate.measure.memory import children_memory, device_memory, peak_memory

__all__ = [
    "Clock",
    "Energy",
    "Flops",
    "children_memory",
    "count_flops",
    "device_memory",
    "energy",
    "peak_memory",
]


def count_flops(fn: Callable[[], Any]) -> Flops:
    """Run `fn()` once, for real, and count what it computes, backward and optimizer included.

    Matrix products, convolutions and attention are counted by the formulas of torch's own FLOP
    counter (two per multiply-add) and by those it lacks: in-place and vector products, attention
    and recurrent layers on the CPU. Everything else is counted by `potentiate.measure.costs`.
    The formulas are used without torch's module tracking, which fails under inference mode.

    A compiled function is run as it is written, because fused kernels hide what they do; kernels
    outside torch (numba, Triton) are not seen. Counting slows `fn` many times: never time it.

    Args:
        fn: Anything that runs torch operations in this process; its side effects happen.
    """
    from potentiate.measure.flops import count

    return count(fn)
