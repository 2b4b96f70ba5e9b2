"""What a verification consists of: a number beside the one that theory gives, or a curve beside one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import cast

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Check:
    """One comparison; it passes if |measured - expected| <= tolerance, so NaN never does.

    `source` says where the expected number comes from: a formula, or a table with its publication.
    """

    name: str
    expected: float
    measured: float
    tolerance: float
    source: str
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        passed = bool(abs(self.measured - self.expected) <= self.tolerance)
        object.__setattr__(self, "passed", passed)


@dataclass(frozen=True)
class Curve:
    """What was measured over what theory says, at the same x; all three of the same length."""

    title: str
    x_label: str
    y_label: str
    x: NDArray[np.float64]
    theory: NDArray[np.float64]
    measured: NDArray[np.float64]


@dataclass(frozen=True)
class Suite:
    """The checks of one module, which is imported only when they are asked for.

    The module has `checks() -> Iterator[Check]`, and where there is something to draw
    `curves() -> Iterator[Curve]`.
    """

    module: str

    def checks(self) -> Iterator[Check]:
        """Run the checks one after the other."""
        yield from cast("Iterator[Check]", import_module(self.module).checks())

    def curves(self) -> Iterator[Curve]:
        """Measure the curves one after the other."""
        curves = getattr(import_module(self.module), "curves", tuple)
        yield from cast("Iterator[Curve]", curves())
