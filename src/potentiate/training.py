"""The live parts and the position of one run, and the state that continues it bit for bit."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from potentiate.measure import Clock
from potentiate.techniques.base import Technique
from potentiate.workload import LiveStep, Run, Workload


@dataclass
class Training:
    """The one mutable object of a run: the live parts and the position. Listeners may read it.

    Attributes:
        techniques: As settled: what a measurement had to decide is decided.
        total: Steps of the whole schedule.
        position: Batches learned.
        history: Validation metrics of the evaluations so far, with "step" and "seconds".
    """

    workload: Workload
    techniques: Sequence[Technique]
    seed: int
    device: torch.device
    run: Run
    step: LiveStep
    total: int
    clock: Clock
    position: int = 0
    history: list[dict[str, float]] = field(default_factory=list[dict[str, float]])

    @property
    def judged(self) -> bool:
        """Whether the network was evaluated at this position."""
        return bool(self.history) and self.history[-1]["step"] == self.position

    def state(self) -> dict[str, Any]:
        """Return everything that decides how the run goes on; tensors are live, so save or copy them."""
        return {
            "model": dict(self.run.model.state_dict()),
            "buffers": _unsaved_buffers(self.run.model),
            "step": self.step.state_dict(),
            "random": _random_state(self.device),
            "position": self.position,
            "history": self.history,
            "clock": self.clock.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self.run.model.load_state_dict(state["model"])
        stored = state.get("buffers", {})  # absent before they were kept
        for name, buffer in _unsaved_buffers(self.run.model).items():
            if name in stored:
                buffer.copy_(stored[name])
        self.step.load_state_dict(state["step"])
        self.position, self.history = state["position"], list(state["history"])
        self.clock.load_state_dict(state["clock"])
        _set_random_state(state["random"], self.device)


def _unsaved_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Buffers that the model's own state leaves out (persistent=False), and that training may change."""
    saved = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name not in saved}


def copied(tree: Any) -> Any:
    """Return a state whose tensors share no memory with those of `tree`."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in cast("dict[Any, Any]", tree).items()}
    if isinstance(tree, list):
        return [copied(value) for value in cast("list[Any]", tree)]
    return tree


def seed_globally(seed: int) -> None:
    """Seed the global random states.

    PyTorch's is what dropout reads; those of Python and NumPy are what the data sets of others draw
    their augmentation from.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextmanager
def without_trace(device: torch.device) -> Generator[None]:
    """Leave the random states as they were, so that judging a network does not change its training."""
    before = _random_state(device)
    try:
        yield
    finally:
        _set_random_state(before, device)


def _random_state(device: torch.device) -> dict[str, Any]:
    states = {
        "cpu": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_state(states: Mapping[str, Any], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
