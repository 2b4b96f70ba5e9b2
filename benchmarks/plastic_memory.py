"""Peak memory of plastic/mnist with 400 neurons, ours against the naive reference spelling.

Each run is a process of its own, and what counts is its resident set above that after the imports and
after a few steps of a tiny network, which load what is compiled: so the data, the network, and all that a
run keeps and lets go. The engine's warm-up, which copies all state to take its steps back, is left out. The
reference is the preset of that name, which keeps the last 1,000 snapshots of all pairs' co-activation; a run
is 1,100 steps (2.6 epochs), so that it has them all. Its update indexes all snapshots at once, as that
spelling does, and what that takes counts in the peak; memory held at the end is without it and stands beside.

Run: python benchmarks/plastic_memory.py (about 2 minutes on a quiet machine with 2 cores)
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from records import store
from turns import Resident, answer, in_child, middle, show, told

from potentiate.engine import LATE_IMPORTS, train
from potentiate.events import Finished, Started
from potentiate.models import WORKLOADS

STEPS, ROUNDS = 1100, 3
SPELLINGS = {"ours": "400", "reference": "reference"}
WORK = WORKLOADS["plastic/mnist"]


def measured(preset: str, steps: int, quick: bool) -> dict[str, float]:
    """MB above the imports: at the peak, when the first step begins, and at the end."""
    for module in (*LATE_IMPORTS, *WORK.imports):
        import_module(module)
    tiny = WORKLOADS["plastic/digits"].varied(
        {"neurons": 20, "plasticity_interval": 2, "coactivation_every": 1, "epochs": 1}
    )
    for _ in train(tiny, warmup=0, max_steps=4, test=False):
        pass
    workload = WORK.preset(preset).varied({"neurons": 40, "history": 0} if quick else {})
    resident, found = Resident(), dict[str, float]()
    for event in train(workload, warmup=0, max_steps=steps, test=False):
        if isinstance(event, Started):
            found["start"] = resident.now()
        elif isinstance(event, Finished):
            found["end"] = resident.now()
            found["seconds"] = event.seconds["training"]
    return {**found, "peak": resident.peak()}


def compared(rounds: int, steps: int, threads: int, quick: bool) -> dict[str, Any]:
    """Figures of both spellings, taking turns."""
    settings: dict[str, Any] = {"steps": steps, "threads": threads, "quick": quick}
    in_child(__file__, "measured", preset="400", **{**settings, "steps": 2})  # fills the caches
    rows = list[dict[str, Any]]()
    for turn in range(rounds):
        for name, preset in SPELLINGS.items():
            row = in_child(__file__, "measured", preset=preset, **settings)
            rows.append({"spelling": name, "round": turn, **row})
            print(rows[-1], flush=True)
    peaks = {n: [r["peak"] for r in rows if r["spelling"] == n] for n in SPELLINGS}
    ends = {n: [r["end"] for r in rows if r["spelling"] == n] for n in SPELLINGS}
    return {
        "steps": steps,
        "threads": threads,
        "rows": rows,
        "peak": {name: middle(kept) for name, kept in peaks.items()},
        "end": {name: middle(kept) for name, kept in ends.items()},
        "share": middle([a / b for a, b in zip(peaks["ours"], peaks["reference"], strict=True)]),
        "share_at_end": middle(
            [a / b for a, b in zip(ends["ours"], ends["reference"], strict=True)]
        ),
    }


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    peak, end = figures["peak"], figures["end"]
    return [
        {
            "what": f"plastic/mnist, 400 neurons, {figures['steps']:,} steps, peak memory above the "
            "imports over that of the reference spelling, data included (the page: 1/6.2)",
            "measured": f"{peak['ours']['median']:.0f} of {peak['reference']['median']:,.0f} MB: "
            f"{told(figures['share'])}; held at the end {end['ours']['median']:.0f} of "
            f"{end['reference']['median']:,.0f} MB: {told(figures['share_at_end'])}",
            "bar": "<= 1/6 = 0.167",
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--quick", action="store_true", help="20 steps of 40 neurons")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        answer({"measured": measured}, asked.child)
        return
    torch.set_num_threads(asked.threads)
    steps = 20 if asked.quick else STEPS
    figures = compared(1 if asked.quick else asked.rounds, steps, asked.threads, asked.quick)
    show(summary(figures))
    if not asked.dry:
        print(store("plastic-memory", figures, summary(figures)))


if __name__ == "__main__":
    main()
