"""Learning from parts of a batch at once: each from the same weights, their changes added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

if TYPE_CHECKING:
    from potentiate.kernels.circuit import Circuit, Physiology


def learn_in_shards(
    circuit: Circuit,
    p: Physiology,
    age: int,
    ends: Sequence[int],
    learn: Callable[[int, Circuit, Physiology], None],
) -> None:
    """Let `learn` change a copy of `circuit` per shard, on a thread each, and add the changes up.

    What decays by a factor or is exchanged once in a while must happen once and not once per shard: it
    is left out of the shards and made up for after them, for all their presentations together.

    Args:
        circuit: Changed in place.
        p: The constants.
        age: Presentations before the first.
        ends: Where the shards end among the presentations, from 0; as many run at once as torch has
            threads.
        learn: (number of the shard, its copy, its constants) -> None.
    """
    one, shards = np.float32(1.0), len(ends) - 1
    copies = [type(circuit)(*(part.copy() for part in circuit)) for _ in range(shards)]
    undecayed = p._replace(theta_decay=one, fading=one, consolidate_every=0)
    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
        list(pool.map(learn, range(shards), copies, [undecayed] * shards))
    for name, part in zip(circuit._fields, circuit, strict=True):
        if name not in ("delays", "slow") and part.size:
            part += sum(getattr(copy, name) - part for copy in copies)
    circuit.readout.clip(0.0, 1.0, out=circuit.readout)
    circuit.weight.clip(0.0, p.w_max, out=circuit.weight)
    _make_up(circuit, p, age, ends[-1])


def _make_up(circuit: Circuit, p: Physiology, age: int, presented: int) -> None:
    """Do once, after `presented` presentations, what is due after each or some of them."""
    from potentiate.kernels import projection

    weight, slow = circuit.weight, circuit.slow
    circuit.theta[:] *= p.theta_decay**presented
    circuit.importance[:] *= p.fading**presented
    hidden = weight.shape[1]
    if _times(p.normalize_every, age, presented):
        every, room = np.arange(hidden, dtype=np.int32), np.empty(hidden, np.float32)
        cast("Any", projection).normalize(weight, every, hidden, p.total, p.w_max, room)
    exchanges = _times(p.consolidate_every, age, presented)
    if slow.size and exchanges:
        gap = slow - weight
        weight += (1.0 - (1.0 - p.recall) ** exchanges) * gap
        slow -= (1.0 - (1.0 - p.consolidation) ** exchanges) * gap


def _times(every: int, age: int, presented: int) -> int:
    """How often something is due that happens every so many presentations; 0: never."""
    return (age + presented) // every - age // every if every else 0
