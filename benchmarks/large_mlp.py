"""An epoch of a perceptron with 900,000 hidden neurons, sparse from end to end and rewired by SET.

The shape is that of the SET paper's largest published run with a time: 3,312 inputs, three hidden layers of
300,000, 5 classes, Erdos-Renyi density epsilon (n_in + n_out) / (n_in n_out) with epsilon 20; the last map,
which would need more edges than it can have, is dense. Data are generated: 203 samples as the lung set has,
two thirds of them to learn from. SGD with momentum 0.9, batch 2 as there and 32 beside, and a change of 30 %
of the edges at the end of each epoch. ReLU and no dropout. An epoch is its steps with that change; nothing is
evaluated, and the network is built before the clock starts. Each batch size has a process of its own; memory
is the peak of all of it, interpreter and libraries included.

Run: python benchmarks/large_mlp.py (about 6 minutes on a quiet machine with 2 cores)
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from records import store
from torch import Tensor, nn
from turns import Resident, answer, in_child, show

from potentiate.data.batches import epoch_order
from potentiate.measure import peak_memory
from potentiate.models.plastic import Rewiring, SparseLinear, StructuralStep
from potentiate.plasticity.structural import SET

INPUTS, HIDDEN, CLASSES, EPSILON, SAMPLES = 3312, 300_000, 5, 20, 203
BATCHES, STRENGTH, MOMENTUM, LIMIT = (2, 32), 0.1, 0.9, 120.0
"""`STRENGTH`: learning rate times hidden neurons, because a step of the logits grows with their number;
`LIMIT`: seconds after which no further epoch begins."""


def network(neurons: int) -> nn.Module:
    """Layer by layer, so that only one is ever being built."""
    torch.manual_seed(0)
    parts, sizes = list[nn.Module](), (INPUTS, neurons, neurons, neurons, CLASSES)
    for number, (sources, targets) in enumerate(pairwise(sizes)):
        density = EPSILON * (sources + targets) / (sources * targets)
        if density >= 1:
            parts.append(nn.Linear(sources, targets))
        else:
            parts.append(SparseLinear(sources, targets, density, engine="rows", seed=number))
        parts.append(nn.ReLU())
    return nn.Sequential(*parts[:-1])


def data() -> tuple[Tensor, Tensor]:
    """Two thirds of 203 samples: a center for each class, and normal noise around it."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(SAMPLES) % CLASSES
    centers = torch.randn(CLASSES, INPUTS, generator=random)
    inputs = 0.5 * centers[labels] + torch.randn(SAMPLES, INPUTS, generator=random)
    learned = epoch_order(SAMPLES, 1, 0)[: 2 * SAMPLES // 3]
    return inputs[learned], labels[learned]


def measured(neurons: int, batch: int, epochs: int) -> dict[str, Any]:
    """Seconds of up to `epochs` epochs, and the most memory that the process has held, in MB."""
    start, resident = perf_counter(), Resident()
    model, (inputs, labels) = network(neurons), data()
    built, steps = perf_counter() - start, -(-len(labels) // batch)
    plan = Rewiring(SET(), interval=steps, until=1.0)
    options = {"lr": STRENGTH / neurons, "momentum": MOMENTUM}
    live = StructuralStep(F.cross_entropy, torch.optim.SGD, options, rewiring=plan)
    step = live.start(model, epochs * steps)
    seconds, losses, begun = list[float](), list[float](), perf_counter()
    while len(seconds) < epochs and perf_counter() - begun < LIMIT:
        start, total = perf_counter(), 0.0
        for rows in epoch_order(len(labels), 0, len(seconds)).split(batch):
            total += float(step((inputs[rows], labels[rows])))
            step.notes.take()
        seconds.append(perf_counter() - start)
        losses.append(total / steps)
    return {
        "neurons": 3 * neurons + INPUTS + CLASSES,
        "weights": sum(part.numel() for part in model.parameters()),
        "batch": batch,
        "threads": torch.get_num_threads(),
        "build_seconds": round(built, 2),
        "epoch_seconds": [round(value, 2) for value in seconds],
        "update_seconds": round(step.notes.update_seconds / max(1, step.updates), 2),
        "losses": losses,
        "peak_mb": round(peak_memory() / 1e6, 1),
        "above_imports_mb": round(resident.peak(), 1),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "what": f"SET-shaped perceptron of {row['neurons']:,} neurons, {row['weights']:,} weights, "
            f"SGD with momentum, batch {row['batch']}, {row['threads']} threads: the slowest of "
            f"{len(row['epoch_seconds'])} epochs, its SET update included, and peak memory of the "
            "process (the peer: 49 min an epoch)",
            "measured": f"{max(row['epoch_seconds']):.0f} s, {row['peak_mb']:,.0f} MB, of "
            f"which {row['above_imports_mb']:,.0f} above the imports; "
            f"update {row['update_seconds']:.1f} s, built in {row['build_seconds']:.0f} s",
            "bar": "600 s, 2,000 MB",
        }
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="1,000 neurons in a hidden layer")
    parser.add_argument("--neurons", type=int, default=HIDDEN, help="in each hidden layer")
    parser.add_argument("--epochs", type=int, default=3, help="at most; none begins after 120 s")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        answer({"measured": measured}, asked.child)
        return
    rows = list[dict[str, Any]]()
    neurons = 1000 if asked.quick else asked.neurons
    in_child(
        __file__, "measured", neurons=50, batch=2, epochs=1
    )  # compiles what is not in its cache
    for batch in BATCHES:
        settings = {"neurons": neurons, "batch": batch, "epochs": asked.epochs}
        rows.append(in_child(__file__, "measured", threads=asked.threads, **settings))
        print(rows[-1], flush=True)
    show(summary(rows))
    if not asked.dry:
        print(store("large-mlp", {"rows": rows}, summary(rows)))


if __name__ == "__main__":
    main()
