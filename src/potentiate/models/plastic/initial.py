"""The recurrent edges that a plastic network starts with. What it needs is loaded when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from potentiate.errors import Refused, unknown

if TYPE_CHECKING:
    from potentiate.topology import Topology

Initial = Literal["random", "fan-in", "ring", "grid", "progressive"]
REWIRED = 0.3
"""Share of a small world's edges that come from anywhere."""
BEGUN = 0.5
"""Share of its edges that a progressive topology begins with."""


def initial_topology(neurons: int, sparsity: float, kind: Initial, seed: int) -> Topology:
    """Return the recurrent edges that a network starts with.

    Args:
        neurons: N.
        sparsity: Share of the N (N - 1) possible edges that there are not.
        kind: "random": uniformly; "fan-in": as many sources for each target; "ring" or "grid": a small
            world of near neighbors, 30 % of whose edges come from anywhere; "progressive": uniformly
            half of the edges, and the others grow while it learns. All but "fan-in" are exact to one edge.
        seed: Of all that is drawn.
    """
    import numpy as np

    from potentiate import topology

    rng = np.random.default_rng(seed)
    density = 1.0 - sparsity
    if not 0.0 <= density <= 1.0:
        raise Refused(f"sparsity must lie in [0, 1], got {sparsity}")
    if kind in ("random", "progressive"):
        share = BEGUN if kind == "progressive" else 1.0
        return topology.erdos_renyi((neurons, neurons), share * density, rng, recurrent=True)
    wanted, others = round(density * neurons * (neurons - 1)), max(0, neurons - 1)
    fan_in = round(density * others)
    if kind == "fan-in":
        return topology.constant_fan_in((neurons, neurons), fan_in, rng, recurrent=True)
    if kind not in ("ring", "grid"):
        raise unknown("initial topology", kind, ("random", "fan-in", "ring", "grid", "progressive"))
    metric = topology.Ring(neurons) if kind == "ring" else topology.Grid(*topology.sides(neurons))
    fan_in = min(others, -(-wanted // max(1, neurons)))
    found = topology.small_world(metric, fan_in, REWIRED, rng)
    kept = np.sort(rng.permutation(found.edges)[:wanted])
    return topology.Topology.from_codes(found.codes_of(kept), found.shape, recurrent=True)
