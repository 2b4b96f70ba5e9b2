"""Penalties for gradient training that keep what an earlier task needs.

A penalty has four functions, so that a training loop needs to know no more:

- `init(params) -> state` before the first task;
- `observe(before, params, gradients, state) -> state` after each optimizer step;
- `loss(params, state) -> scalar`, to be added to the loss of the task;
- `consolidate(params, state, losses=()) -> state` at the end of a task.

`params` and `gradients` are tensors by name, as in `dict(model.named_parameters())`; the state is of
tensors by the same names, apart from the graph, so that a checkpoint of it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from potentiate.errors import Refused
from potentiate.plasticity.limits import not_negative, positive

Tensors: TypeAlias = Mapping[str, Tensor]


class Consolidated(NamedTuple):
    """State of a penalty: where each parameter was, and how much that matters."""

    anchor: dict[str, Tensor]  # w*, the parameters at the end of the last task
    importance: dict[str, Tensor]  # F or Omega, 0 before the first task ends
    path: dict[str, Tensor]  # omega, gathered since the last task ended; unused by EWC


@dataclass(frozen=True)
class EWC:
    """Elastic weight consolidation.

        loss = strength / 2 * sum_i F_i (w_i - w*_i)^2

    F is the diagonal of the Fisher information: the mean of the squared gradient of the negative
    log-likelihood, over the samples that `consolidate` is given. Tasks add up; w* is the latest.

    Source: Kirkpatrick et al. 2017, with one anchor as in Huszar 2018.
    Cost: a pass over the parameters per step; a backward pass per sample in `consolidate`.
    """

    strength: float = 100.0

    def __post_init__(self) -> None:
        not_negative(strength=self.strength)

    def init(self, params: Tensors) -> Consolidated:
        """Return the state before the first task: nothing matters yet."""
        return _nothing(params)

    def observe(
        self, before: Tensors, params: Tensors, gradients: Tensors, state: Consolidated
    ) -> Consolidated:
        """Return the state as it is; EWC looks at the end of a task alone."""
        return state

    def loss(self, params: Tensors, state: Consolidated) -> Tensor:
        """Return the penalty, a scalar with a gradient."""
        return self.strength / 2 * _distance(params, state)

    def consolidate(
        self, params: Tensors, state: Consolidated, losses: Iterable[Tensor] = ()
    ) -> Consolidated:
        """Return the state with the finished task in it.

        Args:
            params: The parameters, which `losses` depend on.
            state: The state so far.
            losses: Negative log-likelihoods, one scalar per sample; a generator keeps one graph at a time.

        Raises:
            Refused: No loss is given, so that there is nothing to learn importance from.
        """
        squares = {name: torch.zeros_like(p) for name, p in params.items()}
        count = 0
        for value in losses:
            count += 1
            # Parameters that the loss does not reach have the gradient 0.
            found = torch.autograd.grad(value, list(params.values()), materialize_grads=True)
            for name, gradient in zip(params, found, strict=True):
                squares[name] += gradient**2
        if count == 0:
            raise Refused(
                "EWC has no losses to consolidate from; give one for each of some samples"
            )
        fisher = {name: state.importance[name] + s / count for name, s in squares.items()}
        return Consolidated(_copies(params), fisher, state.path)


@dataclass(frozen=True)
class SynapticIntelligence:
    """Synaptic intelligence: importance gathered along the path of training.

        omega_i = -sum over steps of g_i dw_i
        Omega_i = Omega_i + max(0, omega_i) / ((w_i - w*_i)^2 + damping)   at the end of a task
        loss = strength * sum_i Omega_i (w_i - w*_i)^2

    g is the gradient of the task's own loss, without the penalty.

    Source: Zenke, Poole & Ganguli 2017; damping is their xi.
    Cost: two passes over the parameters per step, no extra backward pass.
    """

    strength: float = 1.0
    damping: float = 0.1

    def __post_init__(self) -> None:
        not_negative(strength=self.strength)
        positive(damping=self.damping)

    def init(self, params: Tensors) -> Consolidated:
        """Return the state before the first task, anchored where training starts."""
        return _nothing(params)

    def observe(
        self, before: Tensors, params: Tensors, gradients: Tensors, state: Consolidated
    ) -> Consolidated:
        """Return the state with one optimizer step in it.

        Args:
            before: Copies of the parameters before the step.
            params: The parameters after it.
            gradients: Of the task's loss, at `before`.
            state: The state so far.
        """
        path = {
            name: state.path[name] - gradients[name].detach() * (p.detach() - before[name].detach())
            for name, p in params.items()
        }
        return state._replace(path=path)

    def loss(self, params: Tensors, state: Consolidated) -> Tensor:
        """Return the penalty, a scalar with a gradient."""
        return self.strength * _distance(params, state)

    def consolidate(
        self, params: Tensors, state: Consolidated, losses: Iterable[Tensor] = ()
    ) -> Consolidated:
        """Return the state with the finished task in it; `losses` are not needed."""
        importance: dict[str, Tensor] = {}
        for name, p in params.items():
            moved = (p.detach() - state.anchor[name]) ** 2
            importance[name] = state.importance[name] + state.path[name].clamp(min=0) / (
                moved + self.damping
            )
        path = {name: torch.zeros_like(p) for name, p in params.items()}
        return Consolidated(_copies(params), importance, path)


Penalty: TypeAlias = EWC | SynapticIntelligence

PENALTIES: dict[str, Callable[..., Penalty]] = {
    "ewc": EWC,
    "synaptic-intelligence": SynapticIntelligence,
}


def _distance(params: Tensors, state: Consolidated) -> Tensor:
    terms = (
        (state.importance[name] * (p - state.anchor[name]) ** 2).sum() for name, p in params.items()
    )
    return sum(terms, torch.zeros(()))


def _nothing(params: Tensors) -> Consolidated:
    zeros = [{name: torch.zeros_like(p) for name, p in params.items()} for _ in range(2)]
    return Consolidated(_copies(params), *zeros)


def _copies(params: Tensors) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in params.items()}
