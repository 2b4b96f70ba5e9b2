"""A step of TimeHUT's training: two views of a batch of series, contrasted at the temperature of the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from potentiate.errors import NotApplicable
from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.loss import Hierarchy
from potentiate.models.timehut.views import pair
from potentiate.steps import GradientStep, LiveGradientStep
from potentiate.temperature import Temperature
from potentiate.temperature.seed import NoScheduling

STREAM = 5
"""Of the draws of crops and masks, so that no other draw of the same seed is alike."""


@dataclass(frozen=True)
class ContrastiveStep(GradientStep):
    """A gradient step without labels; `loss` is a `Hierarchy`.

    Attributes:
        temperature: Of the contrast, by the epoch.
        epoch: Steps that count as one.
        seed: Of crops and masks, which are a function of it and of the step's number.
    """

    temperature: Temperature = field(default_factory=NoScheduling)
    epoch: int = 1
    seed: int = 0

    varied: ClassVar[bool] = True  # each has crops of its own lengths

    def __post_init__(self) -> None:
        """Refuse parts of a batch.

        Raises:
            NotApplicable: `accumulate` asks for some.
        """
        if self.accumulate != 1:
            raise NotApplicable(
                "a contrast of series in parts is another loss than that of all of them; leave "
                "gradient-accumulation out, or take a smaller batch"
            )

    def start(self, model: nn.Module, total_steps: int, position: int = 0) -> LiveContrastiveStep:
        """As `GradientStep.start`, for an `Encoder`."""
        return LiveContrastiveStep(self, model, total_steps, position)


class LiveContrastiveStep(LiveGradientStep):
    """A contrastive step at work."""

    spec: ContrastiveStep

    def __init__(
        self, spec: ContrastiveStep, model: nn.Module, total_steps: int, position: int
    ) -> None:
        super().__init__(spec, model, total_steps, position)
        self.changes = list[float]()  # how much the loss fell in each epoch, as a share
        self._sum, self._before = 0.0, 0.0  # of this epoch's losses, the mean of the last one's

    def __call__(self, batch: Any) -> Tensor:
        """As `GradientStep`, and keep the course of the loss for schedules that follow it."""
        loss = super().__call__(batch)
        self._sum += float(loss)
        if self.done % self.spec.epoch == 0:
            mean, self._sum = self._sum / self.spec.epoch, 0.0
            if self._before:
                self.changes.append((self._before - mean) / abs(self._before))
            self._before = mean
        return loss

    @property
    def temperature(self) -> float:
        """That of the next step."""
        return self.spec.temperature(self.done // self.spec.epoch, self.changes)

    def _forward_backward(self, inputs: Any, target: Any, share: float) -> Tensor:
        seed = (STREAM << 48) ^ (self.spec.seed * 1_000_003 + self.done)
        random = torch.Generator().manual_seed(seed % (1 << 63))
        views = pair(inputs, random)
        self.mark("forward")
        with self._autocast():
            seen = cast("Encoder", self.model).overlap(views)
            loss = cast("Hierarchy", self.spec.loss)(seen, self.temperature)
        self.mark("backward")
        scaled: Any = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return what `GradientStep` does, and the course of the loss."""
        course = {"changes": list(self.changes), "sum": self._sum, "before": self._before}
        return {**super().state_dict(), "course": course}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        super().load_state_dict(state)
        course = state["course"]
        self.changes, self._sum = list(course["changes"]), course["sum"]
        self._before = course["before"]
