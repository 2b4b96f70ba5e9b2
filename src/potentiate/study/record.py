"""What a study asks of a process and what it gets back: one JSON line for each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from potentiate.errors import Refused

FORMAT = 1

GRADIENT = "the gradient agrees with finite differences"
"""The one check whose failure a study only tells of: surrogate and straight-through gradients disagree by design."""

Mode = Literal["run", "probe", "sanity", "beside"]
Status = Literal["ok", "inapplicable", "failed"]


@dataclass(frozen=True)
class Request:
    """One run that a study wants: what to train, where it stands in the design, how far to go.

    Attributes:
        phase: The step of the study: pilot, sanity, noise, probe, timing, quality, screen, build, length, confirm.
        arm: What is compared: "baseline", "baseline again", or technique specs joined by " + ".
        block: Runs of one block share a seed and are compared with each other.
        slot: Place within the block, from 0.
        mode: "run" trains, "probe" also counts FLOPs and traces, "sanity" checks the workload itself,
            "beside" judges its simple references.
        max_steps: Steps of a short run; None trains to the declared end.
    """

    phase: str
    arm: str
    techniques: tuple[str, ...] = ()
    block: int = 0
    slot: int = 0
    seed: int = 0
    mode: Mode = "run"
    max_steps: int | None = None
    workload: str = ""
    recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    device: str = "cpu"
    threads: int | None = None
    test: bool = False

    @property
    def key(self) -> str:
        """What identifies the run in the evidence: a key that is there is not run again."""
        return f"{self.phase}/{self.block}/{self.arm}"


@dataclass(frozen=True)
class Record:
    """What one run was and did. Times in seconds, memory in bytes, FLOPs per training step.

    Attributes:
        status: "failed" counts in every comparison (as infinite time), "inapplicable" says why in `reason`.
        settled: Techniques as they were decided, for example the batch size that was found.
        steps: Steps done; `declared_steps` is the whole schedule of this arm.
        seconds: Parts of the run: setup, warmup, training, evaluation, test, other.
        step_seconds: Steady time of a step (mean of the middle 80 %).
        evaluation_seconds: Time of one evaluation.
        validation: Metrics of the last evaluation; `history` holds all of them.
        test: Held-out metrics, read once, in runs that may read them.
        phases: Seconds per step by part: data, forward, backward, optimizer (probes only).
        trace: Losses of 50 steps without dropout, and `weights`, a digest of the result (probes only).
        checks: Name, whether it passed, and detail, of the sanity step.
        references: Metrics of simple references on held-out data, by their names ("beside" only).
        graphs: What torch.compile compiled, recompilations included.
        throttled: Seconds in which a quota on the machine's cores held the run back.
        wall: Seconds from the start of the process to its answer, `overhead` of them before the request was read.
    """

    request: Request
    status: Status = "ok"
    reason: str = ""
    settled: tuple[str, ...] = ()
    size: int = 0
    steps: int = 0
    declared_steps: int = 0
    steps_per_epoch: int = 0
    declared_evaluations: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    step_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    validation: dict[str, float] = field(default_factory=dict[str, float])
    history: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    test: dict[str, float] | None = None
    peak_memory: int = 0
    device_memory: dict[str, int] | None = None
    flops: dict[str, float] | None = None
    phases: dict[str, float] = field(default_factory=dict[str, float])
    trace: list[float] = field(default_factory=list[float])
    weights: str = ""
    checks: list[tuple[str, bool, str]] = field(default_factory=list[tuple[str, bool, str]])
    references: dict[str, dict[str, float]] = field(default_factory=dict[str, "dict[str, float]"])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    energy: float | None = None
    energy_reason: str = ""
    cpu_seconds: float = 0.0
    load: float = 0.0
    precision: str = ""
    skipped_steps: int = 0
    graphs: int = 0
    throttled: float = 0.0
    wall: float = 0.0
    overhead: float = 0.0
    when: str = ""

    @property
    def startup(self) -> float:
        """Seconds before the first step that counts."""
        return self.seconds.get("setup", 0.0) + self.seconds.get("warmup", 0.0)

    @property
    def memory(self) -> int:
        """Peak bytes where the training lives: what the device reserved, else the process."""
        return (self.device_memory or {}).get("reserved", 0) or self.peak_memory

    @property
    def total(self) -> float:
        """Training time as a user pays it: start-up, training, evaluations; measured, or projected from a short run.

        The held-out read-out is left out: the study needs it, the user's training does not.
        """
        if self.status != "ok":
            return float("inf")
        if self.request.max_steps is None:
            return self.startup + self.seconds["training"] + self.seconds["evaluation"]
        return (
            self.startup
            + self.declared_steps * self.step_seconds
            + self.declared_evaluations * self.evaluation_seconds
        )


def to_json(record: Record) -> dict[str, Any]:
    """Return the record as one JSON object; without references it is what it was before there were any."""
    values = asdict(record)
    if not record.references:
        del values["references"]
    return {"kind": "run", "format": FORMAT, **values}


def from_json(line: dict[str, Any]) -> Record:
    """Return the record of a line of evidence; fields that a newer version added are refused by format."""
    if line.get("format") != FORMAT:
        raise Refused(
            f"evidence of format {line.get('format')} cannot be read by this version (format {FORMAT}); "
            "use the version of potentiate that wrote it"
        )
    values = {key: value for key, value in line.items() if key not in ("kind", "format")}
    return TypeAdapter(Record).validate_python(values)


def request_from_json(values: Mapping[str, Any]) -> Request:
    """Return the request that a process was asked; phase and arm may be left out."""
    return TypeAdapter(Request).validate_python({"phase": "", "arm": "", **values})
