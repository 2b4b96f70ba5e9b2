"""Learning-rate schedules: the factor on the declared rate as a function of progress in [0, 1).

A function of progress has no state, so it survives resuming and a change of batch size, and a
schedule that is made shorter is compressed rather than cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, floor, pi

Schedule = Callable[[float], float]


@dataclass(frozen=True)
class Constant:
    """The declared rate throughout."""

    def __call__(self, progress: float) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class StepDecay:
    """Multiply the rate by `gamma` at each of `times` equal parts of the run (StepLR over epochs)."""

    gamma: float = 0.7
    times: int = 5

    def __call__(self, progress: float) -> float:
        """Return gamma to the number of parts completed."""
        return self.gamma ** floor(progress * self.times + 1e-9)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to `final`, after a linear warm-up (Loshchilov & Hutter 2017)."""

    warmup: float = 0.0
    final: float = 0.0

    def __call__(self, progress: float) -> float:
        """Return the factor; `warmup` is a share of the run."""
        if progress < self.warmup:
            return (progress + 1e-3) / (self.warmup + 1e-3)
        rest = (progress - self.warmup) / max(1e-12, 1.0 - self.warmup)
        return self.final + (1.0 - self.final) * (1.0 + cos(pi * rest)) / 2


@dataclass(frozen=True)
class OneCycle:
    """Rise from `peak/start_div` to `peak` and fall to almost nothing, both as half cosines.

    Source: Smith & Topin 2018; the shape and defaults of the two-phase form in common use.
    """

    peak: float = 1.0
    rise: float = 0.25
    start_div: float = 25.0
    final_div: float = 1e4

    def __call__(self, progress: float) -> float:
        """Return the factor on the declared rate."""
        low, end = self.peak / self.start_div, self.peak / self.start_div / self.final_div
        if progress < self.rise:
            return _between(low, self.peak, progress / self.rise)
        return _between(self.peak, end, (progress - self.rise) / (1.0 - self.rise))


@dataclass(frozen=True)
class Table:
    """One factor for each equal part of the run: a table of one value per epoch."""

    values: tuple[float, ...]

    def __call__(self, progress: float) -> float:
        """Return the value of the part that `progress` falls in."""
        return self.values[min(len(self.values) - 1, floor(progress * len(self.values) + 1e-9))]


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + cos(pi * share)) / 2
