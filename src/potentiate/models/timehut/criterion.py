"""How well an encoder does, judged without labels: what an early stop can watch where none are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from potentiate.models.timehut.encoder import Encoder
from potentiate.models.timehut.loss import Hierarchy
from potentiate.models.timehut.views import pair

CRITERIA: Mapping[str, bool] = MappingProxyType(
    {"contrast": False, "alignment": False, "uniformity": False, "tolerance": True, "f1": True}
)
"""What an evaluation tells besides the accuracy, and whether higher is better."""
BATCH = 8
"""Series that are told apart at a time: the source's, whatever a training takes."""
MOST = 32
"""Series that are judged, at most."""
WINDOW = 64
"""Instants of them, at most, from anywhere: a contrast of instants costs the square of their number."""
STREAM = 7 << 48
"""Of the draws of crops and masks, which are the same in every evaluation and for every seed."""


@dataclass(frozen=True, eq=False)
class Criterion:
    """Two views of the same series, at the same crops and under the same masks each time.

    Attributes:
        inputs: Standardized series [n, instants, channels], NaN where a value is missing; of more than `MOST`
            so many, spread over all, are judged. An encoder may have learned from them, without labels.
    """

    inputs: Tensor

    def __call__(self, encoder: nn.Module) -> Mapping[str, float]:
        """Return how well the views are told apart, and how near they are; of both, lower is better.

        "contrast" is the hierarchical loss at a temperature of 1 without angles; "alignment" the mean squared
        distance of the unit vectors of one instant in two views, 0 to 4 (Wang & Isola 2020, arXiv:2005.10242).

        Args:
            encoder: An `Encoder`; left in evaluation mode.

        Cost: A forward pass over two crops of each window and a loss: little beside the support vectors of
            many or of long series, and up to half as much again beside those of few and short ones.
        """
        encoder.eval()
        loss, device = Hierarchy(instance=0.0, temporal=0.0), next(encoder.parameters()).device
        contrast, alignment, judged = 0.0, 0.0, 0
        with torch.no_grad():
            for number, part in enumerate(self._parts()):
                random = torch.Generator().manual_seed(STREAM ^ number)
                views = pair(_window(part, random).to(device), random)
                seen = cast("Encoder", encoder).overlap(views)
                unit = F.normalize(seen[:, 0], dim=-1) - F.normalize(seen[:, 1], dim=-1)
                contrast += len(part) * float(loss(seen))
                alignment += len(part) * float(unit.square().sum(-1).mean())
                judged += len(part)
        return {"contrast": contrast / judged, "alignment": alignment / judged}

    def _parts(self) -> Iterator[Tensor]:
        count = len(self.inputs)
        chosen = torch.arange(min(count, MOST)) * count // min(count, MOST)
        yield from (self.inputs[rows] for rows in cast("Sequence[Tensor]", chosen.split(BATCH)))


def _window(series: Tensor, random: torch.Generator) -> Tensor:
    length = series.shape[1]
    first = int(torch.randint(0, max(1, length - WINDOW + 1), (), generator=random))
    return series[:, first : first + WINDOW]
