"""MNIST by spike timing after Diehl and Cook: seconds of a whole run on two threads, and test accuracy.

One net of brain/mnist learns each of the 60,000 training images once, one after another, 250 ms each.
The 5,000 that the workload holds back for validation are among them, for nothing is chosen here. It
sees no label while it learns. Then the first 10,000 training images name its neurons, and the 10,000
test images are presented, both without learning. Learning uses one thread, the rest all. The clock
is the wall's, from the untrained net to the accuracy; compiling and reading the data come before.

Run: python benchmarks/brain_mnist.py (about 3 minutes on a quiet machine; MNIST in POTENTIATE_DATA)
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import pairwise
from time import perf_counter, process_time
from typing import Any

import torch
from records import store
from stdp_work import middle

from potentiate.data import Split, load
from potentiate.data.batches import epoch_order
from potentiate.models.brain import Brain
from potentiate.models.brain.workloads import MNIST

SEEDS, LABELLED, BATCH = 3, 10_000, 1000
ACCURACIES = {100: 0.80, 400: 0.88}


def untrained(hidden: int, seed: int) -> Brain:
    brain = MNIST.varied({"hidden": hidden}).build(seed).model
    assert isinstance(brain, Brain)
    return brain


def learn(brain: Brain, images: torch.Tensor, seed: int) -> float:
    """Learn all images once, in the order of the seed; return the hidden spikes per image."""
    unnamed, spikes = torch.full((BATCH,), -1), 0
    for rows in epoch_order(len(images), seed, 0).split(BATCH):
        spikes += int(brain.learn(images[rows], unnamed[: len(rows)]).spikes.sum())
    return spikes / len(images)


def measured(hidden: int, seed: int, train: Split, test: Split) -> dict[str, float]:
    brain = untrained(hidden, seed)
    cpu, clock = process_time(), [perf_counter()]
    spikes = learn(brain, train.inputs, seed)
    clock.append(perf_counter())
    brain.assign(train.inputs[:LABELLED], train.labels[:LABELLED], seed=1)
    clock.append(perf_counter())
    named = brain.assigned_scores(brain.respond(test.inputs).spikes).argmax(1)
    accuracy = float((named == test.labels).double().mean())
    clock.append(perf_counter())
    parts = [end - start for start, end in pairwise(clock)]
    return {
        "seed": seed,
        "accuracy": accuracy,
        "seconds": clock[-1] - clock[0],
        "cpu_seconds": process_time() - cpu,
        **dict(zip(("learning_s", "naming_s", "test_s"), parts, strict=True)),
        "spikes_per_image": spikes,
    }


def summary(rows: Sequence[Mapping[str, Any]], threads: int) -> list[dict[str, str]]:
    return [
        {
            "what": f"MNIST after Diehl and Cook, {row['hidden']} neurons: 60,000 images learned once, labels from "
            f"{LABELLED:,}, {row['tested']:,} tested; {threads} threads, {len(row['runs'])} seeds",
            "measured": f"{row['seconds']['median']:.0f} s; test accuracy {row['accuracy']['median']:.1%} "
            f"[{row['accuracy']['min']:.1%}, {row['accuracy']['max']:.1%}]",
            "bar": f"180 s; {ACCURACIES[row['hidden']]:.0%}",
        }
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    images = load("mnist")
    train = Split(
        torch.cat([images.train.inputs, images.validation.inputs]),
        torch.cat([images.train.labels, images.validation.labels]),
    )
    warm = untrained(1, 0)
    learn(warm, train.inputs[:1], 0)
    rows = list[dict[str, Any]]()
    for hidden in ACCURACIES:
        runs = list[dict[str, float]]()
        for seed in range(asked.seeds):
            runs.append(measured(hidden, seed, train, images.test))
            print(hidden, runs[-1], flush=True)
        row = {"hidden": hidden, "learned": len(train), "tested": len(images.test), "runs": runs}
        row |= {name: middle([run[name] for run in runs]) for name in ("seconds", "accuracy")}
        rows.append(row)
    for line in summary(rows, asked.threads):
        print(f"{line['what']}: {line['measured']} (bar {line['bar']})")
    if not asked.dry:
        print(
            store(
                "brain-mnist",
                {"threads": asked.threads, "rows": rows},
                summary(rows, asked.threads),
            )
        )


if __name__ == "__main__":
    main()
