"""What the settings of a rule must satisfy, and the range of its weights."""

from __future__ import annotations

from math import inf
from typing import Literal, NamedTuple

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
    if not w_min <= w_max:
        raise Refused(f"no weight lies between {w_min} and {w_max}; put the lower bound first")
    if min(mu_plus, mu_minus) < 0:
        raise Refused(f"exponents {mu_plus} and {mu_minus} must not be negative; take 0 for none")
    if (mu_plus > 0 and w_max == inf) or (mu_minus > 0 and w_min == -inf):
        raise Refused("a soft bound must be finite; set w_min and w_max or take bounds='additive'")
    return Limits(w_min, w_max, mu_plus, mu_minus)


def positive(**values: float) -> None:
    """Check settings that must be finite and above zero.

    Raises:
        Refused: One is not.
    """
    for name, value in values.items():
        if not 0 < value < inf:
            raise Refused(
                f"{name}={value} is refused: it must be above 0 and finite; change {name}"
            )


def not_negative(**values: float) -> None:
    """Check settings that must be zero or more, and finite.

    Raises:
        Refused: One is not.
    """
    for name, value in values.items():
        if not 0 <= value < inf:
            raise Refused(f"{name}={value} is refused: it must not be below 0; take 0 for none")


def known(kind: str, name: str, names: tuple[str, ...]) -> None:
    """Check a setting that is one of a few names.

    Raises:
        Refused: It is none of them; the nearest is suggested.
    """
    if name not in names:
        raise unknown(kind, name, names)


def takes_mean(reduce: str) -> bool:
    """Return whether a rule averages over the batch, rather than adding.

    Raises:
        Refused: `reduce` is neither "mean" nor "sum".
    """
    known("reduction", reduce, ("mean", "sum"))
    return reduce == "mean"
