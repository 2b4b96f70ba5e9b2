"""The steps that rules are made of: how many edges go, which ones, who may come, and the exchange."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentiate.errors import Refused
from potentiate.kernels import pairs
from potentiate.plasticity.structural.rule import (
    Change,
    Floats,
    Indices,
    Ints,
    Scores,
    State,
    follow,
)
from potentiate.topology import Metric, Topology, Units, unit_type
from potentiate.topology.initial import distinct

DRAWS = 256
"""Pairs tested for each one wanted, before a range is taken to hold no more."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of neurons, none twice, ascending by target and source.

    Attributes:
        targets: [pairs].
        sources: [pairs].
    """

    targets: Units
    sources: Units

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, chosen: Indices | NDArray[np.bool_]) -> Pairs:
        """Return some of them, in the order of `chosen`."""
        return Pairs(self.targets[chosen], self.sources[chosen])


class Plan(NamedTuple):
    """How many edges go and come."""

    drop: int
    grow: int

    def with_found(self, found: int) -> Plan:
        """Return the plan where fewer pairs were found than should grow: fewer are dropped."""
        return Plan(max(0, self.drop - max(0, self.grow - found)), min(self.grow, found))

    def with_droppable(self, edges: int) -> Plan:
        """Return the plan where no more edges than these may go: fewer grow."""
        return Plan(min(self.drop, edges), max(0, self.grow - max(0, self.drop - edges)))


def plan(topology: Topology, replaced: int, edges: int | None, band: float) -> Plan:
    """Return how many edges go and come, so that there are `edges` of them, or nearer to it by a step.

    Args:
        topology: The edges so far.
        replaced: How many shall be replaced; fewer where there is nothing to replace them with.
        edges: How many there shall be; None: as many as before.
        band: The largest share of the edges that is added or removed at once, one edge at least.

    Raises:
        Refused: More edges are asked for than possible, or less than none.
    """
    have, wanted = topology.edges, topology.edges if edges is None else edges
    if not 0 <= wanted <= topology.possible:
        raise Refused(
            f"edges={wanted} is refused: this topology has room for 0 to {topology.possible}"
        )
    step = max(1, ceil(band * have))
    net = min(step, max(-step, wanted - have))
    grow = min(max(replaced, abs(net)) + min(net, 0), topology.possible - have)
    return Plan(grow - net, grow)


def check(topology: Topology, weight: Floats, scores: Scores) -> None:
    """Check that weight and scores are of this topology.

    Raises:
        Refused: They are not.
    """
    if weight.shape != (topology.edges,):
        raise Refused(f"weight {weight.shape} does not fit {topology.edges} edges")
    neurons = len(scores.after), len(scores.before)
    signs = neurons[1] if scores.signs is None else len(scores.signs)
    if neurons != topology.shape or signs != neurons[1]:
        raise Refused(
            f"scores of {neurons} targets and sources, {signs} signs, do not fit {topology.shape}"
        )


def lowest(values: NDArray[Any], count: int, rng: np.random.Generator) -> Ints:
    """Return where the `count` smallest are, ascending; among equal ones each is as likely. Cost: linear."""
    if count <= 0 or count >= len(values):
        return np.arange(len(values) if count > 0 else 0)
    edge = np.partition(values, count - 1)[count - 1]
    chosen = values < edge
    equal = np.flatnonzero(values == edge)
    chosen[equal[distinct(len(equal), count - int(chosen.sum()), rng)]] = True
    return np.flatnonzero(chosen)


def every_pair(topology: Topology) -> int:
    """Return how many pairs are no edge and could be one."""
    return topology.possible - topology.edges


def numbered(topology: Topology, ranks: Ints) -> Pairs:
    """Return the pairs of these ascending ranks among those that are no edge. Cost: edges + ranks."""
    kind = unit_type(topology.shape)
    found = Pairs(np.empty(len(ranks), kind), np.empty(len(ranks), kind))
    pairs.absent(
        topology.ends,
        topology.sources,
        topology.shape[1],
        topology.recurrent,
        ranks,
        found.targets,
        found.sources,
    )
    return found


def candidates(
    topology: Topology,
    count: int,
    rng: np.random.Generator,
    metric: Metric | None = None,
    reach: tuple[float, float] = (0.0, inf),
) -> Pairs:
    """Return `count` pairs that are no edge, every set of them equally likely.

    With a metric, only pairs whose distance lies in `reach`: pairs are drawn and measured until there
    are enough, at most `DRAWS` for each one wanted, so that of a very rare kind fewer may come.

    Cost: edges + count log count, without a range.
    """
    room = every_pair(topology)
    if metric is None or reach == (0.0, inf):
        return numbered(topology, distinct(room, min(count, room), rng))
    draws, limit = count, min(room, max(count * DRAWS, 4096))
    while True:
        draws = min(draws, limit)
        found = numbered(topology, distinct(room, draws, rng))
        apart = metric.distance(found.targets, found.sources)
        found = found.take((reach[0] <= apart) & (apart <= reach[1]))
        if len(found) >= count or draws == limit:
            return found.take(distinct(len(found), min(count, len(found)), rng))
        draws = max(2 * draws, 4096)


def fresh_weights(
    scale: float, grown: Pairs, signs: NDArray[np.int8] | None, rng: np.random.Generator
) -> Floats:
    """Return normal weights of this scale, float32 [grown]; by Dale's law, with the sign of the source."""
    weight: Floats = rng.standard_normal(len(grown), np.float32)
    weight *= np.float32(scale)
    if signs is not None:
        np.copysign(weight, signs[grown.sources], out=weight)
    return weight


def exchange(
    topology: Topology,
    weight: Floats,
    dropped: Ints,
    grown: Pairs,
    fresh: Floats | float,
    state: State,
) -> Change:
    """Return the change that drops the edges at these places and grows these pairs.

    Cost: one pass over the edges; what stays in order is not sorted again.
    """
    keep = np.ones(topology.edges, np.bool_)
    keep[dropped] = False
    edges = topology.edges - len(dropped) + len(grown)
    ends, sources = np.empty_like(topology.ends), np.empty_like(topology.sources, shape=edges)
    moved = np.empty(edges, np.int64)
    pairs.merge(
        topology.ends, topology.sources, keep, grown.targets, grown.sources, ends, sources, moved
    )
    after = Topology(ends, sources, topology.shape, topology.recurrent)
    return Change(after, moved, follow(weight, moved, fresh), state)
