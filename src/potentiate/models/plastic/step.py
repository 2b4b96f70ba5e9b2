"""The gradient step of a network that rewires itself: weights by gradient, edges by a structural rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from potentiate.errors import NonFinite, Refused
from potentiate.models.plastic.layer import SparseLayer, sparse_layers
from potentiate.models.plastic.layers import SparseRecurrent
from potentiate.models.plastic.notes import Notes
from potentiate.plasticity.structural import (
    Explored,
    Scores,
    Static,
    StructuralRule,
    follow_optimizer,
)
from potentiate.steps import GradientStep, LiveGradientStep


@dataclass(frozen=True)
class Rewiring:
    """When and how edges go and come, and what keeps activity in range.

    Attributes:
        rule: By which edges go and come.
        interval: Steps between two updates.
        stretch: The interval grows by this factor at each update, for a topology that settles.
        until: Share of the training after which edges stay; above 1 they never do.
        homeostasis: How strongly a neuron's incoming weights follow what its firing rate lacks; 0: not.
        target_rate: The mean activity that homeostasis drives every neuron towards.
        homeostasis_every: Steps between two scalings.
        in_place: Whether scaling writes into the weights; False makes new ones, as the original did.
    """

    rule: StructuralRule = field(default_factory=Static)
    interval: int = 100
    stretch: float = 1.0
    until: float = 0.75
    homeostasis: float = 0.0
    target_rate: float = 0.5
    homeostasis_every: int = 20
    in_place: bool = True

    def __post_init__(self) -> None:
        rules = {
            "interval": self.interval >= 1,
            "stretch": 1 <= self.stretch < inf,
            "until": self.until >= 0,
            "homeostasis": 0 <= self.homeostasis < inf,
            "target_rate": 0 < self.target_rate < inf,
            "homeostasis_every": self.homeostasis_every >= 1,
        }
        for name, holds in rules.items():
            if not holds:
                raise Refused(
                    f"Rewiring: {name}={getattr(self, name)} is out of range; see its description"
                )


RATE_DECAY = 0.99
"""Of a neuron's firing rate, its mean activity over samples, at each step."""
STREAM = 0x57
"""Sets what rules draw apart from what else is drawn by the same seed."""
GAIN = 0.5, 1.5
"""The most that one homeostatic scaling changes weights by."""


@dataclass(frozen=True)
class StructuralStep(GradientStep):
    """A gradient step on a model with sparse layers, and a change of their edges now and then.

    Attributes:
        rewiring: When and how.
        seed: Of all that rules draw.
    """

    rewiring: Rewiring = field(default_factory=Rewiring)
    seed: int = 0

    def start(self, model: nn.Module, total_steps: int, position: int = 0) -> LiveStructuralStep:
        """Build optimizer, states of the rule, and all else that learning `model` takes.

        Raises:
            Refused: The model has no sparse layer.
        """
        return LiveStructuralStep(self, model, total_steps, position)


class LiveStructuralStep(LiveGradientStep):
    """A structural step at work.

    Attributes:
        notes: What updates have changed, since somebody took it out.
        updates: Changes of the topology so far.
    """

    spec: StructuralStep

    def __init__(
        self, spec: StructuralStep, model: nn.Module, total_steps: int, position: int
    ) -> None:
        super().__init__(spec, model, total_steps, position)
        found = sparse_layers(model)
        self.layers = {k: part for k, part in found.items() if part.weight.requires_grad}
        if not self.layers:
            raise Refused("the model has no sparse layer that learns, so nothing can be rewired")
        plan = spec.rewiring
        self.updates, self.interval, self.due = 0, float(plan.interval), plan.interval
        self.states: dict[str, Any] = {}
        self.explored: dict[str, Explored] = {}
        self.firing: dict[str, Tensor] = {}  # rates of recurrent neurons
        for name, layer in self.layers.items():
            topology = layer.topology
            self.states[name] = plan.rule.init(
                topology, _weights(layer), self._random(name, started=False)
            )
            self.explored[name] = Explored(topology.possible)
            self.explored[name].see(topology.codes)
            if isinstance(layer, SparseRecurrent):
                self.firing[name] = torch.zeros(layer.shape[0])
        self.observes = type(plan.rule).observe is not StructuralRule.observe
        self.notes = Notes()

    def __call__(self, batch: Any) -> Tensor:
        """Learn from one batch, then rewire if it is time; return the loss, detached.

        Raises:
            NonFinite: As `LiveGradientStep`; edges are unchanged too.
        """
        begun = perf_counter()
        plan, step = self.spec.rewiring, self.done + 1
        rewires = step >= self.due and self.done < plan.until * self.total_steps
        looks = self.observes
        for layer in self.layers.values():
            layer.watched = rewires or looks or bool(plan.homeostasis)
        try:
            loss = super().__call__(batch)
        except NonFinite:
            self._forget()
            raise
        with torch.no_grad():
            for name, layer in self.layers.items():
                layer.obey()
                if self.averaged is not None:
                    cast("SparseLayer", self.averaged.get_submodule(name)).obey()
            if plan.homeostasis:
                self._scale(step)
            if looks:
                self._observe()
            self.notes.batch(perf_counter() - begun)
            if rewires:
                self.rewire()
                self.interval *= plan.stretch
                self.due = self.done + max(1, round(self.interval))
        self._forget()
        return loss

    def _forget(self) -> None:
        for layer in self.layers.values():
            layer.forget()

    def rewire(self) -> None:
        """Change the edges of every sparse layer once, by what the rule knows now.

        A step does this when it is due. Called between steps, as when no data come, it works with what
        was gathered so far and sees no gradient.
        """
        for name, layer in self.layers.items():
            self._rewire(name, layer)
        self.updates += 1

    def _rewire(self, name: str, layer: SparseLayer) -> None:
        begun, before = perf_counter(), layer.topology
        plan = self.spec.rewiring
        scores = layer.scores() if layer.seen else Scores.silent(layer.shape, layer.dale)
        change = plan.rule.update(
            before,
            _weights(layer),
            scores,
            self.states[name],
            self._random(name),
            progress=min(1.0, self.done / self.total_steps),
            edges=layer.wanted,
        )
        layer.rewire(change)
        layer.obey()
        self.states[name] = change.state
        self.explored[name].see(change.topology.codes_of(np.flatnonzero(change.moved < 0)))
        follow_optimizer(self.optimizer, layer.weight, change.moved)
        if self.averaged is not None:
            averaged = self.averaged.get_submodule(name)
            assert isinstance(averaged, SparseLayer)
            averaged.average(change)
        seconds = perf_counter() - begun
        rate = float(self.firing[name].mean()) if name in self.firing else None
        self.notes.update(
            name,
            before.edges,
            change,
            rule=plan.rule,
            explored=self.explored[name].fraction,
            interval=round(self.interval),
            rate=rate,
            seconds=seconds,
        )

    def _observe(self) -> None:
        for name, layer in self.layers.items():
            if not layer.seen:
                continue  # a pass that left the layer out, or that was no training
            self.states[name] = self.spec.rewiring.rule.observe(
                layer.topology, _weights(layer), layer.activity(), self.states[name]
            )

    def _scale(self, step: int) -> None:
        """Homeostasis: weights into neurons that are too quiet grow, those into loud ones shrink.

        Source: Turrigiano 2008, synaptic scaling; the numbers are those of the original.
        """
        plan = self.spec.rewiring
        for name, rate in self.firing.items():
            layer = self.layers[name]
            if not layer.seen:
                continue
            rate.lerp_(layer.loudness().cpu(), 1.0 - RATE_DECAY)
            if step % plan.homeostasis_every == 0:
                factors = (1.0 - plan.homeostasis * (rate - plan.target_rate)).clamp(*GAIN)
                if not plan.in_place:
                    layer.weight.data = layer.weight.data.clone()
                layer.scale(factors)

    def _random(self, name: str, *, started: bool = True) -> np.random.Generator:
        """A stream of its own for each layer and update, so that there is no state to keep."""
        place = STREAM, list(self.layers).index(name), self.updates + started
        return np.random.default_rng([*place, self.spec.seed % (1 << 63)])

    def state_dict(self) -> dict[str, Any]:
        """As `LiveGradientStep`, with what the rule knows."""
        structure = {
            name: {
                "rule": {k: torch.from_numpy(np.array(v)) for k, v in state._asdict().items()},
                "explored": torch.from_numpy(self.explored[name].least.copy()),
                "rate": self.firing[name].clone() if name in self.firing else None,
                "engines": dict(self.layers[name].engines),
            }
            for name, state in self.states.items()
        }
        counts = {"updates": self.updates, "interval": self.interval, "due": self.due}
        return {**super().state_dict(), **counts, "structure": structure}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`; the model has its edges back already."""
        super().load_state_dict(state)
        self.updates, self.interval, self.due = (state[k] for k in ("updates", "interval", "due"))
        for name, kept in state["structure"].items():
            self.states[name] = self.states[name]._replace(
                **{k: v.numpy().copy() for k, v in kept["rule"].items()}
            )
            self.explored[name].least = kept["explored"].numpy().copy()
            self.layers[name].engines = dict(kept["engines"])
            if name in self.firing:
                self.firing[name] = kept["rate"].clone()


def _weights(layer: SparseLayer) -> Any:
    """The weights of a layer, on the CPU in memory that they share with it."""
    return layer.weight.detach().cpu().numpy()
