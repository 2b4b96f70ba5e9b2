"""The learning rate over a run, and how long the run is.

A learning-rate schedule replaces the one that the recipe declares. Each takes `lr`, a rate that is
then meant as it stands (no batch-size rule rescales it), and `epochs`, so that one line states a
schedule together with the length it was made for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from potentiate import schedules
from potentiate.errors import NotApplicable
from potentiate.schedules import Schedule
from potentiate.techniques.base import Evidence, Stage, Technique
from potentiate.techniques.gradient import gradient_step, with_rate
from potentiate.workload import Run

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

ONE_OF = frozenset({"one-cycle", "cosine", "step-decay", "lr-table"})
"""A run has one learning-rate schedule."""


def _scheduled(
    run: Run, name: str, schedule: Schedule, lr: float | None, epochs: float | None
) -> Run:
    gradient_step(run, name)
    run = with_rate(run, lr, name).edit_step(schedule=schedule)
    return run if epochs is None else run.edit(epochs=epochs)


@dataclass(frozen=True)
class OneCycle(Technique):
    """Raise the learning rate to a peak and let it fall to almost nothing, once per run.

    Source: Smith & Topin 2018, Super-Convergence; the two-phase cosine form in common use.
    Helps: Short runs: the high middle moves far, the long fall settles.
    Hurts: Peaks that are too high diverge. A run that is stopped early misses the fall, where most of
        the gain is. Momentum stays as it is; some versions cycle it too.
    Cost: Nothing per step; a peak to choose (by default the declared rate).

    Attributes:
        lr: Rate at the peak; none: the declared one.
        epochs: Length of the run; none: the declared one.
        rise: Share of the run that climbs.
        start_div: The peak divided by the first rate.
        final_div: The first rate divided by the last.
    """

    lr: Positive | None = None
    epochs: Positive | None = None
    rise: Share = 0.25
    start_div: Annotated[float, Field(ge=1)] = 25.0
    final_div: Annotated[float, Field(ge=1)] = 1e4

    name: ClassVar[str] = "one-cycle"
    stage: ClassVar[Stage] = Stage.SCHEDULE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    excludes: ClassVar[frozenset[str]] = ONE_OF - {"one-cycle"}

    def apply(self, run: Run) -> Run:
        """Return the run with this schedule in place of the declared one."""
        schedule = schedules.OneCycle(1.0, self.rise, self.start_div, self.final_div)
        return _scheduled(run, self.name, schedule, self.lr, self.epochs)


@dataclass(frozen=True)
class Cosine(Technique):
    """Let the learning rate fall as half a cosine, after an optional linear warm-up.

    Source: Loshchilov & Hutter 2017, SGDR, without restarts.
    Helps: Almost everywhere in place of steps or a constant rate; knows only the length of the run.
    Hurts: Runs of open length, and runs that are stopped early: the low rates at the end are missed.
    Cost: Nothing per step.

    Attributes:
        lr: Highest rate; none: the declared one.
        epochs: Length of the run; none: the declared one.
        warmup: Share of the run that climbs linearly.
        final: Last rate as a share of the highest.
    """

    lr: Positive | None = None
    epochs: Positive | None = None
    warmup: Share = 0.0
    final: Annotated[float, Field(ge=0, le=1)] = 0.0

    name: ClassVar[str] = "cosine"
    stage: ClassVar[Stage] = Stage.SCHEDULE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    excludes: ClassVar[frozenset[str]] = ONE_OF - {"cosine"}

    def apply(self, run: Run) -> Run:
        """Return the run with this schedule in place of the declared one."""
        schedule = schedules.Cosine(self.warmup, self.final)
        return _scheduled(run, self.name, schedule, self.lr, self.epochs)


@dataclass(frozen=True)
class StepDecay(Technique):
    """Multiply the learning rate by a factor at even intervals.

    Source: The staircase of He et al. 2016 and of many examples since.
    Helps: Recipes that people know by heart; a good default where nothing is tuned.
    Hurts: Little, but a smooth fall is usually as good or better in the same time.
    Cost: Nothing per step; a factor and an interval to choose.

    Attributes:
        lr: First rate; none: the declared one.
        epochs: Length of the run; none: the declared one.
        gamma: The factor.
        every: Epochs between two multiplications; they are spread evenly over the run.
    """

    lr: Positive | None = None
    epochs: Positive | None = None
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    every: Positive = 1.0

    name: ClassVar[str] = "step-decay"
    stage: ClassVar[Stage] = Stage.SCHEDULE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    excludes: ClassVar[frozenset[str]] = ONE_OF - {"step-decay"}

    def apply(self, run: Run) -> Run:
        """Return the run with this schedule in place of the declared one."""
        length = run.epochs if self.epochs is None else self.epochs
        schedule = schedules.StepDecay(self.gamma, max(1, round(length / self.every)))
        return _scheduled(run, self.name, schedule, self.lr, self.epochs)


@dataclass(frozen=True)
class RateTable(Technique):
    """Take the learning rate of each epoch from a table.

    Source: Piecewise constant rates, the oldest schedule; what a search over schedules returns.
    Helps: Schedules found elsewhere that no formula describes.
    Hurts: Tables are tied to one optimizer, batch size and length; nothing rescales their rates.
    Cost: Nothing per step.

    Attributes:
        values: Learning rates, one per epoch, as they stand: "0.1|0.05|0.01".
        epochs: Length of the run that the table is spread over; none: as many epochs as it has values.
    """

    values: tuple[Positive, ...] = ()
    epochs: Positive | None = None

    name: ClassVar[str] = "lr-table"
    stage: ClassVar[Stage] = Stage.SCHEDULE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})
    excludes: ClassVar[frozenset[str]] = ONE_OF - {"lr-table"}

    def apply(self, run: Run) -> Run:
        """Return the run with the table in place of the declared schedule."""
        if not self.values:
            raise NotApplicable("lr-table has no rates; state them as values=0.1|0.05|0.01")
        length = float(len(self.values)) if self.epochs is None else self.epochs
        return _scheduled(run, self.name, schedules.Table(self.values), 1.0, length)


@dataclass(frozen=True)
class ShortSchedule(Technique):
    """Train for fewer epochs, with the whole learning-rate schedule compressed into them.

    Source: The control of Kaddour et al. 2023, No Train No Gain: many speed-ups are only this.
    Helps: Recipes that train longer than their data needs; the yardstick for everything else here.
    Hurts: Quality, sooner or later; nothing becomes faster per step.
    Cost: Nothing.

    Attributes:
        factor: New length divided by the declared one.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5

    name: ClassVar[str] = "short-schedule"
    # After every schedule that states a length of its own, whatever its name.
    stage: ClassVar[Stage] = Stage.COMPILE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS

    def apply(self, run: Run) -> Run:
        """Return the run with fewer epochs; schedules are functions of progress and follow."""
        return run.edit(epochs=run.epochs * self.factor)
