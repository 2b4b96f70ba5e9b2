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
from potentiate.kernels.vectors import WIDTH, products, weighted_sum

GRAIN = 16
"""Rows that a thread takes at least."""
EXACT = {"contract", "reassoc", "nsz"}
"""Sums in any order; what is not finite stays so."""


_eight, _four, _one = map(weighted_sum, (8, 4, 1))
_with_eight, _with_one = map(products, (8, 1))


class Rows:
    """The engine: edges by target for the way ahead, by source for the way back.

    Memory: nothing beyond the edges; the weights by source are written where the caller has room.
    """

    def __init__(self, edges: Any, weight: Tensor) -> None:
        self.edges = edges.arrays
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


@njit(cache=True, nogil=True)
def _sums(ends, others, weight, x, i, out, o, relu, first, last):
    """Rows first..last of out [units, slots, samples], slot o: weighted sums of rows of x, slot i."""
    zero, lanes, samples = out.dtype.type(0), WIDTH // out.itemsize, x.shape[2]
    stride, begin, values, results = (
        x.shape[1] * samples,
        i * samples,
        x.reshape(-1),
        out.reshape(-1),
    )
    done = samples - samples % (8 * lanes)
    for j in range(0, done, 8 * lanes):  # so few columns of x stay in the cache for all rows
        for t in range(first, last):
            place = (t * out.shape[1] + o) * samples + j
            _eight(values, others, weight, ends[t], ends[t + 1], stride, begin + j, results, place)
    for t in range(first, last):
        row, place = out[t, o], (t * out.shape[1] + o) * samples
        e, stop, j = ends[t], ends[t + 1], done
        if j + 4 * lanes <= samples:
            _four(values, others, weight, e, stop, stride, begin + j, results, place + j)
            j += 4 * lanes
        while j + lanes <= samples:
            _one(values, others, weight, e, stop, stride, begin + j, results, place + j)
            j += lanes
        row[j:] = zero
        if j < samples:
            for edge in range(e, stop):
                a, w = x[others[edge], i], weight[edge]
                for k in range(j, samples):
                    row[k] += w * a[k]
        if relu:
            for k in range(samples):
                if row[k] < zero:  # NaN stays
                    row[k] = zero


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


@njit(cache=True, nogil=True)
def _products(ends, sources, x, grad, out, first, last):
    """Out [edges] of the targets first..last: a row of x times one of grad, over the length of that."""
    length = grad.shape[1]
    even = length - length % (WIDTH // out.itemsize)
    values, grads = x.reshape(-1), grad.reshape(-1)
    for t in range(first, last):
        e, stop = ends[t], ends[t + 1]
        while e + 8 <= stop:
            _with_eight(values, sources, grads, e, x.shape[1], t * length, even, out)
            e += 8
        while e < stop:
            _with_one(values, sources, grads, e, x.shape[1], t * length, even, out)
            e += 1
        if even < length:
            for edge in range(ends[t], stop):
                a = x[sources[edge]]
                for j in range(even, length):
                    out[edge] += a[j] * grad[t, j]


@njit(cache=True, nogil=True)
def turn_over(rows, out):
    """Out [m, n] of rows [n, m], by tiles that stay in the cache."""
    for i in range(0, rows.shape[0], 16):
        for j in range(0, rows.shape[1], 16):
            for k in range(i, min(i + 16, rows.shape[0])):
                for n in range(j, min(j + 16, rows.shape[1])):
                    out[n, k] = rows[k, n]


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
