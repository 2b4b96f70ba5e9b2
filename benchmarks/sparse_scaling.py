"""How time and memory of sparse recurrent layers grow with their edges, and what a change of the edges costs.

- steps: one iteration forward, both gradients and AdamW, 10 edges a neuron, batch 64, four sizes in turns,
  from anywhere ("random") or from neighbors on a ring but for a tenth ("small world"); memory of the same
  in a process for each size, above that after a step of a tiny layer;
- updates: seconds of an update of the edges by each rule, as a training step does it, and its share of the
  training time where there is one in 100 steps; "looks" counts what a rule does in the steps between too;
- builds: a random topology with its edges by source;
- bytes: all that belongs to an edge under AdamW and the rule "coactivation", counted in arrays, and as slope
  of the resident set over two numbers of edges, among few enough neurons for short indices and among more;
- first order: peak memory of three AdamW steps of a layer with 1 % of its edges over that of `nn.Linear`.

Memory of children counts what is held: they give back what is freed.
Run: python benchmarks/sparse_scaling.py (about 6 minutes on a quiet machine with 2 cores)
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import torch
from records import store
from sparse_steps import BATCH, WIRINGS, batch_of, built, first_order, held, live, updated
from turns import answer, in_child, middle, show, slope, told, turns

from potentiate.plasticity.structural import STRUCTURAL

FAN_IN, INTERVAL, UPDATES = 10, 100, 3
SIZES: Mapping[str, Any] = {
    "neurons": (4_000, 10_000, 30_000, 100_000),
    "edges": (100_000, 300_000, 1_000_000, 3_000_000),
    "builds": ((20_000, 0.01), (1_500, 0.1)),
    "bytes": ((20_000, (1_000_000, 4_000_000)), (40_000, (1_000_000, 4_000_000))),
    "first order": 10_000,
}
QUICK: Mapping[str, Any] = {
    "neurons": (200, 400, 800),
    "edges": (1_000, 3_000),
    "builds": ((500, 0.01), (150, 0.1)),
    "bytes": ((2_000, (100_000, 400_000)), (40_000, (100_000, 400_000))),
    "first order": 1_000,
}
BUILD_BARS = "2 s", "0.1 s, 20 MiB"


def steps(sizes: Mapping[str, Any], rounds: int, threads: int) -> list[dict[str, Any]]:
    """Time and memory of a training step by wiring and size, and their slopes over the edges."""
    sorts = [(wiring, n) for wiring in WIRINGS for n in sizes["neurons"]]
    batches = {n: batch_of(n) for n in sizes["neurons"]}
    going = {(w, n): live(n, FAN_IN * n, "static", w) for w, n in sorts}
    passes = {f"{w} {n}": lambda s=s, b=batches[n]: s(b) for (w, n), s in going.items()}
    times, found = turns(passes, rounds, 0.05), list[dict[str, Any]]()
    for wiring in WIRINGS:
        rows = list[dict[str, Any]]()
        for n in sizes["neurons"]:
            settings = {"neurons": n, "edges": FAN_IN * n, "rule": "static", "threads": threads}
            memory = in_child(__file__, "held", exact=True, wiring=wiring, **settings)
            loss = float(going[wiring, n](batches[n]))
            assert loss == loss, f"{n} neurons: the loss is not a number"
            ms = middle(times[f"{wiring} {n}"])
            rows.append({"neurons": n, "edges": FAN_IN * n, "ms": ms, "mb": memory["peak"]})
            print(wiring, rows[-1], flush=True)
        edges = [row["edges"] for row in rows]
        found.append(
            {
                "wiring": wiring,
                "rows": rows,
                "time_slope": slope(edges, [row["ms"]["median"] for row in rows]),
                "memory_slope": slope(edges, [row["mb"] for row in rows]),
            }
        )
    return found


def updates(sizes: Mapping[str, Any], rounds: int) -> list[dict[str, Any]]:
    """Seconds of an update by rule and number of edges, and its share of the training time."""
    found: dict[str, list[dict[str, Any]]] = {rule: [] for rule in STRUCTURAL if rule != "static"}
    for edges in sizes["edges"]:
        batch = batch_of(edges // FAN_IN)
        going = {rule: live(edges // FAN_IN, edges, rule) for rule in STRUCTURAL}
        times = turns({rule: lambda s=s, b=batch: s(b) for rule, s in going.items()}, rounds, 0.05)
        seconds: dict[str, list[float]] = {rule: [] for rule in found}
        for turn in range(UPDATES + 1):
            for rule in found:
                took = updated(going[rule], batch)
                if turn:  # the first compiles
                    seconds[rule].append(took)
        static = statistics.median(times["static"]) / 1000
        for rule in found:
            took, looks = statistics.median(seconds[rule]), 0.0
            if going[rule].observes:
                pairs = zip(times[rule], times["static"], strict=True)
                looks = INTERVAL * max(0.0, statistics.median(a - b for a, b in pairs)) / 1000
            row = {
                "edges": edges,
                "seconds": middle(seconds[rule]),
                "step_ms": middle(times[rule]),
                "share": took / (took + INTERVAL * static),
                "share_with_looks": (took + looks) / (took + looks + INTERVAL * static),
            }
            found[rule].append(row)
            print(rule, row, flush=True)
    return [
        {
            "rule": rule,
            "rows": rows,
            "slope": slope(
                [row["edges"] for row in rows], [row["seconds"]["median"] for row in rows]
            ),
        }
        for rule, rows in found.items()
    ]


def bytes_per_edge(neurons: int, sizes: Sequence[int], threads: int) -> dict[str, float]:
    """Bytes an edge: counted in arrays of the largest, and slopes of the resident set over the sizes."""
    settings: dict[str, Any] = {"rule": "coactivation", "updates": 2, "threads": threads}
    rows = [
        in_child(__file__, "held", exact=True, neurons=neurons, edges=edges, **settings)
        for edges in sizes
    ]

    def rise(name: str) -> float:
        values = [1e6 * row[name] for row in rows]
        return statistics.linear_regression(sizes, values).slope

    last = rows[-1]
    counted = {k: last[f"{k}_bytes"] / last["edges"] for k in ("edge", "pool", "neuron")}
    measured = {name: rise(name) for name in ("now", "peak", "peak_of_update")}
    return {"neurons": neurons, **counted, **measured}


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    return [*of_steps(figures), *of_updates(figures), *of_memory(figures)]


def of_steps(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    found = list[dict[str, str]]()
    for kind in figures["steps"]:
        rows = kind["rows"]
        times = ", ".join(f"{row['ms']['median']:.3g}" for row in rows)
        memory = ", ".join(f"{row['mb']:.0f}" for row in rows)
        sizes = ", ".join(f"{row['neurons']:,}" for row in rows)
        found.append(
            {
                "what": f"training step of a recurrent layer with {FAN_IN} edges a neuron "
                f"({kind['wiring']}), batch {BATCH}, {figures['threads']} threads, {sizes} neurons; "
                "slopes over the edges",
                "measured": f"{times} ms, slope {kind['time_slope']:.2f}; {memory} MB, slope "
                f"{kind['memory_slope']:.2f}",
                "bar": "slopes 1 +/- 0.15",
            }
        )
    return found


def of_updates(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    found = list[dict[str, str]]()
    for rule in figures["updates"]:
        first, last = rule["rows"][0], rule["rows"][-1]
        worst = max(row["share"] for row in rule["rows"])
        looks = max(row["share_with_looks"] for row in rule["rows"])
        found.append(
            {
                "what": f"update of the edges by {rule['rule']}, {first['edges']:,} to "
                f"{last['edges']:,} edges; largest share of the training time, one in {INTERVAL} steps",
                "measured": f"{1000 * first['seconds']['median']:.3g} ms to "
                f"{1000 * last['seconds']['median']:.3g} ms, slope {rule['slope']:.2f}; {worst:.1%}, "
                f"with looks in between {looks:.1%}",
                "bar": "<= 5 %",
            }
        )
    return found


def of_memory(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    first = figures["first_order"]
    rows = [
        {
            "what": f"building {row['neurons']:,} neurons with {100 * row['density']:g} % of their edges",
            "measured": f"{told(row['seconds'])} s, {row['mib']:.1f} MiB",
            "bar": bar,
        }
        for row, bar in zip(figures["builds"], BUILD_BARS, strict=True)
    ]
    rows += [
        {
            "what": "bytes an edge in training with AdamW and the rule coactivation, "
            f"{per['neurons']:,} neurons",
            "measured": f"{per['edge']:.1f} on edges, {per['pool']:.1f} for candidates, "
            f"{per['neuron']:.1f} for neurons, together {per['edge'] + per['pool'] + per['neuron']:.1f}; "
            f"resident {per['now']:.1f}, at the peak of steps {per['peak']:.1f}, of updates "
            f"{per['peak_of_update']:.1f}",
            "bar": "<= 28",
        }
        for per in figures["bytes"]
    ]
    ours, dense = first["sparse"], first["dense"]
    rows.append(
        {
            "what": f"peak memory of AdamW steps, {figures['first_order_neurons']:,} neurons onto as "
            "many, 1 % of the edges over `nn.Linear`",
            "measured": f"{ours:.0f} of {dense:,.0f} MB: {ours / dense:.1%}",
            "bar": "<= 5 %",
        }
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="tiny layers, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        answer({"held": held, "built": built, "first_order": first_order}, asked.child)
        return
    torch.set_num_threads(asked.threads)
    sizes, start = QUICK if asked.quick else SIZES, perf_counter()
    figures: dict[str, Any] = {"threads": asked.threads, "rounds": asked.rounds}
    figures["builds"] = [
        in_child(__file__, "built", neurons=n, density=d) for n, d in sizes["builds"]
    ]
    figures["first_order_neurons"] = sizes["first order"]
    figures["first_order"] = {
        kind: in_child(
            __file__, "first_order", exact=True, kind=kind, neurons=sizes["first order"]
        )["mb"]
        for kind in ("sparse", "dense")
    }
    figures["bytes"] = [bytes_per_edge(*size, asked.threads) for size in sizes["bytes"]]
    show(of_memory(figures))
    figures["steps"] = steps(sizes, asked.rounds, asked.threads)
    figures["updates"] = updates(sizes, asked.rounds)
    show(summary(figures))
    print(f"{perf_counter() - start:.0f} s")
    if not asked.dry:
        print(store("sparse-scaling", figures, summary(figures)))


if __name__ == "__main__":
    main()
