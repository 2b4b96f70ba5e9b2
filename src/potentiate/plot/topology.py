"""Pictures of one part of a plastic network: where its edges lie, and how it rewires itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from potentiate.plot.courses import Floats, Panel, courses
from potentiate.plot.log import Histogram, Rewiring
from potentiate.plot.picture import Picture
from potentiate.plot.style import BLUE, ORANGE, Axes, blank, gridded, headed, label, ticked

SHOWN = 4
"""Updates whose edges are shown: the first, some between, the last."""
NAME = 32
"""Letters of a part's name, so that a title has room for what it shows."""

COURSES = {
    "density and edges": (
        ("edges", 1.0, ("edges",)),
        ("density (%)", 100.0, ("density",)),
    ),
    "change rate": (
        ("edges dropped (%)", 100.0, ("change",)),
        ("edges", 1.0, ("dropped", "grown")),
        ("threshold", 1.0, ("threshold",)),
    ),
    "explored share": (("possible edges that ever were (%)", 100.0, ("explored",)),),
    "firing rate": (("mean firing rate", 1.0, ("rate",)),),
    "time": (
        ("topology update (ms)", 1e3, ("seconds",)),
        ("batch (ms)", 1e3, ("batch_seconds",)),
    ),
    "memory": (("memory (MB)", 1.0, ("memory_mb",)),),
}
"""Of each picture its panels: what stands at the y axis, a factor, and the measures as curves."""

DISTRIBUTIONS = {
    "degrees": {
        "fan_in": "fan-in (edges into a neuron)",
        "fan_out": "fan-out (edges out of a neuron)",
    },
    "ages": {"ages": "age of an edge (steps)"},
    "edge lengths": {"lengths": "length of an edge"},
}
"""Of each picture its panels: a histogram, and what stands at its x axis."""


def topology(part: str, updates: Sequence[Rewiring], heading: str) -> Iterator[Picture]:
    """All pictures of a part that its measures give; what is null throughout has none."""
    part, shown = label(part, NAME), _shown(updates)
    if shown:
        title = f"{part} topology over time"
        yield Picture(title, partial(_blocks, f"{heading}{part}: topology over time", shown))
    for name, panels in DISTRIBUTIONS.items():
        there = {key: x for key, x in panels.items() if _counted(updates, key)}
        if there:
            make = partial(_distributions, f"{heading}{part}: {name}", updates, there)
            yield Picture(f"{part} {name}", make)
    for name, rows in COURSES.items():
        curves = [panel for row in rows if (panel := _panel(updates, *row)) is not None]
        if curves:
            yield Picture(f"{part} {name}", partial(courses, f"{heading}{part}: {name}", curves))


def _panel(
    updates: Sequence[Rewiring], y_label: str, factor: float, measures: Sequence[str]
) -> Panel | None:
    """A panel of the measures that are known at some update; None without any."""
    values = {m: factor * np.array([getattr(each, m) for each in updates]) for m in measures}
    known = [(name, y) for name, y in values.items() if np.isfinite(y).any()]
    bands = [each.band or (np.nan, np.nan) for each in updates]
    declared = "change" in measures and np.isfinite(bands).any()
    band = factor * np.array(bands) if declared else None
    return Panel(y_label, [float(each.step) for each in updates], known, band) if known else None


def _shown(updates: Sequence[Rewiring]) -> list[tuple[int, Floats]]:
    """Steps and blocks of a few updates, evenly spaced, whose blocks are of one shape."""
    known = [(each.step, each.blocks) for each in updates if each.blocks is not None]
    alike = [(step, blocks) for step, blocks in known if blocks.shape == known[-1][1].shape]
    places = np.linspace(0, len(alike) - 1, min(SHOWN, len(alike))).round().astype(int)
    return [alike[place] for place in places]


def _blocks(title: str, shown: Sequence[tuple[int, Floats]]) -> Any:
    """Edges per block of targets and sources, on one scale, and what changed from first to last."""
    changed = len(shown) > 1
    drawing = blank(2.3 * (len(shown) + changed) + 2.4, 3.2)
    row = drawing.subplots(1, len(shown) + changed, squeeze=False)[0]
    most = max(blocks.max() for _, blocks in shown) or 1.0
    images = [
        _image(axes, f"step {step}", blocks, cmap="viridis", vmin=0.0, vmax=most)
        for axes, (step, blocks) in zip(row, shown, strict=False)
    ]
    drawing.colorbar(images[-1], ax=row[: len(shown)], label="edges per block", pad=0.01)
    row[0].set_ylabel("targets")
    if changed:
        change = shown[-1][1] - shown[0][1]
        most = np.abs(change).max() or 1.0
        name = f"from {shown[0][0]} to {shown[-1][0]}"
        image = _image(row[-1], name, change, cmap="PuOr", vmin=-most, vmax=most)
        drawing.colorbar(image, ax=row[-1], label="edges more or fewer", pad=0.02)
    headed(drawing, title)
    return drawing


def _image(axes: Axes, name: str, values: Floats, **style: Any) -> Any:
    axes.set_title(name, fontsize=10.0, fontweight="normal")
    axes.set_xlabel("sources")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_box_aspect(1.0)
    return axes.imshow(values, interpolation="none", aspect="auto", **style)


def _counted(updates: Sequence[Rewiring], key: str) -> list[tuple[int, Histogram]]:
    """Step and histogram of the first and the last update that has one.

    Ages begin with the run, so that only the last tells something.
    """
    known = [(each.step, getattr(each, key)) for each in updates if getattr(each, key) is not None]
    return known[-1:] if key == "ages" or len(known) < 2 else [known[0], known[-1]]


def _distributions(title: str, updates: Sequence[Rewiring], panels: dict[str, str]) -> Any:
    """The densities of some histograms, first against last."""
    drawing = blank(1.4 + 4.6 * len(panels), 4.2)
    row = drawing.subplots(1, len(panels), squeeze=False)[0]
    for axes, (key, x_label) in zip(row, panels.items(), strict=True):
        for (step, each), (color, dash) in zip(
            reversed(_counted(updates, key)), ((BLUE, "-"), (ORANGE, "--")), strict=False
        ):
            heights = each.counts / each.counts.sum() / np.diff(each.edges)
            axes.stairs(heights, each.edges, fill=True, color=color, alpha=0.25)
            style = {"color": color, "linestyle": dash, "linewidth": 1.8, "label": f"step {step}"}
            axes.stairs(heights, each.edges, **style)
        axes.set_xlabel(x_label)
        ticked(axes.xaxis)
        ticked(axes.yaxis, most=6)
        gridded(axes)
    row[0].set_ylabel("probability density")
    headed(drawing, title)
    handles, names = row[0].get_legend_handles_labels()
    drawing.legend(handles[::-1], names[::-1], loc="outside lower center", ncols=2, frameon=False)
    return drawing
