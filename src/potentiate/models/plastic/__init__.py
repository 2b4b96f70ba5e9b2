"""Networks that prune and regrow their edges while memory and time follow how many there are.

Names are loaded when they are first used: a table of workloads needs no compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from potentiate.models.plastic.evolution import Summary, evolve
    from potentiate.models.plastic.initial import initial_topology
    from potentiate.models.plastic.layer import SparseLayer
    from potentiate.models.plastic.layers import SparseLinear, SparseRecurrent
    from potentiate.models.plastic.net import PlasticNet
    from potentiate.models.plastic.step import Rewiring, StructuralStep

_HOMES = {
    "PlasticNet": "net",
    "Rewiring": "step",
    "SparseLayer": "layer",
    "SparseLinear": "layers",
    "SparseRecurrent": "layers",
    "StructuralStep": "step",
    "Summary": "evolution",
    "evolve": "evolution",
    "initial_topology": "initial",
}

__all__ = [
    "PlasticNet",
    "Rewiring",
    "SparseLayer",
    "SparseLinear",
    "SparseRecurrent",
    "StructuralStep",
    "Summary",
    "evolve",
    "initial_topology",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
