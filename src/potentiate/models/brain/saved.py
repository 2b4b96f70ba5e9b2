"""Brains on disk: a folder of safetensors and JSON with checksums, complete or not there at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

from potentiate import checkpoint
from potentiate.errors import Refused, unknown
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


def load_brain(folder: Path, settings: Mapping[str, Any] | None = None) -> Brain:
    """Return the brain in `folder`; one of `save_brain` goes on as if it had never stopped.

    Args:
        folder: What `save_brain` wrote, or a checkpoint of a run of a brain, or the folder of such a run:
            its best checkpoint, or the newest where none is the best.
        settings: Fields of `Anatomy` and `Plasticity` to be changed. A run with techniques needs it, be
            it empty: its checkpoints do not tell what the techniques changed.

    Raises:
        Refused: There is none, it is damaged, or a newer version wrote it.
    """
    place = _place(Path(folder))
    state = _state(place, settings)
    if state["brain"] > FORMAT:
        raise Refused(
            f"the brain in {place} has format {state['brain']} and this potentiate reads up to {FORMAT}; "
            "use the version of potentiate that wrote it"
        )
    values = {**state["anatomy"], **state["plasticity"]}
    for name in (settings or {}).keys() - values.keys():
        raise unknown("setting", name, values, " of a brain")
    values.update(settings or {})
    anatomy, plasticity = _part(Anatomy, values), _part(Plasticity, values)
    brain = Brain(state["inputs"], state["classes"], anatomy, plasticity, seed=state["seed"])
    try:
        brain.load_state_dict(state["buffers"])
    except RuntimeError:
        raise Refused(
            f"the brain in {place} has no room for what its settings ask for; leave hidden, complement, "
            "protection and consolidation as they were when it was made"
        ) from None
    return brain


def _place(folder: Path) -> Path:
    """The checkpoint that `folder` is or holds."""
    if not (folder / "state.json").is_file():
        for shelf in (folder / "checkpoints", folder):
            if (shelf / "best").is_dir():
                return shelf / "best"
            if latest := checkpoint.Shelf(shelf).latest():
                return latest
    return folder


def _state(place: Path, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `save_brain` writes, or the same out of the checkpoint of a run."""
    found = checkpoint.load(place)
    state = cast("dict[str, Any]", found.state if isinstance(found.state, dict) else {})
    if "brain" in state:
        return state
    buffers, recipe = state.get("training", {}).get("model", {}), found.facts.get("recipe", {})
    if not buffers.keys() >= {"weight", "readout", "responses"} or "complement" not in recipe:
        raise Refused(f"{place} holds no brain; give a folder of save_brain or of a run of a brain")
    if settings is None and (used := found.facts["techniques"]):
        raise Refused(
            f"the run of {place} had techniques ({', '.join(used)}), and what they changed of the brain is not "
            "stored; give it, as in load_brain(folder, {'time_steps': 60}), or {} if it is nothing"
        )
    return {
        "brain": FORMAT,
        "inputs": len(buffers["weight"]) // (2 if recipe["complement"] else 1),
        "classes": buffers["readout"].shape[1],
        "seed": found.facts["seed"],
        "anatomy": asdict(_part(Anatomy, recipe)),
        "plasticity": asdict(_part(Plasticity, recipe)),
        "buffers": buffers,
    }


def _part(kind: Any, values: Mapping[str, Any]) -> Any:
    return kind(**{f.name: values[f.name] for f in fields(kind) if f.name in values})
