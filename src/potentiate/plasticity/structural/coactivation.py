"""Credit by traces decides which edges go, co-activation over distance which come."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.kernels import pairs
from potentiate.plasticity.limits import not_negative, share
from potentiate.plasticity.structural.rewire import (
    Pairs,
    candidates,
    check,
    every_pair,
    exchange,
    fresh_weights,
    lowest,
    numbered,
    plan,
)
from potentiate.plasticity.structural.rule import (
    Change,
    Floats,
    Ints,
    Scores,
    StructuralRule,
    follow,
)
from potentiate.topology import Metric, Ring, Topology, Units, unit_type
from potentiate.topology.initial import distinct

SCALE = 64.0
"""The average credit in store: float16 then resolves a millionth of it and holds its thousandfold."""
LEAST, MOST = 1e-6, 10.0
"""The range of the threshold, where 1 is the average credit."""


class Evidence(NamedTuple):
    """State of `Coactivation`."""

    before: Floats  # [sources], the trace p
    after: Floats  # [targets], the trace q
    credit: NDArray[Any]  # [edges], SCALE times C
    age: NDArray[Any]  # [edges] in steps
    threshold: NDArray[np.float64]  # [1], of the credit
    steps: Ints  # [1]
    targets: Units  # [pool], pairs that may grow
    sources: Units  # [pool]
    coactivation: NDArray[Any]  # [pool], the running mean K
    history: Floats  # [snapshots, targets, sources]; none with a running mean


@dataclass(frozen=True)
class Coactivation(StructuralRule):
    """Edges with little credit go; pairs that are active together and near each other come.

        p <- trace p + (1 - trace) mean activity of the sources;  q: of the targets     each step
        C <- decay C + (1 - decay) p_s q_t / (mean p mean q)                            each step
        K <- memory K + (1 - memory) share of samples in which both are active          now and then
        dropped: C < threshold a(age), the lowest first, none younger than `protection` steps
        grown: the highest K / distance

    a rises from 1 at the end of protection to 1 + aging when an edge is twice as old. The number
    dropped is held in `band`, and as many grow. Where the threshold marks fewer than the band's lower
    end it rises, where more than the upper one it falls, each by the factor 1 + control.

    Source: the rule of a public plastic network, made to do what it says. There ages count updates, the
        factor a jumps to 1.5, the threshold moves the wrong way and growth cannot match pruning.
    Cost: one pass over the edges per step; the pool * samples / 64 every `coactivation_every` steps;
        edges + pool log pool per update. Memory: 4 bytes an edge and 10 for each pair of the pool.

    Attributes:
        trace: Decay of the traces per step.
        decay: Decay of the credit per step.
        threshold: Of the credit at the start, where 1 is the average.
        control: Relative change of the threshold per update; 0: it stays.
        protection: Age in steps below which an edge is never dropped.
        aging: How much more credit an old edge needs; 0: none.
        band: Least and largest share of the edges that an update replaces.
        ceiling: Largest share that is added or removed where another number is asked for.
        scale: Of fresh normal weights.
        metric: Distance between neurons; None: a ring in a recurrent topology, elsewhere none.
        reach: Shortest and longest distance of an edge that grows.
        memory: Decay of the co-activation.
        coactivation_every: Steps between two looks at it.
        candidates: Pairs of the pool for each edge that may grow.
        pool: Whether growth looks at a uniform sample; False: at all pairs, whatever the memory.
        history: Dense snapshots of the co-activation to average over; 0: the running mean.
        vectorized: False drops edge by edge in Python, with the same result.
        compact: Credit in float16 and ages in int16, up to 32,767; False: float32 and int64.
    """

    trace: float = 0.9
    decay: float = 0.96
    threshold: float = 0.1
    control: float = 0.05
    protection: int = 60
    aging: float = 0.5
    band: tuple[float, float] = (0.05, 0.10)
    ceiling: float = 0.15
    scale: float = 0.03
    metric: Metric | None = None
    reach: tuple[float, float] = (0.0, inf)
    memory: float = 0.95
    coactivation_every: int = 20
    candidates: int = 3
    pool: bool = True
    history: int = 0
    vectorized: bool = True
    compact: bool = True

    def __post_init__(self) -> None:
        share(trace=self.trace, decay=self.decay, memory=self.memory, ceiling=self.ceiling)
        not_negative(threshold=self.threshold, control=self.control, aging=self.aging)
        not_negative(protection=self.protection, scale=self.scale, history=self.history)
        if not 0 <= self.band[0] <= self.band[1] <= self.ceiling:
            raise Refused(
                f"band={self.band} is refused: it must rise from 0 or more to at most the ceiling of "
                f"{self.ceiling}"
            )
        if min(self.coactivation_every, self.candidates) < 1:
            raise Refused("coactivation_every and candidates must be 1 or more; raise them")
        if not self.reach[0] <= self.reach[1]:
            raise Refused(f"no distance lies in reach={self.reach}; put the shorter one first")

    def init(self, topology: Topology, weight: Floats, rng: np.random.Generator) -> Evidence:
        """Return the state without any evidence; all edges are new."""
        targets, sources = topology.shape
        half, short = (np.float16, np.int16) if self.compact else (np.float32, np.int64)
        return self._with_pool(
            topology,
            Evidence(
                before=np.zeros(sources, np.float32),
                after=np.zeros(targets, np.float32),
                credit=np.zeros(topology.edges, half),
                age=np.zeros(topology.edges, short),
                threshold=np.array([self.threshold]),
                steps=np.zeros(1, np.int64),
                targets=np.empty(0, unit_type(topology.shape)),
                sources=np.empty(0, unit_type(topology.shape)),
                coactivation=np.empty(0, half),
                history=np.zeros((self.history, *topology.shape), np.float32),
            ),
            rng,
        )

    def observe(
        self, topology: Topology, weight: Floats, scores: Scores, state: Evidence
    ) -> Evidence:
        """Return the state with one step in it: traces, credit, ages and, now and then, co-activation."""
        check(topology, weight, scores)
        if not scores.before.shape[1]:
            return state  # without a sample nothing was seen
        for trace, activity in ((state.before, scores.before), (state.after, scores.after)):
            trace *= self.trace
            trace += (1 - self.trace) * np.maximum(activity, 0).mean(1)
        self._credit(topology, state)
        state.steps[0] += 1
        if state.steps[0] % self.coactivation_every == 0:
            self._look(scores, state)
        return state

    def _credit(self, topology: Topology, state: Evidence) -> None:
        level = float(state.before.mean()) * float(state.after.mean()) if topology.edges else 0.0
        gain = (1 - self.decay) * SCALE / level if level > 0 else 0.0
        after = state.after * np.float32(gain)
        edges = topology.ends, topology.sources, state.before, after, np.float32(self.decay)
        if self.compact:
            pairs.credit_compact(*edges, state.credit.view(np.uint16), state.age)
        else:
            pairs.credit_wide(*edges, state.credit, state.age)

    def _look(self, scores: Scores, state: Evidence) -> None:
        if self.history:
            seen = (scores.after > 0).astype(np.float32) @ (scores.before > 0).astype(np.float32).T
            turn = int(state.steps[0]) // self.coactivation_every - 1
            state.history[turn % self.history] = seen / scores.before.shape[1]
            return
        seen = scores.coactivation(state.targets, state.sources)
        state.coactivation[:] = self.memory * state.coactivation + (1 - self.memory) * seen

    def update(
        self,
        topology: Topology,
        weight: Floats,
        scores: Scores,
        state: Evidence,
        rng: np.random.Generator,
        *,
        progress: float = 0.0,
        edges: int | None = None,
    ) -> Change:
        """Return the rewired topology, by the evidence so far."""
        check(topology, weight, scores)
        need = self._need(state)
        marked = int((need < state.threshold[0]).sum())
        least, most = (int(share * topology.edges) for share in self.band)
        able = int(np.isfinite(need).sum())
        counts = plan(topology, min(able, max(least, min(most, marked))), edges, self.ceiling)
        counts = counts.with_droppable(able).with_found(len(state.targets))
        dropped = self._dropped(need, counts.drop, rng)
        grown = self._grown(topology, state, counts.grow, rng)
        self._control(state, marked, topology.edges, able)
        fresh = fresh_weights(self.scale, grown, scores.signs, rng)
        change = exchange(topology, weight, dropped, grown, fresh, state)
        state = state._replace(
            credit=follow(state.credit, change.moved), age=follow(state.age, change.moved)
        )
        return change._replace(state=self._with_pool(change.topology, state, rng))

    def _need(self, state: Evidence) -> Floats:
        """Return the credit of each edge over what its age asks for; infinite for a protected one."""
        factor = state.age.astype(np.float32)
        factor /= max(1, self.protection)
        np.clip(factor - 1, 0, 1, out=factor)
        factor *= self.aging
        factor += 1
        need = state.credit.astype(np.float32)
        need /= SCALE * factor
        need[state.age < self.protection] = inf
        return need

    def _dropped(self, need: Floats, count: int, rng: np.random.Generator) -> Ints:
        return lowest(need, count, rng) if self.vectorized else one_by_one(need, count, rng)

    def _grown(
        self, topology: Topology, state: Evidence, count: int, rng: np.random.Generator
    ) -> Pairs:
        pool = Pairs(state.targets, state.sources)
        seen = state.coactivation.astype(np.float32)
        if self.history:
            looks = int(state.steps[0]) // self.coactivation_every
            snapshots = state.history[: min(self.history, looks)]
            seen = snapshots[:, pool.targets, pool.sources].sum(0) / max(1, len(snapshots))
        metric = self._metric(topology)
        if metric is not None:
            seen = seen / np.maximum(metric.distance(pool.targets, pool.sources), 1e-12)
        return pool.take(lowest(-seen, count, rng))

    def _metric(self, topology: Topology) -> Metric | None:
        if self.metric is not None and self.metric.neurons < max(topology.shape):
            raise Refused(
                f"a metric of {self.metric.neurons} neurons does not fit {topology.shape}; give one of as many"
            )
        return self.metric or (Ring(topology.shape[0]) if topology.recurrent else None)

    def _control(self, state: Evidence, marked: int, edges: int, able: int) -> None:
        """Move the threshold so that it marks a share of the edges within the band."""
        if not able:
            return  # all are protected, which says nothing of the threshold
        factor = 1 + self.control
        if marked < self.band[0] * edges:
            state.threshold[0] = min(MOST, state.threshold[0] * factor)
        elif marked > self.band[1] * edges:
            state.threshold[0] = max(LEAST, state.threshold[0] / factor)

    def _with_pool(self, topology: Topology, state: Evidence, rng: np.random.Generator) -> Evidence:
        """Return the state with a new pool, of which nothing has been seen."""
        metric = self._metric(topology)
        if self.pool:
            count = self.candidates * max(1, int(self.band[1] * topology.edges))
            found = candidates(topology, count, rng, metric, self.reach)
        else:
            found = numbered(topology, np.arange(every_pair(topology)))
            if metric is not None:
                apart = metric.distance(found.targets, found.sources)
                found = found.take((self.reach[0] <= apart) & (apart <= self.reach[1]))
        seen = np.zeros(len(found), state.coactivation.dtype)
        return state._replace(targets=found.targets, sources=found.sources, coactivation=seen)


def one_by_one(values: Floats, count: int, rng: np.random.Generator) -> Ints:
    """As `lowest`, edge by edge: what the passes over all edges at once are measured against."""
    left = sorted((float(value), place) for place, value in enumerate(values))
    if count <= 0 or count >= len(left):
        return np.arange(len(left) if count > 0 else 0)
    edge = left[count - 1][0]
    chosen = [place for value, place in left if value < edge]
    equal = [place for value, place in left if value == edge]
    chosen += [equal[i] for i in distinct(len(equal), count - len(chosen), rng)]
    return np.sort(np.array(chosen, np.int64))
