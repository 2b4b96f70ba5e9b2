"""The body of one run: a fresh process reads a request on standard input and answers with a record.

Whatever the workload prints goes to standard error, so that the answer stays one clean JSON line.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from potentiate.engine import train
from potentiate.errors import NotApplicable, Refused
from potentiate.events import Finished, Rewired, Started, Stepped
from potentiate.machine import throttled_seconds
from potentiate.measure import (
    Clock,
    children_memory,
    count_flops,
    device_memory,
    energy,
    peak_memory,
)
from potentiate.models.reference import find
from potentiate.study.record import Record, Request, request_from_json, to_json
from potentiate.study.sanity import check
from potentiate.techniques.base import Technique
from potentiate.techniques.reference import parse
from potentiate.trace import trace
from potentiate.training import Training
from potentiate.workload import Workload

PROFILE_STEPS = 20
COUNTED_STEPS = 10
"""Steps over which FLOPs are averaged where steps differ in what they compute."""
TRACE_STEPS = 50
LOOK = 0.1
"""Seconds between two looks at the memory of processes that a run has started."""


def answer(request: Request) -> Record:
    """Do what `request` asks and report it; every outcome is a record, a crash too."""
    start, held = time.perf_counter(), throttled_seconds()
    try:
        record = _MODES[request.mode](request)
    except NotApplicable as reason:
        record = Record(request, status="inapplicable", reason=str(reason))
    except Refused as reason:
        record = Record(request, status="failed", reason=str(reason))
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        record = Record(request, status="failed", reason=cause)
    return replace(
        record,
        wall=time.perf_counter() - start,
        peak_memory=peak_memory() + record.peak_memory,
        cpu_seconds=sum(os.times()[:4]),  # with those of loader workers
        load=os.getloadavg()[0],
        graphs=_graphs(),
        throttled=throttled_seconds() - held,
        when=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _graphs() -> int:
    """Graphs that torch.compile has made in this process, recompilations included."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["stats"]["unique_graphs"]) if dynamo else 0


def _prepare(request: Request) -> tuple[Workload, list[Technique]]:
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    workload = find(request.workload).varied(request.recipe)
    return workload, [parse(spec) for spec in request.techniques]


@dataclass
class _Watch:
    """Durations of steps, between the end of one and the end of the next; memory of loader workers."""

    steps: list[float] = field(default_factory=list[float])
    rewired: list[float] = field(default_factory=list[float])
    rewires: bool = False
    last: float = 0.0
    children: int = 0
    looked: float = -math.inf

    def __call__(self, event: Any) -> None:
        if isinstance(event, Rewired):  # told before the step that it belongs to
            self.rewires = True
            return
        now = time.perf_counter()
        if isinstance(event, Stepped):
            (self.rewired if self.rewires else self.steps).append(now - self.last)
            self.rewires = False
            if now - self.looked > LOOK:
                self.looked = now
                self.children = max(self.children, children_memory())
                now = time.perf_counter()
        self.last = now

    @property
    def steady(self) -> float:
        """Mean of the middle 80 %, the first two steps left out where there are others.

        Steps that change a topology are longer by nature: all of them count, by their share.
        """
        durations = sorted(self.steps[2:] or self.steps)
        edge = len(durations) // 10
        usual = statistics.fmean(durations[edge : len(durations) - edge]) if durations else 0.0
        count = len(self.steps) + len(self.rewired)
        return (len(self.steps) * usual + sum(self.rewired)) / count if count else 0.0


def _run(request: Request) -> Record:
    record, _ = _trained(request)
    return record


def _trained(request: Request) -> tuple[Record, Training]:
    workload, techniques = _prepare(request)
    before = energy(request.device)
    watch, training, end = _Watch(), None, None
    events = train(
        workload,
        techniques,
        seed=request.seed,
        device=request.device,
        max_steps=request.max_steps,
        test=request.test,
    )
    for event in events:
        watch(event)
        if isinstance(event, Started):
            training = event.training
        elif isinstance(event, Finished):
            end = event
    assert training is not None
    assert end is not None
    after = energy(request.device)
    record = _record(request, training, end, watch)
    return replace(record, energy=after.since(before), energy_reason=after.reason), training


def _record(request: Request, training: Training, end: Finished, watch: _Watch) -> Record:
    run, history = training.run, training.history
    evaluations = len(history)
    last = {k: v for k, v in history[-1].items() if k not in ("step", "seconds")} if history else {}
    finite = all(math.isfinite(value) for value in last.values())
    return Record(
        request,
        status="ok" if finite else "failed",
        reason="" if finite else "the validation metrics are not finite",
        settled=tuple(t.spec for t in training.techniques),
        size=run.batches.size,
        steps=end.step,
        declared_steps=training.total,
        steps_per_epoch=len(run.batches),
        declared_evaluations=-(-training.total // run.evaluation_steps),
        seconds=dict(end.seconds),
        step_seconds=watch.steady,
        evaluation_seconds=end.seconds.get("evaluation", 0.0) / max(1, evaluations),
        validation=last,
        history=history,
        test=None if end.test is None else dict(end.test),
        peak_memory=watch.children,
        device_memory=device_memory(training.device),
        sizes=dict(run.sizes),
        precision=str(getattr(run.step, "autocast", None) or "as the weights"),
        skipped_steps=getattr(training.step, "skipped", 0),
    )


def _probe(request: Request) -> Record:
    """A short run, then where its time goes, what it computes, and the trace that exactness owes."""
    record, training = _trained(request)
    phases = _phases(training)
    workload, techniques = _prepare(request)
    eager = [
        t for t in techniques if t.name != "compile"
    ]  # counters see nothing inside compiled code
    traced = trace(workload, techniques, seed=request.seed, steps=TRACE_STEPS)
    return replace(
        record,
        phases=phases,
        flops=_flops(workload, eager, request),
        trace=[float(loss) for loss in traced.losses],
        weights=traced.weights,
    )


def _phases(training: Training) -> dict[str, float]:
    """Seconds per step by part; the step must mark its parts, which gradient steps do."""
    clock, step = Clock(training.device, sync=True), training.step
    if not hasattr(step, "mark"):
        return {}
    batches = training.run.batches.start(training.position, training.device)
    training.run.model.train()
    next(batches)
    step.mark = clock.part  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(PROFILE_STEPS):
        clock.part("data")
        batch = next(batches)
        clock.part("other")
        step(batch)
    clock.part("after")
    parts = ("data", "forward", "backward", "optimizer", "other")
    return {part: clock.seconds.get(part, 0.0) / PROFILE_STEPS for part in parts}


def _flops(
    workload: Workload, techniques: Sequence[Technique], request: Request
) -> dict[str, float] | None:
    """FLOPs of one training step, counted on an eager build; None where kernels of our own do the work.

    Of steps that differ in what they compute it is the mean of the first.
    """
    if "plasticity" in workload.provides:
        return None  # the counter sees what torch does, which is the smallest part here
    events = train(workload, techniques, seed=request.seed, device=request.device, warmup=1)
    training = next(e.training for e in events if isinstance(e, Started))
    batches = training.run.batches.start(0, training.device)
    training.run.model.train()
    steps = COUNTED_STEPS if getattr(training.run.step, "varied", False) else 1
    counts = [count_flops(partial(training.step, next(batches))) for _ in range(steps)]
    events.close()
    kinds = ("matmul", "elementwise", "bytes")
    return {kind: sum(getattr(count, kind) for count in counts) / steps for kind in kinds}


def _sanity(request: Request) -> Record:
    workload, techniques = _prepare(request)
    return Record(request, checks=check(workload, techniques, request.seed, request.device))


def _beside(request: Request) -> Record:
    workload, _ = _prepare(request)
    if workload.references is None:
        raise NotApplicable(f"'{workload.name}' declares no references")
    found = workload.references(workload.recipe, request.seed)
    return Record(request, references={name: dict(metrics) for name, metrics in found.items()})


_MODES = {"run": _run, "probe": _probe, "sanity": _sanity, "beside": _beside}


def main() -> None:
    """Answer the one request on standard input."""
    request = request_from_json(json.loads(sys.stdin.readline()))
    with redirect_stdout(sys.stderr):
        record = answer(request)
    sys.stdout.write(json.dumps(to_json(record)) + "\n")
    sys.stdout.flush()
