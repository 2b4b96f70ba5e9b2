"""Numbers as people read them: durations, ratios, points of accuracy.

What is missing or without bound is said in words, so that no table shows "inf", "nan" or "None".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from potentiate.study.interval import Interval

MISSING = "not measured"
NEVER = "never"

OPEN = 1e9
"""An upper end from here on bounds nothing that is measured here."""

_SHARES = ("accuracy", "f1", "recall", "precision", "auc", "auroc", "error rate")
_ODD = {
    "inf": "no bound",
    "-inf": "no bound",
    "+inf": "no bound",
    "nan": MISSING,
    "none": "not set",
}


def known(value: float | None) -> bool:
    """Whether there is a finite number to show."""
    return value is not None and math.isfinite(value)


def duration(seconds: float | None, missing: str = MISSING) -> str:
    """A time in the units that a person would choose.

    Example:
        >>> duration(0.0052), duration(39.21), duration(250), duration(7500)
        ('5.2 ms', '39.2 s', '4 min 10 s', '2 h 05 min')
    """
    if seconds is None or math.isnan(seconds):
        return missing
    if math.isinf(seconds):
        return NEVER
    if seconds < 0.0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{1000.0 * seconds:.2g} ms" if seconds < 0.01 else f"{1000.0 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60.0), 60)
    return f"{hours:,} h {minutes:02d} min"


def ratio(value: float | None, missing: str = MISSING) -> str:
    """A bare ratio with two or three significant digits.

    Example:
        >>> ratio(0.954), ratio(3.417), ratio(12.34), ratio(251.3)
        ('0.95', '3.42', '12.3', '251')
    """
    if value is None or math.isnan(value):
        return missing
    if math.isinf(value):
        return "no bound"
    size = abs(value)
    if 0.0 < size < 0.095:
        return f"{value:.2g}"
    return f"{value:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def times(value: float | None, missing: str = MISSING) -> str:
    """A ratio with its cross: "3.42x"; 0 and infinity have no such form."""
    return f"{ratio(value)}x" if value and known(value) else missing


def faster_by(speedup: float | None, missing: str = MISSING) -> str:
    """A small speed-up in percent, a large one as a ratio: "2.4 %", "2.30x"; below 1 it is turned.

    Example:
        >>> faster_by(1.024), faster_by(0.5)
        ('2.4 %', '2.00x')
    """
    if speedup is None or not math.isfinite(speedup) or speedup <= 0.0:
        return missing
    speedup = max(speedup, 1.0 / speedup)
    return share(speedup - 1.0) if speedup < 1.5 else times(speedup)


def span(low: float, high: float, show: Callable[[float], str] = ratio, least: float = 0.0) -> str:
    """The range of an interval, open ends in words; `least` is the end that bounds nothing.

    Example:
        >>> span(1.25, 1.37), span(1.25, math.inf), span(0.0, math.inf)
        ('1.25 to 1.37', '1.25 or more', 'no bounds')
    """
    below = math.isfinite(low) and low > least
    above = high < OPEN
    if below and above:
        return f"{show(low)} to {show(high)}"
    if below:
        return f"{show(low)} or more"
    return f"{show(high)} or less" if above else "no bounds"


def with_span(interval: Interval | None, missing: str = MISSING) -> str:
    """A ratio with its interval: "1.31x (1.25 to 1.37)"."""
    if interval is None:
        return missing
    if not interval.estimate or not known(interval.estimate):
        return "failed"
    return f"{times(interval.estimate)} ({span(interval.low, interval.high)})"


def level(interval: Interval | None) -> str:
    """The confidence level that `Interval.method` ends with: "96.3 %"."""
    found = re.search(r"[\d.]+ %$", interval.method) if interval else None
    return found.group() if found else "95 %"


def is_share(metric: str) -> bool:
    """Whether a metric is a share, shown in percent, its differences in points."""
    return any(word in metric.lower() for word in _SHARES)


def quality(value: float | None, metric: str, missing: str = MISSING) -> str:
    """A value of the metric: "99.06 %" for an accuracy, "0.1234" otherwise."""
    if value is None or not math.isfinite(value):
        return missing
    return f"{100.0 * value:.2f} %" if is_share(metric) else f"{value:.4g}"


def change(value: float | None, metric: str, missing: str = MISSING) -> str:
    """A difference of the metric, with its sign: "-0.05 points" for an accuracy."""
    if value is None or not math.isfinite(value):
        return missing
    return f"{_signed(value, metric)} points" if is_share(metric) else _signed(value, metric)


def _signed(value: float, metric: str) -> str:
    text = f"{100.0 * value:+.2f}" if is_share(metric) else f"{value:+.3g}"
    return text[1:] if text in ("-0.00", "+0.00") else text


def signed(value: float | None, metric: str, missing: str = "-") -> str:
    """A difference without its unit, which stands in the heading: "-0.05"."""
    return missing if value is None or not math.isfinite(value) else _signed(value, metric)


def change_with_span(interval: Interval | None, metric: str, missing: str = MISSING) -> str:
    """A difference with its interval: "-0.05 points (-0.21 to +0.10)"."""
    if interval is None:
        return missing
    if not known(interval.estimate):
        return "failed"
    ends = span(interval.low, interval.high, lambda v: _signed(v, metric), -math.inf)
    return f"{change(interval.estimate, metric)} ({ends})"


def margin(value: float, metric: str) -> str:
    """The margin without a sign, to three digits.

    Example:
        >>> margin(0.01, "accuracy"), margin(0.00125, "accuracy"), margin(0.00139165, "loss")
        ('1 point', '0.125 points', '0.00139')
    """
    if not math.isfinite(value):
        return MISSING
    if not is_share(metric):
        return f"{value:.3g}"
    text = f"{100.0 * value:.3g}"
    return f"{text} point{'s' * (text != '1')}"


def p_value(p: float | None, missing: str = "not tested") -> str:
    """A p value that does not pretend to more digits than it has."""
    if p is None or not math.isfinite(p):
        return missing
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def share(value: float | None, missing: str = MISSING) -> str:
    """A share of a whole in percent: "12 %", "0.4 %"."""
    if value is None or not math.isfinite(value):
        return missing
    percent = 100.0 * value
    return f"{percent:.0f} %" if abs(percent) >= 9.95 else f"{percent:.1f} %"


def relative(value: float | None, missing: str = MISSING) -> str:
    """A relative change with its sign: "+0.4 %"."""
    if value is None or not math.isfinite(value):
        return missing
    return f"{'+' * (value > 0.0)}{share(value)}"


def count(value: float | None, missing: str = MISSING) -> str:
    """A number of things: "12,345"; infinitely many is "never" (steps until something happens)."""
    if value is None or math.isnan(value):
        return missing
    return NEVER if math.isinf(value) else f"{math.ceil(value):,}"


def size(number: float | None, missing: str = MISSING) -> str:
    """Bytes: "512 MiB"."""
    if not number or not math.isfinite(number):
        return missing
    for unit in ("B", "KiB", "MiB"):
        if number < 1023.5:
            return f"{number:.0f} {unit}"
        number /= 1024.0
    return f"{number:.3g} GiB"


def operations(number: float | None, missing: str = "not counted") -> str:
    """FLOPs: "12.3 T"."""
    if number is None or not math.isfinite(number):
        return missing
    for unit in ("", " k", " M", " G", " T"):
        if abs(number) < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000.0
    return f"{number:.3g} P"


def plain(text: str) -> str:
    """A sentence made elsewhere, on one line and with numbers that are none put in words."""

    def word(match: re.Match[str]) -> str:
        return _ODD[match.group().lower()]

    return " ".join(re.sub(r"(?<![\w.])[+-]?(inf|nan)(?!\w)|\bNone\b", word, text).split())


def fact(value: object) -> str:
    """A value of a setting or of the machine as text."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "no bound"
    return plain(str(value))
