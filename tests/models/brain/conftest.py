"""A small brain for letters, and the letters."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from torch import Tensor

from potentiate.data.glyphs import letters
from potentiate.models.brain import Anatomy, Brain, Plasticity

SMALL = {"hidden": 30, "complement": True, "time_steps": 60, "rate": 250.0, "inhibition": 20.0}


def small(inputs: int = 25, classes: int = 3, *, seed: int = 0, delays=None, **settings: Any):
    """A brain with settings of its anatomy and plasticity changed."""
    settings = {**SMALL, **settings}
    parts = [
        kind(**{f.name: settings.pop(f.name) for f in fields(kind) if f.name in settings})
        for kind in (Anatomy, Plasticity)
    ]
    assert not settings
    return Brain(inputs, classes, *parts, seed=seed, delays=delays)


@pytest.fixture(name="small")
def _small():
    return small


@pytest.fixture(scope="session")
def abc() -> tuple[Tensor, Tensor]:
    """600 noisy letters A, B and C, [600, 25] in {0, 1}, and their labels."""
    return _part("train")


@pytest.fixture(scope="session")
def unseen() -> tuple[Tensor, Tensor]:
    """300 further letters."""
    return _part("test")


def _part(name: str) -> tuple[Tensor, Tensor]:
    part = getattr(letters(counts=(600, 1, 300)), name)
    return part.inputs.flatten(1).float(), part.labels
