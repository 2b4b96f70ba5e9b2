"""Who is connected with whom, as lists of edges and never as a matrix; and distances between neurons."""

from potentiate.topology.distance import Embedding, Grid, Metric, Ring, sides
from potentiate.topology.edges import Topology, Units, dale_signs, unit_type
from potentiate.topology.initial import constant_fan_in, erdos_renyi, erk, small_world

__all__ = [
    "Embedding",
    "Grid",
    "Metric",
    "Ring",
    "Topology",
    "Units",
    "constant_fan_in",
    "dale_signs",
    "erdos_renyi",
    "erk",
    "sides",
    "small_world",
    "unit_type",
]
