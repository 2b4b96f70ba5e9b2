"""Whether a simple reference is as good as what was trained, given how far chance alone carries both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

ERRORS = 2.0
"""Standard errors within which two results are not told apart: about 19 times out of 20."""


@dataclass(frozen=True)
class Standing:
    """A reference beside the trained: its value, what the trained gain over it, and the noise of that gain."""

    name: str
    value: float
    gain: float
    noise: float

    @property
    def verdict(self) -> str:
        """What the reference is: better, as good (or better by chance), within the noise, or worse."""
        if self.gain < -self.noise:
            return "better"
        if self.gain <= 0.0:
            return "as good"
        return "within the noise" if self.gain <= self.noise else "worse"


def standings(
    ours: Sequence[float],
    references: Mapping[str, float],
    *,
    higher_is_better: bool = True,
    examples: int | None = None,
) -> list[Standing]:
    """Return the references, the best first.

    Args:
        ours: The metric of each trained run, on the part that the references are judged on.
        references: The same metric of each reference; those that are not finite are left out.
        higher_is_better: Its direction.
        examples: Of that part, where the metric is a share of them that are right; else only the seeds count.
    """
    sign, mean = (1.0 if higher_is_better else -1.0), fmean(ours)
    seeds = stdev(ours) ** 2 / len(ours) if len(ours) > 1 else 0.0
    found = [
        Standing(
            name,
            value,
            sign * (mean - value),
            ERRORS * math.sqrt(seeds + _drawn(mean, examples) + _drawn(value, examples)),
        )
        for name, value in references.items()
        if math.isfinite(value)
    ]
    return sorted(found, key=lambda each: each.gain)


def _drawn(share: float, examples: int | None) -> float:
    """Variance of a share of so many examples; two shares are taken as independent."""
    return max(0.0, share * (1.0 - share)) / examples if examples else 0.0


def sentences(found: Sequence[Standing]) -> str:
    """Say plainly whether training shows anything here.

    Example:
        >>> sentences(standings([0.98], {"ridge on raw values": 0.9854}, examples=343))
        'Ridge on raw values is as good: on this set training shows nothing.'
        >>> sentences(standings([0.95], {"SVM on raw values": 0.47}, examples=300))
        'Every simple reference is worse by more than the noise.'
    """
    good = [each for each in found if each.gain <= 0.0]
    near = [each for each in found if each.verdict == "within the noise"]
    texts = list[str]()
    if good:
        how = "better" if all(each.verdict == "better" for each in good) else "as good"
        texts.append(f"{_subject(good)} {how}: on this set training shows nothing")
    if near:
        shown = "" if good else ": on this set training shows nothing for sure"
        texts.append(f"{_subject(near)} worse by less than the noise{shown}")
    return ". ".join(texts or ["Every simple reference is worse by more than the noise"]) + "."


def _subject(found: Sequence[Standing]) -> str:
    *names, last = (each.name for each in found)
    text = f"{', '.join(names)} and {last}" if names else last
    return f"{text[0].upper()}{text[1:]} {'are' if names else 'is'}"
