"""Brains on disk: a folder of safetensors and JSON with checksums, complete or not there at all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from potentiate import checkpoint
from potentiate.errors import Refused
from potentiate.models.brain.brain import Brain
from potentiate.models.brain.recipe import Anatomy, Plasticity

FORMAT = 1
"""The format of a saved brain that this version writes."""


def save_brain(brain: Brain, folder: Path) -> Path:
    """Write all of `brain` to `folder`, its age among the facts, and return the folder."""
    state = {
        "brain": FORMAT,
        "inputs": brain.inputs,
        "classes": brain.classes,
        "seed": brain.seed,
        "anatomy": asdict(brain.anatomy),
        "plasticity": asdict(brain.plasticity),
        "buffers": dict(brain.state_dict()),
    }
    return checkpoint.save(folder, state, facts={"kind": "brain", "age": int(brain.age)})


def load_brain(folder: Path) -> Brain:
    """Return the brain that `save_brain` wrote; it goes on as if it had never stopped.

    Raises:
        Refused: There is none, it is damaged, or a newer version wrote it.
    """
    state = cast("dict[str, Any]", checkpoint.load(folder).state)
    if "brain" not in state:
        raise Refused(f"{folder} holds no brain; give a folder that save_brain wrote")
    if state["brain"] > FORMAT:
        raise Refused(
            f"the brain in {folder} has format {state['brain']} and this potentiate reads up to {FORMAT}; "
            "use the version of potentiate that wrote it"
        )
    parts = Anatomy(**state["anatomy"]), Plasticity(**state["plasticity"])
    brain = Brain(state["inputs"], state["classes"], *parts, seed=state["seed"])
    brain.load_state_dict(state["buffers"])
    return brain
