"""The thirteen schedules of the seed system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, pi, tanh

from potentiate.temperature.base import Temperature, half_cosine


@dataclass(frozen=True, kw_only=True)
class CosineAnnealing(Temperature):
    """From high to low and back on a cosine, again and again.

    Attributes:
        frequency: Periods in a span; 0.5 is that of TimeHUT's paper, which is at `low` after a span.
        phase: Where it begins, in radians.
        bias: Added; what leaves the range is cut off.
    """

    frequency: float = 1.0
    phase: float = 0.0
    bias: float = 0.0

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Period `span / frequency`."""
        angle = 2 * pi * self.frequency * epoch / self.span + self.phase
        return self.within(self.between(half_cosine(angle / pi)) + self.bias)


@dataclass(frozen=True, kw_only=True)
class LinearDecay(Temperature):
    """In a straight line from high to low, where it stays."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from `span` on."""
        return self.between(1 - self.passed(epoch))


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(Temperature):
    """Times gamma in each epoch, until low.

    Attributes:
        gamma: Factor.
    """

    gamma: float = 0.95

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Does not depend on `span`."""
        return max(self.low, self.high * self.gamma**epoch)


@dataclass(frozen=True, kw_only=True)
class StepDecay(Temperature):
    """Times gamma after each third of the span, until low.

    Attributes:
        gamma: Factor.
    """

    gamma: float = 0.5

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Steps are whole epochs long, at least one."""
        return max(self.low, self.high * self.gamma ** floor(epoch / max(1, floor(self.span / 3))))


@dataclass(frozen=True, kw_only=True)
class PolynomialDecay(Temperature):
    """As (1 - e / span)^power.

    Attributes:
        power: Above 1 falls fast at first.
    """

    power: float = 2.0

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from `span` on."""
        return self.between((1 - self.passed(epoch)) ** self.power)


@dataclass(frozen=True, kw_only=True)
class SigmoidDecay(Temperature):
    """On a logistic curve, half-way at half of the span.

    Attributes:
        steepness: Per epoch.
    """

    steepness: float = 1.0

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Nears `low` and does not reach it."""
        return self.between((1 - tanh(self.steepness * (epoch - self.span / 2) / 2)) / 2)


@dataclass(frozen=True, kw_only=True)
class WarmupCosine(Temperature):
    """In a straight line from low to high, then on half a cosine to low, where it stays.

    Attributes:
        warmup: Epochs of the rise.
    """

    warmup: float = 2.0

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from `span` on."""
        if epoch < self.warmup:
            return self.between(epoch / self.warmup)
        rest = max(self.span - self.warmup, 1e-12)
        return self.between(half_cosine(min(1.0, (epoch - self.warmup) / rest)))


@dataclass(frozen=True, kw_only=True)
class Constant(Temperature):
    """High throughout."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`high`."""
        return self.high


@dataclass(frozen=True, kw_only=True)
class Cyclic(Temperature):
    """A saw-tooth: from low in a straight line towards high, three times in a span."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Period `span / 3`."""
        return self.between(epoch % (self.span / 3) / (self.span / 3))


@dataclass(frozen=True, kw_only=True)
class NoScheduling(Temperature):
    """1: similarities as they are, which is TS2Vec."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """1, whatever the range."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class AdaptiveCosineAnnealing(Temperature):
    """Half a cosine in a span; the faster the loss fell last, the smaller its range.

    Attributes:
        rate: How much of the last change is taken off the range.
    """

    rate: float = 0.1

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """From half of `low` to 1.2 times `high`; without changes that of the paper."""
        return self.adapted(epoch, changes[-1] if changes else 0.0, self.rate)

    def adapted(self, epoch: float, change: float, rate: float) -> float:
        """Return the cosine of a range that is smaller by `rate` times a change of the loss."""
        size = (self.high - self.low) * (1 - rate * change)
        value = self.low + size * half_cosine(epoch / self.span)
        return min(1.2 * self.high, max(0.5 * self.low, value))


@dataclass(frozen=True, kw_only=True)
class MultiCycleCosine(Temperature):
    """Half a cosine in each of several equal parts of a span, from ever lower.

    Attributes:
        cycles: Parts of the span.
        decay: The range of a cycle, over that of the one before.
    """

    cycles: int = 3
    decay: float = 0.8

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Cycles go on, and shrink, after the span."""
        number, part = divmod(epoch * self.cycles / self.span, 1.0)
        return self.between(self.decay**number * half_cosine(part))


@dataclass(frozen=True, kw_only=True)
class CosineWithRestarts(Temperature):
    """Half a cosine from high to low, again and again, each longer than the one before.

    Attributes:
        period: Epochs of the first.
        growth: Of the length at each restart.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983.
    """

    period: float = 5.0
    growth: float = 1.5

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Does not depend on `span`."""
        period = self.period
        while epoch >= period:
            epoch, period = epoch - period, period * self.growth
        return self.between(half_cosine(epoch / period))
