"""What TimeHUT's encoder learns by: two views of series, contrasted at every scale of time.

At each scale the views of an instant are told from those of other series at that instant, and from those of
the same series at other instants; then time is halved by the maximum of two, until one instant is left,
at which only series can be told apart.

Source: Yue et al. 2022, arXiv:2106.10466; Jalali et al. 2025, arXiv:2510.01658.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.contrast import WIDEST, contrast
from potentiate.kernels.halved import halved


@dataclass(frozen=True)
class Hierarchy:
    """The loss as a declaration; without angles and at a temperature of 1 it is that of TS2Vec.

    Attributes:
        share: Weight of telling series apart; the rest is that of telling instants apart.
        instance: Weight of the angles between series.
        temporal: Weight of those between instants.
        margin: Angle at which a negative is far enough, in radians.
    """

    share: float = 0.5
    instance: float = 2.0
    temporal: float = 2.0
    margin: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no weight.

        Raises:
            Refused: A number is not finite or negative, or `share` is above 1.
        """
        for name in ("share", "instance", "temporal", "margin"):
            value = getattr(self, name)
            if not isfinite(value) or value < 0:
                raise Refused(f"loss: {name}={value} is refused: it must be 0 or more")
        if self.margin > WIDEST:
            raise Refused(
                f"loss: margin={self.margin} is refused: it must be at most {WIDEST} radians"
            )
        if self.share > 1:
            raise Refused(f"loss: share={self.share} is refused: it must be 1 or less")

    def __call__(self, views: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the mean over the scales.

        Args:
            views: The overlap in two views, [instants, 2, series, channels].
            temperature: Divides similarities.
        """
        scales, total = 0, views.new_zeros(())
        while True:
            instants, _, series, _ = views.shape
            if self.share or self.instance:
                total = total + contrast(
                    views.flatten(1, 2), temperature, self.share, self.instance, self.margin, series
                )
            scales += 1
            if instants == 1:
                return total / scales
            if self.share < 1 or self.temporal:
                alike = views.flatten(0, 1).transpose(0, 1)  # the views of an instant are neighbors
                total = total + contrast(
                    alike, temperature, 1 - self.share, self.temporal, self.margin, 1
                )
            views = halved(views)


def uniformity(z: Tensor) -> float:
    """Return how evenly representations z [n, channels] fill the sphere; lower is more even.

    log of the mean of exp(-2 d^2) over pairs, d between unit vectors: 0 where all are one point.
    Source: Wang & Isola 2020, arXiv:2005.10242.
    """
    if len(z) < 2:
        return 0.0
    unit = torch.nn.functional.normalize(z.detach(), dim=-1)
    return float(torch.pdist(unit).square().mul(-2).exp().mean().log())


def tolerance(z: Tensor, labels: Tensor) -> float:
    """Return the mean similarity of representations z [n, channels] of one class; higher is more tolerant.

    Not a number where no class has two. Source: Wang & Liu 2021, arXiv:2012.09740.
    """
    unit = torch.nn.functional.normalize(z.detach(), dim=-1)
    alike = (labels[:, None] == labels).triu(1)
    return float((unit @ unit.t())[alike].mean())
