"""Speed-ups with their intervals, one row for each arm."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from potentiate.study import numbers
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.glossary import WORDS
from potentiate.study.interval import Interval
from potentiate.study.plots.canvas import GRID, INK, PAPER, TONES, Axes, Canvas, label, line
from potentiate.study.rows import arm_name, part_of, ranked
from potentiate.study.runs import BASELINE
from potentiate.study.verdict import Verdict, speedup

_TICKS = (
    *(0.05, 0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0),
    *(1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 50.0),
)
_HEAD = 0.36
"""Inches of a heading within the picture."""


@dataclass(frozen=True)
class Row:
    """One line of the picture; `hollow` sets controls apart from what is recommended."""

    name: str
    gain: Interval
    verdict: Verdict
    hollow: bool = False

    @property
    def lines(self) -> list[str]:
        """The name on at most four lines; the table beside the picture has all of it."""
        text, short = label(self.name), {"max_lines": 4, "placeholder": " ..."}
        return textwrap.wrap(text, 42, break_on_hyphens=False, **short) or ["?"]  # pyright: ignore[reportArgumentType]

    @property
    def height(self) -> float:
        """Inches."""
        return 0.16 + 0.17 * len(self.lines)


def forest(findings: Findings) -> str:
    """Every single technique that was timed, then the confirmed runs."""
    return drawn("forest", _groups(findings))


def drawn(name: str, groups: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """Rows under headings as a forest plot; "" where there are none."""
    groups = [(title, group) for title, group in groups if group]
    rows = [row for _, group in groups for row in group]
    if not rows:
        return ""
    tall = sum(row.height for row in rows) + _HEAD * len(groups)
    with Canvas(name, 9.0, tall + 1.1) as canvas:
        axes = canvas.axes(left=3.25, right=1.55, top=0.1, bottom=1.0)
        y = 0.0
        for title, group in groups:
            y += _HEAD
            _beside(axes, -0.02, y - 0.1, title, ha="right", weight="bold")
            for row in group:
                _draw(axes, row, y + row.height / 2)
                y += row.height
        _scale(axes, [row.gain for row in rows], y + 0.06)
        seen = {row.verdict for row in rows}
        canvas.legend([_entry(verdict) for verdict in WORDS if verdict in seen], columns=4)
        said = "; ".join(f"{row.name} {numbers.with_span(row.gain)}" for row in rows)
        return canvas.svg(f"Forest plot of speed-ups, baseline time over the arm's time: {said}")


def _groups(findings: Findings) -> list[tuple[str, list[Row]]]:
    alone = [_row(row, row.arm) for row in ranked(findings.singles)]
    fresh = [
        _row(row, arm_name(findings, row), part_of(findings, row) != "best")
        for row in findings.confirmation
    ]
    return [
        ("Each technique alone", [row for row in alone if row]),
        ("Confirmed on fresh seeds", [row for row in fresh if row]),
    ]


def _row(row: ArmResult, name: str, hollow: bool = False) -> Row | None:
    time = row.judgement.time
    if row.arm == BASELINE or time is None or not 0.0 < time.estimate < math.inf:
        return None
    return Row(name, speedup(time), row.judgement.verdict, hollow)


def _beside(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Text at x in widths of the axes, y in inches of rows."""
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", **style)


def _draw(axes: Axes, row: Row, y: float) -> None:
    word = WORDS[row.verdict]
    color, gain = TONES[word.tone], row.gain
    ends = max(gain.low, _TICKS[0] / 10), min(gain.high, _TICKS[-1] * 10)
    strong = row.verdict is Verdict.FASTER_EQUAL
    axes.plot(ends, [y, y], color=color, linewidth=2.4 if strong else 1.6)
    axes.plot(ends, [y, y], "|", color=color, markersize=9, markeredgewidth=1.6)
    face = PAPER if row.hollow else color
    style = {"markersize": 7, "color": face, "markeredgecolor": color}
    axes.plot([gain.estimate], [y], word.marker, **style)
    _beside(axes, -0.02, y, "\n".join(row.lines), ha="right", linespacing=1.3)
    _beside(axes, 1.02, y, numbers.with_span(gain), color=INK)


def _scale(axes: Axes, gains: Sequence[Interval], bottom: float) -> None:
    known = [x for g in gains for x in (g.low, g.estimate, g.high) if 0.05 < x < 60.0]
    low, high = min([0.9, *known]) / 1.06, max([1.12, *known]) * 1.06
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, 0.0)
    axes.axvline(1.0, color=INK, linewidth=1.2)
    shown = _ticks(low, high)
    axes.set_xticks(shown, [f"{tick:g}x" for tick in shown])
    axes.set_xticks([], minor=True)
    axes.set_yticks([])
    axes.grid(axis="x", **GRID)
    axes.set_xlabel("speed-up: baseline time / arm time (times, log scale; bar: interval)")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers far enough apart to be read, 1 among them."""
    shown, gap = list[float](), math.log(high / low) / 11
    for tick in sorted(_TICKS, key=lambda t: (t != 1.0, abs(math.log(t)))):
        apart = all(abs(math.log(tick / other)) > gap for other in shown)
        if low <= tick <= high and apart:
            shown.append(tick)
    return sorted(shown)


def _entry(verdict: Verdict) -> Any:
    word = WORDS[verdict]
    return line(word.label, color=TONES[word.tone], marker=word.marker, markersize=7)
