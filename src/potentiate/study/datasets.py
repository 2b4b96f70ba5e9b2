"""A study over several data sets: a study of its own for each set, in a folder of its own.

The folder above holds `study.toml`, what was asked of all; `datasets.json`, what no set's evidence can
tell (the shares of the budget, and why a set was refused); and the summary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from potentiate.config import FORMAT
from potentiate.errors import Refused
from potentiate.study.across import Across, SetFindings, across
from potentiate.study.declaration import FILE, Declaration, read_declaration
from potentiate.study.ledger import Ledger
from potentiate.study.reading import read_findings
from potentiate.study.report import written

NOTES = "datasets.json"
EVIDENCE = "evidence.jsonl"


@dataclass(frozen=True)
class Notes:
    """What is remembered of the sets: the budget in seconds, each set's share, and why some were refused."""

    budget: float | None = None
    budgets: Mapping[str, float] = field(default_factory=dict[str, float])
    refused: Mapping[str, str] = field(default_factory=dict[str, str])


def member(declaration: Declaration, name: str, budget: float | None = None) -> Declaration:
    """Return the study of one set, which is a study like any other."""
    return replace(
        declaration, workload=f"{declaration.workload}/{name}", datasets=(), budget=budget
    )


def check(declaration: Declaration) -> None:
    """Build the workload of every set once, so that nothing is run for a list with a wrong name.

    Cost: reads every set.

    Raises:
        Refused: The model is none, a name stands there twice, or a set is not there, is damaged or does
            not fit the recipe.
    """
    from potentiate.models.reference import find  # brings torch, which no report needs

    model, names = declaration.workload, declaration.datasets
    if "/" in model or model.endswith(".py") or ":" in model:
        raise Refused(
            f"data sets are put behind a model, and '{model}' is one workload; write the model alone, such "
            "as: potentiate study timehut --datasets waves Coffee"
        )
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"the data set '{name}' stands there twice; name each set once")
        find(f"{model}/{name}").varied(declaration.recipe).build(declaration.seed)


def shares(budget: float, costs: Mapping[str, float]) -> dict[str, float]:
    """Divide a budget as the sets' whole plans cost, in whole seconds.

    Example:
        >>> shares(90.0, {"Coffee": 400.0, "Chinatown": 200.0})
        {'Coffee': 60.0, 'Chinatown': 30.0}
    """
    whole = sum(costs.values())
    return {name: float(max(1, int(budget * cost / whole))) for name, cost in costs.items()}


def read_notes(folder: Path) -> Notes:
    """Return what is remembered in `folder`; nothing where there is no such file.

    Raises:
        Refused: The file is damaged.
    """
    path = folder / NOTES
    if not path.is_file():
        return Notes()
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        stored.pop("format", None)
        return TypeAdapter(Notes).validate_python(stored)
    except (ValueError, AttributeError, ValidationError):
        raise Refused(f"{path} is damaged; restore it or choose another folder") from None


def write_notes(folder: Path, notes: Notes) -> None:
    """Remember `notes` in `folder`.

    Raises:
        Refused: The folder cannot be written.
    """
    written(folder, {NOTES: json.dumps({"format": FORMAT, **asdict(notes)}, indent=2) + "\n"})


def counts(folder: Path) -> bool:
    """Whether the evidence of a set holds more than its pilot run, so that its plan is fixed."""
    return any(not r.request.phase.startswith("pilot") for r in Ledger(folder).records.values())


def holds_datasets(folder: Path) -> bool:
    """Whether `folder` is that of a study over data sets."""
    path = folder / FILE
    if (folder / EVIDENCE).exists() or not path.is_file():
        return False
    return bool(read_declaration(path).datasets)


def read_across(folder: Path) -> Across:
    """Return what the evidence of all sets below `folder` says, as far as it goes; nothing is run.

    Raises:
        Refused: There is no such study.
    """
    declaration, refused = read_declaration(folder / FILE), read_notes(folder).refused
    return across(declaration, [_read(folder, name, refused) for name in declaration.datasets])


def _read(folder: Path, name: str, refused: Mapping[str, str]) -> SetFindings:
    """A set's findings; whatever is wrong with one set stays with it."""
    why = refused.get(name, "")
    try:
        return SetFindings(name, read_findings(folder / name), why)
    except Refused as error:
        started = (folder / name / EVIDENCE).exists()
        return SetFindings(name, None, why or (str(error) if started else ""))
