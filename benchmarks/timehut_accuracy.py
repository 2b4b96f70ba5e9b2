"""Accuracy of TimeHUT over the sets of the archives: ours, TS2Vec's protocol by the same code, and simple references.

Both encoders learn for as long, from the same series with the same seeds, and are read by both classifiers:
support vectors on the largest of each number over time, which is TS2Vec's protocol, and our default, a ridge
regression on a pyramid of it. References are an encoder that never learned, under our classifier, and
ridge, support vectors and nearest neighbor on raw values. The test part is read once for each; nothing is chosen by it.

Results are kept as they come beside the record and not made twice, so that the work can be divided and stopped:

    python benchmarks/timehut_accuracy.py --sets Chinatown Coffee --seeds 5 --keep results.jsonl

Run: python benchmarks/timehut_accuracy.py (about three hours of a core for all sets of the archives here)
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import torch
from records import FOLDER, store
from turns import show

from potentiate import train
from potentiate.data.archives import sets_here
from potentiate.events import Started
from potentiate.models.reference import find
from potentiate.models.timehut.baselines import beside
from potentiate.models.timehut.readout import Head, Pooling, Read
from potentiate.models.timehut.recipe import Recipe

OURS, SOURCE = "ours", "TS2Vec"
LONG = 1000
"""Longer series are cut to so many instants for both encoders: a contrast of instants costs their square."""
Row = dict[str, Any]


def made(name: str, kind: str, seed: int) -> Row:
    """Train once and read with both classifiers."""
    workload = find(f"timehut/{name}").varied({"longest": LONG})
    workload = workload.preset("ts2vec") if kind == SOURCE else workload
    start, training = process_time(), None
    for event in train(workload.varied({"evaluate_every": 1e6}), seed=seed, test=False, warmup=0):
        if isinstance(event, Started):
            training = event.training
            training.run = replace(training.run, validate=lambda model: {"accuracy": 0.0})
    assert training is not None
    read, seconds = training.run.test, process_time() - start
    assert isinstance(read, Read)
    encoder = training.step.evaluated()
    heads: dict[Head, Pooling] = {"ridge": Recipe().read_of(len(read.known))}
    if kind == SOURCE:
        heads["svm"] = "max"
    accuracies = {
        head: replace(read, head=head, pooling=pooling)(encoder)["accuracy"]
        for head, pooling in heads.items()
    }
    return {"set": name, "kind": kind, "seed": seed, "seconds": seconds, **accuracies}


def references(name: str, seed: int) -> Row:
    """The simple references, once, and the untrained encoder for each seed."""
    torch.manual_seed(seed)
    run = find(f"timehut/{name}").build(seed)
    assert isinstance(run.test, Read)
    if seed:
        return {
            "set": name,
            "kind": "untrained",
            "seed": seed,
            "ridge": run.test(run.model)["accuracy"],
        }
    told = {key: metrics["accuracy"] for key, metrics in beside(run.test, run.model).items()}
    size = {"train": len(run.test.known), "test": len(run.test.asked)}
    return {
        "set": name,
        "kind": "untrained",
        "seed": 0,
        "ridge": told["untrained encoder"],
        "raw": told,
        **size,
    }


def wanted(names: Sequence[str], seeds: int) -> Iterator[tuple[str, str, int]]:
    for seed in range(seeds):
        for name in names:
            yield from ((name, kind, seed) for kind in ("untrained", OURS, SOURCE))


def summary(rows: Sequence[Row]) -> tuple[list[dict[str, str]], list[Row]]:
    """Rows for the page, and a line for each set."""
    by_set = defaultdict[str, list[Row]](list)
    for row in rows:
        by_set[row["set"]].append(row)
    table = [line(name, by_set[name]) for name in sorted(by_set)]
    whole = [each for each in table if all(each[key] for key in COLUMNS)]
    means = {key: statistics.fmean(each[key][0] for each in whole) for key in COLUMNS}
    gain = 100 * (means[OURS] - means[SOURCE])
    better = sum(each[OURS][0] > each[SOURCE][0] for each in whole)
    worse = sum(each[OURS][0] < each[SOURCE][0] for each in whole)
    told = ", ".join(f"{key} {100 * mean:.2f} %" for key, mean in means.items())
    china = next((each for each in table if each["set"] == "Chinatown"), None)
    lines = [
        {
            "what": f"mean accuracy of TimeHUT over {len(whole)} sets of the archives",
            "measured": f"{told}; ours is {gain:+.2f} points, better on {better} and worse on {worse} sets",
            "bar": "not below TS2Vec; stretch +0.5 points",
        }
    ]
    if china:
        ours, source, ridge = (china[key] for key in (OURS, SOURCE, "ridge on raw values"))
        lines.append(
            {
                "what": f"accuracy of TimeHUT on Chinatown, {ours[2]} seeds",
                "measured": f"{spread(ours)}; TS2Vec {spread(source)}, ridge on raw values {100 * ridge[0]:.2f} %",
                "bar": ">= 98 % and not below TS2Vec; goal 98.3 %",
            }
        )
    return lines, table


COLUMNS = (
    OURS, SOURCE, "TS2Vec, our classifier", "untrained",
    "ridge on raw values", "SVM on raw values", "1-NN on raw values",
)  # fmt: skip


def line(name: str, rows: Sequence[Row]) -> Row:
    def of(kind: str, head: str) -> list[float]:
        return [row[head] for row in rows if row["kind"] == kind and head in row]

    raw = next((row for row in rows if "raw" in row), {"raw": {}})
    found = {
        OURS: of(OURS, "ridge"),
        SOURCE: of(SOURCE, "svm"),
        "TS2Vec, our classifier": of(SOURCE, "ridge"),
        "untrained": of("untrained", "ridge"),
        **{key: [raw["raw"][key]] if key in raw["raw"] else [] for key in COLUMNS[4:]},
    }
    sizes = {key: raw.get(key) for key in ("train", "test")}
    return {"set": name, **sizes, **{key: middle(values) for key, values in found.items()}}


def middle(values: Sequence[float]) -> tuple[float, float, int] | None:
    """Mean, standard deviation and number."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return round(statistics.fmean(values), 5), round(deviation, 5), len(values)


def spread(figures: tuple[float, float, int]) -> str:
    return f"{100 * figures[0]:.2f} +/- {100 * figures[1]:.2f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", help="all that are here without it")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path, nargs="+", default=[FOLDER / "timehut-accuracy.jsonl"])
    parser.add_argument("--store", action="store_true", help="only make the record of what is kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = asked.sets or [name for _, name in sets_here()]
    rows = [
        json.loads(each)
        for path in asked.keep
        if path.exists()
        for each in path.read_text().splitlines()
    ]
    known = {(row["set"], row["kind"], row["seed"]) for row in rows}
    for job in () if asked.store else wanted(names, asked.seeds):
        if job not in known:
            name, kind, seed = job
            row = references(name, seed) if kind == "untrained" else made(name, kind, seed)
            rows.append(row)
            with asked.keep[0].open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
    lines, table = summary(rows)
    show(lines)
    if asked.store or not asked.sets:
        print(store("timehut-accuracy", {"sets": table, "runs": rows}, lines))


if __name__ == "__main__":
    main()
