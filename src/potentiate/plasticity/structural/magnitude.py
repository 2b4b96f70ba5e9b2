"""Rules that drop small weights: SET and RigL."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import numpy as np

from potentiate.errors import Refused
from potentiate.plasticity.limits import not_negative, share
from potentiate.plasticity.structural.control import Start, start
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
    State,
    StructuralRule,
)
from potentiate.topology import Topology

CHUNK = 1 << 20
"""Pairs scored at a time where all are."""


@dataclass(frozen=True)
class SET(StructuralRule):
    """Sparse evolutionary training: the weights nearest to 0 go, random edges come.

    Of the positive weights the smallest share zeta goes, of the negative ones the largest; 0 counts as
    positive. As many edges grow, each pair that is none equally likely, with normal weights.

    Source: Mocanu et al. 2018, Nature Communications 9:2383; every epoch there.
    Cost: edges log edges per update.

    Attributes:
        zeta: Share of the edges that is replaced.
        scale: Of fresh weights; None: the root mean square of the weights at the start.
    """

    zeta: float = 0.3
    scale: float | None = None

    def __post_init__(self) -> None:
        share(zeta=self.zeta)
        not_negative(scale=self.scale or 0.0)

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
        dropped = nearest_to_zero(weight, counts.drop, rng)
        grown = candidates(topology, counts.grow, rng)
        fresh = fresh_weights(float(state.scale[0]), grown, scores.signs, rng)
        return exchange(topology, weight, dropped, grown, fresh, state)


def nearest_to_zero(weight: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Return where the weights nearest to 0 are, of each sign in proportion to its edges."""
    positive, negative = np.flatnonzero(weight >= 0), np.flatnonzero(weight < 0)
    of_negative = round(count * len(negative) / max(1, len(weight)))
    up = positive[lowest(weight[positive], count - of_negative, rng)]
    return np.concatenate([up, negative[lowest(-weight[negative], of_negative, rng)]])


@dataclass(frozen=True)
class RigL(StructuralRule):
    """Rigging the lottery: the smallest weights go, edges with the largest gradient come, at weight 0.

        share = alpha / 2 (1 + cos(pi progress / end)),  0 from `end` on

    By Dale's law, of a pair counts the gradient along which its weight may grow from 0.

    Source: Evci et al. 2020, arXiv:1911.11134; every 100 steps there. The gradient is taken on a
        uniform sample of the pairs that are no edge, where theirs is of all.
    Cost: edges + candidates * grown * samples per update; with None, possible edges * samples.

    Attributes:
        alpha: Share of the edges that the first update replaces.
        end: Share of the training after which the edges stay.
        candidates: Sampled for each edge that grows; None: all pairs, in pieces.
    """

    alpha: float = 0.3
    end: float = 0.75
    candidates: int | None = 10

    def __post_init__(self) -> None:
        share(alpha=self.alpha, end=self.end)
        if self.candidates is not None and self.candidates < 1:
            raise Refused(
                f"candidates={self.candidates} is refused: each edge needs 1 to grow; take 1 or more"
            )

    def share(self, progress: float) -> float:
        """Return the share of the edges that an update replaces."""
        if progress >= self.end:
            return 0.0
        return self.alpha / 2 * (1 + cos(pi * progress / self.end))

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
        replaced = round(self.share(progress) * topology.edges)
        counts = plan(topology, replaced, edges, self.alpha)
        dropped = lowest(np.abs(weight), counts.drop, rng)
        if self.candidates is None:
            grown = steepest(topology, scores, counts.grow, rng)
        else:
            sample = candidates(topology, counts.grow * self.candidates, rng)
            grown = sample.take(lowest(-steepness(scores, sample), counts.grow, rng))
        return exchange(topology, weight, dropped, grown, 0.0, state)


def steepness(scores: Scores, found: Pairs) -> Floats:
    """Return how fast the loss falls as the weight of each pair leaves 0 the way that it may.

    Where the gradient is not a number, 0.
    """
    gradient = np.nan_to_num(scores.gradient(found.targets, found.sources), copy=False)
    if scores.signs is None:
        return np.abs(gradient, out=gradient)
    gradient *= -scores.signs[found.sources]
    return gradient


def steepest(topology: Topology, scores: Scores, count: int, rng: np.random.Generator) -> Pairs:
    """Return the `count` steepest of all pairs that are no edge. Memory: a piece of them at a time."""
    ranks, values = np.empty(0, np.int64), np.empty(0, np.float32)
    for first in range(0, every_pair(topology) if count else 0, CHUNK):
        piece = np.arange(first, min(first + CHUNK, every_pair(topology)))
        ranks = np.concatenate([ranks, piece])
        values = np.concatenate([values, steepness(scores, numbered(topology, piece))])
        best = lowest(-values, count, rng)
        ranks, values = ranks[best], values[best]
    return numbered(topology, ranks)
