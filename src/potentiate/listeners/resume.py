"""From a folder to the training that was stopped there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potentiate.checkpoint import Shelf, facts, load
from potentiate.errors import Refused
from potentiate.techniques.base import Technique
from potentiate.workload import Workload

SHELF = "checkpoints"
"""The folder of checkpoints within the folder of a run."""


@dataclass(frozen=True)
class Resumed:
    """A stopped training, built again: what `train` needs to go on from `state`.

    Attributes:
        folder: The checkpoint.
        state: For `train(..., resume=state)`.
        listeners: For `Checkpoints.restore`.
        facts: What was noted in the checkpoint.
        finished: Why the run ended, or None if it did not.
    """

    folder: Path
    workload: Workload
    techniques: Sequence[Technique]
    seed: int
    device: str
    state: Mapping[str, Any]
    listeners: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def finished(self) -> str | None:
        """Why the run was over, or None."""
        return self.facts.get("finished")


def newest(folder: Path) -> Path:
    """Return the newest complete checkpoint in `folder`: of a run, of checkpoints, or one itself.

    Raises:
        Refused: There is none.
    """
    if (folder / "state.json").is_file():
        return folder
    for place in (folder / SHELF, folder):
        found = Shelf(place).latest() if place.is_dir() else None
        if found is not None:
            return found
    damaged = [step for place in (folder / SHELF, folder) for step in Shelf(place).steps()]
    if damaged:
        raise Refused(
            f"all {len(damaged)} checkpoints in {folder} are damaged or of a newer version; restore one, or "
            "start anew in another folder"
        )
    what = "holds no checkpoint" if folder.is_dir() else "does not exist"
    raise Refused(f"{folder} {what}, so there is nothing to resume; name the folder given to --out")


def resumed(folder: Path) -> Resumed:
    """Return the training whose newest checkpoint lies in `folder`.

    Raises:
        Refused: There is none, or its workload or techniques are not known here any more.
    """
    from potentiate.models.reference import find
    from potentiate.techniques.reference import parse

    checkpoint = newest(folder)
    noted = facts(checkpoint)
    for key in ("workload", "recipe", "techniques", "seed", "device"):
        if key not in noted:
            raise Refused(
                f"{checkpoint} says nothing about its {key}, so it was not written by a run"
            )
    workload = find(noted["workload"]).varied(noted["recipe"])
    techniques = [parse(spec) for spec in noted["techniques"]]
    state = load(checkpoint).state
    return Resumed(
        checkpoint,
        workload,
        techniques,
        noted["seed"],
        noted["device"],
        state["training"],
        state["listeners"],
        noted,
    )
