"""Learning from parts of a batch at once: each from the same weights, their changes added."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from potentiate.kernels.circuit import Circuit


def learn_in_shards(
    circuit: Circuit, count: int, learn: Callable[[int, Circuit], None], w_max: float
) -> None:
    """Let `learn` change a copy of `circuit` per shard, on a thread each, and add the changes up.

    Args:
        circuit: Changed in place.
        count: Shards; as many run at once as torch has threads.
        learn: (number of the shard, its copy) -> None.
        w_max: Largest weight; the sum of the changes is clipped to the range.
    """
    copies = [type(circuit)(*(part.copy() for part in circuit)) for _ in range(count)]
    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
        list(pool.map(learn, range(count), copies))
    for name, part in zip(circuit._fields, circuit, strict=True):
        if name != "delays" and part.size:
            part += sum(getattr(copy, name) - part for copy in copies)
    circuit.readout.clip(0.0, 1.0, out=circuit.readout)
    circuit.weight.clip(0.0, w_max, out=circuit.weight)
