"""How a network that rewires itself computes, remembers and decides: the levers of a plastic network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from potentiate.errors import NotApplicable
from potentiate.techniques.base import Evidence, Stage, Technique, refuse
from potentiate.workload import Run

Often = Annotated[int, Field(ge=2)]
PLAIN = "; what it saves is measured on a plastic workload with --preset reference"


def rewiring_of(run: Run, name: str) -> Any:
    """Return how the network of `run` rewires itself.

    Raises:
        NotApplicable: Its step has no such plan that technique `name` can edit.
    """
    found = getattr(run.step, "rewiring", None)
    if found is None:
        raise NotApplicable(
            f"{name} edits how a step rewires and this run has a {type(run.step).__name__}"
        )
    return found


def coactivation_of(run: Run, name: str) -> Any:
    """Return the rule "coactivation" of `run`, the one that keeps what such techniques save.

    Raises:
        NotApplicable: It has another rule.
    """
    rule = rewiring_of(run, name).rule
    if not hasattr(rule, "coactivation_every"):
        raise NotApplicable(
            f"{name} edits the rule 'coactivation' and this run has {type(rule).__name__}; set "
            "rule=coactivation"
        )
    return rule


def with_rule(run: Run, name: str, **changes: Any) -> Run:
    """Return `run` with fields of its rule "coactivation" replaced."""
    rule = replace(coactivation_of(run, name), **changes)
    return run.edit_step(rewiring=replace(rewiring_of(run, name), rule=rule))


@dataclass(frozen=True)
class SparseEdges(Technique):
    """Multiply along the edges that there are, in place of a matrix with zeros.

    Source: This project's kernels for sparse maps; the engine is timed once for each size and kept.
    Helps: Topologies of which most possible edges are missing: below about a fifth of them on a CPU.
    Hurts: Hardly sparse ones, where a matrix product is faster; "auto" then takes that.
    Cost: Half a second of timing, once for each size on a machine.

    Attributes:
        engine: "auto" takes the fastest; or one by name.
    """

    engine: Literal["auto", "rows", "dense", "mkl"] = "auto"

    name: ClassVar[str] = "sparse-edges"
    stage: ClassVar[Stage] = Stage.MODEL
    evidence: ClassVar[Evidence] = Evidence.NUMERICS
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})
    speeds: ClassVar[tuple[str, ...]] = ("forward", "backward")

    def apply(self, run: Run) -> Run:
        """Return the run with sparse layers that compute so."""
        layers: list[Any] = [part for part in run.model.modules() if hasattr(part, "rewire")]
        refuse(
            self.name,
            (not layers, "this network has no sparse layer"),
            (
                all(part.engine == self.engine for part in layers),
                f"its sparse layers use the engine '{self.engine}' already{PLAIN}",
            ),
        )
        for part in layers:
            part.engine = self.engine
        return run


@dataclass(frozen=True)
class VectorizedPruning(Technique):
    """Drop all edges of an update in one go, in place of one by one.

    Source: Array programming; the claim of 10 to 50 times is that of a public plastic network.
    Helps: Updates of many edges; the rest of a training does not notice.
    Hurts: Nothing: the edges are the same.
    Cost: A few arrays as long as there are edges, for the time of an update.
    """

    name: ClassVar[str] = "vectorized-pruning"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with a rule that drops edges so."""
        rule = coactivation_of(run, self.name)
        refuse(self.name, (rule.vectorized, f"this run drops all edges in one go already{PLAIN}"))
        return with_rule(run, self.name, vectorized=True)


@dataclass(frozen=True)
class MovingCoactivation(Technique):
    """Keep a moving average of co-activation, in place of its last snapshots.

    Source: Exponential smoothing (Brown 1956).
    Helps: Memory: snapshots of all pairs take 4 bytes times their number times N^2.
    Hurts: Old activity fades in place of being forgotten at once, so other edges grow.
    Cost: One number for each candidate.
    """

    name: ClassVar[str] = "moving-coactivation"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with a rule that keeps no snapshot."""
        rule = coactivation_of(run, self.name)
        refuse(self.name, (rule.history == 0, f"this run keeps no snapshots{PLAIN}"))
        return with_rule(run, self.name, history=0)


@dataclass(frozen=True)
class CompactState(Technique):
    """Keep ages in 16-bit integers and credit in half precision, 4 bytes an edge in place of 12.

    Source: Number formats (IEEE 754 binary16); ages saturate, credit is scaled so that none underflows.
    Helps: Memory of large topologies, and the traffic of a pass over all edges.
    Hurts: Credits that differ by less than a thousandth may be dropped in another order.
    Cost: Conversions, which hide behind the memory.
    """

    name: ClassVar[str] = "compact-state"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.NUMERICS
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with a rule that keeps little."""
        rule = coactivation_of(run, self.name)
        refuse(self.name, (rule.compact, f"this run keeps compact state already{PLAIN}"))
        return with_rule(run, self.name, compact=True)


@dataclass(frozen=True)
class CandidatePool(Technique):
    """Look for edges to grow among a uniform sample of pairs, in place of all of them.

    Source: Sampled growth, as in Mocanu et al. 2018, here with the best of a sample.
    Helps: Large networks: all pairs are N^2, the sample follows the number of edges.
    Hurts: The very best pair is seldom in the sample.
    Cost: Some 10 bytes for each candidate.
    """

    name: ClassVar[str] = "candidate-pool"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with a rule that samples."""
        rule = coactivation_of(run, self.name)
        refuse(self.name, (rule.pool, f"this run samples its candidates already{PLAIN}"))
        return with_rule(run, self.name, pool=True)


@dataclass(frozen=True)
class RarerCoactivation(Technique):
    """Look at co-activation once in many steps.

    Source: Subsampling of a slow signal.
    Helps: Where all pairs are looked at, which costs as much as a training step.
    Hurts: The average is over fewer batches and noisier; with fewer looks than updates it is empty.
    Cost: Nothing.

    Attributes:
        every: Steps between two looks.
    """

    every: Often = 20

    name: ClassVar[str] = "rarer-coactivation"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with a rule that looks `every` so many steps."""
        now = coactivation_of(run, self.name).coactivation_every
        refuse(
            self.name,
            (now >= self.every, f"this run looks every {now} steps, not more often{PLAIN}"),
        )
        return with_rule(run, self.name, coactivation_every=self.every)


@dataclass(frozen=True)
class RarerRewiring(Technique):
    """Change the topology less often.

    Source: Liu et al. 2021, arXiv:2102.02887: edges that grow need time before they are judged.
    Helps: Both time, where an update is dear, and quality, where new edges were dropped unlearned.
    Hurts: Exploration: fewer edges are ever tried.
    Cost: Nothing.

    Attributes:
        every: Steps between two updates.
    """

    every: Often = 100

    name: ClassVar[str] = "rarer-rewiring"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.SEMANTICS
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with a topology that changes `every` so many steps."""
        plan = rewiring_of(run, self.name)
        now = plan.interval
        refuse(self.name, (now >= self.every, f"this run rewires every {now} steps already{PLAIN}"))
        return run.edit_step(rewiring=replace(plan, interval=self.every))


@dataclass(frozen=True)
class InPlaceUpdates(Technique):
    """Scale weights where they lie, in place of making new ones.

    Source: Memory traffic: what is not copied is not read and written again.
    Helps: Large topologies with frequent homeostatic scaling.
    Hurts: Nothing: the numbers are the same.
    Cost: Nothing.
    """

    name: ClassVar[str] = "in-place-updates"
    stage: ClassVar[Stage] = Stage.STEP
    evidence: ClassVar[Evidence] = Evidence.EXACT
    needs: ClassVar[frozenset[str]] = frozenset({"structure"})

    def apply(self, run: Run) -> Run:
        """Return the run with homeostasis that writes into the weights."""
        plan = rewiring_of(run, self.name)
        refuse(
            self.name,
            (plan.homeostasis == 0.0, "this run scales no weights"),
            (plan.in_place, f"this run scales weights where they lie already{PLAIN}"),
        )
        return run.edit_step(rewiring=replace(plan, in_place=True))
