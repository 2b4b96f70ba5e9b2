"""Products with a weight stored on its edges, on the CPU: loops over edges, each on a whole row of samples.

Arrays are [units, slots, samples] with the samples contiguous, so that the index of an edge is read once
for all of them; a slot is an iteration of a recurrent map, and a plain map has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from torch import Tensor

from potentiate.kernels.blocks import over_blocks

GRAIN = 16
"""Rows that a thread takes at least."""
EXACT = {"contract", "reassoc", "nsz"}
"""Sums in any order; what is not finite stays so."""


class Rows:
    """The engine: edges by target for the way ahead, by source for the way back.

    Memory: nothing beyond the edges; the weights by source are written where the caller has room.
    """

    def __init__(self, edges: Any, weight: Tensor) -> None:
        self.edges = [part.numpy() for part in edges]
        self.weight = weight.detach().numpy()
        self.turned = self.weight

    def ahead(self, x: Tensor, i: int, out: Tensor, o: int, *, relu: bool = False) -> None:
        """Write W x into slot `o` of `out`, x being slot `i`, with what is negative cut off if `relu`."""
        ends, sources, _, _ = self.edges
        arrays = (ends, sources, self.weight, x.numpy(), i, out.numpy(), o)
        sums = _sums_of_one if x.shape[2] == 1 else _sums
        over_blocks(lambda *part: sums(*arrays, relu, *part), len(out), GRAIN)

    def turn(self, room: Tensor) -> None:
        """Write the weights by source into `room` [edges], for `back`."""
        _, sources, back_ends, _ = self.edges
        self.turned = room.numpy()
        _turn(sources, back_ends, self.weight, self.turned)

    def back(self, grad: Tensor, i: int, out: Tensor, o: int, kept: Tensor | None = None) -> None:
        """Write W^T grad into slot `o` of `out`; 0 where the slot after that of `kept` is not positive."""
        _, _, back_ends, targets = self.edges
        arrays = (back_ends, targets, self.turned, grad.numpy(), i, out.numpy(), o)
        sums = _sums_of_one if grad.shape[2] == 1 else _sums

        def work(first: int, last: int) -> None:
            sums(*arrays, False, first, last)
            if kept is not None:
                _cut(kept.numpy(), o + 1, out.numpy(), o, first, last)

        over_blocks(work, len(out), GRAIN)

    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """Write into `out` [edges] the sums over the slots of `grad`, and samples, of x[source] grad[target]."""
        ends, sources, _, _ = self.edges
        arrays = (ends, sources, _flat(x), _flat(grad), out.numpy())
        over_blocks(lambda *part: _products(*arrays, *part), len(ends) - 1, GRAIN)


def _flat(values: Tensor) -> np.ndarray:
    return values.reshape(len(values), -1 if values.numel() else values[0:1].numel()).numpy()


@njit(cache=True, nogil=True, fastmath=EXACT)
def _sums(ends, others, weight, x, i, out, o, relu, first, last):
    """Rows first..last of out [units, slots, samples], slot o: weighted sums of rows of x, slot i."""
    zero = out.dtype.type(0)
    for t in range(first, last):
        row = out[t, o]
        row[:] = zero
        e, stop = ends[t], ends[t + 1]
        while e + 8 <= stop:  # the sum is read and written an eighth as often
            a, b = x[others[e], i], x[others[e + 1], i]
            c, d = x[others[e + 2], i], x[others[e + 3], i]
            f, g = x[others[e + 4], i], x[others[e + 5], i]
            h, k = x[others[e + 6], i], x[others[e + 7], i]
            wa, wb, wc, wd = weight[e], weight[e + 1], weight[e + 2], weight[e + 3]
            wf, wg, wh, wk = weight[e + 4], weight[e + 5], weight[e + 6], weight[e + 7]
            for j in range(row.size):
                near = (wa * a[j] + wb * b[j]) + (wc * c[j] + wd * d[j])
                row[j] += near + ((wf * f[j] + wg * g[j]) + (wh * h[j] + wk * k[j]))
            e += 8
        while e < stop:
            a, wa = x[others[e], i], weight[e]
            for j in range(row.size):
                row[j] += wa * a[j]
            e += 1
        if relu:
            for j in range(row.size):
                if row[j] < zero:  # NaN stays
                    row[j] = zero


@njit(cache=True, nogil=True, fastmath=EXACT)
def _sums_of_one(ends, others, weight, x, i, out, o, relu, first, last):
    """As `_sums` for a single sample: one sum over the edges of a row."""
    zero = out.dtype.type(0)
    for t in range(first, last):
        total = zero
        for e in range(ends[t], ends[t + 1]):
            total += weight[e] * x[others[e], i, 0]
        out[t, o, 0] = zero if relu and total < zero else total


@njit(cache=True, nogil=True)
def _turn(sources, back_ends, weight, out):
    """Weights by source, from those by target."""
    cursor = back_ends.copy()
    for e in range(sources.size):
        out[cursor[sources[e]]] = weight[e]
        cursor[sources[e]] += 1


@njit(cache=True, nogil=True)
def _cut(kept, i, out, o, first, last):
    """Zero what of slot o of out belongs to a value of kept, slot i, that is not positive."""
    zero = out.dtype.type(0)
    for t in range(first, last):
        row, value = out[t, o], kept[t, i]
        for j in range(row.size):
            row[j] = row[j] if value[j] > zero else zero


@njit(cache=True, nogil=True, fastmath=EXACT)
def _products(ends, sources, x, grad, out, first, last):
    """Out [edges] of the targets first..last: a row of x times one of grad, over the length of that."""
    zero = x.dtype.type(0)
    for t in range(first, last):
        g = grad[t]
        e, stop = ends[t], ends[t + 1]
        while e + 4 <= stop:
            a, b = x[sources[e]], x[sources[e + 1]]
            c, d = x[sources[e + 2]], x[sources[e + 3]]
            sa, sb, sc, sd = zero, zero, zero, zero
            for j in range(g.size):
                sa += a[j] * g[j]
                sb += b[j] * g[j]
                sc += c[j] * g[j]
                sd += d[j] * g[j]
            out[e], out[e + 1], out[e + 2], out[e + 3] = sa, sb, sc, sd
            e += 4
        while e < stop:
            a, sa = x[sources[e]], zero
            for j in range(g.size):
                sa += a[j] * g[j]
            out[e] = sa
            e += 1


@njit(cache=True, nogil=True)
def keep_signs(weight, sources, signs):
    """Set to 0 every weight [edges] that has not the sign of its source."""
    zero = weight.dtype.type(0)
    for e in range(weight.size):
        if weight[e] * signs[sources[e]] < zero:
            weight[e] = zero


@njit(cache=True, nogil=True)
def scale_targets(weight, ends, factors):
    """Multiply the weights into each target by its factor."""
    for t in range(ends.size - 1):
        for e in range(ends[t], ends[t + 1]):
            weight[e] *= factors[t]
