"""Representations of instants that see only their neighborhood: a window for each, and of each one instant.

A block with dilation 2^k needs of its input every 2^k-th instant, counted from the one that is asked for, and
nothing else. So each block is computed without dilation, and every second instant of its output is dropped
before the next: a window costs two blocks instead of all of them, and the last, wide one is computed at a
single instant.

Source: Yue et al. 2022, arXiv:2106.10466, for windows in place of a whole series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from potentiate.errors import Refused
from potentiate.kernels.dilated import dilated_block
from potentiate.models.timehut.encoder import TAPS, Block, Encoder

CHUNK = 1 << 16
"""Instants of windows that are encoded at a time, about."""


def sliding(
    encoder: Encoder, inputs: Tensor, before: int, after: int = 0, *, hide: bool = False
) -> Tensor:
    """Return what each instant means by its neighborhood alone, [series, instants, outputs].

    What lies beyond the ends of a series counts as missing, so that all windows are of one length. With
    `after=0` an instant depends on nothing behind it, and stays what it is when more follows.

    Cost: instants * min(before + after, reach) * about two blocks, where the encoder reaches
    2 * (2^(depth + 1) - 1) instants to each side.

    Args:
        encoder: Left in evaluation mode.
        inputs: [series, instants, channels], NaN where a value is missing.
        before: Instants before each that it sees.
        after: Instants behind it that it sees.
        hide: Hide the instant itself, so that it is told by the others alone.

    Raises:
        Refused: A number of instants is negative.
    """
    if before < 0 or after < 0:
        raise Refused(f"windows of {before} instants before and {after} behind: give 0 or more")
    encoder.eval()
    farthest = reach(encoder)
    before, after = min(before, farthest), min(after, farthest)
    portion = max(1, CHUNK // (before + 1 + after))
    instants = max(1, portion // max(1, len(inputs)))
    with torch.no_grad():
        parts = cast("Sequence[Tensor]", inputs.split(portion))
        rows = [_slid(encoder, part, before, after, instants, hide) for part in parts]
    return torch.cat(rows)


def reach(encoder: Encoder) -> int:
    """Return how many instants to each side of one its representation depends on."""
    dilations = [cast("Block", block).dilation for block in encoder.blocks]
    return (TAPS // 2) * 2 * sum(dilations)


def _slid(
    encoder: Encoder, inputs: Tensor, before: int, after: int, instants: int, hide: bool
) -> Tensor:
    device = encoder.input.weight.device
    missing = inputs.isnan().any(-1, keepdim=True).to(device)
    h = encoder.input(inputs.to(device).masked_fill(missing, 0.0)).masked_fill(missing, 0.0)
    windows = F.pad(h, (0, 0, before, after)).unfold(1, before + 1 + after, 1)
    parts = [
        _at(encoder, part.permute(3, 0, 1, 2), before, hide).cpu()
        for part in cast("Sequence[Tensor]", windows.split(instants, 1))
    ]
    return torch.cat(parts, 1)


def _at(encoder: Encoder, windows: Tensor, at: int, hide: bool) -> Tensor:
    """The output at instant `at` of windows [length, series, instants, hidden]."""
    shape = windows.shape[1:3]
    h = windows.flatten(1, 2)
    if hide:  # not in place: windows may share their memory
        h = h.index_fill(0, torch.tensor([at], device=h.device), 0.0)
    for block in encoder.blocks:
        h = _without_dilation(cast("Block", block), h)[at % 2 :: 2]
        at //= 2
    last: Tensor = h[at]
    return last.view(*shape, -1)


def _without_dilation(block: Block, h: Tensor) -> Tensor:
    """A block on [length, windows, channels] of which the instants between are left out."""
    first, second = (block.first, block.first_bias), (block.second, block.second_bias)
    around = None if block.around is None else (block.around.weight, block.around.bias)
    length, windows, _ = h.shape
    out = dilated_block(h.flatten(0, 1), first, second, around, 1, ((windows, length),))
    return out.view(length, windows, -1)
