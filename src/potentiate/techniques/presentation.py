"""What happens in a presentation: how long it is, how it is taught, how its arithmetic is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from potentiate.errors import NotApplicable
from potentiate.techniques.base import Evidence, Stage, Technique, refuse
from potentiate.techniques.plasticity import plasticity_of
from potentiate.workload import Run

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class FewerTimeSteps(Technique):
    """Show each pattern for a shorter time, in training and when the network is judged.

    Source: Diehl & Cook 2015 show a digit for 350 ms; latency codes need a few steps.
    Helps: Everything that costs time per step, which is nearly all of a spiking network.
    Hurts: Rate codes: fewer spikes say less of a value, and rare spikes none. Steps stay 1 ms and all
        time constants, rates and delays stay as they are, so there are fewer spikes to learn from too;
        what arrives or is counted after the last step is lost. The teacher's fade is per fifth of a
        presentation and follows.
    Cost: The network that comes out answers after so few steps as well.

    Attributes:
        share: New length over the old one, rounded to whole steps.
        steps: New length in steps, in place of a share.
    """

    share: Share = 0.6
    steps: Annotated[int, Field(ge=1)] | None = None

    name: ClassVar[str] = "fewer-time-steps"
    stage: ClassVar[Stage] = Stage.MODEL
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"timesteps"})

    def apply(self, run: Run) -> Run:
        """Return the run with shorter presentations."""
        model: Any = run.model
        anatomy = getattr(model, "anatomy", None)
        if anatomy is None:
            raise NotApplicable(
                f"{self.name} edits the anatomy of a brain and this run has a {type(model).__name__}"
            )
        now: int = anatomy.time_steps
        steps = max(1, round(self.share * now)) if self.steps is None else self.steps
        refuse(self.name, (steps >= now, f"a presentation has {now} steps, not more than {steps}"))
        model.anatomy = replace(anatomy, time_steps=steps)
        return run


@dataclass(frozen=True)
class FasterTeacherFade(Technique):
    """Let the teacher's current fall faster within a presentation.

    Source: Teacher forcing, Williams & Zipser 1989, weakened within a presentation.
    Helps: Networks that lean on the teacher: the last steps of a presentation are more their own.
    Hurts: Outputs that the teacher no longer drives when the hidden neurons fire, so that these learn
        nothing of the label.
    Cost: Nothing; no step becomes faster, so it can gain only by a shorter training.

    Attributes:
        fade: Factor on the current per fifth of a presentation.
    """

    fade: Share = 0.85

    name: ClassVar[str] = "faster-teacher-fade"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with a teacher that fades by `fade`."""
        rule = plasticity_of(run, self.name)
        refuse(
            self.name,
            (rule.teacher == 0.0, "this run has no teacher"),
            (rule.fade == 1.0, "the teacher of this run does not fade"),
            (rule.fade <= self.fade, f"it fades by {rule.fade:g} already"),
        )
        return run.edit_step(plasticity=replace(rule, fade=self.fade))


@dataclass(frozen=True)
class SteeperCurriculum(Technique):
    """Withdraw more of the teacher's current, and sooner, over the epochs.

    Source: Bengio et al. 2015, Scheduled Sampling: from forced to free running by a schedule.
    Helps: Networks that are good with the teacher and poor without.
    Hurts: Slow learners, whose teacher is gone before the outputs know their neurons. Epochs are counted
        as they are: a shorter training sees less of the curriculum.
    Cost: Nothing; no step becomes faster, so it can gain only by a shorter training.

    Attributes:
        share: Part of the current that is gone in the end.
        epochs: Epochs over which it goes, evenly.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.15
    epochs: Positive = 50.0

    name: ClassVar[str] = "steeper-curriculum"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with a curriculum of `share` over `epochs`."""
        rule = plasticity_of(run, self.name)
        slope = rule.curriculum / rule.curriculum_epochs
        refuse(
            self.name,
            (rule.teacher == 0.0, "this run has no teacher"),
            (slope == 0.0, "this run has no curriculum"),
            (
                slope >= self.share / self.epochs,
                f"the teacher of this run loses {slope:g} of its current an epoch, not less",
            ),
        )
        return run.edit_step(
            plasticity=replace(rule, curriculum=self.share, curriculum_epochs=self.epochs)
        )


@dataclass(frozen=True)
class CachedBaselineCurrent(Technique):
    """Build the current that every neuron gets anyway once, not in every step.

    Source: Hoisting of what a loop does not change, as compilers do where they can see it.
    Helps: Wide layers and sparse input, where writing a vector of neurons is a good part of a step.
    Hurts: Nothing known.
    Cost: A vector the size of the layer.
    """

    name: ClassVar[str] = "cached-baseline-current"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with its baseline current kept."""
        rule = plasticity_of(run, self.name)
        refuse(self.name, (rule.baseline_cached, "this run keeps its baseline current already"))
        return run.edit_step(plasticity=replace(rule, baseline_cached=True))


@dataclass(frozen=True)
class EventDrivenUpdates(Technique):
    """Change only the synapses that a spike touches, with traces that are computed when they are read.

    Source: Event-driven simulation, Mattia & Del Giudice 2000; exponential traces are known in closed
        form between spikes, so nothing is lost.
    Helps: Sparse spikes: the cost follows them and not the number of synapses.
    Hurts: Dense activity, where lists of who spiked cost more than the loop that they save.
    Cost: The time of the last spike of every input and neuron. The numbers are the same, bit for bit.
    """

    name: ClassVar[str] = "event-driven-updates"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with updates that follow the spikes."""
        rule = plasticity_of(run, self.name)
        refuse(self.name, (rule.event_driven, "the updates of this run are event-driven already"))
        return run.edit_step(plasticity=replace(rule, event_driven=True))


@dataclass(frozen=True)
class BatchedPresentation(Technique):
    """Learn from parts of a batch at once, each part from the same weights, and add up the changes.

    Source: Data parallelism by adding changes, as of asynchronous gradient descent (Dean et al. 2012),
        here without a race: the order of addition is fixed.
    Helps: Several cores: parts are learned on as many threads as torch has.
    Hurts: Plasticity that competes: two parts may teach the same neuron different patterns, and changes
        that saturate alone overshoot together. Within a part nothing changes.
    Cost: A copy of the weights for each part, and the sum over them after each batch. A mechanism that
        is due within a batch cuts it, so batches then are learned in smaller pieces.

    Attributes:
        shards: Parts of a batch.
    """

    shards: Annotated[int, Field(ge=2)] = 2

    name: ClassVar[str] = "batched-presentation"
    # After the mechanisms whose intervals cut a batch.
    stage: ClassVar[Stage] = Stage.SCHEDULE
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with batches that are learned in `shards` parts."""
        rule = plasticity_of(run, self.name)
        size = run.batches.size
        due = [rule.normalize_every] if rule.normalize_every > 1 else []
        due += [rule.decay_every] if rule.decay < 1.0 else []
        piece = min([size, *due])
        refuse(
            self.name,
            (rule.shards >= self.shards, f"this run learns in {rule.shards} parts already"),
            (size < self.shards, f"a batch of {size} has no {self.shards} parts"),
            (
                piece < self.shards,
                f"a mechanism is due every {piece} presentations, too few for {self.shards} parts; make it rarer",
            ),
        )
        return run.edit_step(plasticity=replace(rule, shards=self.shards))
