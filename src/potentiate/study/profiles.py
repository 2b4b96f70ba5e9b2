"""What a study tries when nobody names it, and how thoroughly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

STANDARD: tuple[str, ...] = (
    "channels-last",
    "data-loading",
    "fused-optimizer",
    "batch-size:size={double}",
    "rarer-evaluation",
    "compile",
    "mixed-precision",
    "one-cycle",
    "early-stopping",
    "short-schedule:factor=0.5",
    "adaptive-batch",
    "threads:count=1",
    "activation-checkpointing",
    "gradient-accumulation",
    "cosine",
    "label-smoothing",
    "ema-weights",
)
"""Techniques tried alone, the most promising first; a small budget cuts from the end."""

OPTIONS: tuple[str, ...] = (
    "optimizer:kind=AdamW,lr=0.003 + one-cycle",
    "optimizer:kind=AdamW,lr=0.006 + one-cycle",
    "one-cycle",
    "batch-size:size={double}",
    "label-smoothing",
    "ema-weights",
    "optimizer:kind=AdamW,lr=0.002 + cosine",
    "batch-size:size={half}",
)
"""Ways to learn more in a short schedule, tried on top of the combination."""

PLASTIC: tuple[str, ...] = (
    "event-driven-updates",
    "rarer-consolidation",
    "cached-baseline-current",
    "fewer-time-steps",
    "batched-presentation",
    "rarer-homeostasis",
    "rarer-evaluation",
    "threads:count=1",
    "early-stopping",
    "short-schedule:factor=0.5",
    "rarer-learning-rate-adaptation",
    "faster-teacher-fade",
    "steeper-curriculum",
    "smaller-importance-increment",
    "shorter-history",
)
"""The same for networks that learn by local rules."""

CONTRASTIVE: tuple[str, ...] = (
    "no-angles",
    "mixed-precision",
    "batch-size:size={double}",
    "early-stopping:metric=contrast",
    "short-schedule:factor=0.5",
    "threads:count=1",
    "temperature:schedule=polynomial-decay",
    "activation-checkpointing",
    "one-cycle",
    "temperature:schedule=linear-decay",
    "temperature:schedule=constant",
    "early-stopping",
    "rarer-evaluation",
    "fused-optimizer",
    "adaptive-batch",
    "compile",
    "data-loading",
)
"""The same for a contrast of two views at a temperature."""

QUICK = ("channels-last", "data-loading", "fused-optimizer", "batch-size:size={double}")
QUICK_PLASTIC = ("event-driven-updates", "rarer-consolidation", "fewer-time-steps")
QUICK_CONTRASTIVE = (
    "no-angles",
    "mixed-precision",
    "batch-size:size={double}",
    "activation-checkpointing",
)
QUICK_OPTIONS = ("optimizer:kind=AdamW,lr=0.006 + one-cycle", "batch-size:size={double}")


def suggested(provides: Collection[str], *, quick: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is tried alone and as a recipe on a workload that provides so much."""
    if "plasticity" in provides:
        return (QUICK_PLASTIC if quick else PLASTIC), ()
    short, long = QUICK, STANDARD
    if "temperature" in provides and "angles" in provides:
        short, long = QUICK_CONTRASTIVE, CONTRASTIVE
    return (short, QUICK_OPTIONS) if quick else (long, OPTIONS)


PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "noise_blocks": 3,
        "timing_blocks": 4,
        "build_blocks": 2,
        "screen_blocks": 0,
        "option_blocks": 1,
        "rounds": 1,
        "looks": (3,),
        "confirm_looks": (6,),
        "controls": (0.5, 1 / 3, 0.2),
        "lengths": (0.2, 0.35, 0.5),
        "top": 1,
    },
    "standard": {},
    "thorough": {
        "noise_blocks": 10,
        "timing_blocks": 10,
        "build_blocks": 5,
        "option_blocks": 3,
        "screen_blocks": 3,
    },
}
