"""Who is connected with whom, as lists of edges and never as a matrix; and distances between neurons."""

from potentiate.topology.distance import Embedding, Grid, Metric, Ring
from potentiate.topology.edges import Topology, dale_signs
from potentiate.topology.initial import constant_fan_in, erdos_renyi, erk, small_world

__all__ = [
    "Embedding",
    "Grid",
    "Metric",
    "Ring",
    "Topology",
    "constant_fan_in",
    "dale_signs",
    "erdos_renyi",
    "erk",
    "small_world",
]
