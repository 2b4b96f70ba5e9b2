"""Control arms: no rewiring at all, and rewiring that looks at nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from potentiate.plasticity.limits import not_negative, share
from potentiate.plasticity.structural.rewire import (
    candidates,
    check,
    exchange,
    fresh_weights,
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
from potentiate.topology.initial import distinct


@dataclass(frozen=True)
class Static(StructuralRule):
    """No rewiring: the edges stay as they are, whatever is asked.

    Cost: none.
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
        """Return what there is."""
        check(topology, weight, scores)
        return Change(topology, np.arange(topology.edges), weight, state)


class Start(NamedTuple):
    """State of rules whose fresh weights are as large as those at the start."""

    scale: Floats  # [1], the root mean square


def start(topology: Topology, weight: Floats, scale: float | None) -> Start:
    """Return the declared scale, or that of the weights; without any, 1 / sqrt(sources)."""
    if scale is None:
        square = float(np.square(weight, dtype=np.float64).mean()) if weight.size else None
        scale = (1.0 / max(1, topology.shape[1]) if square is None else square) ** 0.5
    return Start(np.array([scale], np.float32))


@dataclass(frozen=True)
class RandomRewiring(StructuralRule):
    """A share of the edges is dropped at random, and as many grow at random.

    Cost: edges log edges per update.

    Attributes:
        share: Of the edges, in each update.
        scale: Of the fresh normal weights; None: the root mean square of the weights at the start.
    """

    share: float = 0.1
    scale: float | None = None

    def __post_init__(self) -> None:
        share(share=self.share)
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
        counts = plan(topology, round(self.share * topology.edges), edges, self.share)
        dropped: Ints = distinct(topology.edges, counts.drop, rng)
        grown = candidates(topology, counts.grow, rng)
        fresh = fresh_weights(float(state.scale[0]), grown, scores.signs, rng)
        return exchange(topology, weight, dropped, grown, fresh, state)
