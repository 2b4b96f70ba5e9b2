"""The work of stdp.py, and how its time is taken.

784 Poisson inputs, of which 150 are active at 51 to 128 Hz (3357 spikes a sample), drive 400 LIF neurons
with adaptive thresholds and lateral inhibition through weights with pair STDP, whose sums are normalized
after each sample; dt 1 ms, 250 ms a sample, one after another.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, getrusage
from time import process_time

import numpy as np
from numpy.typing import NDArray

INPUTS, HIDDEN, STEPS = 784, 400, 250
ACTIVE, CLASSES, RATE = 150, 10, 128.0  # Hz
TAU, TAU_TRACE, THRESHOLD, RESET, REFRACTORY = 100.0, 20.0, 13.0, 5.0, 5  # ms and mV above rest
INHIBITION, THETA_PLUS = 17.5, 0.05  # mV
A_PLUS, A_MINUS, TOTAL = 1e-2, 1e-4, 78.4

Repetition = Callable[[], float]
"""Presents the samples of one repetition and returns how many output spikes came."""
Prepare = Callable[[], Repetition]


def images(count: int) -> NDArray[np.float32]:
    """Intensities [count, INPUTS] in [0, 1]: ten sets of overlapping active pixels, in turn."""
    patterns = np.zeros((CLASSES, INPUTS), np.float32)
    for number, pattern in enumerate(patterns):
        random = np.random.default_rng([1000, number])
        pattern[random.permutation(INPUTS)[:ACTIVE]] = 0.4 + 0.6 * random.random(ACTIVE)
    return patterns[np.arange(count) % CLASSES]


def weights() -> NDArray[np.float32]:
    """Initial weights [INPUTS, HIDDEN], uniform and normalized."""
    weight = np.random.default_rng(0).random((INPUTS, HIDDEN), dtype=np.float32)
    return weight * (np.float32(TOTAL) / weight.sum(0))


@dataclass(frozen=True)
class Work:
    """What one repetition of a simulator does, and how many samples that is."""

    name: str
    samples: int
    prepare: Prepare


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    children = getrusage(RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def interleaved(works: Sequence[Work], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds and output spikes per sample in each round; the first round warms and is dropped."""
    shuffled = random.Random(0)
    kept = {work.name: {"seconds": list[float](), "spikes": list[float]()} for work in works}
    for turn in range(-1, rounds):
        for work in shuffled.sample(works, len(works)):
            run = work.prepare()
            start = cpu_seconds()
            spikes = run()
            seconds = cpu_seconds() - start
            if turn >= 0:
                kept[work.name]["seconds"].append(seconds / work.samples)
                kept[work.name]["spikes"].append(spikes / work.samples)
    return kept


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median and range, to four digits."""
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in figures.items()}
