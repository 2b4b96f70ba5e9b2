"""Products with a weight stored on its edges, on the CPU: loops over edges, each on a whole row of samples.

Arrays are [units, slots, samples] with the samples contiguous, so that the index of an edge is read once
for all of them; a slot is an iteration of a recurrent map, and a plain map has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from potentiate.kernels.blocks import over_blocks
from potentiate.kernels.vectors import WIDTH, products, weighted_sum

COLUMNS = 64
"""Samples that a thread takes at least, where threads share the samples."""
WORTH = 1 << 23
"""Multiply-adds that a thread must have to be worth waking, about 0.3 ms."""
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

    def ahead(self, x: Tensor, out: Tensor) -> None:
        """Write W x into `out`, both of one slot."""
        ends, sources, _, _ = self.edges
        self._sum(ends, sources, self.weight, x, 0, out, 0, relu=False)

    def iterate(self, trace: Tensor) -> None:
        """Write max(0, W h) of each slot of `trace` [neurons, slots, samples] into the next."""
        ends, sources, _, _ = self.edges
        arrays = ends, sources, self.weight, trace.numpy()
        if share := self._share(trace):
            over_blocks(lambda *part: _iterate(*arrays, *part), trace.shape[2], share)
            return
        for k in range(trace.shape[1] - 1):
            self._sum(ends, sources, self.weight, trace, k, trace, k + 1, relu=True)

    def turn(self, room: Tensor) -> None:
        """Write the weights by source into `room` [edges], for the way back."""
        _, sources, back_ends, _ = self.edges
        self.turned = room.numpy()
        _turn(sources, back_ends, self.weight, self.turned)

    def back(self, grad: Tensor, out: Tensor) -> None:
        """Write W^T grad into `out` of one slot, from the first slot of `grad`."""
        _, _, back_ends, targets = self.edges
        self._sum(back_ends, targets, self.turned, grad, 0, out, 0, relu=False)

    def retrace(self, grad: Tensor, trace: Tensor, errors: Tensor) -> None:
        """Fill `errors` from its last slot, `grad`, to its first: W^T of each is the one before.

        All are 0 where `trace` is not positive in the slot that they belong to, the one after theirs.
        """
        _, _, back_ends, targets = self.edges
        above = np.ascontiguousarray(grad.numpy())
        arrays = back_ends, targets, self.turned, above, trace.numpy(), errors.numpy()
        if share := self._share(errors):
            over_blocks(lambda *part: _return(*arrays, *part), errors.shape[2], share)
            return
        _cut(above, trace.numpy(), errors.numpy(), 0, errors.shape[2])
        for k in range(errors.shape[1] - 1, 0, -1):
            self._sum(back_ends, targets, self.turned, errors, k, errors, k - 1, relu=False)
            errors[:, k - 1].mul_(trace[:, k] > 0)

    def _sum(
        self,
        ends: Any,
        others: Any,
        weight: Any,
        x: Tensor,
        i: int,
        out: Tensor,
        o: int,
        *,
        relu: bool,
    ) -> None:
        arrays, samples = (ends, others, weight, x.numpy(), i, out.numpy(), o, relu), x.shape[2]
        sums = _sums_of_one if samples == 1 else _sums
        over_blocks(lambda *part: sums(*arrays, *part, 0, samples), len(out), self._grain(out, 1))

    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """Write into `out` [edges] the sums over the slots of `grad`, and samples, of x[source] grad[target]."""
        ends, sources, _, _ = self.edges
        arrays = (ends, sources, _flat(x), _flat(grad), out.numpy())
        grain = self._grain(grad, grad.shape[1])
        over_blocks(lambda *part: _products(*arrays, *part), len(ends) - 1, grain)

    def _share(self, values: Tensor) -> int:
        """Samples that a thread takes where threads share them and need not wait for each other; or 0."""
        samples, threads = values.shape[2], torch.get_num_threads()
        if samples == 1:
            return 0
        if len(self.weight) * values.shape[1] * samples < threads * WORTH:
            return samples  # one thread takes them all
        return COLUMNS if samples >= threads * COLUMNS else 0

    def _grain(self, rows: Tensor, slots: int) -> int:
        """Rows that a thread takes at least."""
        work = max(1, len(self.weight) * slots * rows.shape[2])
        return max(1, len(rows) * WORTH // work)


def _flat(values: Tensor) -> np.ndarray:
    return values.reshape(len(values), -1 if values.numel() else values[0:1].numel()).numpy()


@njit(cache=True, nogil=True)
def _sums(ends, others, weight, x, i, out, o, relu, first, last, low, high):
    """Rows first..last, samples low..high of out [units, slots, samples], slot o: sums of rows of x, slot i."""
    zero, lanes, samples = out.dtype.type(0), WIDTH // out.itemsize, x.shape[2]
    stride, begin, values, results = (
        x.shape[1] * samples,
        i * samples,
        x.reshape(-1),
        out.reshape(-1),
    )
    done = high - (high - low) % (8 * lanes)
    for j in range(low, done, 8 * lanes):  # so few columns of x stay in the cache for all rows
        for t in range(first, last):
            place = (t * out.shape[1] + o) * samples + j
            _eight(values, others, weight, ends[t], ends[t + 1], stride, begin + j, results, place)
    for t in range(first, last):
        row, place = out[t, o], (t * out.shape[1] + o) * samples
        e, stop, j = ends[t], ends[t + 1], done
        if j + 4 * lanes <= high:
            _four(values, others, weight, e, stop, stride, begin + j, results, place + j)
            j += 4 * lanes
        while j + lanes <= high:
            _one(values, others, weight, e, stop, stride, begin + j, results, place + j)
            j += lanes
        row[j:high] = zero
        if j < high:
            for edge in range(e, stop):
                a, w = x[others[edge], i], weight[edge]
                for k in range(j, high):
                    row[k] += w * a[k]
        if relu:
            part = row[low:high]
            for k in range(part.size):
                part[k] = zero if part[k] < zero else part[k]  # NaN stays


@njit(cache=True, nogil=True, fastmath=EXACT)
def _sums_of_one(ends, others, weight, x, i, out, o, relu, first, last, low, high):
    """As `_sums` for a single sample: one sum over the edges of a row."""
    zero = out.dtype.type(0)
    for t in range(first, last):
        total = zero
        for e in range(ends[t], ends[t + 1]):
            total += weight[e] * x[others[e], i, 0]
        out[t, o, 0] = zero if relu and total < zero else total


@njit(cache=True, nogil=True)
def _iterate(ends, sources, weight, trace, low, high):
    """Fill the slots of trace after the first, for samples low..high."""
    for k in range(trace.shape[1] - 1):
        rows = len(trace)
        _sums(ends, sources, weight, trace, k, trace, k + 1, True, 0, rows, low, high)


@njit(cache=True, nogil=True)
def _cut(grad, trace, errors, low, high):
    """Fill the last slot of errors, for samples low..high."""
    zero, last = errors.dtype.type(0), errors.shape[1] - 1
    for t in range(len(errors)):
        part, above = errors[t, last, low:high], grad[t, low:high]
        value = trace[t, last + 1, low:high]
        for j in range(part.size):
            part[j] = above[j] if value[j] > zero else zero


@njit(cache=True, nogil=True)
def _return(back_ends, targets, weight, grad, trace, errors, low, high):
    """Fill errors, for samples low..high."""
    zero, rows = errors.dtype.type(0), len(errors)
    _cut(grad, trace, errors, low, high)
    for k in range(errors.shape[1] - 1, 0, -1):
        _sums(back_ends, targets, weight, errors, k, errors, k - 1, False, 0, rows, low, high)
        for t in range(rows):
            part, value = errors[t, k - 1, low:high], trace[t, k, low:high]
            for j in range(part.size):
                part[j] = part[j] if value[j] > zero else zero


@njit(cache=True, nogil=True)
def _turn(sources, back_ends, weight, out):
    """Weights by source, from those by target."""
    cursor = back_ends.copy()
    for e in range(sources.size):
        out[cursor[sources[e]]] = weight[e]
        cursor[sources[e]] += 1


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
