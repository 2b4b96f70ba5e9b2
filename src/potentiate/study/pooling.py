"""One effect over several data sets: their mean, with an interval in which data sets are the random unit.

Every set counts alike, so the mean of log ratios is the geometric mean of the ratios, and no set rules
because its few runs happened to agree. The standard error is that of the spread between sets, but never
less than what the noise within them makes; Student's t has one degree of freedom less than there are
sets. Weights by the sets' own errors (Paule and Mandel) would be narrower, but with three blocks a set
they claim too often: 8 % in place of 5 % at ten sets.

Sources: Hedges, Psychol. Bull. 93, 1983 (the variance between sets); Hartung and Knapp, Stat. Med. 20,
2001, with the bound of Roever, Knapp and Friede, BMC Med. Res. Methodol. 15, 2015 (the interval);
Higgins and Thompson, Stat. Med. 21, 2002 (the share); Higgins, Thompson and Spiegelhalter, J. R. Stat.
Soc. A 172, 2009 (the prediction).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from potentiate.errors import Refused
from potentiate.study.interval import Interval


@dataclass(frozen=True)
class Pooled:
    """An effect over data sets, in the unit of the effects (for times the logarithm of a ratio).

    Attributes:
        mean: Over the sets, each counting alike.
        error: Its standard error.
        between: Standard deviation of the true effects between sets, 0 if the noise explains all.
        share: Share of the variance between sets that noise within them does not explain (I^2).
        count: Number of sets.
    """

    mean: float
    error: float
    between: float
    share: float
    count: int

    def interval(self, alpha: float) -> Interval:
        """The interval of the mean at level `1 - alpha`."""
        half = float(stdtrit(self.count - 1, 1.0 - alpha / 2.0)) * self.error
        method = f"mean over data sets, Student t, {100.0 * (1.0 - alpha):.3g} %"
        return Interval(self.mean, self.mean - half, self.mean + half, self.count, method)

    def prediction(self, alpha: float) -> Interval | None:
        """Where the effect on one more set like these lies at level `1 - alpha`; None below three sets."""
        if self.count < 3:
            return None
        half = float(stdtrit(self.count - 2, 1.0 - alpha / 2.0)) * math.hypot(
            self.between, self.error
        )
        method = f"prediction for one more data set, {100.0 * (1.0 - alpha):.3g} %"
        return Interval(self.mean, self.mean - half, self.mean + half, self.count, method)

    def above_p(self, null: float) -> float:
        """One-sided p value of "the mean over such sets is above `null`"."""
        return float(stdtr(self.count - 1, (null - self.mean) / self.error))

    def below_p(self, null: float) -> float:
        """One-sided p value of "the mean over such sets is below `null`"."""
        return float(stdtr(self.count - 1, (self.mean - null) / self.error))


def pool(effects: Sequence[float], errors: Sequence[float]) -> Pooled:
    """Pool the effects of two data sets or more.

    Args:
        effects: One finite number for each set.
        errors: Their standard errors, above 0.

    Raises:
        Refused: Fewer than two sets, or numbers that are not finite.

    Example:
        >>> pooled = pool([-0.20, -0.25, -0.30], [0.01, 0.01, 0.01])
        >>> round(pooled.mean, 3), round(pooled.between, 3), round(pooled.share, 2)
        (-0.25, 0.049, 0.96)
    """
    values, within = np.asarray(effects, np.float64), np.square(np.asarray(errors, np.float64))
    if len(values) < 2 or len(values) != len(within):
        raise Refused("pooling takes an effect and an error of two data sets or more; study more")
    if not (np.isfinite(values).all() and np.isfinite(within).all() and (within > 0.0).all()):
        raise Refused("pooling takes finite effects and errors above 0; leave failed sets out")
    spread, noise, count = float(values.var(ddof=1)), float(within.mean()), len(values)
    between = max(0.0, spread - noise)
    return Pooled(
        mean=float(values.mean()),
        error=math.sqrt(max(spread, noise) / count),
        between=math.sqrt(between),
        share=between / (between + noise),
        count=count,
    )
