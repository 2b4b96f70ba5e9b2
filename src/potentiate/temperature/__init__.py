"""The temperature of a contrastive loss as a function of the epoch: the schedules of TimeHUT, and later ones.

A low temperature looks at the nearest negatives alone and spreads classes out; a high one treats all alike
and lets like series stay near each other. A schedule has no state, so it survives resuming: what depends on
the course of the loss is given that course.

Source: Kukleva et al. 2023, arXiv:2303.13664, for cosines; Jalali et al. 2025, arXiv:2510.01658.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from potentiate.errors import unknown
from potentiate.temperature import later, seed
from potentiate.temperature.base import Temperature

__all__ = ["TEMPERATURES", "Temperature", "temperature"]

TEMPERATURES: Mapping[str, type[Temperature]] = MappingProxyType(
    {
        "cosine-annealing": seed.CosineAnnealing,
        "linear-decay": seed.LinearDecay,
        "exponential-decay": seed.ExponentialDecay,
        "step-decay": seed.StepDecay,
        "polynomial-decay": seed.PolynomialDecay,
        "sigmoid-decay": seed.SigmoidDecay,
        "warmup-cosine": seed.WarmupCosine,
        "constant": seed.Constant,
        "cyclic": seed.Cyclic,
        "no-scheduling": seed.NoScheduling,
        "adaptive-cosine-annealing": seed.AdaptiveCosineAnnealing,
        "multi-cycle-cosine": seed.MultiCycleCosine,
        "cosine-with-restarts": seed.CosineWithRestarts,
        "momentum-adaptive": later.MomentumAdaptive,
        "triangular": later.Triangular,
        "one-cycle": later.OneCycle,
        "hyperbolic-tangent": later.HyperbolicTangent,
        "logarithmic": later.Logarithmic,
        "piecewise-plateau": later.PiecewisePlateau,
        "inverse-time": later.InverseTime,
        "double-exponential": later.DoubleExponential,
        "noisy-cosine": later.NoisyCosine,
    }
)
"""All schedules by name: the thirteen of the seed system first, then the nine that came later."""


def temperature(name: str, **settings: float) -> Temperature:
    """Return the schedule of a name, in which `_` may stand for `-`.

    Raises:
        Refused: There is no such schedule, or it has no such setting; the nearest one is named.
    """
    key = name.replace("_", "-")
    if key not in TEMPERATURES:
        raise unknown("temperature schedule", name, TEMPERATURES)
    kind = TEMPERATURES[key]
    known = {part.name for part in fields(kind)}
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {key}", setting, known)
    return kind(**settings)
