"""The pictures of the report, as SVG to be put into the page.

Text stays text, equal findings give equal bytes, and every color is a variable of the page, so that
a picture follows its light or dark scheme. Verdicts differ by marker as well as by color.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from potentiate.study import numbers
from potentiate.study.canvas import INK, MUTED, PAPER, TONES, Canvas, label
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.interval import Interval
from potentiate.study.runs import BASELINE, Point, curve, parts
from potentiate.study.verdict import Verdict, speedup

MARKERS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.FASTER_EQUAL: ("good", "o"),
    Verdict.FASTER_QUALITY_UNPROVEN: ("doubt", "D"),
    Verdict.FASTER_WORSE: ("bad", "X"),
    Verdict.EQUAL: ("muted", "s"),
    Verdict.UNRESOLVED: ("muted", "d"),
    Verdict.SLOWER: ("slow", "v"),
    Verdict.MEMORY_ONLY: ("info", "P"),
    Verdict.INAPPLICABLE: ("muted", "x"),
    Verdict.FAILED: ("bad", "x"),
}
"""Color and marker of each verdict."""

_TICKS = (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 50)
_PARTS = {
    "start-up": "#9a9a9a",
    "data": "#e69f00",
    "forward": "#56b4e9",
    "backward": "#3d8fc7",
    "optimizer": "#cc79a7",
    "training steps": "#56b4e9",
    "evaluation": "#2bb28c",
}


def forest(findings: Findings) -> str:
    """Speed-ups with intervals: every single technique that was timed, then the confirmed runs."""
    singles = [(row, row.arm) for row in ranked(findings.singles) if _timed(row)]
    fresh = [(row, arm_name(findings, row)) for row in findings.confirmation if _timed(row)]
    if not singles and not fresh:
        return ""
    groups = [
        ("each technique alone (short runs, or full ones where quality is owed)", singles),
        ("confirmation: fresh seeds, full runs, held-out data", fresh),
    ]
    names = [textwrap.wrap(label(name), 44)[:3] or ["?"] for _, rows in groups for _, name in rows]
    heads = sum(bool(rows) for _, rows in groups)
    height = sum(0.16 + 0.17 * len(lines) for lines in names) + 0.36 * heads
    with Canvas("forest", 9.0, height + 1.1) as canvas:
        axes = canvas.axes(left=3.25, right=1.55, top=0.1, bottom=1.0)
        y = 0.0
        for title, rows in groups:
            if rows:
                y += 0.36
                axes.text(-0.42, y - 0.1, title, transform=_rows(axes), weight="bold", va="center")
            for row, name in rows:
                lines = textwrap.wrap(label(name), 44)[:3] or ["?"]
                tall = 0.16 + 0.17 * len(lines)
                _forest_row(axes, row, "\n".join(lines), y + tall / 2)
                y += tall
        _forest_axes(axes, [row for _, rows in groups for row, _ in rows], y + 0.06)
        seen = {row.judgement.verdict for _, rows in groups for row, _ in rows}
        canvas.legend([_verdict_handle(v) for v in MARKERS if v in seen], columns=4)
        return canvas.svg(
            "Forest plot of speed-ups, baseline time over the technique's time, with intervals: "
            + "; ".join(
                f"{name} {numbers.with_span(speedup(row.judgement.time))}"
                for _, rows in groups
                for row, name in rows
                if row.judgement.time
            )
        )


def ranked(rows: Sequence[ArmResult]) -> list[ArmResult]:
    """Best first: by verdict, then by speed; what did not run or failed comes last."""
    order = list(MARKERS)

    def key(row: ArmResult) -> tuple[int, float, str]:
        time = row.judgement.time
        good = row.judgement.verdict
        place = {Verdict.MEMORY_ONLY: 1.5, Verdict.FASTER_WORSE: 4.5}.get(good, order.index(good))
        return int(2 * place), time.estimate if time else math.inf, row.arm

    return sorted(rows, key=key)


def arm_name(findings: Findings, row: ArmResult) -> str:
    """The arm with its part in the confirmation."""
    if row.arm == BASELINE:
        return "baseline"
    if row.arm == findings.control or row.arm.startswith("short-schedule"):
        counts = "" if row.arm == findings.control else " (does not count)"
        return f"control, baseline trained shorter{counts}: {row.arm}"
    best = findings.best is not None and findings.best.arm == row.arm
    return f"best: {row.arm}" if best else row.arm


def _timed(row: ArmResult) -> bool:
    time = row.judgement.time
    return row.arm != BASELINE and time is not None and 0.0 < time.estimate < math.inf


def _rows(axes: Axes) -> object:
    """Coordinates: across in shares of the axes, down in inches of rows."""
    return axes.get_yaxis_transform()


def _forest_row(axes: Axes, row: ArmResult, name: str, y: float) -> None:
    assert row.judgement.time is not None
    gain = speedup(row.judgement.time)
    tone, marker = MARKERS[row.judgement.verdict]
    low = gain.low if gain.low > 0.0 else _TICKS[0] / 10
    high = gain.high if math.isfinite(gain.high) else _TICKS[-1] * 10
    strong = row.judgement.verdict is Verdict.FASTER_EQUAL
    axes.plot([low, high], [y, y], color=TONES[tone], linewidth=2.4 if strong else 1.6)
    axes.plot(
        [gain.estimate], [y], marker=marker, markersize=8, color=TONES[tone], markeredgecolor=PAPER
    )
    axes.text(-0.02, y, name, transform=_rows(axes), ha="right", va="center", linespacing=1.1)
    axes.text(1.02, y, numbers.with_span(gain), transform=_rows(axes), va="center", color=INK)


def _forest_axes(axes: Axes, rows: Sequence[ArmResult], bottom: float) -> None:
    gains = [speedup(row.judgement.time) for row in rows if row.judgement.time]
    ends = [x for g in gains for x in (g.low, g.estimate, g.high) if 0.05 < x < 60.0]
    low, high = min([0.9, *ends]) / 1.06, max([1.12, *ends]) * 1.06
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, 0.0)
    axes.axvline(1.0, color=INK, linewidth=1.2)
    _log_ticks(axes, low, high)
    axes.set_yticks([])
    axes.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.8)
    axes.set_xlabel("speed-up: baseline time / arm time (times, log scale; bar: interval)")


def _log_ticks(axes: Axes, low: float, high: float) -> None:
    shown, gap = list[float](), math.log(high / low) / 11
    for tick in sorted(_TICKS, key=lambda t: (t != 1, abs(math.log(t)))):
        if low <= tick <= high and all(abs(math.log(tick / other)) > gap for other in shown):
            shown.append(tick)
    axes.set_xticks(shown, [f"{tick:g}x" for tick in shown])
    axes.set_xticks([], minor=True)


def _verdict_handle(verdict: Verdict) -> Line2D:
    tone, marker = MARKERS[verdict]
    return Line2D([], [], color=TONES[tone], marker=marker, markersize=7, label=str(verdict))


def quality_against_time(findings: Findings) -> str:
    """Curves of baseline, control and best over training time, with the range over seeds."""
    arms = [(BASELINE, "baseline", "muted", "s", "--")]
    if findings.control:
        arms.append((findings.control, "control: baseline trained shorter", "doubt", "D", ":"))
    if findings.best:
        arms.append((findings.best.arm, "best", "good", "o", "-"))
    curves = [(curve(findings, arm), *style) for arm, *style in arms]
    curves = [entry for entry in curves if entry[0]]
    if not curves:
        return ""
    metric, sign = findings.plan.metric, 1.0 if findings.plan.higher_is_better else -1.0
    scale = 100.0 if numbers.is_share(metric) else 1.0
    with Canvas("quality", 9.0, 4.4) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.15, bottom=1.0)
        handles = list[Line2D]()
        for points, name, tone, marker, style in curves:
            handles.append(_curve(axes, points, name, tone, marker, style, scale))
        reference = curves[0][0][-1].quality
        limit = reference - sign * findings.plan.margin
        axes.axhline(scale * limit, color=TONES["bad"], linewidth=1.2, dashes=(6, 3))
        said = f"baseline's end minus the margin ({numbers.margin(findings.plan.margin, metric)})"
        handles.append(Line2D([], [], color=TONES["bad"], dashes=(6, 3), linewidth=1.2, label=said))
        _quality_limits(axes, [points for points, *_ in curves], reference, limit, scale)
        axes.set_xlabel("time of training as paid: start-up, steps and evaluations (s)")
        axes.set_ylabel(f"validation {label(metric)}" + (" (%)" if scale > 1.0 else ""))
        axes.grid(color=MUTED, alpha=0.25, linewidth=0.8)
        canvas.legend(handles, columns=2)
        return canvas.svg(
            f"Validation {metric} against training time, median over seeds. "
            + "; ".join(
                f"{name} ends at {numbers.quality(points[-1].quality, metric)} after "
                f"{numbers.duration(points[-1].seconds)}"
                for points, name, *_ in curves
            )
        )


def _curve(
    axes: Axes,
    points: Sequence[Point],
    name: str,
    tone: str,
    marker: str,
    style: str,
    scale: float,
) -> Line2D:
    x, color = [p.seconds for p in points], TONES[tone]
    low, high = [scale * p.low for p in points], [scale * p.high for p in points]
    if len(points) > 1:
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    else:  # a band needs two evaluations
        axes.vlines(x, low, high, color=color, linewidth=5, alpha=0.3)
    (line,) = axes.plot(
        x, [scale * p.quality for p in points], style, color=color, marker=marker, linewidth=2,
        markersize=6, label=f"{name} (band: range over seeds)",
    )  # fmt: skip
    return line


def _quality_limits(
    axes: Axes, curves: Sequence[Sequence[Point]], reference: float, limit: float, scale: float
) -> None:
    """Show the end, where arms differ; the first epochs may come in from outside."""
    room = max(8.0 * abs(reference - limit), 1.3 * abs(reference - curves[0][0].quality))
    values = [v for points in curves for p in points for v in (p.low, p.high)]
    inside = [v for v in [*values, limit, reference] if abs(v - reference) <= room]
    low, high = min(inside), max(inside)
    edge = 0.08 * (high - low)
    axes.set_ylim(scale * (low - edge), scale * (high + edge))
    axes.set_xlim(0.0, 1.04 * max(points[-1].seconds for points in curves))


def front(findings: Findings) -> str:
    """Time against quality of all configurations; a marker's area is the peak memory."""
    points = [p for p in findings.front if 0.0 < p.seconds < math.inf and math.isfinite(p.quality)]
    if not points:
        return ""
    metric = findings.plan.metric
    scale = 100.0 if numbers.is_share(metric) else 1.0
    most = max((p.memory for p in points if math.isfinite(p.memory)), default=0.0)
    with Canvas("front", 9.0, 4.2) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.15, bottom=0.95)
        for number, p in enumerate(findings.front, 1):
            if p not in points:
                continue
            area = 80.0 + 420.0 * (p.memory / most if most and math.isfinite(p.memory) else 0.0)
            face = TONES["good"] if p.on_front else "none"
            edge = TONES["good"] if p.on_front else TONES["muted"]
            axes.scatter([p.seconds], [scale * p.quality], area, color=face, edgecolor=edge,
                         linewidth=1.6, alpha=0.75 if p.on_front else 1.0)  # fmt: skip
            axes.annotate(str(number), (p.seconds, scale * p.quality), ha="center", va="center",
                          weight="bold", color="#000000" if p.on_front else INK)  # fmt: skip
        axes.margins(0.12, 0.2)
        axes.set_xlabel("total training time (s); left is better")
        better = "up" if findings.plan.higher_is_better else "down"
        unit = " (%)" if scale > 1.0 else ""
        axes.set_ylabel(f"{label(metric)}{unit}; {better} is better")
        axes.grid(color=MUTED, alpha=0.25, linewidth=0.8)
        filled = {"markerfacecolor": TONES["good"], "markeredgecolor": TONES["good"]}
        hollow = {"markerfacecolor": "none", "markeredgecolor": TONES["muted"]}
        canvas.legend(
            [
                Line2D([], [], linestyle="", marker="o", markersize=10, **filled, label="on the front"),  # pyright: ignore[reportArgumentType]
                Line2D([], [], linestyle="", marker="o", markersize=10, **hollow, label="beaten in everything"),  # pyright: ignore[reportArgumentType]
                Line2D([], [], linestyle="", marker="", label="area: peak memory; numbers: see the table"),
            ],
            columns=3,
        )  # fmt: skip
        return canvas.svg(
            "Configurations by training time and quality. On the front: "
            + "; ".join(p.arm for p in points if p.on_front)
        )


def noise(findings: Findings) -> str:
    """The baseline against itself: a ratio for each block, their interval and what would matter."""
    found = findings.noise
    if found is None or not found.ratios:
        return ""
    shown = [(i, r) for i, r in enumerate(found.ratios, 1) if 0.0 < r < math.inf]
    smallest, end = findings.plan.smallest, len(found.ratios) + 1
    with Canvas("noise", 9.0, 3.3) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.15, bottom=0.95)
        band = axes.axhspan(1.0 / (1.0 + smallest), 1.0 + smallest, color=TONES["info"], alpha=0.22,
                            linewidth=0, label=f"differences under {100 * smallest:g} % do not matter")  # fmt: skip
        axes.axhline(1.0, color=INK, linewidth=1.2)
        (dots,) = axes.plot([i for i, _ in shown], [r for _, r in shown], "o", color=TONES["muted"],
                            markersize=8, label="one block: the same training twice")  # fmt: skip
        whole = _error_bar(axes, end, found.interval)
        axes.set_xticks([*range(1, end), end], [*map(str, range(1, end)), "all"])
        axes.set_xlim(0.4, end + 0.6)
        axes.set_xlabel("block")
        axes.set_ylabel("time ratio (no unit)")
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.8)
        canvas.legend([dots, whole, band], columns=3)
        return canvas.svg(
            f"Time ratio of the baseline against itself in {len(found.ratios)} blocks; together "
            f"{numbers.ratio(found.interval.estimate)} "
            f"({numbers.span(found.interval.low, found.interval.high)}), where 1 means no difference"
        )


def _error_bar(axes: Axes, x: float, interval: Interval) -> Line2D:
    ends = [e for e in (interval.low, interval.high) if 0.0 < e < math.inf]
    if len(ends) == 2:
        axes.vlines([x], ends[0], ends[1], color=TONES["good"], linewidth=2.4)
    (line,) = axes.plot([x], [interval.estimate], "D", color=TONES["good"], markersize=8,
                        label=f"all blocks, with the {numbers.level(interval)} interval")  # fmt: skip
    return line


def where_time_goes(findings: Findings) -> str:
    """Seconds by part, baseline above best."""
    bars = [("baseline", parts(findings, BASELINE))]
    if findings.best:
        bars.append(("best", parts(findings, findings.best.arm)))
    bars = [(name, seconds) for name, seconds in bars if seconds]
    if not bars:
        return ""
    longest = max(sum(seconds.values()) for _, seconds in bars)
    with Canvas("time", 9.0, 1.35 + 0.6 * len(bars)) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.1, bottom=1.05)
        for y, (_, seconds) in enumerate(bars):
            start = 0.0
            for part, length in seconds.items():
                axes.barh(y, length, left=start, height=0.62, color=_PARTS[part], edgecolor=PAPER)
                if length > 0.07 * longest:
                    axes.text(start + length / 2, y, numbers.duration(length), ha="center",
                              va="center", color="#000000")  # fmt: skip
                start += length
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.02 * longest)
        axes.set_xlabel("seconds of one training (median)")
        present = [part for part in _PARTS if any(part in seconds for _, seconds in bars)]
        canvas.legend([Patch(color=_PARTS[part], label=part) for part in present], columns=6)
        return canvas.svg(
            "Where the time of one training goes. "
            + ". ".join(
                f"{name}: " + ", ".join(f"{p} {numbers.duration(s)}" for p, s in seconds.items())
                for name, seconds in bars
            )
        )
