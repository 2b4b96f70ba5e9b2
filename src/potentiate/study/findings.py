"""What a study found, as values: computed from the evidence alone, read by the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from potentiate.study.plan import Plan
from potentiate.study.record import Record
from potentiate.study.statistics import Interval
from potentiate.study.verdict import Judgement


@dataclass(frozen=True)
class Noise:
    """What the machine does to identical runs: the baseline against itself, in balanced order.

    Attributes:
        ratios: Time of "baseline again" over baseline, one for each block.
        interval: Their interval; it should hold 1.
        log_sd: Standard deviation of the log ratios.
        order_effect: Extra time of the second slot, relative to the first: 0.01 is 1 %.
        drift: Relative change of time from the first of these runs to the last.
        smallest_effect: Ratio that the planned number of blocks can still tell from 1.
        quality_sd: Standard deviation of full baseline runs' quality over seeds; None before they ran.
        quality_runs: How many those were.
        warmed: Whether a discarded run opens each block, because the order mattered.
    """

    ratios: tuple[float, ...]
    interval: Interval
    log_sd: float
    order_effect: float
    drift: float
    smallest_effect: float
    quality_sd: float | None = None
    quality_runs: int = 0
    warmed: bool = False


@dataclass(frozen=True)
class ArmResult:
    """One row of a verdict table. Ratios are arm over baseline; below 1 is less.

    Attributes:
        arm: Technique specs joined by " + ", or "baseline", or "short-schedule:..." for a control.
        techniques: The specs.
        evidence: The strictest proof that its techniques owe.
        judgement: Verdict, intervals of time ratio and quality difference, and the sentence for people.
        seconds: Median total training time.
        quality: Mean quality (validation in the search, held-out in the confirmation).
        steps_ratio: Steps of its schedule over the baseline's; times `step_ratio` this is the time ratio
            but for start-up.
        step_ratio: Seconds per step over the baseline's, evaluations and start-up spread over the steps.
        target_ratio: Steps to the target over the baseline's. The target is the validation quality that
            the baseline ends with, less the margin; inf if the typical run never reaches it, None if
            nothing was trained in full.
        startup: Seconds before the first step.
        break_even_steps: Steps of the baseline's schedule after which its start-up is paid back; inf if never.
        memory_ratio: Peak memory over the baseline's.
        flops_ratio: FLOPs of the whole training over the baseline's; None when not counted.
        p_adjusted: p value of "faster", adjusted for the number of arms.
        ratios: Time ratio of each block.
        differences: Quality difference of each block, above 0 is better.
        versus_control: Cost over the short-schedule control's, where one applies.
        claim: The judgement by what the study is to save, in the confirmation; for the objective
            "fastest" the judgement itself.
    """

    arm: str
    techniques: tuple[str, ...]
    evidence: str
    judgement: Judgement
    runs: int = 0
    failures: int = 0
    seconds: float = 0.0
    quality: float | None = None
    steps_ratio: float = 1.0
    step_ratio: float = 1.0
    target_ratio: float | None = None
    startup: float = 0.0
    break_even_steps: float = 0.0
    memory_ratio: float | None = None
    flops_ratio: float | None = None
    p_adjusted: float | None = None
    ratios: tuple[float, ...] = ()
    differences: tuple[float, ...] = ()
    versus_control: Interval | None = None
    claim: Judgement | None = None

    @property
    def saved(self) -> Interval | None:
        """Cost over the baseline's, in what the study is to save; None if nothing was measured."""
        return (self.claim or self.judgement).time


@dataclass(frozen=True)
class Trial:
    """One decision of the search: what was tried on top of what, what of the cost it left, and whether it stayed."""

    stage: str
    tried: str
    on: str
    cost: Interval | None
    quality: float | None
    kept: bool
    reason: str


@dataclass(frozen=True)
class FrontPoint:
    """One configuration on or off the front of time, peak memory, FLOPs and quality."""

    arm: str
    seconds: float
    memory: float
    flops: float | None
    quality: float
    on_front: bool
    probability: float
    titles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """One later run of the emitted command against the predicted interval."""

    when: str
    machine: str
    version: str
    seconds: float
    quality: float
    predicted_seconds: tuple[float, float]
    predicted_quality: tuple[float, float]
    inside: bool


@dataclass
class Findings:
    """Everything the report shows; parts that the study has not reached yet are empty.

    Attributes:
        complete: Whether every planned step was reached.
        pending: The step that comes next, when not complete.
        headroom: Share of the baseline's total time by part: data, forward, backward, optimizer, evaluation, other.
        control: Arm name of the short-schedule control that counts.
        best: The confirmed configuration, or None.
        best_claim: One sentence for the head of the report; says so when nothing was confirmed.
        study_seconds: What the study cost.
        cut: What the budget cost on the way, beyond what the plan had cut.
        beside: The run that judged simple references; None where there is none.
        payback_runs: Future trainings after which the study has paid for itself; None when it never does.
    """

    plan: Plan
    machine: Mapping[str, Any]
    records: list[Record] = field(default_factory=list[Record])
    complete: bool = False
    pending: str = ""
    checks: list[tuple[str, bool, str]] = field(default_factory=list[tuple[str, bool, str]])
    noise: Noise | None = None
    headroom: dict[str, float] = field(default_factory=dict[str, float])
    singles: list[ArmResult] = field(default_factory=list[ArmResult])
    interactions: list[tuple[str, str, Interval]] = field(
        default_factory=list[tuple[str, str, Interval]]
    )
    trials: list[Trial] = field(default_factory=list[Trial])
    confirmation: list[ArmResult] = field(default_factory=list[ArmResult])
    control: str | None = None
    best: ArmResult | None = None
    best_claim: str = ""
    front: list[FrontPoint] = field(default_factory=list[FrontPoint])
    study_seconds: float = 0.0
    payback_runs: float | None = None
    replays: list[Replay] = field(default_factory=list[Replay])
    notes: list[str] = field(default_factory=list[str])
    cut: list[str] = field(default_factory=list[str])
    beside: Record | None = None
