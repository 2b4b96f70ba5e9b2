"""How TimeHUT's default classifier was chosen: by cross-validation within the training parts of small sets.

An encoder learns from the published training series without labels, as a training does; then each classifier
is fitted on four fifths of them and judged on the last, five times. No test series is read.

Run: python benchmarks/timehut_heads.py (about ten minutes of a core)
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from records import store
from sklearn.model_selection import StratifiedKFold
from turns import show

from potentiate import train
from potentiate.events import Started
from potentiate.models.reference import find
from potentiate.models.timehut.readout import Head, Pooling, Read, fitted, represented

SETS = (
    "ArrowHead", "BME", "BasicMotions", "CBF", "Chinatown", "ECG200", "ERing", "GunPoint", "ItalyPowerDemand",
    "SmoothSubspace", "SyntheticControl", "TwoLeadECG", "UMD",
)  # fmt: skip
"""Small and short, and with a series of each class for every fold."""
READ: tuple[tuple[Head, Pooling], ...] = (
    ("svm", "max"),
    ("logistic", "max"),
    ("ridge", "max"),
    ("ridge", "statistics"),
    ("ridge", "pyramid"),
)


def judged(name: str, seed: int) -> Mapping[str, float]:
    """Mean accuracy over the folds of each classifier on each pooling."""
    for event in train(find(f"timehut/{name}"), seed=seed, test=False, warmup=0):
        if isinstance(event, Started):
            training = event.training
    read = training.run.test
    assert isinstance(read, Read)
    labels = read.known.labels.numpy()
    folds = list(StratifiedKFold(5, shuffle=True, random_state=seed).split(labels, labels))
    found = dict[str, float]()
    for head, pooling in READ:
        features = represented(training.step.evaluated(), read.known.inputs, pooling)
        found[f"{head} on {pooling}"] = statistics.fmean(
            float(np.mean(fitted(head, features[a], labels[a]).predict(features[b]) == labels[b]))
            for a, b in folds
        )
    return found


def line(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    means = {
        key: 100 * statistics.fmean(row["accuracy"][key] for row in rows)
        for key in rows[0]["accuracy"]
    }
    best = sorted(means, key=lambda key: -means[key])
    return {
        "what": f"classifiers on TimeHUT, five folds of the training parts of {len({r['set'] for r in rows})} sets",
        "measured": ", ".join(f"{key} {means[key]:.2f} %" for key in best),
        "bar": "the best is the default",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = list[dict[str, Any]]()
    for name in asked.sets:
        for seed in range(asked.seeds):
            rows.append({"set": name, "seed": seed, "accuracy": judged(name, seed)})
            print(rows[-1], flush=True)
    show([line(rows)])
    if asked.sets == SETS:
        print(store("timehut-heads", {"runs": rows}, [line(rows)]))


if __name__ == "__main__":
    main()
