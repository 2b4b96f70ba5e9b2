"""Networks that prune and regrow their edges while memory and time follow how many there are."""

from potentiate.models.plastic.layers import SparseLinear, SparseRecurrent
from potentiate.models.plastic.net import PlasticNet, initial_topology
from potentiate.models.plastic.step import Rewiring, StructuralStep

__all__ = [
    "PlasticNet",
    "Rewiring",
    "SparseLinear",
    "SparseRecurrent",
    "StructuralStep",
    "initial_topology",
]
