"""The temperature of a contrastive loss as a function of the epoch: the schedules of TimeHUT, and later ones.

A low temperature looks at the nearest negatives alone and spreads classes out; a high one treats all alike
and lets like series stay near each other. A schedule has no state, so it survives resuming: what depends on
the course of the loss is given that course.

Source: Kukleva et al. 2023, arXiv:2303.13664, for cosines; Jalali et al. 2025, arXiv:2510.01658.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import cos, exp, floor, isfinite, log, pi, tanh
from types import MappingProxyType

import numpy as np

from potentiate.errors import Refused, unknown


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

    def _between(self, share: float) -> float:
        return self.low + (self.high - self.low) * share

    def _passed(self, epoch: float) -> float:
        """The share of the span that is over, at most 1."""
        return min(1.0, epoch / self.span)

    def _within(self, value: float) -> float:
        return min(self.high, max(self.low, value))


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
        return self._within(self._between(_half_cosine(angle / pi)) + self.bias)


@dataclass(frozen=True, kw_only=True)
class LinearDecay(Temperature):
    """In a straight line from high to low, where it stays."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from `span` on."""
        return self._between(1 - self._passed(epoch))


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
        return self._between((1 - self._passed(epoch)) ** self.power)


@dataclass(frozen=True, kw_only=True)
class SigmoidDecay(Temperature):
    """On a logistic curve, half-way at half of the span.

    Attributes:
        steepness: Per epoch.
    """

    steepness: float = 1.0

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """Nears `low` and does not reach it."""
        return self._between((1 - tanh(self.steepness * (epoch - self.span / 2) / 2)) / 2)


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
            return self._between(epoch / self.warmup)
        rest = max(self.span - self.warmup, 1e-12)
        return self._between(_half_cosine(min(1.0, (epoch - self.warmup) / rest)))


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
        return self._between(epoch % (self.span / 3) / (self.span / 3))


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
        return self._adapted(epoch, changes[-1] if changes else 0.0, self.rate)

    def _adapted(self, epoch: float, change: float, rate: float) -> float:
        size = (self.high - self.low) * (1 - rate * change)
        value = self.low + size * _half_cosine(epoch / self.span)
        return min(1.2 * self.high, max(0.5 * self.low, value))


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
        return self._adapted(epoch, average, self.rate)


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
        return self._between(self.decay**number * _half_cosine(part))


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
        return self._between(_half_cosine(epoch / period))


@dataclass(frozen=True, kw_only=True)
class Triangular(Temperature):
    """Straight from low to high and back, once in a span, again and again."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`high` at half of the span."""
        return self._between(1 - abs(2 * (epoch / self.span % 1.0) - 1))


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
        passed, last = self._passed(epoch), self.end * self.low
        if passed < self.peak:
            return self._between(1 - _half_cosine(passed / self.peak))
        return last + (self.high - last) * _half_cosine((passed - self.peak) / (1 - self.peak))


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
        return self._between((1 - tanh(self.steepness * (epoch / self.span - self.shift))) / 2)


@dataclass(frozen=True, kw_only=True)
class Logarithmic(Temperature):
    """As 1 - log(1 + e) / log(1 + span)."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from `span` on."""
        return self._between(max(0.0, 1 - log(1 + epoch) / log(1 + self.span)))


@dataclass(frozen=True, kw_only=True)
class PiecewisePlateau(Temperature):
    """High for a third of the span, half-way for another, then low."""

    def at(self, epoch: float, changes: Sequence[float]) -> float:
        """`low` from two thirds of `span` on."""
        return self._between(1 - min(2, floor(3 * epoch / self.span)) / 2)


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
        return self._within(
            self._between(_half_cosine(epoch / self.span)) + self.noise * self.decay**epoch * draw
        )


def _half_cosine(share: float) -> float:
    """From 1 at 0 to 0 at 1, and back."""
    return (1 + cos(pi * share)) / 2


TEMPERATURES: Mapping[str, type[Temperature]] = MappingProxyType(
    {
        "cosine-annealing": CosineAnnealing,
        "linear-decay": LinearDecay,
        "exponential-decay": ExponentialDecay,
        "step-decay": StepDecay,
        "polynomial-decay": PolynomialDecay,
        "sigmoid-decay": SigmoidDecay,
        "warmup-cosine": WarmupCosine,
        "constant": Constant,
        "cyclic": Cyclic,
        "no-scheduling": NoScheduling,
        "adaptive-cosine-annealing": AdaptiveCosineAnnealing,
        "multi-cycle-cosine": MultiCycleCosine,
        "cosine-with-restarts": CosineWithRestarts,
        "momentum-adaptive": MomentumAdaptive,
        "triangular": Triangular,
        "one-cycle": OneCycle,
        "hyperbolic-tangent": HyperbolicTangent,
        "logarithmic": Logarithmic,
        "piecewise-plateau": PiecewisePlateau,
        "inverse-time": InverseTime,
        "double-exponential": DoubleExponential,
        "noisy-cosine": NoisyCosine,
    }
)
"""All schedules by name: the thirteen of the seed system first, then the nine that came later."""


def temperature(name: str, **settings: float) -> Temperature:
    """Return the schedule of a name, in which `_` may stand for `-`.

    Raises:
        Refused: There is no such schedule, or it has no such setting; the nearest one is named.
    """
    key = name.replace("_", "-")
    if key not in TEMPERATURES:
        raise unknown("temperature schedule", name, TEMPERATURES)
    kind = TEMPERATURES[key]
    known = {part.name for part in fields(kind)}
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {key}", setting, known)
    return kind(**settings)
