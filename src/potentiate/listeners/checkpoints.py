"""Writes the state of a training to disk, so that another process can go on from it bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path
from typing import Any, Protocol

from potentiate.checkpoint import Shelf
from potentiate.errors import Refused
from potentiate.events import Evaluated, Event, Finished, Started, Stepped
from potentiate.settings import plain
from potentiate.training import Training


class Stateful(Protocol):
    """A listener whose state belongs to the run."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` goes on from."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        ...


class Checkpoints:
    """Puts checkpoints on a shelf: every so many steps, or at each evaluation, and at the end.

    The best by the workload's metric on validation data is kept apart. The facts of each say how to
    build the same training again: workload, recipe, techniques as settled, seed and device.

    Args:
        shelf: Where they lie and how many stay.
        every: Steps between two; None writes at each evaluation.
        listeners: Others whose state travels with the training's, by name; they must have seen an
            event before this listener does.
        facts: More to note in each.

    Attributes:
        written: The newest, or None.
        training: What is watched, or None before the first event.
    """

    def __init__(
        self,
        shelf: Shelf,
        every: int | None = None,
        listeners: Mapping[str, Stateful] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        if every is not None and every < 1:
            raise Refused(f"a checkpoint every {every} steps is refused; give at least 1")
        self.shelf, self.every = shelf, every
        self.listeners = dict(listeners or {})
        self.facts = dict(facts or {})
        self.written: Path | None = None
        self.training: Training | None = None
        self._best: dict[str, float] | None = None

    def __call__(self, event: Event) -> None:
        """Write where `event` makes it due."""
        if isinstance(event, Stepped):
            if self.every is not None and event.step % self.every == 0:
                self.save()
        elif isinstance(event, Started):
            self.training = event.training
        elif isinstance(event, Evaluated):
            self._evaluated(event)
        elif isinstance(event, Finished):
            self._finished(event)

    def save(self, **facts: Any) -> Path:
        """Write a checkpoint now and return its folder; the training must be between two steps.

        Raises:
            Refused: The disk is full or not writable; earlier checkpoints are untouched.
        """
        training = self._running()
        self.written = self.shelf.put(self._state(), training.position, {**self._facts(), **facts})
        return self.written

    def state_dict(self) -> dict[str, Any]:
        """Return the metrics of the best so far."""
        return {"best": self._best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the best so far of `state`."""
        self._best = state["best"]

    def restore(self, listeners: Mapping[str, Any]) -> None:
        """Hand the states in a checkpoint to this listener and the others, by name."""
        for name, listener in self._stateful().items():
            if name in listeners:
                listener.load_state_dict(listeners[name])

    def _evaluated(self, event: Evaluated) -> None:
        target, metrics = self._running().workload.target, dict(event.metrics)
        judged = isfinite(metrics.get(target.metric, nan))  # not finite would win for ever
        if judged and (self._best is None or target.gain(metrics, self._best) > 0):
            self._best = metrics
            self.shelf.put_best(self._state(), event.step, self._facts())
        if self.every is None:
            self.save()

    def _finished(self, event: Finished) -> None:
        test = None if event.test is None else dict(event.test)
        self.save(finished=event.reason, test=test)

    def _state(self) -> dict[str, Any]:
        others = {name: each.state_dict() for name, each in self._stateful().items()}
        return {"training": self._running().state(), "listeners": others}

    def _stateful(self) -> dict[str, Stateful]:
        return {"checkpoints": self, **self.listeners}

    def _facts(self) -> dict[str, Any]:
        training = self._running()
        return {
            **self.facts,
            "workload": training.workload.source,
            "recipe": plain(training.workload.recipe),
            "techniques": [technique.spec for technique in training.techniques],
            "seed": training.seed,
            "device": str(training.device),
            "total": training.total,
            "metrics": dict(training.history[-1]) if training.history else {},
            "finished": None,
        }

    def _running(self) -> Training:
        if self.training is None:
            raise Refused("there is no training to save yet; call this after its first event")
        return self.training
