"""Cannistraci-Hebb training with soft removal: growth by the paths that are there already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.kernels import paths
from potentiate.plasticity.limits import not_negative, share
from potentiate.plasticity.structural.control import Start, start
from potentiate.plasticity.structural.rewire import (
    Pairs,
    candidates,
    check,
    exchange,
    fresh_weights,
    lowest,
    plan,
)
from potentiate.plasticity.structural.rule import Change, Floats, Ints, Scores, StructuralRule
from potentiate.topology import Topology


@dataclass(frozen=True)
class CHTs(StructuralRule):
    """Edges of little relative importance go, by lot; pairs with many exclusive paths of length 3 come.

        importance(t, s) = |w| / sum of |w| into t + |w| / sum of |w| out of s
        chance to stay ~ importance^(delta / (1 - delta)),  delta from `first` to `last` over the training
        CH3-L3(t, s) = sum over paths s - t' - s' - t of 1 / sqrt((1 + e(t')) (1 + e(s')))

    e counts the edges of a neuron on such a path that lead elsewhere: neither to the pair nor to
    another neuron on its paths. Sources and targets are two sides of a bipartite graph.

    Source: Zhang et al. 2025 (CHTs); CH3-L3 is of Muscoloni, Michieli & Cannistraci 2020. There all
        pairs are scored; here a uniform sample is, and of a neuron with more than `neighbors` only
        every n-th is looked at and stands for the rest. The best of the sample come, without a lot.
    Cost: edges + candidates * grown * neighbors^2 per update, only the neighbors of pairs without a path;
        `neighbors` + 4 bytes a target.

    Attributes:
        zeta: Share of the edges that is replaced.
        first: Softness delta at the start; 0 is blind, 0.5 in proportion to the importance.
        last: Softness at the end; towards 1 the least important go for certain.
        candidates: Sampled for each edge that grows.
        neighbors: Looked at on either side, at most 64.
        scale: Of fresh normal weights; None: the root mean square of the weights at the start.
    """

    zeta: float = 0.3
    first: float = 0.5
    last: float = 0.75
    candidates: int = 4
    neighbors: int = 16
    scale: float | None = None

    def __post_init__(self) -> None:
        share(zeta=self.zeta, first=self.first, last=self.last)
        not_negative(scale=self.scale or 0.0)
        if max(self.first, self.last) >= 1 or self.candidates < 1:
            raise Refused(
                "softness must lie below 1 and candidates be 1 or more, "
                f"got {self.first}, {self.last} and {self.candidates}"
            )
        if not 1 <= self.neighbors <= 64:
            raise Refused(f"neighbors={self.neighbors} is refused: it must lie from 1 to 64")

    def init(self, topology: Topology, weight: Floats, rng: np.random.Generator) -> Start:
        """Return the scale of fresh weights."""
        return start(topology, weight, self.scale)

    def update(
        self,
        topology: Topology,
        weight: Floats,
        scores: Scores,
        state: Start,
        rng: np.random.Generator,
        *,
        progress: float = 0.0,
        edges: int | None = None,
    ) -> Change:
        """Return the rewired topology."""
        check(topology, weight, scores)
        counts = plan(topology, round(self.zeta * topology.edges), edges, self.zeta)
        delta = self.first + (self.last - self.first) * progress
        dropped = lowest(_lots(importance(topology, weight), delta, rng), counts.drop, rng)
        sample = candidates(topology, counts.grow * self.candidates, rng)
        best = lowest(-ch3_l3(topology, sample, self.neighbors), counts.grow, rng)
        grown = sample.take(best)
        fresh = fresh_weights(float(state.scale[0]), grown, scores.signs, rng)
        return exchange(topology, weight, dropped, grown, fresh, state)


def importance(topology: Topology, weight: Floats) -> Floats:
    """Return the share of each edge in its target's input plus that in its source's output."""
    size, targets = np.abs(weight), topology.targets
    into = np.bincount(targets, size, topology.shape[0])
    out_of = np.bincount(topology.sources, size, topology.shape[1])
    into[into == 0], out_of[out_of == 0] = 1.0, 1.0
    return size * (1 / into[targets] + 1 / out_of[topology.sources]).astype(np.float32)


def _lots(importance: Floats, delta: float, rng: np.random.Generator) -> Floats:
    """Return numbers whose highest k are a draw of k without replacement, by importance (Gumbel)."""
    tiny = np.finfo(np.float32).tiny
    lots = np.log(np.maximum(importance, tiny)) * np.float32(delta / (1 - delta))
    # -log of an exponential number is a Gumbel number.
    return lots - np.log(np.maximum(rng.standard_exponential(len(lots), np.float32), tiny))


def ch3_l3(topology: Topology, found: Pairs, neighbors: int) -> Floats:
    """Return the CH3-L3 score of each pair, float32 [pairs]; exact up to so many neighbors of either."""
    into = _thinned(topology.ends, topology.sources, neighbors)
    out_of = _thinned(*topology.reversed, neighbors)
    score = np.empty(len(found), np.float32)
    paths.scores(into, out_of, found.targets, found.sources, score)
    return score


def _thinned(
    ends: Ints, others: NDArray[np.int32], neighbors: int
) -> tuple[Ints, NDArray[np.int32], NDArray[np.int32], Ints]:
    table = np.zeros((len(ends) - 1, neighbors), np.int32)
    count = np.empty(len(ends) - 1, np.int64)
    paths.thinned(ends, others, table, count)
    return ends, others, table, count
