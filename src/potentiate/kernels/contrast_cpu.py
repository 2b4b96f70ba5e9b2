"""`potentiate.kernels.contrast` for the CPU, in float32.

Similarities are made some groups at a time, few enough to stay in the cache, and become in place what the
gradient multiplies: the slope of the loss by s[i, j] and by s[j, i] together. Rows are filled up to a multiple
of `LANES`, so that the loops over them need no remainder.

Memory: one [2n, 2n], or some in a megabyte where they are smaller.
"""

from __future__ import annotations

from math import acos, exp, log, sqrt

import numpy as np
import torch
from numba import njit
from torch import Tensor

from potentiate.kernels.blocks import over_blocks
from potentiate.kernels.contrast_loops import slopes, sum_of_exponentials
from potentiate.kernels.lanes import LANES

CACHED = 1 << 18
"""Similarities that are worked on at a time, where a group has no more."""
NONE = -1e20
"""The similarity of a row to itself and to what fills rows up: its exponential is nothing."""
FEW = 1 << 16
"""Similarities that a thread takes at least; to wake it costs as much as some."""
f32 = np.float32
_WITH_ANGLES, _WITHOUT = slopes(angular=True), slopes(angular=False)


def contrasted(
    z: Tensor,
    temperature: float,
    weight: float,
    angular: float,
    margin: float,
    apart: int,
    nearest: float,
    shortest: float,
) -> tuple[Tensor, Tensor]:
    """Return the loss of rows z [groups, 2n, channels] and its gradient, as `contrast` has them."""
    groups, rows, _ = z.shape
    wide = -(-rows // LANES) * LANES
    portion = max(1, CACHED // (rows * wide))
    room = z.new_empty(min(groups, portion), rows, wide)
    loss, gradient = z.new_empty(groups, rows), torch.empty_like(z)
    known = z.new_empty(groups, 3, wide)
    known[:, 0], known[:, 1], known[:, 2] = -NONE, 0.0, 1.0
    lengths = torch.linalg.vector_norm(z, dim=2).clamp_(min=shortest**0.5)
    torch.reciprocal(lengths, out=known[:, 2, :rows])
    others = z if wide == rows else torch.nn.functional.pad(z, (0, 0, 0, wide - rows))
    scalars = (
        f32(1 / temperature),
        f32(weight),
        f32(weight / (temperature * groups * rows)),
        f32(angular / (rows - 1)),
        f32(2 * angular / (groups * rows * (rows - 1))),
        f32(margin),
        f32(1 - nearest),
    )
    few = max(1, FEW // wide)
    for first in range(0, groups, portion):
        part = slice(first, min(groups, first + portion))
        similar = room[: part.stop - part.start]
        torch.bmm(z[part], others[part].transpose(1, 2), out=similar)
        similar[:, :, rows:] = NONE
        similar.diagonal(dim1=1, dim2=2).fill_(NONE)
        torch.amax(similar, 2, out=known[part, 0, :rows])
        arrays = similar.numpy(), known[part].numpy(), loss[part].numpy()
        every = len(similar) * rows
        over_blocks(lambda *ends, a=arrays: _sums(*a, apart, scalars, *ends), every, few)
        over_blocks(lambda *ends, a=arrays: _slopes(*a, apart, scalars, *ends), every, few)
        torch.bmm(similar, others[part], out=gradient[part])
    return loss.double().mean().float(), gradient


@njit(cache=True, nogil=True)
def _sums(similar, known, loss, apart, scalars, first, last):
    """Rows first..last: from their largest similarity to the logarithm of the sum, and the loss of softmax.

    `known` [groups, 3, wide] holds the largest similarities, these logarithms, and inverse lengths.
    """
    scale, weight = scalars[0], scalars[1]
    _, rows, wide = similar.shape
    line = similar.reshape(-1)
    for row in range(first, last):
        group, i, at = row // rows, row % rows, row * wide
        top = known[group, 0, i]
        log_sum = f32(log(sum_of_exponentials(line, at, wide, scale, top)))
        known[group, 1, i] = log_sum
        loss[group, i] = weight * ((top - line[at + _other(i, apart)]) * scale + log_sum)


@njit(cache=True, nogil=True)
def _slopes(similar, known, loss, apart, scalars, first, last):
    """Rows first..last: from similarities to slopes, in place; the loss of angles is added."""
    scale, _, slope, angular, turn, margin, most = scalars
    _, rows, wide = similar.shape
    line, others = similar.reshape(-1), known.reshape(-1)
    for row in range(first, last):
        group, i, at = row // rows, row % rows, row * wide
        there, other = group * 3 * wide, _other(i, apart)
        top, own, mine = known[group, 0, i], known[group, 1, i], known[group, 2, i]
        seen, length, by = line[at + other], mine * known[group, 2, other], f32(0.0)
        if angular > 0.0:
            cost, turned = _WITH_ANGLES(
                line, at, others, there, wide, top, own, mine, scale, slope, turn, margin, most
            )
            cosine = seen * length
            inside = min(most, max(-most, cosine))
            angle, near = f32(acos(inside)), f32(0.0)
            near = max(near, margin - angle)
            sharp = turn / f32(sqrt(f32(1.0) - inside * inside))
            loss[group, i] += angular * (cost - near * near + angle * angle)  # it was no negative
            by = -angle * sharp
            line[at + i] = f32(-2.0) * (turned + (by - near * sharp) * cosine) * mine * mine
        else:
            _WITHOUT(
                line, at, others, there, wide, top, own, mine, scale, slope, turn, margin, most
            )
            line[at + i] = f32(0.0)
        pulled = f32(exp((seen - top) * scale - own))
        pulled += f32(exp((seen - known[group, 0, other]) * scale - known[group, 1, other]))
        line[at + other] = slope * (pulled - f32(2.0)) + f32(2.0) * by * length


@njit(cache=True, nogil=True)
def _other(i, apart):
    """The other view of a row."""
    return i - apart if i // apart % 2 else i + apart
