"""Surrogate gradients through time, ours and the peers' interleaved in one run.

The network is that of surrogate_networks.py, on a constant current and on spikes of two densities. In
each round every network takes a few steps, in random order, and what is compared are the times of the
same round: CPU time on one thread, else wall time. Before anything is timed our gradients must be those
of plain torch. Memory is the rise of the resident set over a step, in a process of its own that gives
freed memory back at once; the input, which is there before, does not count. Further: the network 2-16-2
that learns XOR in one compiled call; the density of spikes at which their lists and a dense product
take the same time. What is not installed is named in the record.

Run: python benchmarks/surrogate_gradient.py (about 4 minutes on a quiet machine)
     ... --threads 2; ... --compile, which adds torch.compile (minutes of compiling)
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from records import store
from surrogate_networks import (
    HIDDEN,
    INPUTS,
    NETWORKS,
    PEERS,
    Network,
    by_name,
    inputs,
    step_of,
    xor_networks,
)

from potentiate import __version__
from potentiate.kernels.spike_matmul import DENSE_ABOVE, spike_matmul
from potentiate.kernels.spiking_mlp import Sizes, SpikingMLP, random_parameters

MODES = ("constant", "poisson", "sparse")
BARS = {"constant": 2.5, "poisson": 1.4}
BESIDE = ("torch, one product for all steps", "torch.compile of it")
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])
XOR_STEPS, XOR_SEEDS = 1000, 20
TIMED = 0.15  # seconds that a turn takes at least


def clock() -> float:
    return process_time() if torch.get_num_threads() == 1 else perf_counter()


def turns(steps: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds a step in each round, all steps taking turns in random order."""
    repeats = dict[str, int]()
    for name, step in steps.items():
        step()
        start = clock()
        step()
        repeats[name] = max(1, round(TIMED / max(1e-6, clock() - start)))
    shuffled = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name in shuffled.sample(list(steps), len(steps)):
            start = clock()
            for _ in range(repeats[name]):
                steps[name]()
            times[name].append(1000 * (clock() - start) / repeats[name])
    return times


def middle(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": float(f"{statistics.median(values):.4g}"),
        "min": float(f"{min(values):.4g}"),
        "max": float(f"{max(values):.4g}"),
    }


def check_gradients(mode: str) -> None:
    """Refuse to time anything unless our gradients are those of plain torch."""
    (loss, grads), (expected, known) = (
        step_of(by_name(name), mode)() for name in ("potentiate", "torch, step by step")
    )
    assert abs(loss - expected) < 1e-4 * abs(expected), f"{mode}: loss {loss}, torch {expected}"
    for grad, reference in zip(grads, known, strict=True):
        error = float((grad - reference).norm() / reference.norm())
        # one spike that rounding moves across the threshold changes single gradients a little
        assert error < 0.01, f"{mode}: a gradient is off by {error:.2g} of its length"


def compared(mode: str, networks: Sequence[Network], rounds: int) -> dict[str, Any]:
    """All networks that are installed on one kind of input."""
    steps, compile_seconds, missing = dict[str, Any](), dict[str, float](), dict[str, str]()
    for network in networks:
        if mode not in network.modes:
            continue
        try:
            step = step_of(network, mode)
        except ImportError as error:
            missing[network.name] = str(error)
            continue
        start = perf_counter()
        step()
        steps[network.name] = step
        compile_seconds[network.name] = round(perf_counter() - start, 2)
    times = turns(steps, rounds)
    ours = times["potentiate"]
    rows = [
        {
            "network": name,
            "version": __version__ if name.startswith("potentiate") else version(package),
            "differs": by_name(name).differs,
            "ms": middle(times[name]),
            "times_ours": middle([a / b for a, b in zip(times[name], ours, strict=True)]),
            "first_step_s": compile_seconds[name],
            "mb": peak_memory(name, mode),
        }
        for name, package in ((n, by_name(n).package) for n in steps)
    ]
    return {"density": float(inputs(mode).float().mean()), "rows": rows, "missing": missing}


def peak_memory(name: str, mode: str) -> float:
    """MB that a step takes at its peak beyond what was there before it."""
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    call = [sys.executable, __file__, "--threads", str(torch.get_num_threads())]
    answer = subprocess.run(
        [*call, "--memory", mode, name], env=environment, capture_output=True, text=True, check=True
    )
    return float(answer.stdout.split()[-1])


def measured_memory(mode: str, name: str) -> float:
    """The rise of the resident set over a second step, on Linux."""

    def status(key: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

    step = step_of(by_name(name), mode)
    step()
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = status("VmRSS:")
    step()
    return status("VmHWM:") - before


def xor(rounds: int) -> dict[str, Any]:
    """Steps a second of the compiled network and of peers, and its accuracy over the seeds."""
    sizes = Sizes(2, 16, 2, 3)
    right = []
    for seed in range(XOR_SEEDS):
        network = SpikingMLP(sizes, random_parameters(sizes, np.random.default_rng(seed)))
        network.train(*XOR, XOR_STEPS)
        right.append(float((network.logits(XOR[0]).argmax(1) == XOR[1]).mean()))
    steps: dict[str, Any] = {"potentiate": lambda: network.train(*XOR, XOR_STEPS)}
    missing = dict[str, str]()
    for name, build in xor_networks().items():
        try:
            steps[name] = build()
        except ImportError as error:
            missing[name] = str(error)
    times = turns(steps, rounds)
    times["potentiate"] = [ms / XOR_STEPS for ms in times["potentiate"]]
    rates = {name: middle([1000 / ms for ms in kept]) for name, kept in times.items()}
    return {
        "accuracies": right,
        "steps_to_learn": XOR_STEPS,
        "steps_a_second": rates,
        "missing": missing,
    }


def densities(rounds: int) -> list[dict[str, Any]]:
    """Time of the first layer's product and its gradient by lists, over that of dense products."""
    weight = torch.randn(INPUTS, HIDDEN, requires_grad=True)
    grad = torch.randn(3200, HIDDEN)
    steps = dict[str, Callable[[], Any]]()
    for density in (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
        spikes = torch.rand(3200, INPUTS) < density

        def lists(spikes: torch.Tensor = spikes) -> None:
            torch.autograd.grad(spike_matmul(spikes, weight, 1.0), weight, grad)

        steps[str(density)] = lists
    values = (torch.rand(3200, INPUTS) < 0.1).float()
    steps["dense"] = lambda: torch.autograd.grad(values @ weight, weight, grad)
    times = turns(steps, rounds)
    return [
        {
            "density": float(name),
            "ms": middle(kept),
            "dense_over_lists": middle([d / k for d, k in zip(times["dense"], kept, strict=True)]),
        }
        for name, kept in times.items()
        if name != "dense"
    ]


def told(row: Mapping[str, Any]) -> str:
    """A network's time, where its work differs from ours, and its compiling if that takes long."""
    notes = [row["differs"]] if row["differs"] else []
    if row["first_step_s"] > 10:
        notes.append(f"after {row['first_step_s']:.0f} s of compiling")
    return f"{row['network']} {row['ms']['median']:.1f} ms" + (
        f" ({'; '.join(notes)})" if notes else ""
    )


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    threads = "one thread" if figures["threads"] == 1 else f"{figures['threads']} threads"
    for mode in MODES:
        table = {row["network"]: row for row in figures[mode]["rows"]}
        ours, peers = table["potentiate"], [table[name] for name in PEERS if name in table]
        best = min(peers, key=lambda row: row["ms"]["median"], default=None)
        what = "constant input" if mode == "constant" else f"spikes {figures[mode]['density']:.3f}"
        beside = [table[name] for name in BESIDE if name in table]
        others = ", ".join(map(told, [*peers, *beside]))
        measured = f"{ours['ms']['median']:.1f} ms, {ours['mb']:.1f} MB"
        if best:
            leanest = min(peers, key=lambda row: row["mb"])
            measured += f": {best['times_ours']['median']:.2f}x as fast as {best['network']} at "
            measured += (
                f"{ours['mb'] / best['mb']:.2f} of its memory, {ours['mb'] / leanest['mb']:.2f} "
            )
            measured += f"of that of {leanest['network']}"
        rows.append(
            {
                "what": f"784-1000-10, 25 steps, batch 128, forward and backward, {threads}, {what}; {others}",
                "measured": measured,
                "bar": f"{BARS[mode]}x, 0.5 of the memory" if mode in BARS else "none",
            }
        )
    rates = figures["xor"]["steps_a_second"]
    others = ", ".join(f"{n} {r['median']:,.0f}" for n, r in rates.items() if n != "potentiate")
    solved = sum(accuracy == 1 for accuracy in figures["xor"]["accuracies"])
    rows.append(
        {
            "what": f"XOR by surrogate gradients, 2-16-2, 3 steps, Adam; steps a second: {others}",
            "measured": f"{rates['potentiate']['median']:,.0f} steps/s, {solved} of {XOR_SEEDS} seeds at "
            f"100 % after {XOR_STEPS:,} steps",
            "bar": "200,000 steps/s, all seeds",
        }
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="add torch.compile, constant input")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.memory:
        print(measured_memory(*asked.memory))
        return
    networks = [
        replace(n, modes=("constant",)) if asked.compile and not n.modes else n for n in NETWORKS
    ]
    figures: dict[str, Any] = {"threads": asked.threads, "rounds": asked.rounds}
    for mode in MODES:
        check_gradients(mode)
        figures[mode] = compared(mode, networks, asked.rounds)
        for row in figures[mode]["rows"]:
            print(f"{mode:9} {row['network']:45} {row['ms']} ms {row['mb']:.1f} MB", flush=True)
        print(figures[mode]["missing"] or "", flush=True)
    figures["xor"] = xor(asked.rounds)
    figures["densities"] = {"dense_above": DENSE_ABOVE, "rows": densities(asked.rounds)}
    for row in figures["densities"]["rows"]:
        print(row)
    rows = summary(figures)
    for row in rows:
        print(row)
    if not asked.dry:
        name = "surrogate-gradient" + ("" if asked.threads == 1 else f"-{asked.threads}-threads")
        print(store(name, figures, rows))


if __name__ == "__main__":
    main()
