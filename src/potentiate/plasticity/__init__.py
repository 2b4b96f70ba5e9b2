"""How weights change without a gradient: rules, their combinators, and the table of rules.

A new rule is its factory, a line here, and a test with one answer computed by hand. Penalties, the
consolidation of gradient models, have a table of their own in `potentiate.plasticity.penalties`.
"""

from collections.abc import Callable

from potentiate.plasticity.consolidation import amplitude_decay, importance_weighted, two_speed
from potentiate.plasticity.hebbian import bcm, hebb, oja
from potentiate.plasticity.homeostasis import intrinsic, normalize, synaptic_scaling
from potentiate.plasticity.metaplasticity import metaplasticity
from potentiate.plasticity.projection import replay
from potentiate.plasticity.reward import reward_stdp
from potentiate.plasticity.rule import Rule, bound, chain, every, gated
from potentiate.plasticity.stdp import inhibitory_stdp, pair_stdp, triplet_stdp

RULES: dict[str, Callable[..., Rule]] = {
    "amplitude-decay": amplitude_decay,
    "bcm": bcm,
    "hebb": hebb,
    "importance-weighted": importance_weighted,
    "inhibitory-stdp": inhibitory_stdp,
    "intrinsic": intrinsic,
    "metaplasticity": metaplasticity,
    "normalize": normalize,
    "oja": oja,
    "pair-stdp": pair_stdp,
    "reward-stdp": reward_stdp,
    "synaptic-scaling": synaptic_scaling,
    "triplet-stdp": triplet_stdp,
    "two-speed": two_speed,
}

__all__ = [
    "RULES",
    "Rule",
    "amplitude_decay",
    "bcm",
    "bound",
    "chain",
    "every",
    "gated",
    "hebb",
    "importance_weighted",
    "inhibitory_stdp",
    "intrinsic",
    "metaplasticity",
    "normalize",
    "oja",
    "pair_stdp",
    "replay",
    "reward_stdp",
    "synaptic_scaling",
    "triplet_stdp",
    "two_speed",
]
