"""Numbers over steps or seconds, as curves: one panel below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentiate.plot.style import (
    BLUE,
    DECADES,
    GREEN,
    RED,
    SIZE,
    Axes,
    blank,
    flat,
    gridded,
    headed,
    label,
    ticked,
)

Floats = NDArray[np.float64]

LINES: Sequence[Mapping[str, Any]] = (
    {"color": BLUE},
    {"color": RED, "linestyle": "--", "markerfacecolor": "none", "markersize": 7.0},
)
"""The second is dashed and hollow, so that the first is seen where they are equal."""
FEW, MANY = 60, 400
"""Up to few points each is marked; more than many are drawn as mean and range of as many bins."""


@dataclass(frozen=True)
class Panel:
    """Named curves over the same steps [n], NaN where unknown; `band` [n, 2] is what was allowed."""

    y_label: str
    steps: ArrayLike
    curves: Sequence[tuple[str, ArrayLike]]
    band: ArrayLike | None = None


def courses(title: str, panels: Sequence[Panel], x_label: str = "step") -> Any:
    """Return a figure of the panels, one below the other."""
    drawing = blank(SIZE[0], SIZE[1] + 1.7 * (len(panels) - 1))
    rows = drawing.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(rows, panels, strict=True):
        _panel(axes, panel)
        if axes.get_yscale() == "linear":
            ticked(axes.yaxis, most=6)
    started(rows[-1], np.asarray(panels[-1].steps, np.float64))
    ticked(rows[-1].xaxis, whole=True)
    rows[-1].set_xlabel(x_label)
    headed(drawing, title)
    return drawing


def _panel(axes: Axes, panel: Panel) -> None:
    x = np.asarray(panel.steps, np.float64)
    values = [np.asarray(y, np.float64) for _, y in panel.curves]
    if panel.band is not None:
        values.append(np.ravel(np.asarray(panel.band, np.float64)))
        _banded(axes, x, np.asarray(panel.band, np.float64))
    for (name, y), style in zip(panel.curves, LINES, strict=False):
        curve(axes, x, y, label=name, **style)
    scaled(axes, np.concatenate(values))
    axes.set_ylabel(label(panel.y_label, 40))
    gridded(axes)
    if panel.band is not None or len(panel.curves) > 1:
        axes.legend(frameon=False, fontsize=9.0)


def _banded(axes: Axes, x: Floats, band: Floats) -> None:
    """Shade what was allowed: all over where it never changed."""
    low, high = band.T
    style = {"color": GREEN, "alpha": 0.18, "linewidth": 0, "label": "declared band"}
    if (band == band[0]).all():
        axes.axhspan(low[0], high[0], **style)
    else:
        axes.fill_between(x, low, high, step="post", **style)


def curve(axes: Axes, x: ArrayLike, y: ArrayLike, **style: Any) -> None:
    """Draw one curve; of very many points the mean and the range."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) > MANY:
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        bins = np.linspace(0, len(x), min(MANY, len(x)) + 1).astype(int)[:-1]
        low, high = np.minimum.reduceat(y, bins), np.maximum.reduceat(y, bins)
        sizes = np.diff(bins, append=len(x))
        x, y = np.add.reduceat(x, bins) / sizes, np.add.reduceat(y, bins) / sizes
        axes.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
    marker = "o" if len(x) <= FEW else ""
    axes.plot(x, y, **{"linewidth": 1.8, "marker": marker, "markersize": 4.0, **style})


def scaled(axes: Axes, values: Floats) -> None:
    """Fit the y axis: logarithmic over decades; what differs by rounding alone is level."""
    values = values[np.isfinite(values)]
    if not values.any():
        axes.set_ylim(0.0, 1.0)
    elif flat(values):
        axes.set_ylim(sorted((0.9 * float(values[0]), 1.1 * float(values[0]))))
    elif values.min() > 0 and values.max() > DECADES * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")  # the usual one writes formulas
        axes.yaxis.set_minor_formatter("")
    elif values.min() >= 0 > axes.get_ylim()[0]:
        axes.set_ylim(bottom=0.0)


def started(axes: Axes, x: Floats) -> None:
    """Show the x axis from the start of the run to a little after the last of `x`."""
    axes.set_xlim(min(0.0, x.min()), 1.04 * x.max() if x.max() > 0 else 1.0)
