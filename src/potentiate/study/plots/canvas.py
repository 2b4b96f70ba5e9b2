"""A matplotlib figure that becomes a piece of a web page.

Source of the palette: Okabe and Ito, "Color Universal Design", 2008: told apart by all readers.
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Sequence
from io import StringIO
from types import TracebackType
from typing import Any

import matplotlib as mpl
from matplotlib import figure, lines, patches
from matplotlib.backends.backend_svg import FigureCanvasSVG

Axes = Any
"""Axes of matplotlib, whose stubs leave the keyword arguments untyped."""

# Colors that stand for variables of the page until the drawing is done.
INK, MUTED, PAPER = "#010101", "#010102", "#010103"
TONES = {
    "good": "#010104",
    "doubt": "#010105",
    "bad": "#010106",
    "slow": "#010107",
    "info": "#010108",
    "muted": MUTED,
}
GRID = {"color": MUTED, "alpha": 0.25, "linewidth": 0.8}

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    PAPER: "--paper",
    **{color: f"--{tone}" for tone, color in TONES.items() if tone != "muted"},
}
_FONT = "system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "potentiate",
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": False,
    "figure.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
}


def label(text: str) -> str:
    """Text that an SVG may hold: without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)


def line(text: str, **style: Any) -> Any:
    """An entry of a legend, drawn as a line or a marker."""
    make: Any = lines.Line2D
    return make([], [], label=text, **style)


def patch(text: str, color: str) -> Any:
    """An entry of a legend, drawn as an area."""
    make: Any = patches.Patch
    return make(color=color, label=text)


class Canvas:
    """A figure in inches; used as a context, in which the style of the page holds."""

    def __init__(self, name: str, width: float, height: float) -> None:
        context: Any = mpl
        self.name, self.width, self.height = name, width, height
        self._style: Any = context.rc_context(_STYLE)
        self._figure: Any = None

    def __enter__(self) -> Canvas:
        self._style.__enter__()
        self._figure = figure.Figure((self.width, self.height))
        FigureCanvasSVG(self._figure)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._style.__exit__(kind, error, trace)

    def axes(self, *, left: float, right: float, top: float, bottom: float) -> Axes:
        """The axes, within margins in inches."""
        width, height = self.width - left - right, self.height - top - bottom
        place = left / self.width, bottom / self.height, width / self.width, height / self.height
        return self._figure.add_axes(place)

    def legend(self, handles: Sequence[Any], columns: int) -> None:
        """A legend below the axes, where it covers nothing."""
        self._figure.legend(
            handles=list(handles),
            loc="lower center",
            ncols=columns,
            frameon=False,
            bbox_to_anchor=(0.5, 0.0),
            borderaxespad=0.1,
        )

    def svg(self, alternative: str) -> str:
        """The drawing as an `svg` element; `alternative` tells it to those who cannot see it."""
        stream = StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Glyph"
            )  # only the reader's font must have it
            self._figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
        return _inline(stream.getvalue(), self.name, alternative)


def _inline(text: str, name: str, alternative: str) -> str:
    """The file as an element of a page that holds other drawings and has its own colors."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?(?=[;\"])", _FONT, text)
    text = re.sub(r"\bid=\"", f'id="{name}-', text)
    text = re.sub(r"(url\(#|xlink:href=\"#)", rf"\1{name}-", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    quoted = html.escape(label(alternative))
    head = f'<svg {spaces} {box.group()} role="img" aria-label="{quoted}">'
    return (head + text[text.index(">") + 1 :]).strip()
