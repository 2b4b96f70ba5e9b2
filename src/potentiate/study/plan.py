"""What a study will do, fixed and hashed before the first run that counts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from potentiate.errors import Refused

Objective = Literal["fastest", "smallest", "greenest", "balanced"]
Measure = Literal["time", "step", "memory", "quality"]
Finite = Annotated[float, Field(allow_inf_nan=False)]

EVERYTHING = "everything"
"""As the arm of a claim: the tested arm that holds every technique tested."""


@dataclass(frozen=True)
class Claim:
    """What somebody states of an arm: it is shown beside what was measured, and changes nothing of it.

    Attributes:
        arm: Technique specs joined by " + ", or `EVERYTHING`.
        measure: Of a whole run ("time"), a step of training, the peak of memory, or the metric.
        says: The claim in its own words.
        source: Who says so.
        low: Least that is claimed, as a factor saved (2 for half the time); for quality a difference
            in the metric's unit, above 0 is better.
        high: Most that is claimed.
    """

    arm: str
    measure: Measure
    says: str
    source: str = ""
    low: Finite | None = None
    high: Finite | None = None


@dataclass(frozen=True)
class Candidate:
    """One arm to try: technique specs, and what the study must know of them without importing torch.

    Attributes:
        techniques: Specs; several make one arm, such as an optimizer with its schedule.
        names: Technique names, for conflicts.
        evidence: The strictest proof owed: exact < numerics < semantics.
        stops: Whether it decides within the run when to end, so that short runs say nothing of its time.
        speeds: Parts of the time it can shorten (data, forward, backward, optimizer, evaluation); empty: any.
        refused: Why it cannot run here, or "".
    """

    techniques: tuple[str, ...]
    names: tuple[str, ...]
    evidence: str
    excludes: tuple[str, ...] = ()
    stops: bool = False
    speeds: tuple[str, ...] = ()
    refused: str = ""

    @property
    def arm(self) -> str:
        """The arm's name in tables and evidence."""
        return " + ".join(self.techniques)


@dataclass(frozen=True)
class Forecast:
    """Runs and seconds that one step of the study is expected to take."""

    phase: str
    runs: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """The declaration of a study; its hash is in the evidence, so that no margin moves afterwards.

    Attributes:
        objective: The cost that is to fall; see `objective`.
        margin: Largest loss of the metric that counts as equal, in the metric's unit.
        held_out_margin: The same where a claim is judged, on held-out data; None: the same. It is finer
            where there are too few validation examples to show so small a loss.
        looks: Full paired runs after which quality is looked at (alpha is spent over the looks).
        short_steps: Steps of a short run of the baseline; arms run as many samples.
        controls: Shares of the baseline's schedule that the short-schedule control is tried at.
        lengths: Shares of the schedule that the search shortens the built combination to.
        cut: What was left out to fit the budget, one sentence each.
        claims: Of others, to be shown beside what is measured.
    """

    workload: str
    mode: str = "full"
    profile: str = "standard"
    recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    metric: str = "accuracy"
    higher_is_better: bool = True
    margin: float = 0.005
    alpha: float = 0.05
    smallest: float = 0.02
    q: float = 0.10
    objective: Objective = "fastest"
    candidates: tuple[Candidate, ...] = ()
    options: tuple[Candidate, ...] = ()
    noise_blocks: int = 6
    timing_blocks: int = 6
    build_blocks: int = 3
    screen_blocks: int = 2
    option_blocks: int = 2
    rounds: int = 3
    looks: tuple[int, ...] = (6, 9, 13, 20)
    confirm_looks: tuple[int, ...] = (6, 9, 13, 20)
    short_steps: int = 60
    epochs: float = 1.0
    controls: tuple[float, ...] = (0.5, 1 / 3, 0.2)
    lengths: tuple[float, ...] = (0.1, 0.15, 0.2, 0.27, 0.35, 0.5, 0.7)
    top: int = 2
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    budget: float | None = None
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    forecast: tuple[Forecast, ...] = ()
    cut: tuple[str, ...] = ()
    version: str = ""
    claims: tuple[Claim, ...] = ()
    held_out_margin: float | None = None

    @property
    def claimed_margin(self) -> float:
        """The margin that a claim is judged by."""
        return self.margin if self.held_out_margin is None else self.held_out_margin

    @property
    def digest(self) -> str:
        """A hash of everything above."""
        return _digest(_values(self))


def workload_name(plan: Plan) -> str:
    """Return the workload as a title names it: a file without the folders before it."""
    file = ".py" in plan.workload
    return plan.workload.rpartition("/")[2] if file else plan.workload


def _values(plan: Plan) -> dict[str, Any]:
    """The plan as a line of evidence; without what is newer it is what it was before."""
    values = asdict(plan)
    if not plan.claims:
        del values["claims"]
    if plan.held_out_margin is None:
        del values["held_out_margin"]
    return values


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as one JSON object, with its hash."""
    return {"kind": "plan", "digest": plan.digest, **_values(plan)}


def plan_from_json(line: dict[str, Any]) -> Plan:
    """Return the plan of a line of evidence.

    Raises:
        Refused: The plan does not match its hash: it was edited after it was fixed.
    """
    values = {key: value for key, value in line.items() if key not in ("kind", "digest")}
    if line.get("digest") != _digest(values):
        raise Refused(
            "the plan in the evidence was edited after it was fixed; restore evidence.jsonl or start a new study"
        )
    try:
        return TypeAdapter(Plan).validate_python(values)
    except ValidationError as error:
        raise Refused(
            f"the plan in the evidence is not one ({error.errors()[0]['msg'].lower()}); start a new study"
        ) from None
