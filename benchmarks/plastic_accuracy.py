"""Test accuracy and seconds of training of the plastic networks on MNIST and Fashion-MNIST, over seeds.

Each run is the workload as `potentiate train` trains it, on two threads; the test part is read once, at
the end. Seconds are those of training steps, rewiring included and evaluation not. What the page of the
seed system says of its own network stands beside.

Run: python benchmarks/plastic_accuracy.py [NAME ...] (about 6 minutes on a quiet machine with 2 cores:
     mnist 1.5, fashion-mnist 1.5, fashion-mnist-1000 3); each NAME keeps a record of its own
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from records import store
from turns import middle, show

from potentiate.engine import train
from potentiate.events import Finished, Rewired
from potentiate.models import WORKLOADS


@dataclass(frozen=True)
class Case:
    """A workload with a preset, what is asked of it, and what the page says."""

    workload: str
    preset: str
    seeds: int
    bar: str
    page: str


CASES = {
    "mnist": Case(
        "plastic/mnist",
        "400",
        5,
        "<= 25 s, >= 97.7%",
        "455 s, claimed 59.7 s with 94.1% accuracy in training",
    ),
    "fashion-mnist": Case(
        "plastic/fashion-mnist", "400", 3, "<= 10 s an epoch", "no time recorded"
    ),
    "fashion-mnist-1000": Case(
        "plastic/fashion-mnist", "1000", 3, ">= 89%", "87.74% to 89.06% recorded, 1,000 neurons"
    ),
}


def runs(case: Case, seeds: int, quick: bool) -> list[dict[str, float]]:
    """Train with each seed; return test accuracy, seconds and what the edges did."""
    workload = WORKLOADS[case.workload].preset(case.preset)
    if quick:
        workload = workload.varied({"neurons": 40, "epochs": 0.1, "evaluate_every": 0.1})
    found = list[dict[str, float]]()
    for seed in range(seeds):
        changes = list[Mapping[str, Any]]()
        for event in train(workload, seed=seed):
            if isinstance(event, Rewired):
                changes.append(event.measures)
            elif isinstance(event, Finished):
                assert event.test is not None
                row = {**event.test, "seconds": event.seconds["training"], "steps": event.step}
                found.append({**row, **of_changes(changes)})
        print(case.workload, case.preset, seed, found[-1], flush=True)
    return found


def of_changes(changes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Updates, their mean change rate and seconds, and the share of pairs that were ever edges."""
    if not changes:
        return {"updates": 0}
    return {
        "updates": len(changes),
        "change": statistics.mean(change["change"] for change in changes),
        "update_seconds": sum(change["seconds"] for change in changes),
        "edges": changes[-1]["edges"],
        "explored": changes[-1]["explored"],
    }


def summary(name: str, figures: Mapping[str, Any]) -> list[dict[str, str]]:
    case = CASES[name]
    accuracy, seconds, epoch = (figures[key] for key in ("accuracy", "seconds", "epoch_seconds"))
    return [
        {
            "what": f"{case.workload}, {case.preset} neurons, {figures['epochs']:g} epochs, "
            f"{figures['threads']} threads, {len(figures['rows'])} seeds; the page: {case.page}",
            "measured": f"{seconds['median']:.1f} s ({seconds['min']:.1f} to {seconds['max']:.1f}), "
            f"{epoch['median']:.1f} s an epoch; test accuracy {figures['mean']:.2%} on the mean "
            f"({accuracy['min']:.2%} to {accuracy['max']:.2%})",
            "bar": case.bar,
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*CASES], metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="a tenth of an epoch of 40 neurons")
    parser.add_argument("--seeds", type=int, help="the same number for all")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    if unknown := {*asked.names} - {*CASES}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    torch.set_num_threads(asked.threads)
    for name in asked.names:
        case = CASES[name]
        rows = runs(case, asked.seeds or (1 if asked.quick else case.seeds), asked.quick)
        epochs = 0.1 if asked.quick else float(WORKLOADS[case.workload].recipe.epochs)
        figures = {
            "threads": asked.threads,
            "epochs": epochs,
            "rows": rows,
            "mean": statistics.mean(row["accuracy"] for row in rows),
            "accuracy": middle([row["accuracy"] for row in rows]),
            "seconds": middle([row["seconds"] for row in rows]),
            "epoch_seconds": middle([row["seconds"] / epochs for row in rows]),
        }
        show(summary(name, figures))
        if not asked.dry:
            print(store(f"plastic-accuracy-{name}", figures, summary(name, figures)))


if __name__ == "__main__":
    main()
