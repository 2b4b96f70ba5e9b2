"""Seconds of training until MNIST's test accuracy is 99.0 %, with the recipe that a study found.

The recipe is trained as the study found it, with five fresh seeds, each judged on test data once. A
schedule shortened further, until validation data just reach the goal, was tried before and missed it
narrowly on test data. What limits the time is shown beside it: the FLOPs of the run over the rate of a
large matrix product here.
Run: python benchmarks/time_to_accuracy.py studies/cnn-mnist
"""

from __future__ import annotations

import argparse
import statistics
import tomllib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from records import store

from potentiate.study.nursery import Nursery
from potentiate.study.record import Request

GOAL = 0.99
SEEDS = range(81_000, 81_005)


def measured(nursery: Nursery, config: dict[str, Any], techniques: Sequence[str]) -> dict[str, Any]:
    """Train with each seed and read the test data once."""
    done = [
        nursery.run(
            Request(
                phase="goal",
                arm=" + ".join(techniques),
                techniques=tuple(techniques),
                seed=seed,
                workload=config["workload"],
                recipe=config.get("recipe", {}),
                test=True,
            )
        )
        for seed in SEEDS
    ]
    accuracies = [(r.test or {"accuracy": 0.0})["accuracy"] for r in done]
    return {
        "techniques": list(techniques),
        "accuracies": accuracies,
        "seconds": [r.total for r in done],
        "accuracy": statistics.median(accuracies),
        "median_seconds": statistics.median(r.total for r in done),
        "steps": done[0].steps,
    }


def flops_of_step(nursery: Nursery, config: dict[str, Any], techniques: Sequence[str]) -> float:
    probe = nursery.run(
        Request(
            phase="goal",
            arm="probe",
            techniques=tuple(techniques),
            mode="probe",
            max_steps=20,
            workload=config["workload"],
            recipe=config.get("recipe", {}),
        )
    )
    assert probe.flops is not None, probe.reason
    return probe.flops["matmul"] + probe.flops["elementwise"]


def rate(dtype: torch.dtype, size: int = 2048, repeats: int = 9) -> float:
    """FLOPs a second of a large matrix product, the median of some."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    times = list[float]()
    for _ in range(repeats + 2):
        start = perf_counter()
        torch.mm(a, b)
        times.append(perf_counter() - start)
    return 2 * size**3 / statistics.median(times[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder with a best.toml")
    asked = parser.parse_args()
    config = tomllib.loads((asked.study / "best.toml").read_text())
    with Nursery() as nursery:
        last = measured(nursery, config, config["techniques"])
        counted = flops_of_step(nursery, config, config["techniques"])
    print(f"{last['accuracy']:.4f} on test data in {last['median_seconds']:.1f} s", flush=True)
    limits = {
        str(dtype).removeprefix("torch."): counted * last["steps"] / rate(dtype)
        for dtype in (torch.float32, torch.bfloat16)
    }
    figures = {
        "goal": GOAL,
        "result": last,
        "flops_of_step": counted,
        "seconds_at_gemm_rate": limits,
    }
    reached = last["accuracy"] >= GOAL
    bounds = ", ".join(f"{seconds:.1f} s in {name}" for name, seconds in limits.items())
    summary = {
        "what": f"MNIST to {GOAL:.1%} test accuracy, median of {len(SEEDS)} seeds; its FLOPs at the rate of a large "
        f"matrix product: {bounds}",
        "measured": f"{last['median_seconds']:.1f} s ({last['accuracy']:.2%})"
        if reached
        else "not reached",
        "bar": "60 s",
    }
    print(store("time-to-accuracy", figures, [summary]))


if __name__ == "__main__":
    main()
