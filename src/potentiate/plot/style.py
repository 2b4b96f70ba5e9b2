"""How pictures look, and how they become files: text stays text in SVG, equal drawings give equal bytes.

Source of the colors: Okabe and Ito, "Color Universal Design", 2008: told apart by all readers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import MaxNLocator

Axes = Any
"""Axes of matplotlib, whose stubs leave the keyword arguments untyped."""

INK, MUTED = "#222222", "#8a8a8a"
ORANGE, BLUE, GREEN, RED = "#e69f00", "#0072b2", "#009e73", "#d55e00"
SIZE = 6.4, 4.2
"""Inches."""
EQUAL = 1e-6
DECADES = 1e3
"""Ratio of largest to smallest from which on an axis is logarithmic."""
LONGEST = 120
"""Letters of a file's name."""
FORMATS = "svg", "png"
_METADATA: Mapping[str, Mapping[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}

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


def save(make: Callable[[], Any], stem: Path, formats: Collection[str] = FORMATS) -> list[Path]:
    """Write the figure that `make` returns to `stem`.FORMAT for each format, and return the paths.

    Raises:
        OSError: A file cannot be written.
    """
    context: Any = mpl
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
    with context.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # only the reader's font must have it
        drawing = make()
        for path, kind in zip(paths, formats, strict=True):
            drawing.savefig(path, format=kind, dpi=160, metadata=_METADATA[kind])
    return paths


def unused(title: str, taken: list[str]) -> str:
    """A file's name for a title, numbered where the name was `taken`; it is from now on."""
    taken.append(slug(title)[:LONGEST])
    again = taken.count(taken[-1])
    return f"{taken[-1]}-{again}" if again > 1 else taken[-1]


def slug(title: str) -> str:
    """A file's name for a title; signs are told apart, as in lag 10 and lag -10."""
    words = re.sub(r"(?<![^\W_])-(?=\d)", "minus ", title.lower())
    return re.sub(r"[^a-z0-9.]+", "-", words).strip("-.") or "curve"


def label(text: str, longest: int = 72) -> str:
    """Text that a picture may hold: without control characters, and no wider than it."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def blank(width: float, height: float) -> Any:
    """An empty figure in inches, which makes room for all labels."""
    drawing: Any = figure.Figure((width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    drawing.get_layout_engine().set(w_pad=0.12, h_pad=0.06)
    return drawing


def headed(drawing: Any, title: str) -> None:
    """Put a title over all axes of a figure."""
    drawing.suptitle(label(title), x=0.02, ha="left", fontsize=11.0, fontweight="bold")


def gridded(axes: Axes) -> None:
    """Draw a quiet grid below the curves."""
    axes.grid(color=MUTED, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)


def ticked(axis: Any, *, whole: bool = False, most: int = 7) -> None:
    """Mark an axis at round numbers, at whole ones only if `whole`."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=whole))


def flat(values: Any) -> bool:
    """Whether the values differ by rounding alone, which is no shape."""
    return bool(np.ptp(values) < EQUAL * np.abs(values).max())
