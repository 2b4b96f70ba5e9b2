"""A matplotlib figure that becomes a piece of a web page.

Source of the palette: Okabe and Ito, "Color Universal Design", 2008: told apart by all readers.
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import StringIO
from types import TracebackType
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colors that stand for variables of the page until the drawing is done; the fallback is for light.
INK, MUTED, PAPER = "#010101", "#010102", "#010103"
TONES = {
    "good": "#010104",
    "doubt": "#010105",
    "bad": "#010106",
    "slow": "#010107",
    "info": "#010108",
    "muted": MUTED,
}
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    PAPER: "--paper",
    **{color: f"--{tone}" for tone, color in TONES.items() if tone != "muted"},
}
_FONT = "system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
_STYLE = {
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
    "patch.linewidth": 1.0,
}


def label(text: str) -> str:
    """Text that an SVG may hold: without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)


class Canvas:
    """A figure in inches; used as a context, in which the style of the page holds."""

    def __init__(self, name: str, width: float, height: float) -> None:
        self.name, self.width, self.height = name, width, height
        self._style: AbstractContextManager[Any] = mpl.rc_context(_STYLE)  # pyright: ignore[reportArgumentType]
        self._figure: Figure | None = None

    def __enter__(self) -> Canvas:
        self._style.__enter__()
        self._figure = Figure((self.width, self.height))
        FigureCanvasSVG(self._figure)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._style.__exit__(kind, error, trace)

    @property
    def figure(self) -> Figure:
        """The figure, between entering and leaving."""
        assert self._figure is not None
        return self._figure

    def axes(self, *, left: float, right: float, top: float, bottom: float) -> Axes:
        """The axes, within margins in inches."""
        width, height = self.width - left - right, self.height - top - bottom
        return self.figure.add_axes(
            (left / self.width, bottom / self.height, width / self.width, height / self.height)
        )

    def legend(self, handles: Sequence[Artist], columns: int) -> None:
        """A legend below the axes, where it covers nothing."""
        self.figure.legend(
            handles=list(handles), loc="lower center", ncols=columns, frameon=False,
            bbox_to_anchor=(0.5, 0.0), borderaxespad=0.1,
        )  # fmt: skip

    def svg(self, alternative: str) -> str:
        """The drawing as an `svg` element; `alternative` is its text for those who cannot see it."""
        stream = StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # only the page's font must have it
            self.figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
        text = stream.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?(?=[;\"])", _FONT, text)
        text = re.sub(r"\bid=\"", f'id="{self.name}-', text)
        text = re.sub(r"(url\(#|xlink:href=\"#)", rf"\1{self.name}-", text)
        for color, variable in _VARIABLES.items():
            text = text.replace(color, f"var({variable})")
        quoted = html.escape(label(alternative))
        size = r'<svg[^>]*?(viewBox="[^"]*")[^>]*>'
        head = rf'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" \1 role="img" aria-label="'
        return re.sub(size, lambda m: m.expand(head) + f'{quoted}">', text, count=1).strip()
