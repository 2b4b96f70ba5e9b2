"""The training loop, written once, as a generator of events.

Progress bars, logs, checkpoints, studies and tests are listeners of this one iterator. While a
listener works the training clock stands still.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import islice
from typing import Any

import torch

from potentiate.events import Evaluated, Event, Finished, Rewired, Started, Stepped
from potentiate.measure import Clock
from potentiate.techniques.base import Technique, arrange
from potentiate.training import Training, copied, seed_globally, without_trace
from potentiate.workload import Workload

LATE_IMPORTS = ("torch._dynamo",)
"""What torch imports with the first optimizer, which takes it most of a second."""


def train(
    workload: Workload,
    techniques: Sequence[Technique] = (),
    *,
    seed: int = 0,
    device: str = "cpu",
    resume: Mapping[str, Any] | None = None,
    warmup: int = 2,
    max_steps: int | None = None,
    test: bool = True,
) -> Generator[Event, None, None]:
    """Train and yield events until the schedule, a stop or `max_steps` ends the run.

    Equal arguments give equal numbers on one machine. The global random states are seeded, because
    dropout and the data sets of others read no other; all else draws from generators of its own.

    Args:
        workload: What is learned.
        techniques: What makes it faster; order does not matter.
        seed: Decides initial weights, data order and dropout.
        device: "cpu" or "cuda".
        resume: A state from `Training.state` to continue from, with the same workload and techniques.
        warmup: Steps whose effect is taken back, so that compilation and caches are paid before the
            clock of training starts.
        max_steps: Stop after so many steps without shortening the schedule (for timing).
        test: Whether to read the held-out data at the end.

    Raises:
        Refused: Something does not fit, in one sentence; NonFinite names the step.
    """
    for module in (*LATE_IMPORTS, *workload.imports):
        import_module(module)
    clock = Clock(device, sync=True)
    clock.part("setup")
    with ExitStack() as stack:
        training = _set_up(workload, techniques, seed, torch.device(device), clock, stack)
        if resume is not None:
            training.restore(resume)
        clock.part("warmup")
        if warmup:
            _warm_up(training, warmup)
        clock.part("other")
        yield Started(training)
        reason = yield from _steps(training, training.total if max_steps is None else max_steps)
        clock.part("test")
        read = dict(training.run.test(training.step.evaluated())) if test else None
        clock.part("other")
        yield Finished(training.position, reason, read, dict(clock.seconds))


def _set_up(
    workload: Workload,
    techniques: Sequence[Technique],
    seed: int,
    device: torch.device,
    clock: Clock,
    stack: ExitStack,
) -> Training:
    ordered = arrange(workload, techniques, device.type)
    seed_globally(seed)
    run = workload.build(seed)
    settled = [technique.settle(run, device.type) for technique in ordered]
    for technique in settled:
        run = technique.apply(run)
    for context in run.contexts:
        stack.enter_context(context())
    run.model.to(device)
    live = run.step.start(run.model, run.steps)
    seed_globally(seed)  # whatever the techniques drew, training starts from the same state
    return Training(workload, settled, seed, device, run, live, run.steps, clock)


def _warm_up(training: Training, steps: int) -> None:
    """Run `steps` steps and take them back: model, step and random state are as before."""
    before = copied(training.state())
    training.run.model.train()
    for batch in islice(training.run.batches.start(training.position, training.device), steps):
        training.step(batch)
    before["clock"] = training.clock.state_dict()
    training.restore(before)


def _steps(training: Training, limit: int) -> Generator[Event, None, str]:
    run, clock, step = training.run, training.clock, training.step
    end, every = min(limit, training.total), run.evaluation_steps
    batches = run.batches.start(training.position, training.device)
    notes = getattr(step, "notes", None)  # of a step that changes more than weights
    run.model.train()
    while True:
        at = training.position
        # Asked at the head of the loop, so that a run resumed between step and evaluation loses neither.
        if at and (at % every == 0 or at >= end):
            if not training.judged:
                yield _evaluate(training)
            reason = run.stop(training.history)
            if reason is not None:
                return reason
        if at >= end:
            return (
                "the schedule is complete"
                if end == training.total
                else f"stopped after {end} steps as asked"
            )
        clock.part("training", wait=False)  # a wait in every step would drain a GPU's queue
        loss = step(next(batches))
        training.position += 1
        clock.part("other", wait=False)
        if notes:  # before the step is told, because whoever saves then has it all
            yield from (Rewired(training.position, note) for note in notes.take())
        yield Stepped(training.position, loss)


def _evaluate(training: Training) -> Evaluated:
    training.clock.part("evaluation")
    with without_trace(training.device):
        metrics = dict(training.run.validate(training.step.evaluated()))
    training.run.model.train()
    training.clock.part("other")
    seconds = training.clock.seconds["training"]
    training.history.append({**metrics, "step": training.position, "seconds": seconds})
    return Evaluated(training.position, seconds, metrics)
