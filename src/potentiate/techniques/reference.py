"""From what a person types to a technique, and the cards that describe each one."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields
from typing import Any

import torch

from potentiate.errors import Refused, unknown
from potentiate.settings import changed, written
from potentiate.techniques import TECHNIQUES
from potentiate.techniques.base import Technique

ALIASES: dict[str, str] = {
    "accumulation": "gradient-accumulation",
    "adaptive-batch-size": "adaptive-batch",
    "adaptive-batch-sizing": "adaptive-batch",
    "adaptive-batching": "adaptive-batch",
    "amp": "mixed-precision",
    "autocast": "mixed-precision",
    "automatic-mixed-precision": "mixed-precision",
    "bf16": "mixed-precision:dtype=bf16",
    "checkpointing": "activation-checkpointing",
    "compilation": "compile",
    "compiled-model": "compile",
    "compiled-models": "compile",
    "cosine-annealing": "cosine",
    "data-loader": "data-loading",
    "dynamic-learning-rate": "one-cycle",
    "early-stop": "early-stopping",
    "efficient-schedulers": "temperature",
    "ema": "ema-weights",
    "fp16": "mixed-precision:dtype=fp16",
    "fused": "fused-optimizer",
    "gradient-checkpointing": "activation-checkpointing",
    "learning-rate": "one-cycle",
    "learning-rate-table": "lr-table",
    "lr-schedule": "one-cycle",
    "memory-efficient-loading": "data-loading",
    "mixed-precision-training": "mixed-precision",
    "model-compilation": "compile",
    "onecycle": "one-cycle",
    "resident": "data-loading:mode=resident",
    "step": "step-decay",
    "temperature-schedule": "temperature",
    "tf32": "mixed-precision:dtype=tf32",
    "torch-compile": "compile",
    "workers": "data-loading:mode=workers",
}
"""What people call them elsewhere; an alias may state settings."""

ABSENT: dict[str, str] = {
    "cuda-optimizations": "settings of CUDA such as the search of cuDNN for its fastest kernels are no technique yet",
    "curriculum": "learning from easy samples first is no technique yet",
    "knowledge-distillation": "learning from a larger network is no technique yet",
    "memory-efficient-attention": "no network here has attention",
    "pruning": "structured pruning, which takes whole channels out, is no technique yet",
    "quantization": "quantization to 8 bits changes the network that is deployed and is no technique yet",
}
"""What other systems name and is not there, with the reason."""

OTHER_NAMES = {
    "curriculum-learning": "curriculum",
    "distillation": "knowledge-distillation",
    "model-pruning": "pruning",
    "structured-pruning": "pruning",
}
"""Other names of what is not there."""

OTHER_KEYS = {("optimizer", "name"): "kind"}
"""(technique, key as typed) -> field, where a technique's own name is in the way."""

SECTIONS = ("Source", "Helps", "Hurts", "Cost")


def parse(spec: str) -> Technique:
    """Return the technique that `spec` describes: NAME[:key=value,...].

    Raises:
        Refused: No such technique (the nearest is suggested) or setting, or a value against its rule.

    Example:
        >>> parse("batch-size:size=128,lr_rule=linear").spec
        'batch-size:size=128,lr_rule=linear'
        >>> parse("gradient-checkpointing").name
        'activation-checkpointing'
    """
    typed, _, settings = spec.strip().partition(":")
    name = typed.strip().lower().replace("_", "-")
    name, _, implied = ALIASES.get(name, name).partition(":")
    if (absent := OTHER_NAMES.get(name, name)) in ABSENT:
        raise Refused(f"technique '{typed}': {ABSENT[absent]}; leave it out")
    if name not in TECHNIQUES:
        raise unknown("technique", typed, [*TECHNIQUES, *ALIASES])
    changes = _settings(name, implied) | _settings(name, settings)
    return changed(TECHNIQUES[name](), changes, where=f"technique '{name}'")


def _settings(name: str, text: str) -> dict[str, str]:
    changes = dict[str, str]()
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key:
            raise Refused(f"technique '{name}': '{item}' is no setting; write it as key=value")
        key = OTHER_KEYS.get((name, key), key)
        if key in changes:
            raise Refused(f"technique '{name}': {key} is stated twice; keep one of them")
        changes[key] = value
    return changes


@dataclass(frozen=True)
class Setting:
    """A field of a technique: its default as typed, and what it means."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Card:
    """A method card, as the docstring of a technique tells it; `refused` says why it cannot run here."""

    name: str
    summary: str
    source: str
    helps: str
    hurts: str
    cost: str
    stage: str
    evidence: str
    needs: tuple[str, ...]
    excludes: tuple[str, ...]
    settings: tuple[Setting, ...]
    refused: str | None = None


def cards(device: str | None = None) -> list[Card]:
    """Return the card of every technique, sorted by name; `device` is where it would run."""
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return [_card(TECHNIQUES[name], place) for name in sorted(TECHNIQUES)]


def _card(kind: type[Technique], device: str) -> Card:
    text = inspect.getdoc(kind) or ""
    sections = {name.lower(): _section(text, name) for name in SECTIONS}
    technique: Any = kind()
    defaults = written(technique)
    return Card(
        name=kind.name,
        summary=" ".join(text.partition("\n\n")[0].split()),
        **sections,
        stage=kind.stage.name.lower(),
        evidence=str(kind.evidence),
        needs=tuple(sorted(kind.needs)),
        excludes=tuple(sorted(kind.excludes)),
        settings=tuple(
            Setting(f.name, defaults[f.name], _attribute(text, f.name)) for f in fields(technique)
        ),
        refused=technique.unavailable(device),
    )


def _section(text: str, name: str) -> str:
    """A paragraph that begins with "Name: " at the margin; its further lines are indented."""
    found = re.search(rf"^{name}: (.*(?:\n[ ]+\S.*)*)", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def _attribute(text: str, name: str) -> str:
    """The entry of a field in the section Attributes."""
    found = re.search(rf"^ {{4}}{name}: (.*(?:\n[ ]{{5,}}\S.*)*)", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""
