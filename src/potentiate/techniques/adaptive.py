"""Finds a batch size by trying, in processes that are thrown away, and leaves a stated one behind."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import psutil
import torch
from pydantic import Field

from potentiate.errors import NotApplicable
from potentiate.machine.facts import read_line
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.techniques.batch import BatchSize, Rule, samples
from potentiate.workload import Run

STEPS = 20
GAIN = 1.02  # a larger batch must be faster by more than the noise of so few steps
HEADROOM = 0.10
CHECK_STEPS = 100
CLEARLY = 0.05  # one seed tells losses apart that differ by more than this share
PATIENCE = 600.0  # seconds for one trial

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class AdaptiveBatch(Technique):
    """Find the batch size at which this machine learns most samples per second, then use it.

    Source: Doubling and bisection, as batch-size finders do; McCandlish et al. 2018 on how large a
        batch can usefully be, which no timing shows.
    Helps: Hardware that the present batch leaves idle, above all GPUs.
    Hurts: Quality, where few updates remain: throughput knows nothing of it, so let a study judge
        it, or set a limit. Found without the other techniques of the run and on a machine that may be
        busy otherwise tomorrow: the size that was found is recorded, and resuming uses it.
    Cost: Each trial is a fresh process of 20 steps and an evaluation, counted as set-up. The winner is
        tried a second time and a tenth of the free memory is left alone. A learning rate that the rule
        rescaled is compared with its half and its double for an epoch of at least 20 and at most 100
        steps each, or the schedule where that is shorter, and gives way to one whose validation loss is
        lower by over 5 %; so short a look favors rates that learn fast early.

    Attributes:
        objective: "fastest" stops growing where throughput does, "largest" where memory does.
        limit: Largest size to try; none: the training set.
        lr_rule: As for batch-size.
    """

    objective: Literal["fastest", "largest"] = "fastest"
    limit: Annotated[int, Field(ge=1)] | None = None
    lr_rule: Rule = "auto"

    name: ClassVar[str] = "adaptive-batch"
    stage: ClassVar[Stage] = BatchSize.stage
    evidence: ClassVar[Evidence] = BatchSize.evidence
    needs: ClassVar[frozenset[str]] = BatchSize.needs
    excludes: ClassVar[frozenset[str]] = frozenset({"batch-size"})

    def settle(self, run: Run, device: str) -> BatchSize:
        """Return the technique batch-size with the size that was found.

        Raises:
            NotApplicable: The run cannot be built again in another process, or not even once there.
        """
        if not run.source:
            raise NotApplicable(
                "adaptive-batch tries sizes in other processes and this workload has no source to be "
                "found by; put it in a file and name it as file.py:attribute"
            )

        def attempt(size: int) -> Trial:
            technique = BatchSize(size, self.lr_rule)
            return _trial(size, ask(_request(run, technique, device)), device)

        most = min(samples(run), self.limit or samples(run))
        memory = (1.0 - HEADROOM) * available_memory(device)
        first = attempt(run.batches.size)
        if not first.ran:
            raise NotApplicable(
                f"adaptive-batch: the present size fails in a trial: {first.reason}"
            )
        found = BatchSize(find(first, attempt, most, memory, self.objective), self.lr_rule)
        if found.size == run.batches.size or found.rule(run) == "none":
            return found
        return replace(found, lr_factor=self._factor(run, found, device))

    def _factor(self, run: Run, found: BatchSize, device: str) -> float:
        """Return 1, or the half or double of the rescaled rate that learns clearly better."""
        steps = check_steps(run, found.size)
        losses = {
            factor: _loss(run, ask(_request(run, replace(found, lr_factor=factor), device, steps)))
            for factor in (1.0, 0.5, 2.0)
        }
        best = min(losses, key=losses.__getitem__)
        base = losses[1.0]
        gap = CLEARLY * abs(base) if math.isfinite(base) else 0.0
        return best if losses[best] < base - gap else 1.0

    def apply(self, run: Run) -> Run:
        """Return the run with the size that a search on the CPU finds; the engine settles before."""
        return self.settle(run, "cpu").apply(run)


@dataclass(frozen=True)
class Trial:
    """One size tried: samples per second, peak memory in bytes, or why it did not run."""

    size: int
    rate: float
    peak: float
    reason: str = ""

    @property
    def ran(self) -> bool:
        """Whether it trained and could be evaluated."""
        return not self.reason


def find(
    first: Trial, attempt: Callable[[int], Trial], most: int, memory: float, objective: str
) -> int:
    """Return the best size: double while it pays and fits, bisect once, try the winner again.

    Args:
        first: The trial of the present size.
        attempt: Tries a size.
        most: Largest size allowed.
        memory: Bytes that a trial may use at its peak.
        objective: "fastest" or "largest".
    """

    def pays(trial: Trial, than: float) -> bool:
        return trial.ran and trial.peak <= memory and (objective == "largest" or trial.rate > than)

    good, failed = [first], 0
    while not failed and good[-1].size < most:
        failed = not _extend(good, min(2 * good[-1].size, most), attempt, memory, pays)
    if failed:
        size = min(2 * good[-1].size, most)
        _extend(good, (good[-1].size + size) // 2, attempt, memory, pays)
    for trial in reversed(good[1:]):
        if pays(attempt(trial.size), first.rate):
            return trial.size
    return first.size


def _extend(
    good: list[Trial],
    size: int,
    attempt: Callable[[int], Trial],
    memory: float,
    pays: Callable[[Trial, float], bool],
) -> bool:
    """Try `size` and keep it if it pays; a size that would surely not fit is not even tried."""
    if size == good[-1].size or _foreseen(good, size) > memory:
        return False
    trial = attempt(size)
    if pays(trial, GAIN * good[-1].rate):
        good.append(trial)
        return True
    return False


def _foreseen(good: Sequence[Trial], size: int) -> float:
    """Peak memory of a larger batch, on a line through the last two trials."""
    if len(good) < 2:
        return 0.0
    before, last = good[-2:]
    slope = (last.peak - before.peak) / (last.size - before.size)
    return last.peak + max(0.0, slope) * (size - last.size)


def check_steps(run: Run, size: int) -> int:
    """Return the steps of a check of the rate: an epoch of batches of `size`, neither few nor many.

    One batch may be an epoch, after which every rate looks alike; no schedule goes beyond its end.
    """
    resized = run.edit(batches=run.batches.resized(size))
    return min(max(STEPS, len(resized.batches)), CHECK_STEPS, resized.steps)


def _request(run: Run, technique: BatchSize, device: str, steps: int = STEPS) -> dict[str, Any]:
    return {
        "workload": run.source,
        "recipe": dict(run.recipe),
        "techniques": [technique.spec],
        "seed": 0,
        "device": device,
        "threads": torch.get_num_threads(),
        "max_steps": steps,
        "test": False,
    }


def _trial(size: int, answer: Answer, device: str) -> Trial:
    if answer.get("status") != "ok":
        return Trial(size, 0.0, 0.0, str(answer.get("reason") or "no reason was given"))
    seconds = float(answer["step_seconds"])
    on_device: Mapping[str, int] = answer.get("device_memory") or {}
    peak = max(on_device.values(), default=0) if device == "cuda" else answer["peak_memory"]
    return Trial(size, size / seconds if seconds > 0 else 0.0, float(peak))


def _loss(run: Run, answer: Answer) -> float:
    """What a trial leaves to be learned: its validation loss, or what its metric lacks of 1."""
    metrics: Mapping[str, float] = answer.get("validation") or {}
    metric = run.target.metric
    loss = metrics.get("loss", metrics.get(metric) if not run.target.higher_is_better else None)
    if loss is None and metric in metrics:
        loss = 1.0 - metrics[metric]
    sound = answer.get("status") == "ok" and loss is not None and math.isfinite(loss)
    return float(loss) if sound and loss is not None else math.inf


def ask(request: Mapping[str, Any]) -> Answer:
    """Return what a fresh process answers to `request`; a crash is an answer too."""
    command = [sys.executable, "-m", "potentiate", "answer"]
    line = json.dumps(request) + "\n"
    try:
        child = subprocess.run(
            command,
            input=line,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            start_new_session=True,  # Ctrl-C is for us, who end the child
        )
    except subprocess.TimeoutExpired:
        return {"status": "failed", "reason": f"no answer within {PATIENCE:.0f} s"}
    lines = child.stdout.strip().splitlines()
    if child.returncode == 0 and lines:
        return json.loads(lines[-1])
    last = (child.stderr.strip().splitlines() or ["no message"])[-1]
    return {"status": "failed", "reason": f"the process ended with {child.returncode}: {last}"}


def available_memory(device: str) -> float:
    """Return the bytes that a new process could use on `device` now."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    free = float(psutil.virtual_memory().available)
    limit, used = (read_line(Path("/sys/fs/cgroup") / f"memory.{n}") for n in ("max", "current"))
    if limit and used and limit.isdigit():  # a container's own limit; "max" is none
        free = min(free, float(limit) - float(used))
    return free
