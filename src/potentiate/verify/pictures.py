"""Curves as pictures: theory as a line, what was measured as points, one SVG and one PNG each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from potentiate.plot.style import (
    BLUE,
    MUTED,
    ORANGE,
    SIZE,
    blank,
    flat,
    gridded,
    save,
    slug,
    ticked,
    unused,
)
from potentiate.verify.check import Curve

__all__ = ["draw", "slug"]

THEORY, MEASURED = ORANGE, BLUE


def draw(curves: Iterable[Curve], folder: Path, prefix: str) -> Iterator[Path]:
    """Draw each curve to `folder`/`prefix`-TITLE.svg and .png, and yield the path of the SVG.

    A title that comes again is numbered.

    Raises:
        OSError: A file cannot be written.
    """
    taken: list[str] = []
    for curve in curves:
        stem = folder / f"{prefix}-{unused(curve.title, taken)}"
        yield save(partial(_drawing, curve), stem)[0]


def _drawing(curve: Curve) -> Any:
    drawing = blank(*SIZE)
    axes = drawing.add_subplot()
    if curve.theory.min() < 0 < curve.theory.max():
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
    size = 5.5 if len(curve.x) <= 60 else 3.0
    points = {"linestyle": "", "marker": "o", "markeredgewidth": 0, "markersize": size}
    axes.plot(curve.x, curve.theory, color=THEORY, linewidth=2.4, label="theory")
    axes.plot(curve.x, curve.measured, color=MEASURED, **points, label="measured")
    values = np.concatenate([curve.theory, curve.measured])
    if flat(values):
        axes.set_ylim(sorted((0.9 * values[0], 1.1 * values[0])))
    axes.set_title(curve.title)
    axes.set_xlabel(curve.x_label)
    axes.set_ylabel(curve.y_label)
    for axis in (axes.xaxis, axes.yaxis):
        ticked(axis)
    gridded(axes)
    drawing.legend(loc="outside lower center", ncols=2, frameon=False)
    return drawing
