"""What the settings of a rule must satisfy, and the range of its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Literal, NamedTuple

from potentiate.errors import Refused, unknown

Reduce = Literal["mean", "sum"]


class Limits(NamedTuple):
    """The range of weights, and the room it leaves: (w_max - w)^mu_plus and (w - w_min)^mu_minus."""

    w_min: float
    w_max: float
    mu_plus: float
    mu_minus: float


def limits(w_min: float, w_max: float, mu_plus: float = 0.0, mu_minus: float = 0.0) -> Limits:
    """Return the range of weights, with exponents of soft bounds.

    Raises:
        Refused: The range is empty, an exponent is negative, or a soft bound is infinite.
    """
    if not holds(lambda: w_min <= w_max and w_min < inf and w_max > -inf):
        raise Refused(f"no weight lies between {w_min} and {w_max}; put the lower bound first")
    not_negative(mu_plus=mu_plus, mu_minus=mu_minus)
    if (mu_plus > 0 and w_max == inf) or (mu_minus > 0 and w_min == -inf):
        raise Refused("a soft bound must be finite; set w_min and w_max or take bounds='additive'")
    return Limits(w_min, w_max, mu_plus, mu_minus)


def positive(**values: float) -> None:
    """Check settings that must be finite and above zero.

    Raises:
        Refused: One is not.
    """
    _each(values, lambda value: 0 < value < inf, "be above 0 and finite")


def not_negative(**values: float) -> None:
    """Check settings that must be zero or more, and finite.

    Raises:
        Refused: One is not.
    """
    _each(values, lambda value: 0 <= value < inf, "be finite and not negative")


def finite(**values: float) -> None:
    """Check settings that may have either sign.

    Raises:
        Refused: One is NaN, infinite or no number.
    """
    _each(values, lambda value: -inf < value < inf, "be a finite number")


def share(**values: float) -> None:
    """Check settings that are a share of something.

    Raises:
        Refused: One lies outside [0, 1].
    """
    _each(values, lambda value: 0 <= value <= 1, "lie from 0 to 1")


def known(kind: str, name: str, names: tuple[str, ...]) -> None:
    """Check a setting that is one of a few names.

    Raises:
        Refused: It is none of them; the nearest is suggested.
    """
    if name not in names:
        raise unknown(kind, str(name), names)


def takes_mean(reduce: str) -> bool:
    """Return whether a rule averages over the batch, rather than adding.

    Raises:
        Refused: `reduce` is neither "mean" nor "sum".
    """
    known("reduction", reduce, ("mean", "sum"))
    return reduce == "mean"


def holds(comparison: Callable[[], bool]) -> bool:
    """Whether a comparison holds; what cannot be compared, such as text, does not."""
    try:
        return bool(comparison())
    except (TypeError, ValueError):
        return False


def told(value: Any) -> str:
    """Return a number as it is, and what is none so that it cannot be taken for one."""
    return str(value) if isinstance(value, int | float) else repr(value)


def _each(values: Mapping[str, Any], fine: Callable[[Any], bool], must: str) -> None:
    for name, value in values.items():
        if not holds(lambda value=value: fine(value)):
            raise Refused(f"{name}={told(value)} is refused: it must {must}; change {name}")
