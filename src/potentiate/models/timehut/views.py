"""Two views of series that overlap, and what is hidden of them.

Source: Yue et al. 2022, arXiv:2106.10466.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from potentiate.errors import Refused


@dataclass(frozen=True)
class Views:
    """Two crops of each series, time-major, and where both lie.

    Attributes:
        first: [instants, series, channels], from before the overlap to its end.
        second: [instants, series, channels], from its beginning to behind it.
        overlap: Instants that both see: the last of `first`, the first of `second`.
    """

    first: Tensor
    second: Tensor
    overlap: int


def crops(x: Tensor, scales: int, random: torch.Generator) -> Views:
    """Return two random crops of series x [instants, series, channels] that overlap.

    All series are cropped to the same lengths, each at an offset of its own.

    Args:
        x: At least 2^scales instants, and two.
        scales: The overlap has at least 2^(scales + 1) instants, where the series do.
        random: Source of the draws.

    Raises:
        Refused: There are not two instants.
    """
    length, series, _ = x.shape
    if length < 2:
        raise Refused(f"series of {length} instants have no two crops; give at least 2")

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=random))

    overlap = draw(min(2 ** (scales + 1), length), length + 1)
    left = draw(0, length - overlap + 1)
    right = left + overlap
    outer_left, outer_right = draw(0, left + 1), draw(right, length + 1)
    offsets = torch.randint(-outer_left, length - outer_right + 1, (series,), generator=random)

    def taken(begin: int, end: int) -> Tensor:
        at = torch.arange(begin, end)[:, None] + offsets
        return x[at.to(x.device), torch.arange(series, device=x.device)]

    return Views(taken(outer_left, right), taken(left, outer_right), overlap)


@dataclass(frozen=True)
class Pair:
    """Two views of a batch as an `Encoder` takes them, in one pass.

    Attributes:
        rows: [rows, channels], all of the first view and then of the second.
        segments: Series and instants of each.
        keep: Truth values [rows]: the instants that are not hidden.
        overlap: Instants that both see.
    """

    rows: Tensor
    segments: tuple[tuple[int, int], tuple[int, int]]
    keep: Tensor
    overlap: int

    def seen(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `out` [rows, channels] says of the overlap, [overlap, series, channels] for each view."""
        (series, first), _ = self.segments
        middle, seen = series * first, series * self.overlap
        one, other = out[middle - seen : middle], out[middle : middle + seen]
        return one.view(self.overlap, series, -1), other.view(self.overlap, series, -1)


def pair(inputs: Tensor, random: torch.Generator) -> Pair:
    """Return two crops of series inputs [n, instants, channels], half of the instants of each hidden."""
    views, series = crops(inputs.transpose(0, 1), 0, random), len(inputs)
    segments = (series, len(views.first)), (series, len(views.second))
    rows = torch.cat([views.first.flatten(0, 1), views.second.flatten(0, 1)])
    keep = torch.cat([binomial(*segment, random).flatten() for segment in segments])
    return Pair(rows, segments, keep.to(rows.device), views.overlap)


def binomial(series: int, instants: int, random: torch.Generator) -> Tensor:
    """Each instant is kept with probability one half, [instants, series]."""
    return torch.rand(instants, series, generator=random) < 0.5


def continuous(series: int, instants: int, random: torch.Generator) -> Tensor:
    """All is kept but five runs of a tenth of the series each, which may overlap."""
    keep = torch.ones(instants, series, dtype=torch.bool)
    runs, length = min(5, max(1, instants // 2)), max(1, instants // 10)
    first = torch.randint(0, instants - length + 1, (runs, series), generator=random)
    at = torch.arange(instants)[:, None, None]
    return keep & ~((at >= first) & (at < first + length)).any(1)


def all_true(series: int, instants: int, random: torch.Generator) -> Tensor:
    """All is kept."""
    return torch.ones(instants, series, dtype=torch.bool)


def all_false(series: int, instants: int, random: torch.Generator) -> Tensor:
    """Nothing is kept."""
    return torch.zeros(instants, series, dtype=torch.bool)


def last_hidden(series: int, instants: int, random: torch.Generator) -> Tensor:
    """All is kept but the last instant."""
    keep = torch.ones(instants, series, dtype=torch.bool)
    keep[-1:] = False
    return keep


Mask = Callable[[int, int, torch.Generator], Tensor]

MASKS: Mapping[str, Mask] = MappingProxyType(
    {
        "binomial": binomial,
        "continuous": continuous,
        "all-true": all_true,
        "all-false": all_false,
        "last": last_hidden,
    }
)
"""What is hidden from the encoder, by name: (series, instants, generator) -> truth values, kept or not."""
