"""A picture of what a network makes of its inputs: points in two dimensions, colored by class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from potentiate.plot.picture import Picture
from potentiate.plot.style import Axes, blank, headed, label

COLORS = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#222222"
"""Those of Okabe and Ito that are seen on white."""
MARKERS = "o", "^", "s", "D", "v", "P"
"""As many as share no divisor with the colors, so that 42 classes look different, to all readers."""
ROW = 0.22
"""Inches of a line of the legend."""
WIDTH = 10.0


class View(NamedTuple):
    """One panel: a title, a line below it, points [n, 2], and what stands at the axes."""

    title: str
    line: str
    points: NDArray[np.floating[Any]]
    axes: tuple[str, str]


def embedding(
    title: str, views: Sequence[View], labels: NDArray[np.integer[Any]], classes: Sequence[str]
) -> Picture:
    """Return the picture "embedding" of the same inputs in several views.

    Args:
        title: Of the whole.
        views: The panels.
        labels: Class number of each point, [n].
        classes: Their names.
    """
    return Picture("embedding", partial(_drawn, title, views, labels, classes))


def _drawn(title: str, views: Sequence[View], labels: Any, classes: Sequence[str]) -> Any:
    there = [bool((labels == number).any()) for number in range(len(classes))]
    names = [label(name, 18) for name in compress(classes, there)]
    columns = max(1, min(len(names), int(WIDTH * 9 / (max(map(len, names), default=1) + 5))))
    rows = -(-len(names) // columns)
    drawing = blank(WIDTH, 5.2 + ROW * rows)
    panels = drawing.subplots(1, len(views), squeeze=False)[0]
    for axes, view in zip(panels, views, strict=True):
        _panel(axes, view, labels, there)
    headed(drawing, title)
    handles = panels[0].get_legend_handles_labels()[0]
    legend = {"loc": "outside lower center", "ncols": columns, "frameon": False}
    drawing.legend(handles, names, fontsize=9.0, markerscale=1.4, title="class", **legend)
    return drawing


def _panel(axes: Axes, view: View, labels: Any, there: Sequence[bool]) -> None:
    size = float(np.clip(5000.0 / max(1, len(labels)), 9.0, 26.0))
    # In turns of a few points, so that no class covers the others where they meet.
    order = np.random.default_rng(0).permutation(len(labels))
    for number in compress(range(len(there)), there):
        axes.scatter([], [], s=26.0, linewidths=0, label=str(number), **_looks(number))
    for part in np.array_split(order, min(20, max(1, len(order)))):
        for number in np.unique(labels[part]):
            x, y = view.points[part[labels[part] == number]].T
            axes.scatter(x, y, s=size, alpha=0.75, linewidths=0, **_looks(int(number)))
    axes.set_title(f"{view.title}\n", fontsize=10.0)
    axes.text(0.0, 1.02, view.line, transform=axes.transAxes, fontsize=9.0)
    axes.set_xlabel(view.axes[0])
    axes.set_ylabel(view.axes[1])
    axes.set_xticks([])
    axes.set_yticks([])


def _looks(number: int) -> dict[str, str]:
    return {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
