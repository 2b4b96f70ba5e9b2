"""What a training raises that is not ours: one sentence that says where it comes from."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager

import torch

from potentiate.errors import Refused
from potentiate.workload import Workload


@contextmanager
def blaming(workload: Workload) -> Generator[None]:
    """Tell in one sentence what a user's own file or settings raise, with the line where there is one."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise Refused(
            f"'{workload.name}' does not fit into memory; choose a smaller --set batch_size, or "
            "add --technique gradient-accumulation"
        ) from error
    except Refused:
        raise
    except Exception as error:
        path = workload.source.rpartition(":")[0]
        if path.endswith(".py"):
            raise Refused(_blame(path, error)) from error
        if not workload.changes:
            raise
        asked = ", ".join(f"{key}={value}" for key, value in workload.changes.items())
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refused(
            f"'{workload.name}' with {asked} fails: {said}; change these settings"
        ) from error


def _blame(path: str, error: Exception) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == path
    ]
    said = (str(error).splitlines() or [""])[0]
    cause = f"{type(error).__name__}: {said}"
    if lines:
        return f"{path} fails at line {lines[-1]} with {cause}; mend the file and try again"
    return f"the workload of {path} fails with {cause}; check that model, data and loss fit"
