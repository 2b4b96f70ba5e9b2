"""How often and how strongly the slow mechanisms of a plastic network act."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from potentiate.errors import NotApplicable
from potentiate.techniques.base import Evidence, Stage, Technique, refuse
from potentiate.workload import Run

Positive = Annotated[float, Field(gt=0)]
Interval = Annotated[int, Field(ge=2)]


def plasticity_of(run: Run, name: str) -> Any:
    """Return how the network of `run` learns: the plasticity that its step declares.

    Raises:
        NotApplicable: It declares none that technique `name` can edit.
    """
    found = getattr(run.step, "plasticity", None)
    if found is None:
        raise NotApplicable(
            f"{name} edits the plasticity of a step and this run has a {type(run.step).__name__}"
        )
    return found


@dataclass(frozen=True)
class RarerHomeostasis(Technique):
    """Scale the weights of a neuron back to their sum once in many presentations.

    Source: Turrigiano 2008, The Self-Tuning Neuron: scaling is slow in a cortex, hours against the
        milliseconds of a spike.
    Helps: Networks in which the pass over all weights of those that fired weighs as much as the
        spikes, that is, short presentations and many inputs.
    Hurts: Competition between neurons: until the next scaling one that fired more also drives harder,
        and runs away the further the longer it is left alone. All weights are scaled when it is due.
    Cost: Nothing per presentation; an interval that is only right beside the rate of potentiation.

    Attributes:
        every: Presentations between two scalings.
    """

    every: Interval = 500

    name: ClassVar[str] = "rarer-homeostasis"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with weights that are scaled `every` so many presentations."""
        rule = plasticity_of(run, self.name)
        now = rule.normalize_every
        total = getattr(getattr(run.model, "anatomy", None), "total", 0.0)
        refuse(
            self.name,
            (now == 0 or total == 0, "this run never scales its weights"),
            (now >= self.every, f"this run scales every {now} presentations, not more often"),
        )
        return run.edit_step(plasticity=replace(rule, normalize_every=self.every))


@dataclass(frozen=True)
class RarerRateAdaptation(Technique):
    """Let the amplitudes of potentiation and depression fall less often, by the same factor.

    Source: Staircase decay of a learning rate, as of gradient training, on the amplitudes of STDP.
    Helps: Little time: a training is cut into pieces wherever the amplitudes fall, so only intervals
        of a few presentations cost anything.
    Hurts: The rate itself: the factor is not matched, so at twice the interval the amplitudes fall
        half as fast and the last weights are less settled.
    Cost: Nothing.

    Attributes:
        every: Presentations between two falls.
    """

    every: Interval = 200

    name: ClassVar[str] = "rarer-learning-rate-adaptation"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with amplitudes that fall `every` so many presentations."""
        rule = plasticity_of(run, self.name)
        now = rule.decay_every
        refuse(
            self.name,
            (rule.decay == 1.0, "the amplitudes of this run do not fall"),
            (now >= self.every, f"they fall every {now} presentations, not more often"),
        )
        return run.edit_step(plasticity=replace(rule, decay_every=self.every))


@dataclass(frozen=True)
class RarerConsolidation(Technique):
    """Exchange fast and slow weights once in many presentations, by as much as all of them would.

    Source: Benna & Fusi 2016, Computational Principles of Synaptic Memory Consolidation, for the two
        coupled speeds; the rate per presentation is kept, as (1 - rate) to the power of the interval.
    Helps: Wherever consolidation is on: it reads and writes every weight, whatever the spikes.
    Hurts: Between two exchanges the fast weights wander further from the slow ones, so with a strong
        recall they are pulled back in jumps.
    Cost: Nothing; what is learned after the last exchange is not consolidated.

    Attributes:
        every: Presentations between two exchanges.
    """

    every: Interval = 100

    name: ClassVar[str] = "rarer-consolidation"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with weights that are consolidated `every` so many presentations."""
        rule = plasticity_of(run, self.name)
        now = rule.consolidate_every
        refuse(
            self.name,
            (rule.consolidation == 0.0, "this run consolidates nothing"),
            (now >= self.every, f"this run consolidates every {now} presentations already"),
        )
        return run.edit_step(plasticity=replace(rule, consolidate_every=self.every))


@dataclass(frozen=True)
class SmallerImportance(Technique):
    """Let a use of a synapse protect it less against later change.

    Source: Importance that accumulates along learning, Zenke et al. 2017, here grown by use.
    Helps: Brains that stop learning early because everything is soon important.
    Hurts: What was learned first, which later presentations overwrite sooner.
    Cost: Nothing; no step becomes faster, so it can gain only by a shorter training.

    Attributes:
        increment: What a use adds to the importance of a synapse.
    """

    increment: Positive = 0.005

    name: ClassVar[str] = "smaller-importance-increment"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with importance that grows by `increment`."""
        rule = plasticity_of(run, self.name)
        now = rule.increment
        refuse(
            self.name,
            (rule.protection == 0.0, "importance protects nothing in this run"),
            (now <= self.increment, f"a use adds {now:g} in this run, not more"),
        )
        return run.edit_step(plasticity=replace(rule, increment=self.increment))


@dataclass(frozen=True)
class ShorterHistory(Technique):
    """Judge silence and stalling over fewer presentations, so that the remedies come sooner.

    Source: The window of a moving average, as plateau detection of gradient training has one.
    Helps: Brains that start silent or stall: more drive and more teacher arrive earlier.
    Hurts: Fewer presentations are judged with more noise, so remedies also come where none is needed.
    Cost: Nothing; no step becomes faster, so it can gain only by a shorter training.

    Attributes:
        history: Presentations that are judged together.
    """

    history: Annotated[int, Field(ge=1)] = 100

    name: ClassVar[str] = "shorter-history"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    def apply(self, run: Run) -> Run:
        """Return the run with remedies that look at `history` presentations."""
        rule = plasticity_of(run, self.name)
        now = rule.history
        refuse(
            self.name,
            (rule.silent == 0.0 and rule.patience == 0, "this run has no remedies to time"),
            (now <= self.history, f"this run judges {now} presentations at a time, not more"),
        )
        return run.edit_step(plasticity=replace(rule, history=self.history))
