"""Learning by spike timing, ours and other simulators interleaved in one run on one thread.

The work, defined in stdp_work.py, is done by `Brain.learn` with one output neuron besides, which nobody
teaches. In each round every simulator presents some samples to a fresh network, in random order; what is
compared is the CPU time of a sample in the same round, that of child processes included. Compiling and
building are shown apart. The allocator keeps what is freed, as in overhead.py; the peers built on
PyTorch gain by it. A row says where the work of a simulator differs from ours; one that is not
installed is named in the record. Further: learning on against off; our time against steps, neurons and
density of spikes; XOR; the first call of a process.

Run: python benchmarks/stdp.py (about 4 minutes on a quiet machine)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from overhead import keep_freed_memory
from records import store
from stdp_peers import PEERS
from stdp_work import (
    HIDDEN,
    INPUTS,
    RATE,
    STEPS,
    TOTAL,
    Repetition,
    Work,
    cpu_seconds,
    images,
    interleaved,
    middle,
)
from torch import Tensor

from potentiate.data.glyphs import xor
from potentiate.models.brain import Anatomy, Brain
from potentiate.models.brain.workloads import XOR

SAMPLES, PRESENTATIONS = 500, 20_000
BARS = {"Brian2, C++ standalone": 50, "BindsNET": 400}
FIRST_CALL = """
from time import perf_counter, process_time
import torch
from potentiate.models.brain import Brain
brain, pattern = Brain(784, 1), torch.rand(1, 784)
wall, cpu = perf_counter(), process_time()
brain.learn(pattern, torch.tensor([-1]))
brain.respond(pattern)
print(perf_counter() - wall, process_time() - cpu)
"""


def ours(
    name: str,
    *,
    steps: int = STEPS,
    hidden: int = HIDDEN,
    density: float = 1.0,
    learns: bool = True,
    at_once: int = SAMPLES,
) -> Work:
    """The work by `Brain`; other densities have weights that give the same drive.

    Its encoder takes a rate r for a chance of 1 - exp(-r dt), those of others for r dt; so the rates
    are raised a little, and all expect the same spikes.
    """
    gaps = -np.log1p(-images(SAMPLES) * density * RATE / 1000)
    patterns, unnamed = torch.from_numpy(gaps / gaps.max()), torch.full((SAMPLES,), -1)
    anatomy = Anatomy(
        hidden=hidden,
        time_steps=steps,
        rate=1000 * float(gaps.max()),
        reset=5.0,
        inhibition=17.5,
        single=False,
        total=TOTAL / INPUTS / density,
    )

    def prepare() -> Repetition:
        brain = Brain(INPUTS, 1, anatomy)
        if not learns:
            brain.learn(patterns, unnamed)
            return lambda: float(brain.respond(patterns).spikes.sum())

        def run() -> float:
            parts = zip(patterns.split(at_once), unnamed.split(at_once), strict=True)
            return sum(float(brain.learn(*part).spikes.sum()) for part in parts)

        return run

    return Work(name, SAMPLES, prepare)


def compared(rounds: int) -> dict[str, Any]:
    """All simulators that are installed, ours with learning on and off, in the same rounds."""
    works = [
        ours("potentiate"),
        ours("potentiate, learning off", learns=False),
        ours("potentiate, one sample a call", at_once=1),
    ]
    facts: dict[str, dict[str, Any]] = {work.name: {} for work in works}
    missing = dict[str, str]()
    for peer in PEERS:
        cpu, wall = cpu_seconds(), perf_counter()
        try:
            works.append(Work(peer.name, peer.samples, peer.build(peer.samples)))
        except ImportError as error:
            missing[peer.name] = str(error)
            continue
        facts[peer.name] = {
            "version": version(peer.package),
            "differs": peer.differs,
            "build_cpu_s": round(cpu_seconds() - cpu, 2),
            "build_wall_s": round(perf_counter() - wall, 2),
        }
    kept = interleaved(works, rounds)
    reference = kept["potentiate"]["seconds"]
    rows = [
        {
            "simulator": work.name,
            **facts[work.name],
            "samples": work.samples,
            "ms": middle([1000 * s for s in kept[work.name]["seconds"]]),
            "output_spikes": middle(kept[work.name]["spikes"]),
            "times_ours": middle(
                [s / r for s, r in zip(kept[work.name]["seconds"], reference, strict=True)]
            ),
        }
        for work in works
    ]
    return {"rounds": rounds, "rows": rows, "missing": missing}


def scaling(rounds: int) -> dict[str, Any]:
    """Our time per sample against one size at a time, and the slope of its logarithms."""
    sizes: dict[str, Sequence[float]] = {
        "steps": (50, 100, 200, 400, 1000),
        "neurons": (100, 200, 400, 800, 1600),
        "density": (0.25, 0.5, 1, 2, 4),
    }
    works = [ours(f"steps {n}", steps=int(n)) for n in sizes["steps"]]
    works += [ours(f"neurons {n}", hidden=int(n)) for n in sizes["neurons"]]
    works += [ours(f"density {d}", density=d) for d in sizes["density"]]
    kept = interleaved(works, rounds)
    points = {
        axis: [
            {
                axis: value,
                "us": middle([1e6 * s for s in kept[f"{axis} {value}"]["seconds"]]),
                "output_spikes": middle(kept[f"{axis} {value}"]["spikes"]),
            }
            for value in values
        ]
        for axis, values in sizes.items()
    }
    slopes = {axis: round(slope(axis, rows), 2) for axis, rows in points.items()}
    return {"rounds": rounds, "slopes": slopes, "points": points}


def slope(axis: str, rows: Sequence[Mapping[str, Any]]) -> float:
    sizes, times = [row[axis] for row in rows], [row["us"]["median"] for row in rows]
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def learn_xor(seed: int) -> tuple[float, float, float]:
    """Presentations a second of training and of evaluation, and the accuracy after training."""
    train = xor(repeats=PRESENTATIONS // 4).train
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    patterns, labels = train.inputs.flatten(1).float()[order], train.labels[order]
    brain = XOR.build(seed).model
    assert isinstance(brain, Brain)
    clock = [process_time()]
    brain.learn(patterns, labels)
    clock.append(process_time())
    scores: Tensor = brain.respond(patterns).scores
    clock.append(process_time())
    right = float((scores.argmax(1) == labels).double().mean())
    return len(train) / (clock[1] - clock[0]), len(train) / (clock[2] - clock[1]), right


def xor_rates(seeds: int) -> dict[str, Any]:
    learn_xor(seeds)
    training, evaluation, right = zip(*(learn_xor(seed) for seed in range(seeds)), strict=True)
    return {
        "seeds": seeds,
        "presentations": PRESENTATIONS,
        "time_steps": XOR.recipe.time_steps,
        "training_per_s": middle(training),
        "evaluation_per_s": middle(evaluation),
        "accuracies": list(right),
    }


def first_calls(repeats: int) -> dict[str, Any]:
    """Seconds of the first `learn` and `respond` of a process, when it compiles and when it need not."""
    kept: dict[str, list[list[float]]] = {"compiling": [], "cached": []}
    for _ in range(repeats):
        with TemporaryDirectory() as folder:
            for times in kept.values():
                done = subprocess.run(
                    [sys.executable, "-c", FIRST_CALL],
                    env={**os.environ, "NUMBA_CACHE_DIR": folder},
                    capture_output=True,
                    check=True,
                    text=True,
                )
                times.append([float(word) for word in done.stdout.split()])
    return {
        "repeats": repeats,
        **{
            f"{how}_{clock}_s": middle([pair[number] for pair in pairs])
            for how, pairs in kept.items()
            for number, clock in enumerate(("wall", "cpu"))
        },
    }


def spread(figures: Mapping[str, float]) -> str:
    median, low, high = (f"{float(f'{figures[name]:.3g}'):,g}" for name in ("median", "min", "max"))
    return f"{median} [{low}, {high}]"


def line_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    name, ms = row["simulator"], row["ms"]["median"]
    which = f"{name} {row['version']} ({row['differs']})" if "differs" in row else name
    relative = f"{spread(row['times_ours'])} times our time"
    return (
        f"STDP, 784 to 400 neurons, 250 ms, one sample after another, one thread: {which}",
        f"{1000 / ms:,.{0 if ms < 1 else 1}f} samples/s, {row['output_spikes']['median']:.0f} output spikes; "
        + (f"{spread(row['ms'])} ms" if name == "potentiate" else relative),
        f">= {BARS[name]} times" if name in BARS else "-",
    )


def summary(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    rows, steps, first = figures["compared"]["rows"], figures["xor"], figures["first_call"]
    off = next(row["times_ours"]["median"] for row in rows if row["simulator"].endswith(" off"))
    slopes = ", ".join(
        f"{axis} {value:.2f}" for axis, value in figures["scaling"]["slopes"].items()
    )
    lines = [
        *map(line_of, rows),
        ("STDP, time with learning on over that with learning off", f"{1 / off:.2f}", "<= 2.0"),
        ("STDP, slope of the logarithm of our time against that of a size", slopes, "-"),
        (
            f"brain/xor, {steps['time_steps']} time steps, presentations a second, one thread; "
            f"all right with {steps['accuracies'].count(1.0)} of {steps['seeds']} seeds",
            f"training {steps['training_per_s']['median']:,.0f}, "
            f"evaluation {steps['evaluation_per_s']['median']:,.0f}",
            ">= 100,000 at 100 %",
        ),
        (
            "brain, first call of a process: compiling, and from the cache; wall and CPU time",
            f"{first['compiling_wall_s']['median']:.1f} and {first['compiling_cpu_s']['median']:.1f} s, "
            f"{first['cached_wall_s']['median']:.1f} and {first['cached_cpu_s']['median']:.1f} s",
            "30 s",
        ),
    ]
    return [{"what": what, "measured": measured, "bar": bar} for what, measured, bar in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    parts = {
        "compared": partial(compared, asked.rounds),
        "scaling": partial(scaling, asked.rounds),
        "xor": partial(xor_rates, 20),
        "first_call": partial(first_calls, 3),
    }
    figures: dict[str, Any] = {"threads": 1, "samples": SAMPLES}
    for name, part in parts.items():
        figures[name] = part()
        print(name, figures[name], flush=True)
    for line in summary(figures):
        print(f"{line['what']}: {line['measured']} (bar {line['bar']})")
    if not asked.dry:
        print(store("stdp", figures, summary(figures)))


if __name__ == "__main__":
    main()
