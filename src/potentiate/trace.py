"""The numbers of a short run, by which two ways of training are found equal or not.

Dropout is turned off: its masks are drawn in the order of memory, so that a mere change of layout
would draw others and hide whether the arithmetic is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from potentiate.engine import train
from potentiate.events import Started, Stepped
from potentiate.techniques.base import Technique
from potentiate.training import Training
from potentiate.workload import Run, Workload


@dataclass(frozen=True)
class Trace:
    """What a run did: the loss of each step, and the network that is judged in the end.

    Attributes:
        losses: One per step.
        weights: SHA-256 over the names, shapes and numbers of parameters and buffers.
        state: Those parameters and buffers, on the CPU.
    """

    losses: tuple[float, ...]
    weights: str
    state: Mapping[str, Tensor] = field(repr=False, compare=False)

    def distance(self, other: Trace) -> float:
        """Return the largest difference of losses and weights, relative to the largest of each tensor.

        Infinite if the runs differ in length or in what they learned.
        """
        if len(self.losses) != len(other.losses) or self.state.keys() != other.state.keys():
            return float("inf")
        pairs = [(torch.tensor(self.losses), torch.tensor(other.losses))]
        pairs += [(tensor, other.state[name]) for name, tensor in self.state.items()]
        return max(_relative(a.double(), b.double()) for a, b in pairs)


def _relative(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    if a.numel() == 0:
        return 0.0
    largest = torch.maximum(a.abs().max(), b.abs().max()).clamp_min(1e-30)
    share = float((a - b).abs().max() / largest)
    return share if share == share else float("inf")  # a number that is none is equal to nothing


def trace(
    workload: Workload,
    techniques: Sequence[Technique] = (),
    *,
    seed: int = 0,
    steps: int = 50,
    device: str = "cpu",
) -> Trace:
    """Train for `steps` steps without dropout and return the numbers.

    Raises:
        Refused: The workload or a technique does not fit, as `train` says.
    """
    losses, training = list[float](), None
    quiet = without_dropout(workload)
    for event in train(
        quiet, techniques, seed=seed, device=device, warmup=0, max_steps=steps, test=False
    ):
        if isinstance(event, Started):
            training = event.training
        elif isinstance(event, Stepped):
            losses.append(float(event.loss))
    assert training is not None
    state = _judged(training)
    return Trace(tuple(losses), digest(state), state)


def _judged(training: Training) -> dict[str, Tensor]:
    network = training.step.evaluated()
    return {name: t.detach().cpu().clone() for name, t in network.state_dict().items()}


def digest(state: Mapping[str, Tensor]) -> str:
    """Return a hash of names, types, shapes and numbers, whatever the layout in memory."""
    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def without_dropout(workload: Workload) -> Workload:
    """Return `workload` with the rate of every dropout module set to 0.

    A network that calls `torch.nn.functional.dropout` itself keeps it.
    """

    def make(recipe: Any, seed: int) -> Run:
        run = workload.make(recipe, seed)
        for module in run.model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):  # pyright: ignore[reportPrivateUsage]
                module.p = 0.0
        return run

    return replace(workload, make=make)
