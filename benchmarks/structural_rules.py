"""Networks that rewire against the static random one with as many edges, on Fashion-MNIST.

A perceptron 784-1000-1000-10 with ReLU, whose first two layers hold 5 % of their edges, learns in one call
of `evolve`: AdamW, one-cycle schedule, batch 128, an update of the edges every 100 steps of the first three
quarters. All rules see the same steps. Runs of one seed start from the same edges and weights and see the
same order of the data, so a rule's gain is the mean over seeds of its difference to "static", with the
interval of Student's t at 95 %. The test part is what is judged, at the end of the schedule.

Run: python benchmarks/structural_rules.py (about 6 minutes on a quiet machine with 2 cores)
     ... --all, which adds chts, deep-r, srigl and random (about 12 minutes)
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from records import store
from scipy.stats import t as student
from torch import Tensor, nn
from turns import show

from potentiate.data import load
from potentiate.data.batches import epoch_order
from potentiate.models.plastic import SparseLinear, evolve
from potentiate.plasticity.structural import STRUCTURAL

RULES = "static", "set", "rigl", "coactivation"
MORE = "random", "chts", "deep-r", "srigl"
WIDTH, DENSITY, BATCH, LR, INTERVAL = 1000, 0.05, 128, 3e-3, 100
EPOCHS, SEEDS, BAR = 10, 5, 0.01


@dataclass
class Batches:
    """Images and labels in batches, shuffled anew in each pass where there is a seed."""

    inputs: Tensor
    labels: Tensor
    size: int
    seed: int | None = None
    passes: int = 0

    def __len__(self) -> int:
        return -(-len(self.labels) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = epoch_order(
            len(self.labels), self.seed or 0, self.passes, shuffle=self.seed is not None
        )
        self.passes += 1
        for rows in order.split(self.size):
            yield self.inputs[rows], self.labels[rows]


def network(seed: int, width: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        SparseLinear(784, width, DENSITY, seed=2 * seed),
        nn.ReLU(),
        SparseLinear(width, width, DENSITY, seed=2 * seed + 1),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


def trained(
    rule: str, seed: int, data: Sequence[tuple[Tensor, Tensor]], asked: Any
) -> dict[str, Any]:
    """Test accuracy, explored share of the possible edges, and seconds of one run."""
    summary = evolve(
        network(seed, asked.width),
        Batches(*data[0], BATCH, seed),
        Batches(*data[1], 1000),
        epochs=asked.epochs,
        lr=LR,
        plasticity_interval=INTERVAL,
        rule=STRUCTURAL[rule](),
        seed=seed,
    )
    return {
        "rule": rule,
        "seed": seed,
        "accuracy": summary.test_accuracy,
        "explored": statistics.mean(summary.explored.values()),
        "edges": sum(summary.edges.values()),
        "steps": summary.steps,
        "updates": summary.updates,
        "seconds": round(summary.seconds, 2),
        "update_seconds": round(summary.avg_plasticity_time, 4),
    }


def images(count: int | None) -> list[tuple[Tensor, Tensor]]:
    """Training and test part as standardized numbers [n, 784] and labels, cut to `count` samples."""
    found = load("fashion-mnist")
    parts = list[tuple[Tensor, Tensor]]()
    for part in (found.train, found.test):
        inputs = part.inputs[:count].flatten(1).float() / found.scale
        parts.append(((inputs - found.mean) / found.std, part.labels[:count]))
    return parts


def gains(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean accuracy of each rule, and its mean difference to the static network with the same seed."""
    found = list[dict[str, Any]]()
    for rule in dict.fromkeys(row["rule"] for row in rows):
        own = [row for row in rows if row["rule"] == rule]
        differences = [
            row["accuracy"] - static["accuracy"]
            for row in own
            for static in rows
            if static["rule"] == "static" and static["seed"] == row["seed"]
        ]
        found.append(
            {
                "rule": rule,
                "accuracy": statistics.mean(row["accuracy"] for row in own),
                "difference": statistics.mean(differences),
                "half": half_width(differences),
                "explored": statistics.mean(row["explored"] for row in own),
                "seconds": statistics.median(row["seconds"] for row in own),
                "seeds": len(own),
            }
        )
    return found


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean by Student's t; 0 of a single value, which has none."""
    if len(values) < 2:
        return 0.0
    quantile = float(student.ppf(0.975, len(values) - 1))
    return quantile * statistics.stdev(values) / len(values) ** 0.5


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = list[dict[str, str]]()
    for row in figures["rules"]:
        low, high = (100 * (row["difference"] + side * row["half"]) for side in (-1, 1))
        gain = f"{100 * row['difference']:+.2f} [{low:+.2f}, {high:+.2f}] points against static"
        static = row["rule"] == "static"
        rows.append(
            {
                "what": f"Fashion-MNIST, 784-{figures['width']}-{figures['width']}-10 with 95 % sparse "
                f"layers, {figures['epochs']} epochs, {row['seeds']} seeds, rule {row['rule']}",
                "measured": f"test accuracy {row['accuracy']:.2%}"
                + ("" if static else f", {gain}; explored {row['explored']:.1%}")
                + f"; {row['seconds']:.0f} s a run",
                "bar": "-" if static else f">= {100 * BAR:+g} point",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument(
        "--quick", action="store_true", help="an epoch of 1,000 samples, 40 neurons"
    )
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(MORE)}")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    asked.width = 40 if asked.quick else WIDTH
    if asked.quick:
        asked.epochs, asked.seeds = 40, 2  # 8 steps an epoch, so that edges do change
    torch.set_num_threads(asked.threads)
    data, rows = images(1000 if asked.quick else None), list[dict[str, Any]]()
    rules, shuffled = (*RULES, *(MORE if asked.all else ())), random.Random(0)
    for seed in range(asked.seeds):
        for rule in shuffled.sample(rules, len(rules)):
            rows.append(trained(rule, seed, data, asked))
            print(rows[-1], flush=True)
    ordered = [row for rule in rules for row in rows if row["rule"] == rule]
    settings = {name: getattr(asked, name) for name in ("threads", "epochs", "width")}
    figures = {**settings, "rules": gains(ordered), "rows": ordered}
    show(summary(figures))
    if not asked.dry:
        print(store("structural-rules", figures, summary(figures)))


if __name__ == "__main__":
    main()
