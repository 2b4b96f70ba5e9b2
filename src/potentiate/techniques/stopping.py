"""When to look, and when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan
from typing import Annotated, ClassVar

from pydantic import Field

from potentiate.errors import NotApplicable, unknown
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.workload import Metrics, Run, Stop, Target


@dataclass(frozen=True)
class EarlyStopping(Technique):
    """End the run when validation no longer improves or has reached a value, or time is up.

    Source: Prechelt 1998, Early Stopping - But When?
    Helps: Runs whose declared length is a guess on the safe side.
    Hurts: Schedules that gain most in their last, low rates, which a stop cuts off. On small validation
        sets it fires on noise: set min_delta to about two standard errors of the metric. Stopping is
        no gain over simply declaring fewer epochs; a study compares it with that.
    Cost: Frequent evaluation, which is on the clock. The weights are those of the last evaluation.

    Attributes:
        patience: Evaluations in a row without improvement before the stop; none: no such stop.
        min_delta: Gain over the best so far that counts as improvement, in the metric's unit.
        target: Value of the metric that ends the run when it is reached; none: no such stop.
        seconds: Training time after which the next evaluation ends the run; none: no such stop.
        metric: What is watched, on validation data: the target's metric, or another that the workload declares,
            such as "loss" of supervised training, or "contrast" or "alignment" of series without labels.
        every: Epochs between two evaluations; none: as declared. It does not apply to a run that is evaluated
            no more often than `patience`, which nothing would stop.
    """

    patience: Annotated[int, Field(ge=1)] | None = 3
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    target: float | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    metric: str | None = None
    every: Annotated[float, Field(gt=0)] | None = None

    name: ClassVar[str] = "early-stopping"
    stage: ClassVar[Stage] = Stage.STOP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS

    def apply(self, run: Run) -> Run:
        """Return the run with this reason to stop beside those it has."""
        if self.patience is None and self.target is None and self.seconds is None:
            raise NotApplicable(
                "early-stopping has no reason to stop; state patience, target or seconds"
            )
        goal = self._goal(run)
        if self.every is not None:
            run = run.edit(evaluate_every=self.every)
        looks = ceil(run.epochs / run.evaluate_every - 1e-9)
        if (
            self.patience is not None
            and self.seconds is None
            and goal.value is None
            and looks <= self.patience
        ):
            often = 0.9 * run.epochs / (4 * self.patience)
            raise NotApplicable(
                f"early-stopping: with {looks} evaluation{'s' * (looks != 1)} in {run.epochs:.3g} epochs a "
                f"patience of {self.patience} never stops the run; evaluate more often, such as every={often:.1g}"
            )
        return run.edit(stop=StopWhen(goal, self.patience, self.min_delta, run.stop, self.seconds))

    def _goal(self, run: Run) -> Target:
        known = {**run.criteria, run.target.metric: run.target.higher_is_better}
        metric = run.target.metric if self.metric is None else self.metric
        if metric not in known:
            raise NotApplicable(
                f"early-stopping: {unknown('metric', metric, known, ' of this run')}"
            )
        return Target(metric, self.target, known[metric])


@dataclass(frozen=True)
class StopWhen:
    """Reads the whole history each time, so that a resumed run decides as one that was not stopped."""

    goal: Target
    patience: int | None
    min_delta: float
    before: Stop
    seconds: float | None = None

    def __call__(self, history: Sequence[Metrics]) -> str | None:
        """Return why to end the run, or None."""
        reason = self.before(history)
        if reason is not None or not history:
            return reason
        metric = self.goal.metric
        if self.goal.reached(history[-1]):
            return f"validation {metric} reached {history[-1][metric]:.4g}"
        if self.patience is not None and self._waited(history) >= self.patience:
            return f"validation {metric} did not improve in {self.patience} evaluations"
        if self.seconds is not None and history[-1]["seconds"] >= self.seconds:
            return f"{self.seconds:g} seconds of training have passed"
        return None

    def _waited(self, history: Sequence[Metrics]) -> int:
        best = 0
        for place, metrics in enumerate(history):
            unknown = isnan(history[best][self.goal.metric])
            if unknown or self.goal.gain(metrics, history[best]) > self.min_delta:
                best = place
        return len(history) - 1 - best


@dataclass(frozen=True)
class RarerEvaluation(Technique):
    """Judge the network on validation data less often; learning is untouched.

    Source: Arithmetic: an evaluation costs a forward pass over the validation set.
    Helps: Large validation sets and short epochs.
    Hurts: Early stopping, which notices later; curves get coarser.
    Cost: Nothing. The last step is always followed by an evaluation.

    Attributes:
        every: Epochs between two evaluations.
    """

    every: Annotated[float, Field(gt=0)] = 5.0

    name: ClassVar[str] = "rarer-evaluation"
    stage: ClassVar[Stage] = Stage.STOP
    evidence: ClassVar[Evidence] = Evidence.EXACT
    speeds: ClassVar[tuple[str, ...]] = ("evaluation",)

    def apply(self, run: Run) -> Run:
        """Return the run with evaluations `every` so many epochs."""
        if self.every <= run.evaluate_every:
            raise NotApplicable(
                f"rarer-evaluation: the run evaluates every {run.evaluate_every:g} epochs, "
                f"which is not more often than every={self.every:g}"
            )
        return run.edit(evaluate_every=self.every)
