"""Deep rewiring: an edge whose weight crosses 0 goes, and a random one comes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentiate.plasticity.limits import not_negative, share
from potentiate.plasticity.structural.rewire import candidates, check, exchange, lowest, plan
from potentiate.plasticity.structural.rule import (
    Change,
    Floats,
    Ints,
    Scores,
    StructuralRule,
    follow,
)
from potentiate.topology import Topology


class Signs(NamedTuple):
    """State of `DeepR`."""

    sign: NDArray[np.int8]  # [edges], fixed while the edge lives
    steps: Ints  # [1], observed since the last update


@dataclass(frozen=True)
class DeepR(StructuralRule):
    """Each edge has a sign for life; its weight drifts to 0 and, once across, the edge goes.

        theta = sign * w
        theta <- theta - steps rate penalty + sqrt(2 steps rate temperature) normal
        theta < 0: the edge goes, and a random one comes at weight 0

    The gradient step is the optimizer's; `steps` have been observed since the last update, one at
    least. Signs are those of the weights at the start; a weight of 0 and a new edge get a random one,
    or that of the source by Dale's law.

    Source: Bellec et al. 2018, arXiv:1711.05136. There each step rewires and signs belong to pairs;
        here drift and noise of all steps come with the update, and a pair that comes again draws anew.
    Cost: edges log edges per update.

    Attributes:
        rate: Learning rate of drift and noise.
        penalty: On the sum of the weights' sizes (L1).
        temperature: Of the noise; 0: none.
        band: Largest share of the edges that is added or removed where another number is asked for.
    """

    rate: float = 0.05
    penalty: float = 1e-4
    temperature: float = 1e-9
    band: float = 0.1

    def __post_init__(self) -> None:
        not_negative(rate=self.rate, penalty=self.penalty, temperature=self.temperature)
        share(band=self.band)

    def init(self, topology: Topology, weight: Floats, rng: np.random.Generator) -> Signs:
        """Return the signs of the weights."""
        sign = np.sign(weight).astype(np.int8)
        none = np.flatnonzero(sign == 0)
        sign[none] = _random_signs(len(none), rng)
        return Signs(sign, np.zeros(1, np.int64))

    def observe(self, topology: Topology, weight: Floats, scores: Scores, state: Signs) -> Signs:
        """Return the state with one step more."""
        state.steps[0] += 1
        return state

    def update(
        self,
        topology: Topology,
        weight: Floats,
        scores: Scores,
        state: Signs,
        rng: np.random.Generator,
        *,
        progress: float = 0.0,
        edges: int | None = None,
    ) -> Change:
        """Return the rewired topology; all weights have moved."""
        check(topology, weight, scores)
        sign = state.sign if scores.signs is None else scores.signs[topology.sources]
        theta = self._drifted(sign * weight, max(1, int(state.steps[0])), rng)
        crossed = int((theta < 0).sum())
        counts = plan(topology, crossed, edges, self.band)
        grown = candidates(topology, counts.grow, rng)
        dropped = lowest(theta, counts.drop, rng)
        # What has crossed but finds no pair to make room for waits at 0.
        moved = (sign * np.maximum(theta, 0)).astype(weight.dtype, copy=False)
        change = exchange(topology, moved, dropped, grown, 0.0, state)
        drawn = _random_signs(len(grown), rng)
        fresh = drawn if scores.signs is None else scores.signs[grown.sources]
        after = Signs(follow(sign, change.moved, fresh), np.zeros(1, np.int64))
        return change._replace(state=after)

    def _drifted(self, theta: Floats, steps: int, rng: np.random.Generator) -> Floats:
        theta = theta - theta.dtype.type(steps * self.rate * self.penalty)
        if self.temperature > 0:
            noise = rng.standard_normal(len(theta), np.float32)
            theta += noise * theta.dtype.type(sqrt(2 * steps * self.rate * self.temperature))
        return theta


def _random_signs(count: int, rng: np.random.Generator) -> NDArray[np.int8]:
    return (2 * rng.integers(0, 2, count, np.int8) - 1).astype(np.int8)
