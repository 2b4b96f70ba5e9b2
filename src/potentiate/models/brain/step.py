"""One step of a brain's training: some presentations, and what a trainer does when nothing moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from potentiate.errors import NonFinite, Refused
from potentiate.models.brain.brain import Brain
from potentiate.models.brain.recipe import Plasticity

LOUDER, STRONGER, LOUDEST = 1.5, 1.2, 100.0


@dataclass(frozen=True)
class PlasticStep:
    """Learn by local rules from the presentations of one batch.

    Attributes:
        plasticity: How the brain learns; techniques edit it.
        samples: Presentations of an epoch, for the curriculum.
    """

    plasticity: Plasticity
    samples: int

    def start(self, model: nn.Module, total_steps: int, position: int = 0) -> LivePlasticStep:
        """Return the step at work on `model`, a `Brain`."""
        if not isinstance(model, Brain):
            raise Refused(f"plasticity works on a Brain, not on a {type(model).__name__}")
        for mechanism, buffer in (("consolidation", model.slow), ("protection", model.importance)):
            if getattr(self.plasticity, mechanism) and not buffer.numel():
                raise Refused(
                    f"this brain was built without {mechanism}; build it with that setting"
                )
        model.plasticity = self.plasticity
        return LivePlasticStep(self, model)


class LivePlasticStep:
    """A plastic step at work; the brain itself holds what was learned.

    The loss is the share of presentations whose label the outputs' weights, as they were before the
    batch, do not name: an error on patterns not yet learned from, in which the teacher has no say.
    """

    def __init__(self, spec: PlasticStep, brain: Brain) -> None:
        self.spec, self.brain = spec, brain
        self.errors, self.spikes, self.judged = 0.0, 0.0, 0
        self.fewest, self.since = 1.0, 0

    def __call__(self, batch: Any) -> Tensor:
        """Learn from (patterns, labels) and return the loss.

        Raises:
            NonFinite: A pattern holds a number that is not finite; nothing has changed.
        """
        patterns, labels = batch
        if patterns.is_floating_point() and not bool(torch.isfinite(patterns).all()):
            raise NonFinite(
                f"presentation {int(self.brain.age) + 1} or a later one of its batch holds numbers that are "
                "not finite; clean the patterns before training"
            )
        readout = self.brain.readout.clone()
        response = self.brain.learn(patterns, labels, teacher=self._teacher())
        named = (response.spikes.float() @ readout).argmax(1)
        wrong = (named != labels).float()
        self._remedy(float(wrong.sum()), float(response.spikes.sum()), len(labels))
        return wrong.mean()

    def _teacher(self) -> float:
        rule = self.spec.plasticity
        epoch = int(self.brain.age) / self.spec.samples
        return 1.0 - rule.curriculum * min(epoch / rule.curriculum_epochs, 1.0)

    def _remedy(self, errors: float, spikes: float, presented: int) -> None:
        """Give a silent brain more drive, and one that stalls more teacher."""
        rule = self.spec.plasticity
        self.errors, self.spikes, self.judged = (
            self.errors + errors,
            self.spikes + spikes,
            self.judged + presented,
        )
        self.since += presented
        if self.judged < rule.history:
            return
        if self.spikes / self.judged < rule.silent:
            self.brain.gain.mul_(LOUDER).clamp_(max=LOUDEST)
        if self.errors / self.judged < self.fewest:
            self.fewest, self.since = self.errors / self.judged, 0
        elif self.fewest and rule.patience and self.since >= rule.patience:
            self.brain.urge.mul_(STRONGER).clamp_(max=LOUDEST)
            self.since = 0
        self.errors, self.spikes, self.judged = 0.0, 0.0, 0

    def evaluated(self) -> nn.Module:
        """Return the brain."""
        return self.brain

    def state_dict(self) -> dict[str, Any]:
        """Return what the remedies remember; all else is in the brain."""
        names = ("errors", "spikes", "judged", "fewest", "since")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value)
