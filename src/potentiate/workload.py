"""What is learned and how it is judged; nothing here is about speed.

A `Workload` builds a `Run`: the parts of one training, each replaceable by a technique. The parts are
declarations; `Step.start` and `Batches.start` turn them into the live objects that the engine drives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from potentiate.errors import Refused, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Metrics = Mapping[str, float]
References = Mapping[str, Metrics]
"""Metrics of simple references, by their names."""
Context = Callable[[], AbstractContextManager[Any]]


@runtime_checkable
class Batches(Protocol):
    """Training data as a function of position, so that resuming needs one integer.

    `len(batches)` is the number of batches of one epoch, `size` the samples of a full batch.
    """

    @property
    def size(self) -> int:
        """Samples of a full batch."""
        ...

    def __len__(self) -> int: ...

    def start(self, position: int, device: torch.device) -> Iterator[Any]:
        """Yield batches without end, beginning with number `position` (0 = first of the first epoch)."""
        ...

    def resized(self, size: int) -> Batches:
        """Return the same data in batches of `size` samples."""
        ...


class LiveStep(Protocol):
    """A step at work: owns optimizer, scaler, averages, whatever else changes besides the model."""

    def __call__(self, batch: Any) -> Tensor:
        """Learn from one batch and return its loss, on the device; refuse a number that is not finite."""
        ...

    def evaluated(self) -> nn.Module:
        """Return the network to be judged (the averaged one, where weights are averaged)."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes besides the model."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        ...


class Step(Protocol):
    """How one batch changes the model; a frozen declaration that techniques edit."""

    def start(self, model: nn.Module, total_steps: int, position: int = 0) -> LiveStep:
        """Return the step at work on `model`, for a schedule of `total_steps`."""
        ...


@dataclass(frozen=True)
class Target:
    """The metric that judges a run, its direction, and the value at which it counts as learned."""

    metric: str = "accuracy"
    value: float | None = None
    higher_is_better: bool = True

    def reached(self, metrics: Metrics) -> bool:
        """Whether `metrics` meet the value; never, when no value is declared."""
        if self.value is None:
            return False
        return self.gain(metrics, {self.metric: self.value}) >= 0

    def gain(self, metrics: Metrics, reference: Metrics) -> float:
        """How much better `metrics` are than `reference`, in the metric's own unit; above 0 is better."""
        difference = metrics[self.metric] - reference[self.metric]
        return difference if self.higher_is_better else -difference


Stop = Callable[[Sequence[Metrics]], "str | None"]
"""Reads the validation history after each evaluation; a sentence ends the run, None goes on."""


@dataclass(frozen=True)
class Run:
    """One training run as parts that a technique can replace.

    Attributes:
        model: The untrained network, on the CPU.
        batches: The training data.
        step: What one batch does.
        validate: Judges a network on validation data; every decision within a run reads this.
        test: Judges it on held-out data; read once, after training.
        epochs: Declared length of the schedule, in passes over the training data.
        evaluate_every: Epochs between evaluations; the last step is always followed by one.
        stop: Decides after each evaluation whether to end early.
        contexts: Entered around set-up, training and evaluation (thread counts, matmul precision).
        sizes: Examples per part of the data, for margins and reports.
        target: What judges the run.
        source: How a child process finds this workload again, or "" if it cannot.
        recipe: What was changed in its recipe, for that child process.
        criteria: What `validate` tells besides the target's metric that a run may be stopped by, and whether
            higher is better.
    """

    model: nn.Module
    batches: Batches
    step: Step
    validate: Callable[[nn.Module], Metrics]
    test: Callable[[nn.Module], Metrics]
    epochs: float
    evaluate_every: float = 1.0
    stop: Stop = field(default=lambda history: None)
    contexts: tuple[Context, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    target: Target = field(default_factory=Target)
    source: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    criteria: Mapping[str, bool] = field(default_factory=dict[str, bool])

    @property
    def steps(self) -> int:
        """Steps of the whole schedule."""
        return max(1, round(self.epochs * len(self.batches)))

    @property
    def evaluation_steps(self) -> int:
        """Steps between two evaluations."""
        return max(1, round(self.evaluate_every * len(self.batches)))

    def edit(self, **changes: Any) -> Run:
        """Return this run with parts replaced."""
        return replace(self, **changes)

    def edit_step(self, **changes: Any) -> Run:
        """Return this run with fields of its step replaced."""
        if not is_dataclass(self.step) or isinstance(self.step, type):
            raise Refused(
                f"the step {self.step!r} is not a dataclass, so its parts cannot be replaced"
            )
        return replace(self, step=replace(self.step, **changes))  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Workload:
    """A training job: how to build it from a seed, and how it is judged.

    Attributes:
        name: "model/data", for example "cnn/mnist".
        make: (recipe, seed) -> a fresh, untrained run.
        recipe: A frozen dataclass of the settings that `--set key=value` may change.
        target: Metric and direction that judge a run.
        margin: Largest loss of quality that counts as equal, in the metric's unit; None: the study's default.
        provides: Capabilities that techniques may need, such as "gradient", "images", "blocks".
        unit: What throughput counts.
        source: How a child process finds this workload: its name in the table, or "file.py:attribute".
        changes: What `varied` changed in the recipe.
        imports: Modules that it needs; loaded before the clock starts, because importing is not training.
        presets: Sets of changes to the recipe, by name.
        references: (recipe, seed) -> what simple ways without this training reach on the test part, each by
            its name; None where none is declared. It shows how much of a result is owed to training.
    """

    name: str
    make: Callable[[Any, int], Run]
    recipe: Any
    target: Target = field(default_factory=Target)
    margin: float | None = None
    provides: frozenset[str] = frozenset()
    unit: str = "samples"
    source: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    imports: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, "Mapping[str, Any]"])
    references: Callable[[Any, int], References] | None = None

    def preset(self, name: str) -> Workload:
        """Return this workload with the changes of the preset `name`."""
        if not self.presets:
            raise Refused(f"'{self.name}' has no presets; change its recipe with key=value")
        if name not in self.presets:
            raise unknown("preset", name, self.presets)
        return self.varied(self.presets[name])

    def build(self, seed: int) -> Run:
        """Return a fresh, untrained run; equal seeds give equal runs."""
        run = self.make(self.recipe, seed)
        return replace(run, target=self.target, source=self.source, recipe=self.changes)

    def varied(self, changes: Mapping[str, Any]) -> Workload:
        """Return this workload with settings of its recipe changed; values may be strings, as typed."""
        from potentiate.settings import changed

        recipe = changed(self.recipe, changes, where=f"workload '{self.name}'")
        return replace(self, recipe=recipe, changes={**self.changes, **changes})
