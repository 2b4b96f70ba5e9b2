"""Learning curves of any run: the loss while training, and each metric as it was judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from potentiate.plot.courses import Panel, courses, curve, scaled, started
from potentiate.plot.log import Evaluation, RunLog
from potentiate.plot.picture import Picture
from potentiate.plot.style import BLUE, RED, blank, gridded, headed, label, ticked

TEST: Mapping[str, Any] = {
    "label": "test",
    "color": RED,
    "linestyle": "",
    "marker": "D",
    "markersize": 7.0,
    "markerfacecolor": "none",
    "markeredgewidth": 1.8,
    "clip_on": False,
}
"""How a test value is marked."""


def learning(log: RunLog) -> Iterator[Picture]:
    """The training loss, and each metric over steps and over seconds; what has no number is left out."""
    heading = f"{log.workload}: " if log.workload else ""
    steps, losses = [step for step, _ in log.losses], [loss for _, loss in log.losses]
    if np.isfinite(losses).any():
        panel = Panel("loss", steps, [("loss", losses)])
        yield Picture("training loss", partial(courses, f"{heading}training loss", [panel]))
    for name in _metrics(log):
        points = [each for each in log.evaluations if np.isfinite(each.metrics.get(name, np.nan))]
        test = log.test if log.test and np.isfinite(log.test.metrics.get(name, np.nan)) else None
        if points or test:
            make = partial(_metric, f"{heading}{name}", name, points, test)
            yield Picture(f"metric {name}", make)


def _metrics(log: RunLog) -> list[str]:
    """The names of all metrics, each once, as they came."""
    judged = [*log.evaluations, *([log.test] if log.test else [])]
    return list(dict.fromkeys(name for each in judged for name in each.metrics))


def _metric(title: str, name: str, points: Sequence[Evaluation], test: Evaluation | None) -> Any:
    """One metric over steps and, where they are known, over seconds."""
    marks = [test] if test else []
    values = np.array([each.metrics[name] for each in [*points, *marks]])
    x_labels = {"step": "step", "seconds": "seconds of training"}
    if not np.isfinite([each.seconds for each in [*points, *marks]]).all():
        del x_labels["seconds"]
    drawing = blank(1.4 + 4.3 * len(x_labels), 4.2)
    row = drawing.subplots(1, len(x_labels), sharey=True, squeeze=False)[0]
    for axes, (field, x_label) in zip(row, x_labels.items(), strict=True):
        x = [float(getattr(each, field)) for each in points]
        if points:
            curve(axes, x, values[: len(x)], color=BLUE, label="validation")
        for mark in marks:  # hollow, because it may lie on the last evaluation
            axes.plot(float(getattr(mark, field)), mark.metrics[name], **TEST)
        started(axes, np.array([float(getattr(each, field)) for each in [*points, *marks]]))
        axes.set_xlabel(x_label)
        ticked(axes.xaxis, whole=field == "step", most=6)
        gridded(axes)
    scaled(row[0], values)
    row[0].set_ylabel(label(name, 40))
    headed(drawing, title)
    handles, names = row[0].get_legend_handles_labels()
    drawing.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return drawing
