"""How time and memory of the sparse work are taken: in turns, and in processes of their own.

On one thread the clock is the CPU time of the process, which stands still while other programs hold the
core; else it is wall time. Memory is the resident set, on Linux.
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch

Step = Callable[[], object]


def clock() -> float:
    return process_time() if torch.get_num_threads() == 1 else perf_counter()


def turns(steps: Mapping[str, Step], rounds: int, least: float) -> dict[str, list[float]]:
    """Milliseconds a step in each round; in a round all take turns of `least` seconds, in random order."""
    repeats = dict[str, int]()
    for name, step in steps.items():
        step()
        start = clock()
        step()
        repeats[name] = max(1, round(least / max(1e-6, clock() - start)))
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
    """Median and range, to four digits."""
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


def told(figures: Mapping[str, float], digits: int = 3) -> str:
    """A median with its range, in words."""
    median, low, high = (f"{figures[key]:,.{digits}g}" for key in ("median", "min", "max"))
    return f"{median} [{low}, {high}]"


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent k of the power law value = c size^k that fits best; not a number for one size."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    return round(statistics.linear_regression(x, y).slope, 3) if len({*x}) > 1 else math.nan


FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""Settings by which glibc gives freed memory back, so that a resident set is what is held."""


def in_child(script: str, work: str, *, exact: bool = False, **settings: Any) -> dict[str, Any]:
    """What `work` of a script comes to in a process of its own; the script hands it to `answer`.

    With `exact` memory that is freed there is given back at once, which takes time.
    """
    call = [sys.executable, script, "--child", json.dumps({"work": work, **settings})]
    environment = os.environ | (FREED_AT_ONCE if exact else {})
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{work} {settings}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(works: Mapping[str, Callable[..., Mapping[str, Any]]], asked: str) -> None:
    """Do in this process what `in_child` asked for, and print what it came to."""
    settings = json.loads(asked)
    torch.set_num_threads(settings.pop("threads", 1))
    print(json.dumps(works[settings.pop("work")](**settings)))


class Resident:
    """MB of resident memory above those at the start."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
        self.before = self._read("VmRSS:")

    def now(self) -> float:
        return self._read("VmRSS:") - self.before

    def peak(self) -> float:
        return self._read("VmHWM:") - self.before

    @staticmethod
    def _read(key: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024 / 1e6


def show(rows: Sequence[Mapping[str, str]]) -> None:
    """Print the rows of a summary, the bar beside what was measured."""
    for row in rows:
        print(f"{row['what']}: {row['measured']} (bar: {row['bar']})", flush=True)
