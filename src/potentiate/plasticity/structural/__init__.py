"""Structural plasticity: rules by which edges go and come while the network learns, and their table.

A new rule is its class, a line here, and a test with one answer computed by hand.
"""

from collections.abc import Callable

from potentiate.plasticity.structural.chts import CHTs
from potentiate.plasticity.structural.coactivation import Coactivation
from potentiate.plasticity.structural.control import RandomRewiring, Static
from potentiate.plasticity.structural.deep_r import DeepR
from potentiate.plasticity.structural.magnitude import SET, RigL
from potentiate.plasticity.structural.rule import (
    Change,
    Explored,
    Scores,
    StructuralRule,
    follow,
    follow_optimizer,
)
from potentiate.plasticity.structural.srigl import SRigL

STRUCTURAL: dict[str, Callable[..., StructuralRule]] = {
    "chts": CHTs,
    "coactivation": Coactivation,
    "deep-r": DeepR,
    "random": RandomRewiring,
    "rigl": RigL,
    "set": SET,
    "srigl": SRigL,
    "static": Static,
}

__all__ = [
    "SET",
    "STRUCTURAL",
    "CHTs",
    "Change",
    "Coactivation",
    "DeepR",
    "Explored",
    "RandomRewiring",
    "RigL",
    "SRigL",
    "Scores",
    "Static",
    "StructuralRule",
    "follow",
    "follow_optimizer",
]
