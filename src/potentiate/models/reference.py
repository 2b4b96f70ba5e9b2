"""From what a person types to a workload: a name of the table, or "file.py:attribute" of their own."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

from potentiate.data.archives import WAVES, sets_here
from potentiate.data.catalog import data_folder
from potentiate.errors import Refused, unknown
from potentiate.models import FAMILIES, WORKLOADS
from potentiate.workload import Workload

SHOWN = 8
"""Sets of a family that are named, where one is missing."""


def find(reference: str) -> Workload:
    """Return the workload that `reference` names.

    Raises:
        Refused: No such name (the nearest is suggested), file or attribute, or the file itself fails.
    """
    if (known := of_tables(reference)) is not None:
        return known
    if (family := reference.rstrip("/")) in FAMILIES:
        raise Refused(
            f"{family} needs a set of series: {family}/{WAVES} is made and needs no file, and {_sets(family)}"
        )
    path, colon, attribute = reference.rpartition(":")
    if not colon and reference.endswith(".py"):
        path, attribute = reference, "workload"
    if not path.endswith(".py"):
        if reference in {name for _, name in sets_here()}:
            families = " or ".join(f"{family}/{reference}" for family in FAMILIES)
            raise Refused(f"{reference} is a set of series; say what learns from it: {families}")
        raise unknown("workload", reference, WORKLOADS)
    found = getattr(_module(Path(path).resolve()), attribute, None)
    if found is None:
        raise Refused(
            f"{path} defines no '{attribute}'; assign a Workload to it, for example with supervised(...)"
        )
    if not isinstance(found, Workload):
        raise Refused(
            f"'{attribute}' in {path} is a {type(found).__name__}, not a Workload; see supervised(...)"
        )
    if not is_dataclass(found.recipe):
        raise Refused(
            f"the recipe of '{attribute}' in {path} is a {type(found.recipe).__name__}, not a dataclass; give it one"
        )
    return replace(found, source=f"{Path(path).resolve()}:{attribute}")


def of_tables(reference: str) -> Workload | None:
    """Return the workload of a name in the tables, None where there is none."""
    family, slash, member = reference.partition("/")
    if slash and member and family in FAMILIES and not member.endswith(".py"):
        return FAMILIES[family](member)
    return WORKLOADS.get(reference)


def _sets(family: str) -> str:
    """What sets a family would find here."""
    names, folder = [name for _, name in sets_here()], data_folder()
    if not names:
        return f"any set of the archives UCR and UEA is one where it lies in {folder}/ucr or {folder}/uea"
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")
    return f"{family}/NAME takes a set in {folder}, where {shown} lie"


def schedule(workload: Workload) -> str:
    """Return how a workload of the table trains: how long, in which portions, by what."""
    recipe: Any = workload.recipe
    how = "local rules"
    if "gradient" in workload.provides:
        how = f"{getattr(recipe, 'optimizer', 'AdamW')} at {recipe.lr:g}"
    if recipe.epochs is None:
        epochs = "as long as the data ask"
    else:
        epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs:g} epochs"
    return f"{epochs}, batch {recipe.batch_size}, {how}"


def _module(path: Path) -> Any:
    if not path.is_file():
        raise Refused(f"there is no workload file {path}; check the path before the colon")
    name = f"potentiate_job_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # the job may import what lies beside it
    sys.modules[name] = module  # dataclasses and worker processes look their module up by name
    try:
        spec.loader.exec_module(module)
    except Refused:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in frames if f.filename == str(path)), None)
        if isinstance(error, SyntaxError):  # raised by who reads the file, not within it
            line = error.lineno
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Refused(
            f"{path} fails at line {line} with {cause}; mend the file and try again"
        ) from error
    return module
