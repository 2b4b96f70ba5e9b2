"""What every schedule of a temperature is: a function of the epoch, between two temperatures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import cos, isfinite, pi

from potentiate.errors import Refused


@dataclass(frozen=True, kw_only=True)
class Temperature(ABC):
    """A schedule between two temperatures.

    Attributes:
        low: Lowest temperature.
        high: Highest.
        span: Epochs after which a decay has arrived, or a cycle is over ("T_max").
    """

    low: float = 0.15
    high: float = 0.75
    span: float = 10.5

    def __post_init__(self) -> None:
        """Refuse what is no range.

        Raises:
            Refused: A number is not finite, `low` is not above 0, `high` is below it, or `span` is not above 0.
        """
        for part in fields(self):
            value = getattr(self, part.name)
            if not isfinite(value):
                raise Refused(f"temperature: {part.name}={value} is refused; give a number")
        if not 0 < self.low <= self.high:
            raise Refused(
                f"temperature: low={self.low} and high={self.high} are refused: 0 < low <= high; "
                "similarities are divided by it"
            )
        if self.span <= 0:
            raise Refused(f"temperature: span={self.span} is refused: it must be above 0")

    @abstractmethod
    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """The temperature at `epoch`; see `__call__`."""

    def __call__(self, epoch: float, changes: Sequence[float] = ()) -> float:
        """Return the temperature.

        Args:
            epoch: From 0; parts of epochs count.
            changes: How much the loss fell in each epoch so far, as a share of what it was.
        """
        return self.at(epoch, changes)

    def between(self, share: float) -> float:
        """Return the temperature at this share of the range."""
        return self.low + (self.high - self.low) * share

    def passed(self, epoch: float) -> float:
        """Return the share of the span that is over, at most 1."""
        return min(1.0, epoch / self.span)

    def within(self, value: float) -> float:
        """Return the value, or the end of the range that it is beyond."""
        return min(self.high, max(self.low, value))


def half_cosine(share: float) -> float:
    """Return half a cosine, from 1 at 0 to 0 at 1 and back."""
    return (1 + cos(pi * share)) / 2
