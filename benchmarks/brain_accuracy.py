"""Held-out accuracy of every brain workload over five seeds, beside a ridge and the nearest neighbor.

All three learn from the training part and are judged on the test part of the same split; the brain's
seeds decide its weights, the order of the data and the spikes. XOR counts seeds, of twenty, that reach
100 %; its test part is the same four patterns.
Run: python benchmarks/brain_accuracy.py [NAME ...]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

from records import store
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from potentiate.engine import train
from potentiate.events import Finished
from potentiate.models import WORKLOADS
from potentiate.models.brain.workloads import Judge

BARS = {"xor": "100 % for 20 of 20", "letters": "95 %", "glyphs": "85 %", "digits": "90 %"}
BARS["mnist"] = "88 % with 400 neurons"
SEEDS = {"xor": 20}


def brains(name: str) -> list[dict[str, float]]:
    """Train with each seed; return test accuracy and seconds of training."""
    rows = list[dict[str, float]]()
    for seed in range(SEEDS.get(name, 5)):
        for event in train(WORKLOADS[f"brain/{name}"], seed=seed):
            if isinstance(event, Finished):
                assert event.test is not None
                rows.append({**event.test, "seconds": event.seconds["training"]})
        print(name, seed, rows[-1], flush=True)
    return rows


def others(name: str) -> dict[str, float]:
    """Accuracy of ridge and nearest neighbor on the same patterns."""
    run = WORKLOADS[f"brain/{name}"].build(0)
    assert isinstance(run.test, Judge)
    batches: Any = run.batches
    inputs, labels = (t.numpy() for t in batches.tensors)
    held_out = [t.numpy() for t in run.test.part]
    models = {"ridge": RidgeClassifier(), "nearest": KNeighborsClassifier(1)}
    return {key: float(m.fit(inputs, labels).score(*held_out)) for key, m in models.items()}


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "what": f"brain/{row['name']}, test accuracy, mean of {row['seeds']} seeds and spread",
            "measured": f"{row['mean']:.1%} ({row['low']:.1%} to {row['high']:.1%}) in "
            f"{row['seconds']:.1f} s; ridge {row['ridge']:.1%}, nearest neighbor {row['nearest']:.1%}",
            "bar": BARS[row["name"]],
        }
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(BARS))
    parser.add_argument("--dry", action="store_true", help="store nothing")
    asked = parser.parse_args()
    rows = list[dict[str, Any]]()
    for name in asked.names:
        runs = brains(name)
        accuracies = [run["accuracy"] for run in runs]
        rows.append(
            {
                "name": name,
                "seeds": len(runs),
                "mean": statistics.mean(accuracies),
                "low": min(accuracies),
                "high": max(accuracies),
                "seconds": statistics.median(run["seconds"] for run in runs),
                "accuracies": accuracies,
                **others(name),
            }
        )
        print(rows[-1], flush=True)
    if not asked.dry:
        print(store("brain-accuracy", {"rows": rows}, summary(rows)))


if __name__ == "__main__":
    main()
