"""A picture of the test result with simple references beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from potentiate.plot.log import RunLog
from potentiate.plot.picture import Picture
from potentiate.plot.style import BLUE, RED, SIZE, blank, gridded, headed, label, ticked

TRAINED = "trained, this run"


def beside(log: RunLog) -> Iterator[Picture]:
    """What was trained and the references by the metric that judges the run; nothing where none were judged."""
    if log.beside is None:
        return
    metric, references = log.beside
    values = {name: told.get(metric, np.nan) for name, told in references.items()}
    if log.test is not None:
        values[TRAINED] = log.test.metrics.get(metric, np.nan)
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    if len(known) > 1:
        heading = f"{log.workload}: " if log.workload else ""
        title = f"{heading}{metric} on the test part, beside simple references"
        yield Picture("beside simple references", partial(_ranked, title, metric, known))


def _ranked(title: str, metric: str, values: Mapping[str, float]) -> Any:
    """A dot per way, the largest on top, with its number."""
    names = sorted(values, key=lambda name: (values[name], name == TRAINED))
    drawing = blank(SIZE[0], 1.3 + 0.36 * len(names))
    axes = drawing.subplots()
    for place, name in enumerate(names):
        style: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 7.0}
        if name == TRAINED:
            style = {"color": RED, "marker": "D", "markersize": 8.0}
        axes.plot(values[name], place, linestyle="", clip_on=False, **style)
        text: dict[str, Any] = {"xytext": (9, 0), "textcoords": "offset points", "va": "center"}
        text |= {"fontsize": 9.0, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.0}}
        axes.annotate(f"{values[name]:.4f}", (values[name], place), **text)
    axes.set_yticks(range(len(names)), [label(name, 30) for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    low, high = min(values.values()), max(values.values())
    room = (high - low) or abs(high) or 1.0
    axes.set_xlim(low - 0.05 * room, high + 0.16 * room)
    axes.set_xlabel(label(metric, 40))
    ticked(axes.xaxis, most=6)
    gridded(axes)
    axes.yaxis.grid(visible=False)
    headed(drawing, title)
    return drawing
