"""What a contrast of two views weighs: how sharply, and whether by angles too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from potentiate.errors import NotApplicable, unknown
from potentiate.techniques.base import Evidence, Stage, Technique, refuse
from potentiate.temperature import TEMPERATURES, Temperature, temperature
from potentiate.workload import Run

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class TemperatureSchedule(Technique):
    """Let the temperature of a contrast follow another schedule over the epochs.

    Source: Kukleva et al. 2023, Temperature Schedules for Self-Supervised Contrastive Methods on
        Long-Tail Data; the names are those of the table of temperature schedules.
    Helps: Runs whose temperature falls too late for their length, or too soon.
    Hurts: Classes that a low temperature tears apart, or a high one never separates. Epochs are counted
        as they are: a shorter training sees less of a schedule, and of most the last value only after
        the span.
    Cost: Nothing; no step becomes faster, so it can gain only by a shorter training.

    Attributes:
        schedule: One of the table; a cosine has the period that the run declares, all others their own
            defaults.
        low: Lowest temperature; none: the declared one.
        high: Highest; none: the declared one.
        span: Epochs that the schedule takes; none: the declared ones.
    """

    schedule: str = "linear-decay"
    low: Positive | None = None
    high: Positive | None = None
    span: Positive | None = None

    name: ClassVar[str] = "temperature"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"temperature"})

    def __post_init__(self) -> None:
        """Refuse a name that is in no table, with the nearest that is."""
        if self.schedule.replace("_", "-") not in TEMPERATURES:
            raise unknown("temperature schedule", self.schedule, TEMPERATURES)

    def apply(self, run: Run) -> Run:
        """Return the run with this schedule in place of the declared one."""
        step: Any = run.step
        now: Temperature | None = getattr(step, "temperature", None)
        if now is None:
            raise NotApplicable(
                f"temperature edits that of a step and this run has a {type(step).__name__}"
            )
        stated = {"low": self.low, "high": self.high, "span": self.span}
        range_ = {key: getattr(now, key) if v is None else v for key, v in stated.items()}
        same = type(now) is TEMPERATURES[self.schedule.replace("_", "-")]
        new = replace(now, **range_) if same else temperature(self.schedule, **range_)
        refuse(self.name, (new == now, "this run has that schedule already"))
        return run.edit_step(temperature=new)


@dataclass(frozen=True)
class NoAngles(Technique):
    """Leave the angular margin out of a contrast, between series, between instants, or both.

    Source: The ablation of Jalali et al. 2025, arXiv:2510.01658; without angles the loss is that of
        Yue et al. 2022, arXiv:2106.10466.
    Helps: Time: angles take an arc cosine of every similarity, forward and backward.
    Hurts: What the margin was for: representations of one class may drift further apart.
    Cost: Nothing.

    Attributes:
        between: "series", "instants" or "both": which angles are left out.
    """

    between: Literal["both", "series", "instants"] = "both"

    name: ClassVar[str] = "no-angles"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"angles"})
    speeds: ClassVar[tuple[str, ...]] = ("forward", "backward")

    def apply(self, run: Run) -> Run:
        """Return the run with a loss in which those angles weigh nothing."""
        weights = {"both": ("instance", "temporal"), "series": ("instance",)}
        fields = weights.get(self.between, ("temporal",))
        loss: Any = getattr(run.step, "loss", None)
        if not all(hasattr(loss, key) for key in fields):
            raise NotApplicable(
                f"no-angles edits a contrast with angles and the loss is a {type(loss).__name__}"
            )
        refuse(
            self.name,
            (not any(getattr(loss, key) for key in fields), "this run weighs no such angles"),
        )
        return run.edit_step(loss=replace(loss, **dict.fromkeys(fields, 0.0)))
