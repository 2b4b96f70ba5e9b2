"""Quality against training time: the curves of baseline, control and best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from potentiate.study import numbers
from potentiate.study.findings import Findings
from potentiate.study.plots.canvas import GRID, TONES, Axes, Canvas, label, line
from potentiate.study.runs import BASELINE, Point, curve


@dataclass(frozen=True)
class _Curve:
    """One arm's points, and how they are drawn."""

    name: str
    points: Sequence[Point]
    tone: str
    marker: str
    dash: str


def quality_against_time(findings: Findings) -> str:
    """Median over seeds with their range, and the line that equal quality must stay above."""
    curves, plan = _curves(findings), findings.plan
    if not curves:
        return ""
    scale = 100.0 if numbers.is_share(plan.metric) else 1.0
    reference = curves[0].points[-1].quality
    limit = reference - plan.margin if plan.higher_is_better else reference + plan.margin
    with Canvas("quality", 9.0, 4.4) as canvas:
        axes = canvas.axes(left=0.95, right=0.25, top=0.15, bottom=1.0)
        handles = [_draw(axes, each, scale) for each in curves]
        style: dict[str, Any] = {"color": TONES["bad"], "linewidth": 1.2, "dashes": (6, 3)}
        axes.axhline(scale * limit, **style)
        allowed = numbers.margin(plan.margin, plan.metric)
        handles.append(line(f"{curves[0].name}'s end, worse by the margin ({allowed})", **style))
        _limits(axes, curves, reference, limit, scale)
        axes.set_xlabel("time of training as paid: start-up, steps and evaluations (s)")
        axes.set_ylabel(f"validation {label(plan.metric)}" + (" (%)" if scale > 1.0 else ""))
        axes.grid(**GRID)
        canvas.legend(handles, columns=2)
        return canvas.svg(_told(plan.metric, curves))


def _curves(findings: Findings) -> list[_Curve]:
    best = findings.best.arm if findings.best else None
    arms = [(BASELINE, "baseline", "muted", "s", "--")]
    if findings.control and findings.control != best:
        arms.append((findings.control, "control: baseline trained shorter", "doubt", "D", ":"))
    if best:
        arms.append((best, "best", "good", "o", "-"))
    drawn = [_Curve(name, curve(findings, arm), *style) for arm, name, *style in arms]
    return [each for each in drawn if each.points]


def _told(metric: str, curves: Sequence[_Curve]) -> str:
    ends = [
        f"{each.name} ends at {numbers.quality(each.points[-1].quality, metric)} after "
        f"{numbers.duration(each.points[-1].seconds)}"
        for each in curves
    ]
    return f"Validation {metric} against training time, median over seeds: {'; '.join(ends)}"


def _draw(axes: Axes, each: _Curve, scale: float) -> Any:
    x, color = [p.seconds for p in each.points], TONES[each.tone]
    low, high = [scale * p.low for p in each.points], [scale * p.high for p in each.points]
    if len(x) > 1:
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    else:  # a band needs two evaluations
        axes.vlines(x, low, high, color=color, linewidth=5, alpha=0.3)
    y = [scale * p.quality for p in each.points]
    style = {"color": color, "marker": each.marker, "linewidth": 2, "markersize": 6}
    axes.plot(x, y, each.dash, **style)
    return line(f"{each.name} (band: range over seeds)", linestyle=each.dash, **style)


def _limits(
    axes: Axes, curves: Sequence[_Curve], reference: float, limit: float, scale: float
) -> None:
    """Show the end, where arms differ; the first epochs may come in from outside."""
    first = curves[0].points[0].quality
    room = max(8.0 * abs(reference - limit), 1.3 * abs(reference - first))
    values = [v for each in curves for p in each.points for v in (p.low, p.high)]
    inside = [v for v in [*values, limit, reference] if abs(v - reference) <= room]
    edge = 0.08 * (max(inside) - min(inside))
    axes.set_ylim(scale * (min(inside) - edge), scale * (max(inside) + edge))
    axes.set_xlim(0.0, 1.04 * max(each.points[-1].seconds for each in curves))
