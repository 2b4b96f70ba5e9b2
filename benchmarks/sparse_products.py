"""A sparse map forward with both gradients, ours and others' in turns (see sparse_work.py).

At each point the engines, and dense, masked, torch's CSR and SciPy's CSR products take turns in random
order; what is compared are times of the same round, CPU time on one thread, else wall time. "ours" is the
engine that `engine="auto"` takes, timed anew in a cache of this run; "rows" is the one that works on edges
alone. Before a point is timed all gradients must be those of a dense product. The crossover is the
sparsity at which "rows" takes as long as a baseline, interpolated in the logarithm of the ratio.

Run: python benchmarks/sparse_products.py (about 5 minutes on a quiet machine with 2 cores)
     ... --threads 1; --draw draws docs/pictures/sparse-crossover.svg from the newest record
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from records import FOLDER, store
from sparse_work import CSR_MATRIX, MATRIX, Map, Pass, check, passes, torch_csr
from turns import clock, middle, show, told, turns

from potentiate.models.plastic.choice import choose

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "sparse-crossover"
SPARSITIES = 0.5, 0.75, 0.81, 0.85, 0.9, 0.95, 0.99
ALL = "masked", "dense", "torch CSR", "torch.sparse.mm", "SciPy CSR"
POINTS: tuple[tuple[int, tuple[float, ...], tuple[int, ...], tuple[str, ...]], ...] = (
    (400, SPARSITIES, (64, 128), ALL),
    (1500, SPARSITIES, (128,), ("masked", "dense")),
    (4000, (0.9, 0.95, 0.99), (64, 128), ALL),
    (20000, (0.9995,), (64, 128), ALL),
)
"""Neurons, sparsities, batches, and what ours is held against; at 20,000 there are 10 edges a neuron."""
RECURRENT = (400, 0.9, (64, 128), 5), (1000, 0.9, (128,), 5)
"""Neurons, sparsity, batches and iterations in one call, against dense matrices alone."""
QUICK = ((60, (0.5, 0.9, 0.99), (16,), ALL), (9000, (0.999,), (2,), ALL))
BASELINES = {"masked": "masked in each step", "dense": "dense, masked once a step"}
BARS = (
    (400, 0.9, {"masked": 3, "dense": 1.3}),
    (4000, 0.9, {"masked": 4, "dense": 1.8, "torch CSR": 4}),
    (4000, 0.99, {"masked": 20, "dense": 8}),
    (20000, 0.9995, {"torch CSR": 100}),
)
TIMED = 0.03  # seconds that a turn takes at least


def point(
    neurons: int,
    sparsity: float,
    batch: int,
    others: tuple[str, ...],
    rounds: int,
    iterations: int = 0,
) -> dict[str, Any]:
    """Times of all passes on one map, on as many threads as torch has now."""
    work = Map.of(neurons, 1 - sparsity, batch, iterations)
    found, left_out = passes(work, others)
    chosen = choose(work.edges, batch, max(1, iterations), torch.float32)
    if work.matrix_bytes <= MATRIX:
        check(work, found)
    times = turns(found, rounds, TIMED)
    if "torch CSR" in others and MATRIX < work.matrix_bytes <= CSR_MATRIX:
        times["torch CSR"] = once(torch_csr(work))
        del left_out["torch CSR"]
    ours = times[f"engine {chosen}"]
    engines = {name: middle(kept)["median"] for name, kept in times.items() if "engine" in name}
    best = min(engines, key=lambda name: engines[name])
    return {
        "neurons": neurons,
        "sparsity": sparsity,
        "iterations": iterations,
        "edges": len(work.weight),
        "batch": batch,
        "threads": torch.get_num_threads(),
        "chosen": chosen,
        "best": best.removeprefix("engine "),
        "chosen_over_best": against(times[best], ours),
        "ms": {name: middle(kept) for name, kept in times.items()},
        "times_ours": {name: against(ours, kept) for name, kept in times.items()},
        "times_rows": {name: against(times["engine rows"], kept) for name, kept in times.items()},
        "left_out": left_out,
    }


def once(go: Pass) -> list[float]:
    """One repetition of a pass that takes seconds, in milliseconds."""
    start = clock()
    try:
        go()
    except RuntimeError as error:  # a dense gradient that no memory holds
        print(f"torch CSR: {str(error).splitlines()[0]}", flush=True)
        return [math.inf]
    return [1000 * (clock() - start)]


def against(ours: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """How many times our time another takes, in the same rounds."""
    if len(others) == 1:
        return middle([others[0] / kept for kept in ours])
    return middle([b / a for a, b in zip(ours, others, strict=True)])


def crossovers(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sparsity from which "rows" is the faster one, by size, batch, threads and baseline."""
    found = list[dict[str, Any]]()
    for curve in curves(rows):
        for name in BASELINES:
            ratios = [row["times_rows"][name]["median"] for row in curve]
            at = crossing([row["sparsity"] for row in curve], ratios)
            size = {key: curve[0][key] for key in ("neurons", "batch", "threads")}
            beyond = "below" if ratios[0] >= 1 else "above" if ratios[-1] < 1 else "at"
            span = curve[0]["sparsity"], curve[-1]["sparsity"]
            found.append({**size, "baseline": name, "sparsity": at, "span": span, "side": beyond})
    return found


def curves(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Points that differ in sparsity alone, ascending, where they begin below 90 %."""
    groups = dict[tuple[int, ...], list[Mapping[str, Any]]]()
    single = [row for row in rows if not row["iterations"]]
    for row in sorted(single, key=lambda row: row["sparsity"]):
        groups.setdefault((row["neurons"], row["batch"], row["threads"]), []).append(row)
    return [group for group in groups.values() if group[0]["sparsity"] < 0.9]


def crossing(sparsities: Sequence[float], ratios: Sequence[float]) -> float | None:
    """Where the ratio passes 1 for the last time; None if it never does between these points."""
    logs = [math.log(ratio) for ratio in ratios]
    for i in range(len(logs) - 1, 0, -1):
        if logs[i - 1] < 0 <= logs[i]:
            share = -logs[i - 1] / (logs[i] - logs[i - 1])
            return round(sparsities[i - 1] + share * (sparsities[i] - sparsities[i - 1]), 3)
    return None


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = list[dict[str, str]]()
    for neurons, sparsity, bars in BARS:
        for row in figures["rows"]:
            if (row["neurons"], row["sparsity"], row["iterations"]) == (neurons, sparsity, 0):
                rows.append(compared(row, bars))
    rows += [compared(row, {}) for row in figures["rows"] if row["iterations"]]
    for found in figures["crossovers"]:
        at = found["sparsity"] or found["span"][found["side"] == "above"]
        rows.append(
            {
                "what": f"crossover with {BASELINES[found['baseline']]}, {found['neurons']:,} neurons, "
                f"batch {found['batch']}, {threads(found)}",
                "measured": f"{found['side']} {at:.1%} sparse",
                "bar": "-",
            }
        )
    worst = max(figures["rows"], key=lambda row: row["chosen_over_best"]["median"])
    rows.append(
        {
            "what": f"engine chosen over the best one, the worst of {len(figures['rows'])} points",
            "measured": f"{told(worst['chosen_over_best'])}: {worst['chosen']} for {worst['best']} at "
            f"{worst['neurons']:,} neurons, {worst['sparsity']:.4g} sparse, batch {worst['batch']}, "
            f"{threads(worst)}",
            "bar": "<= 1.05",
        }
    )
    return rows


def compared(row: Mapping[str, Any], bars: Mapping[str, float]) -> dict[str, str]:
    """The row of one point: our time, and how many times it the others take."""
    names = [name for name in row["times_ours"] if "engine" not in name]
    ours = row["ms"][f"engine {row['chosen']}"]
    others = ", ".join(f"{name} {told(row['times_ours'][name])}" for name in names)
    kind = f"{row['iterations']} iterations of a map" if row["iterations"] else "sparse map"
    missing = "".join(f"; {name}: not run, {why}" for name, why in row["left_out"].items())
    return {
        "what": f"{kind} with both gradients, {row['neurons']:,} neurons, "
        f"{100 * row['sparsity']:.4g} % sparse, batch {row['batch']}, {threads(row)}",
        "measured": f"{ours['median']:.3g} ms ({row['chosen']}); times ours: {others}{missing}",
        "bar": ", ".join(f"{name} >= {bar}" for name, bar in bars.items()) or "-",
    }


def threads(row: Mapping[str, Any]) -> str:
    return "one thread" if row["threads"] == 1 else f"{row['threads']} threads"


def draw(rows: Sequence[Mapping[str, Any]], stem: Path) -> None:
    """The picture: how many times our time the baselines take over sparsity, a panel for each size."""
    from matplotlib.figure import Figure

    from potentiate.plot.style import BLUE, MUTED, ORANGE, save

    every = curves(rows)
    batch = max(curve[0]["batch"] for curve in every)
    groups = [curve for curve in every if curve[0]["batch"] == batch]
    sizes = sorted({curve[0]["neurons"] for curve in groups})

    def make() -> Figure:
        figure = Figure(figsize=(3.6 * len(sizes), 3.6), layout="constrained")
        panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
        for panel, size in zip(panels, sizes, strict=True):
            for curve in (curve for curve in groups if curve[0]["neurons"] == size):
                for color, (name, label) in zip((BLUE, ORANGE), BASELINES.items(), strict=True):
                    xs = [100 * row["sparsity"] for row in curve]
                    ys = [row["times_rows"][name]["median"] for row in curve]
                    line = "-" if curve[0]["threads"] == 1 else "--"
                    title = f"{label}, {threads(curve[0])}"
                    panel.plot(xs, ys, line, color=color, marker="o", markersize=3, label=title)
            panel.axhline(1.0, color=MUTED, linewidth=1)
            panel.set_yscale("log")
            panel.set_yticks([0.5, 1, 2, 5, 10, 20], labels=["0.5", "1", "2", "5", "10", "20"])
            panel.minorticks_off()
            panel.set_title(f"{size:,} neurons")
            panel.set_xlabel("sparsity (%)")
        panels[0].set_ylabel("time over that on edges")
        panels[0].legend(fontsize=7, frameon=False)
        return figure

    stem.parent.mkdir(parents=True, exist_ok=True)
    print(*save(make, stem, ("svg",)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="tiny maps, to see that it runs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--draw", action="store_true", help="only draw, from the newest record")
    asked = parser.parse_args()
    if asked.draw:
        newest = max(FOLDER.glob("sparse-products-*.json"), key=lambda path: path.stat().st_mtime)
        draw(json.loads(newest.read_text())["figures"]["rows"], PICTURE)
        return
    rows, start = list[dict[str, Any]](), perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for neurons, sparsities, batches, others in QUICK if asked.quick else POINTS:
            for sparsity in sparsities:
                for batch in batches:
                    for count in asked.threads:
                        torch.set_num_threads(count)
                        rows.append(point(neurons, sparsity, batch, others, asked.rounds))
                        tell(rows[-1])
        for neurons, sparsity, batches, iterations in () if asked.quick else RECURRENT:
            for batch in batches:
                for count in asked.threads:
                    torch.set_num_threads(count)
                    size = neurons, sparsity, batch, tuple(BASELINES)
                    rows.append(point(*size, asked.rounds, iterations))
                    tell(rows[-1])
        if asked.quick:
            draw(rows, Path(cache) / "sparse-crossover")
    figures = {"rounds": asked.rounds, "rows": rows, "crossovers": crossovers(rows)}
    show(summary(figures))
    print(f"{perf_counter() - start:.0f} s")
    if not asked.dry:
        print(store("sparse-products", figures, summary(figures)))
        draw(rows, PICTURE)


def tell(row: Mapping[str, Any]) -> None:
    times = ", ".join(f"{name} {ms['median']:.4g} ms" for name, ms in row["ms"].items())
    size = f"N={row['neurons']} {100 * row['sparsity']:.4g} % batch {row['batch']}, {threads(row)}"
    ratio = told(row["chosen_over_best"])
    print(f"{size}: {times}; chosen {row['chosen']}, over the best {ratio}", flush=True)


if __name__ == "__main__":
    main()
