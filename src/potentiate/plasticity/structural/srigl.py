"""RigL with as many sources for each target as before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentiate.kernels import pairs
from potentiate.plasticity.structural.magnitude import RigL, steepness
from potentiate.plasticity.structural.rewire import Pairs, check, exchange, numbered, plan
from potentiate.plasticity.structural.rule import Change, Floats, Ints, Scores, State
from potentiate.topology import Topology


@dataclass(frozen=True)
class SRigL(RigL):
    """Structured RigL: each target drops its smallest weights and grows as many edges.

    The share of RigL holds for each target, rounded up or down at random, so that a small fan-in moves
    too. Where another number of edges is asked for, the targets with the fewest sources get more
    first, and those with the most lose first: a constant fan-in stays so within one.

    Source: Lasby et al. 2024, arXiv:2305.02299. There weights are ranked over the whole layer and
        neurons may be ablated; here each target ranks its own and none is.
    Cost: as RigL.
    """

    def update(
        self,
        topology: Topology,
        weight: Floats,
        scores: Scores,
        state: State,
        rng: np.random.Generator,
        *,
        progress: float = 0.0,
        edges: int | None = None,
    ) -> Change:
        """Return the rewired topology."""
        check(topology, weight, scores)
        fan_in = topology.fan_in()
        room = topology.shape[1] - int(topology.recurrent) - fan_in
        counts = plan(topology, 0, edges, self.alpha)
        net = _levelled(fan_in, fan_in + room, counts.grow - counts.drop) - fan_in
        lots = rng.random(len(fan_in))
        replaced = np.floor(self.share(progress) * fan_in + lots).astype(np.int64)
        grow = np.minimum(np.maximum(replaced, np.abs(net)) + np.minimum(net, 0), room)
        dropped = _lowest_by_row(topology.ends, np.abs(weight), grow - net)
        sample = np.minimum(room, grow * (self.candidates or topology.shape[1]))
        grown = _steepest_by_row(topology, scores, sample, grow, rng)
        return exchange(topology, weight, dropped, grown, 0.0, state)


def _levelled(fan_in: Ints, most: Ints, net: int) -> Ints:
    """Return the fan-ins with `net` more edges, spread over the lowest, or fewer, taken from the highest."""
    after, step = fan_in.copy(), 1 if net > 0 else -1
    while net:
        able = np.flatnonzero(after < most if net > 0 else after > 0)
        extreme = (step * after[able]).min()
        chosen = able[step * after[able] == extreme][: abs(net)]
        after[chosen] += step
        net -= step * len(chosen)
    return after


def _lowest_by_row(ends: Ints, values: Floats, counts: Ints) -> Ints:
    chosen = np.zeros(len(values), np.bool_)
    pairs.lowest_by_row(ends, values, counts, chosen)
    return np.flatnonzero(chosen)


def _steepest_by_row(
    topology: Topology, scores: Scores, sample: Ints, grow: Ints, rng: np.random.Generator
) -> Pairs:
    found = sampled_by_row(topology, sample, rng)
    bounds = np.concatenate([[0], np.cumsum(sample)])
    return found.take(_lowest_by_row(bounds, -steepness(scores, found), grow))


def sampled_by_row(topology: Topology, counts: Ints, rng: np.random.Generator) -> Pairs:
    """Return random pairs that are no edge, so many of each target; every set is equally likely."""
    bounds = np.concatenate([[0], np.cumsum(counts)])
    free = topology.shape[1] - int(topology.recurrent) - topology.fan_in()
    ranks = np.empty(bounds[-1], np.int64)
    pairs.distinct_by_row(free, bounds, rng.random(len(ranks)), ranks)
    ranks.sort(kind="stable")  # which takes what is in order as it is
    return numbered(topology, ranks)
