"""What the network is told to learn, and which weights are judged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import nn

from potentiate.errors import NotApplicable
from potentiate.steps import Loss
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.techniques.gradient import gradient_step
from potentiate.workload import Run


@dataclass(frozen=True)
class LabelSmoothing(Technique):
    """Train toward labels that leave a small share of probability to the other classes.

    Source: Szegedy et al. 2016, Rethinking the Inception Architecture; Mueller et al. 2019 on why.
    Helps: Over-confident classifiers, so that shorter runs reach the same accuracy.
    Hurts: The loss, which is no longer comparable with that of hard labels, and distillation from the
        network. Regression and losses other than cross entropy have nothing to smooth.
    Cost: Nothing measurable. Validation and test keep the loss of the workload.

    Attributes:
        smoothing: Share of probability that is spread evenly over all classes.
    """

    smoothing: Annotated[float, Field(gt=0, lt=1)] = 0.1

    name: ClassVar[str] = "label-smoothing"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def apply(self, run: Run) -> Run:
        """Return the run with a smoothed training loss."""
        return run.edit_step(loss=smoothed(gradient_step(run, self.name).loss, self.smoothing))


def smoothed(loss: Loss, smoothing: float) -> Loss:
    """Return cross entropy `loss` with smoothed labels, its other settings kept.

    Raises:
        NotApplicable: It is another loss, or smoothed already.
    """
    given: Any = loss
    if isinstance(loss, nn.CrossEntropyLoss):
        settings: dict[str, Any] = {
            "weight": loss.weight,
            "ignore_index": loss.ignore_index,
            "reduction": loss.reduction,
        }
        before = loss.label_smoothing
        made: Loss = nn.CrossEntropyLoss(**settings, label_smoothing=smoothing)
    elif F.cross_entropy in (given, getattr(given, "func", None)):
        before = getattr(given, "keywords", {}).get("label_smoothing", 0.0)
        made = partial(given, label_smoothing=smoothing)
    else:
        label = getattr(given, "__name__", type(given).__name__)
        raise NotApplicable(f"label-smoothing works on cross entropy and the loss is {label}")
    if before > 0:
        raise NotApplicable(f"label-smoothing: the loss is smoothed already, by {before:g}")
    return made


@dataclass(frozen=True)
class AveragedWeights(Technique):
    """Judge an exponential moving average of the weights in place of the last ones.

    Source: Polyak & Juditsky 1992; Tarvainen & Valpola 2017 for the exponential form.
    Helps: Noisy training with large steps: the average is where a decay of the rate would end, so
        runs can be shorter.
    Hurts: Schedules that decay to nothing, after which average and weights are the same.
    Cost: A copy of the weights and one pass over them per step. Statistics of batch normalization are
        those of the current weights.

    Attributes:
        decay: Share of the average that stays at each step; early on less, min(decay, n / (n + 10)).
    """

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.99

    name: ClassVar[str] = "ema-weights"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def apply(self, run: Run) -> Run:
        """Return the run with averaged weights."""
        if gradient_step(run, self.name).average is not None:
            raise NotApplicable("ema-weights: the step averages its weights already")
        return run.edit_step(average=self.decay)
