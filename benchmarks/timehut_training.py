"""TimeHUT's training, encoding and memory, ours against the plain spelling of its originals.

Training: Chinatown, 50 epochs of 2 batches of 8, from standardized series to the representations of both
parts; ours as the estimators do it, the plain one as timehut_plain_training.py has it. The two take turns in
random order, each round with a seed of its own, and a classifier of support vectors judges what both learned.
"ts2vec" is the same without angles, at a temperature of 1. Encoding: the 4,500 test series of ECG5000, with
the same weights; representations must agree before any time is taken. Both on one thread, in CPU time.

Memory: the peak of the resident set over 20 steps, above that after the imports and a step of something
tiny; a process of its own for each figure, with the same crops and masks for both. So it holds weights,
gradients, moments and averages, which are the same for both, 13 MB. "Whole" is a step whose crops are the
whole series, which takes the most. Freed memory is given back at once there, so that what is held counts and
not what the allocator keeps.

Run: python benchmarks/timehut_training.py (about 12 minutes on a quiet machine)
     ... --only training, encoding or memory
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from records import store
from scipy.stats import t as student
from timehut_plain import PlainEncoder, carry
from timehut_plain_training import plain_learned, plain_represented
from timehut_steps import ANGULAR, crops_of, ours, over, plain
from torch import Tensor, nn
from turns import Resident, answer, clock, in_child, middle, show, told, turns

from potentiate.data.series import SeriesSet, load_series
from potentiate.errors import Refused
from potentiate.estimators.timehut_learning import learn
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.readout import fitted, represented
from potentiate.models.timehut.recipe import TS2VEC, Recipe

PARTS = "training", "encoding", "memory"
EPOCHS, ROUNDS = 50.0, 10
STEPS = 20
POINTS = (24, 8), (96, 8), (286, 8), (640, 8), (96, 16), (96, 32), (96, 64)
RECIPES = {"": Recipe(epochs=EPOCHS), "ts2vec": replace(Recipe(epochs=EPOCHS), **TS2VEC)}
BARS = {"": ">= 3, equal accuracy", "ts2vec": "-"}

Trained = tuple[nn.Module, Callable[[nn.Module, Tensor], Any]]
"""An encoder that learned, and how it is read."""


def parts_of(name: str) -> tuple[Tensor, Any, Tensor, Any]:
    """The published training and test part, standardized, with their labels."""
    found: SeriesSet = load_series(name)
    mean, deviation = found.moments()
    known = torch.cat([found.train.inputs, found.validation.inputs])
    labels = torch.cat([found.train.labels, found.validation.labels])
    standardized = (known - mean) / deviation, (found.test.inputs - mean) / deviation
    return standardized[0], labels.numpy(), standardized[1], found.test.labels.numpy()


def by_ours(known: Tensor, recipe: Recipe, seed: int) -> Trained:
    return learn(known, recipe, seed, torch.device("cpu")).encoder, represented


def by_plain(known: Tensor, recipe: Recipe, seed: int) -> Trained:
    scheduled = recipe.schedule != "no-scheduling"
    return plain_learned(known.numpy(), recipe, seed, scheduled=scheduled), plain_represented


BOTH = {"ours": by_ours, "plain": by_plain}


def training(name: str, recipe: Recipe, rounds: int) -> dict[str, Any]:
    """Seconds and accuracies of both, a seed each round."""
    known, labels, asked, truth = parts_of(name)
    shuffled, rows = random.Random(0), list[dict[str, Any]]()
    for made in BOTH.values():  # what is compiled and allocated once
        encoder, read = made(known, replace(recipe, epochs=1.0), 0)
        read(encoder, known)
    for seed in range(rounds):
        for kind in shuffled.sample(list(BOTH), len(BOTH)):
            start = clock()
            encoder, read = BOTH[kind](known, recipe, seed)
            learned = clock() - start
            features = [np.asarray(read(encoder, part)) for part in (known, asked)]
            seconds = clock() - start
            right = fitted("svm", features[0], labels).predict(features[1]) == truth
            found = {"s": seconds, "learned": learned, "accuracy": float(right.mean())}
            rows.append({"kind": kind, "seed": seed, **found})
    kept = {k: sorted((r for r in rows if r["kind"] == k), key=lambda r: r["seed"]) for k in BOTH}
    seconds = {kind: [row["s"] for row in kept[kind]] for kind in BOTH}
    learned = {kind: [row["learned"] for row in kept[kind]] for kind in BOTH}
    accuracy = {kind: [row["accuracy"] for row in kept[kind]] for kind in BOTH}
    gains = [a - b for a, b in zip(*accuracy.values(), strict=True)]
    return {
        "rows": rows,
        "s": {kind: middle(values) for kind, values in seconds.items()},
        "ratio": over(seconds["ours"], seconds["plain"]),
        "ratio_of_learning": over(learned["ours"], learned["plain"]),
        "accuracy": {kind: statistics.fmean(values) for kind, values in accuracy.items()},
        "difference": statistics.fmean(gains),
        "within": half_interval(gains),
    }


def half_interval(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean by Student's t; infinite for one value."""
    if len(values) < 2:
        return float("inf")
    quantile = float(student.ppf(0.975, len(values) - 1))
    return quantile * statistics.stdev(values) / len(values) ** 0.5


def encoding(name: str, rounds: int, series: int | None) -> dict[str, Any]:
    """Milliseconds of the representations of a test part, with the same weights."""
    asked = parts_of(name)[2][:series].contiguous()
    torch.manual_seed(0)
    mine, other = Encoder(asked.shape[2]), PlainEncoder(asked.shape[2])
    carry(mine, other)
    few = asked[:300]
    np.testing.assert_allclose(represented(mine, few), plain_represented(other, few), atol=1e-4)
    steps = {
        "ours": lambda: represented(mine, asked),
        "plain": lambda: plain_represented(other, asked),
    }
    times = turns(steps, rounds, 0.1)
    return {
        "shape": [*asked.shape],
        "ms": {kind: middle(values) for kind, values in times.items()},
        "ratio": over(times["ours"], times["plain"]),
    }


def held(kind: str, length: int, batch: int, steps: int, whole: bool) -> dict[str, float]:
    """MB above the imports: at the peak of some steps, and after them."""
    tiny = crops_of(4, 2)
    _made(kind)(tiny)()
    data = crops_of(length, batch, whole=whole)
    resident = Resident()
    step = _made(kind)(data)
    for _ in range(steps):
        step()
    return {"peak": resident.peak(), "end": resident.now()}


def _made(kind: str) -> Callable[[Any], Callable[[], Tensor]]:
    torch.manual_seed(0)
    if kind == "ours":
        return lambda data: ours(Encoder(1).train(), data, ANGULAR)
    return lambda data: plain(PlainEncoder(1).train(), data, ANGULAR)


def memory(points: Sequence[tuple[int, int]], steps: int) -> list[dict[str, Any]]:
    """Peaks of both at some lengths and batches, of random crops and of the whole series."""
    rows = list[dict[str, Any]]()
    for length, batch in points:
        for whole in (False, True):
            many = 3 if whole else steps
            found = {
                kind: in_child(
                    __file__,
                    "held",
                    exact=True,
                    kind=kind,
                    length=length,
                    batch=batch,
                    steps=many,
                    whole=whole,
                )
                for kind in BOTH
            }
            share = found["ours"]["peak"] / found["plain"]["peak"]
            rows.append({"length": length, "batch": batch, "whole": whole, **found, "share": share})
            print(rows[-1], flush=True)
    return rows


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = [
        {
            "what": f"training of TimeHUT{name and f' without angles, as {name}'}, Chinatown, 100 iterations "
            f"of 8 series, one thread; {len(found['rows']) // 2} seeds",
            "measured": f"{told(found['s']['ours'])} s; plain spelling {told(found['ratio'])} times that, "
            f"without encoding {told(found['ratio_of_learning'])} times; test accuracy"
            f" {100 * found['accuracy']['ours']:.2f}% and {100 * found['accuracy']['plain']:.2f}%, "
            f"difference {100 * found['difference']:+.2f} +/- {100 * found['within']:.2f} points",
            "bar": BARS[name],
        }
        for name, found in figures.get("training", {}).items()
    ]
    if found := figures.get("encoding"):
        rows.append(
            {
                "what": f"encoding of {found['shape'][0]:,} series of ECG5000, one thread",
                "measured": f"{told(found['ms']['ours'])} ms; plain spelling {told(found['ratio'])} times that",
                "bar": ">= 2",
            }
        )
    return [*rows, *map(_remembered, figures.get("memory", ()))]


def _remembered(row: Mapping[str, Any]) -> dict[str, str]:
    steps = "a step of whole" if row["whole"] else "steps of"
    return {
        "what": f"peak memory of {steps} {row['batch']} series of {row['length']}, above the imports, over that "
        "of the plain spelling",
        "measured": f"{row['ours']['peak']:.0f} of {row['plain']['peak']:.0f} MB: {row['share']:.2f}",
        "bar": "<= 0.7",
    }


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of each part that is asked for and whose data are there."""
    rounds, only = 2 if asked.quick else asked.rounds, asked.only or PARTS
    figures: dict[str, Any] = {"rounds": rounds, "epochs": 2.0 if asked.quick else EPOCHS}
    recipes = {name: replace(recipe, epochs=figures["epochs"]) for name, recipe in RECIPES.items()}
    works: dict[str, Callable[[], Any]] = {
        "training": lambda: {n: training("Chinatown", r, rounds) for n, r in recipes.items()},
        "encoding": lambda: encoding("ECG5000", min(rounds, 5), 300 if asked.quick else None),
        "memory": lambda: memory(((30, 4),) if asked.quick else POINTS, STEPS),
    }
    for name in only:
        try:
            figures[name] = works[name]()
        except Refused as error:
            print(f"{name} is left out: {error}", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="a little of all, to see that it runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts; else all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        answer({"held": held}, asked.child)
        return
    torch.set_num_threads(1)
    start, figures = perf_counter(), measured(asked)
    show(summary(figures))
    print(f"{perf_counter() - start:.0f} s")
    if not asked.dry:
        name = "-".join(["timehut-training", *(asked.only or ())])
        print(store(name, figures, summary(figures)))


if __name__ == "__main__":
    main()
