"""The nine schedules that came later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, floor, log, tanh

import numpy as np

from potentiate.temperature.base import Temperature, half_cosine
from potentiate.temperature.seed import AdaptiveCosineAnnealing


@dataclass(frozen=True, kw_only=True)
class MomentumAdaptive(AdaptiveCosineAnnealing):
    """As the adaptive cosine, by a moving average of the changes in place of the last one.

    Attributes:
        momentum: Share of the average that the next change leaves.
    """

    momentum: float = 0.9

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """From half of `low` to 1.2 times `high`."""
        average = 0.0
        for change in changes:
            average = self.momentum * average + (1 - self.momentum) * change
        return self.adapted(epoch, average, self.rate)


@dataclass(frozen=True, kw_only=True)
class Triangular(Temperature):
    """Straight from low to high and back, once in a span, again and again."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`high` at half of the span."""
        return self.between(1 - abs(2 * (epoch / self.span % 1.0) - 1))


@dataclass(frozen=True, kw_only=True)
class OneCycle(Temperature):
    """On half a cosine from low to high, and on another one far below low.

    Attributes:
        peak: Where high is reached, as a share of the span.
        end: What is left at the end, over low.
    """

    peak: float = 0.3
    end: float = 0.1

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`end * low` from `span` on."""
        passed, last = self.passed(epoch), self.end * self.low
        if passed < self.peak:
            return self.between(1 - half_cosine(passed / self.peak))
        return last + (self.high - last) * half_cosine((passed - self.peak) / (1 - self.peak))


@dataclass(frozen=True, kw_only=True)
class HyperbolicTangent(Temperature):
    """As 1 - tanh of the share that is over.

    Attributes:
        steepness: Of the curve, in spans.
        shift: Where half of the range is left, as a share of the span.
    """

    steepness: float = 2.0
    shift: float = 0.5

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Goes on after the span, and nears `low`."""
        return self.between((1 - tanh(self.steepness * (epoch / self.span - self.shift))) / 2)


@dataclass(frozen=True, kw_only=True)
class Logarithmic(Temperature):
    """As 1 - log(1 + e) / log(1 + span)."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from `span` on."""
        return self.between(max(0.0, 1 - log(1 + epoch) / log(1 + self.span)))


@dataclass(frozen=True, kw_only=True)
class PiecewisePlateau(Temperature):
    """High for a third of the span, half-way for another, then low."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from two thirds of `span` on."""
        return self.between(1 - min(2, floor(3 * epoch / self.span)) / 2)


@dataclass(frozen=True, kw_only=True)
class InverseTime(Temperature):
    """Over 1 + rate e, until low.

    Attributes:
        rate: Per epoch.
    """

    rate: float = 0.1

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Does not depend on `span`."""
        return max(self.low, self.high / (1 + self.rate * epoch))


@dataclass(frozen=True, kw_only=True)
class DoubleExponential(Temperature):
    """Falls fast, then slowly, until low.

    Attributes:
        fast: Rate per epoch at first.
        slow: Afterwards.
        change: When, as a share of the span.
    """

    fast: float = 0.1
    slow: float = 0.01
    change: float = 0.3

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Without a jump."""
        first = min(epoch, self.change * self.span)
        return max(self.low, self.high * exp(-self.fast * first - self.slow * (epoch - first)))


@dataclass(frozen=True, kw_only=True)
class NoisyCosine(Temperature):
    """The paper's cosine with noise that fades.

    Attributes:
        noise: Standard deviation at first.
        decay: Of the noise, per epoch.
        seed: Of the noise, which is the same in every run.
    """

    noise: float = 0.05
    decay: float = 0.95
    seed: int = 0

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """One draw for each whole epoch."""
        draw = float(np.random.default_rng([self.seed, floor(epoch)]).standard_normal())
        return self.within(
            self.between(half_cosine(epoch / self.span)) + self.noise * self.decay**epoch * draw
        )
