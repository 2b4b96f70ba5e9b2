"""Curves as pictures: theory as a line, what was measured as points, one SVG and one PNG each.

Text stays text in the SVG, and equal curves give equal bytes.
Source of the colors: Okabe and Ito, "Color Universal Design", 2008: told apart by all readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import MaxNLocator

from potentiate.verify.check import Curve

INK, MUTED = "#222222", "#8a8a8a"
THEORY, MEASURED = "#e69f00", "#0072b2"
SIZE = 6.4, 4.2
"""Inches."""
EQUAL = 1e-6

_STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "potentiate",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(curves: Iterable[Curve], folder: Path, prefix: str) -> Iterator[Path]:
    """Draw each curve to `folder`/`prefix`-TITLE.svg and .png, and yield the path of the SVG.

    A title that comes again is numbered.

    Raises:
        OSError: A file cannot be written.
    """
    context: Any = mpl
    names: list[str] = []
    for curve in curves:
        names.append(slug(curve.title))
        again = names.count(names[-1])
        number = f"-{again}" if again > 1 else ""
        path = folder / f"{prefix}-{names[-1]}{number}.svg"
        with context.rc_context(_STYLE):
            drawing = _drawing(curve)
            drawing.savefig(path, metadata={"Date": None, "Creator": None})
            drawing.savefig(path.with_suffix(".png"), dpi=160, metadata={"Software": None})
        yield path


def slug(title: str) -> str:
    """A file's name for a title; signs are told apart, as in lag 10 and lag -10."""
    words = re.sub(r"(?<![^\W_])-(?=\d)", "minus ", title.lower())
    return re.sub(r"[^a-z0-9.]+", "-", words).strip("-.") or "curve"


def _drawing(curve: Curve) -> Any:
    drawing: Any = figure.Figure(SIZE, layout="constrained")
    FigureCanvasAgg(drawing)
    drawing.get_layout_engine().set(w_pad=0.12, h_pad=0.06)
    axes = drawing.add_subplot()
    if curve.theory.min() < 0 < curve.theory.max():
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
    size = 5.5 if len(curve.x) <= 60 else 3.0
    points = {"linestyle": "", "marker": "o", "markeredgewidth": 0, "markersize": size}
    axes.plot(curve.x, curve.theory, color=THEORY, linewidth=2.4, label="theory")
    axes.plot(curve.x, curve.measured, color=MEASURED, **points, label="measured")
    values = np.concatenate([curve.theory, curve.measured])
    if np.ptp(values) < EQUAL * np.abs(values).max():  # rounding is no shape
        axes.set_ylim(sorted((0.9 * values[0], 1.1 * values[0])))
    axes.set_title(curve.title)
    axes.set_xlabel(curve.x_label)
    axes.set_ylabel(curve.y_label)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(color=MUTED, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    drawing.legend(loc="outside lower center", ncols=2, frameon=False)
    return drawing
