"""Three pictures of numbers: the front, the noise of the machine, and where the time goes."""

from __future__ import annotations

import math

from potentiate.study import numbers
from potentiate.study.findings import Findings, FrontPoint, Noise
from potentiate.study.interval import Interval
from potentiate.study.plots.canvas import (
    GRID,
    INK,
    PAPER,
    TONES,
    Axes,
    Canvas,
    label,
    line,
    patch,
)
from potentiate.study.runs import BASELINE, parts

_PARTS = {
    "start-up": "#9a9a9a",
    "data": "#e69f00",
    "forward": "#56b4e9",
    "backward": "#3d8fc7",
    "optimizer": "#cc79a7",
    "other": "#d9d9d9",
    "training steps": "#56b4e9",
    "evaluation": "#2bb28c",
}
"""Colors on which black can be read, in a light page and in a dark one."""


def front(findings: Findings) -> str:
    """Time against quality of all configurations; a marker's area is the peak memory."""
    points = [(i, p) for i, p in enumerate(findings.front, 1) if _placed(p)]
    if not points:
        return ""
    most = max((p.memory for _, p in points if math.isfinite(p.memory)), default=0.0)
    metric, up = label(findings.plan.metric), findings.plan.higher_is_better
    scale = 100.0 if numbers.is_share(metric) else 1.0
    with Canvas("front", 9.0, 4.2) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.15, bottom=0.95)
        for number, point in points:
            _point(axes, number, point, scale, most)
        axes.margins(0.12, 0.2)
        axes.set_xlabel("total training time (s); left is better")
        unit = " (%)" if scale > 1.0 else ""
        axes.set_ylabel(f"{metric}{unit}; {'up' if up else 'down'} is better")
        axes.grid(**GRID)
        marker = {"linestyle": "", "marker": "o", "markersize": 10}
        good, muted = TONES["good"], TONES["muted"]
        canvas.legend(
            [
                line("on the front", **marker, color=good),
                line("beaten in everything", **marker, color="none", markeredgecolor=muted),
                line("area: peak memory; numbers: see the table", linestyle=""),
            ],
            columns=3,
        )
        leaders = "; ".join(p.arm for _, p in points if p.on_front)
        return canvas.svg(f"Configurations by training time and quality. On the front: {leaders}")


def _placed(point: FrontPoint) -> bool:
    return 0.0 < point.seconds < math.inf and math.isfinite(point.quality)


def _point(axes: Axes, number: int, point: FrontPoint, scale: float, most: float) -> None:
    share = point.memory / most if most and math.isfinite(point.memory) else 0.0
    tone = TONES["good" if point.on_front else "muted"]
    x, y = point.seconds, scale * point.quality
    axes.scatter(
        [x],
        [y],
        80.0 + 420.0 * share,
        color=tone if point.on_front else "none",
        edgecolor=tone,
        linewidth=1.6,
    )
    ink = PAPER if point.on_front else INK
    axes.annotate(str(number), (x, y), ha="center", va="center", weight="bold", color=ink)


def noise(findings: Findings) -> str:
    """The baseline against itself: a ratio for each block, their interval and what would matter."""
    found, smallest = findings.noise, findings.plan.smallest
    shown = [(i, r) for i, r in enumerate(found.ratios, 1) if 0.0 < r < math.inf] if found else []
    if found is None or not shown:
        return ""
    end = len(found.ratios) + 1
    with Canvas("noise", 9.0, 3.3) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.15, bottom=0.95)
        info, muted, good = TONES["info"], TONES["muted"], TONES["good"]
        axes.axhspan(1.0 / (1.0 + smallest), 1.0 + smallest, color=info, alpha=0.22, linewidth=0)
        axes.axhline(1.0, color=INK, linewidth=1.2)
        dots = {"linestyle": "", "marker": "o", "color": muted, "markersize": 8}
        axes.plot([i for i, _ in shown], [r for _, r in shown], **dots)
        _whole(axes, end, found.interval)
        axes.set_xticks([*range(1, end), end], [*map(str, range(1, end)), "all"])
        axes.set_xlim(0.4, end + 0.6)
        reach = 1.2 * max(smallest, *(abs(v - 1.0) for v in _values(found)))
        axes.set_ylim(1.0 - reach, 1.0 + reach)
        axes.set_xlabel("block")
        axes.set_ylabel("time ratio (no unit)")
        axes.grid(axis="y", **GRID)
        level = numbers.level(found.interval)
        canvas.legend(
            [
                line("one block: the same training twice", **dots),
                line(f"all blocks, with the {level} interval", marker="D", color=good),
                line(
                    f"within {100.0 * smallest:g} %: does not matter",
                    linewidth=9,
                    color=info,
                    alpha=0.3,
                ),
            ],
            columns=3,
        )
        return canvas.svg(
            f"Time ratio of the baseline against itself in {len(found.ratios)} blocks; together "
            f"{numbers.with_span(found.interval)}, where 1x means no difference"
        )


def _values(found: Noise) -> list[float]:
    """What the picture must hold; an open interval is cut off at three times the dots' spread."""
    ratios = [r for r in found.ratios if 0.0 < r < math.inf]
    reach = 3.0 * max(abs(r - 1.0) for r in ratios) + 0.01
    ends = [e for e in (found.interval.low, found.interval.high) if abs(e - 1.0) <= reach]
    return [*ratios, *ends]


def _whole(axes: Axes, x: float, interval: Interval) -> None:
    if numbers.known(interval.estimate):
        low, high = max(interval.low, 1e-3), min(interval.high, 1e3)
        axes.vlines([x], low, high, color=TONES["good"], linewidth=2.4)
        axes.plot([x], [interval.estimate], "D", color=TONES["good"], markersize=8)


def where_time_goes(findings: Findings) -> str:
    """Seconds by part, baseline above best."""
    arms = [("baseline", BASELINE), *([("best", findings.best.arm)] if findings.best else [])]
    bars = [(name, parts(findings, arm)) for name, arm in arms]
    bars = [(name, seconds) for name, seconds in bars if seconds]
    if not bars:
        return ""
    longest = max(sum(seconds.values()) for _, seconds in bars)
    with Canvas("time", 9.0, 1.35 + 0.6 * len(bars)) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.1, bottom=1.05)
        for y, (_, seconds) in enumerate(bars):
            _bar(axes, y, seconds, longest)
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.02 * longest)
        axes.set_xlabel("seconds of one training (median)")
        present = [part for part in _PARTS if any(part in seconds for _, seconds in bars)]
        canvas.legend([patch(part, _PARTS[part]) for part in present], columns=8)
        told = ". ".join(
            f"{name}: " + ", ".join(f"{p} {numbers.duration(s)}" for p, s in seconds.items())
            for name, seconds in bars
        )
        return canvas.svg(f"Where the time of one training goes. {told}")


def _bar(axes: Axes, y: int, seconds: dict[str, float], longest: float) -> None:
    start = 0.0
    for part, length in seconds.items():
        axes.barh(y, length, left=start, height=0.62, color=_PARTS[part], edgecolor=PAPER)
        if length > 0.07 * longest:
            middle = start + length / 2
            said = numbers.duration(length)
            axes.text(middle, y, said, ha="center", va="center", color="#000000")
        start += length
