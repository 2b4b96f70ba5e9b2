"""Loops over edges, each on a whole row of samples, for `potentiate.kernels.sparse_rows`.

Arrays are [units, slots, samples] with the samples contiguous, so that the index of an edge is read once
for all of them; a slot is an iteration of a recurrent map, and a plain map has one. `ends` and the other
ends of the edges are by target or by source, see `potentiate.kernels.sparse_linear.Edges`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from potentiate.kernels.registers import WIDTH
from potentiate.kernels.vectors import products, weighted_sum, weighted_sum_and_products

EXACT = {"contract", "reassoc", "nsz"}
"""Sums in any order; what is not finite stays so."""

_eight, _four, _one = map(weighted_sum, (8, 4, 1))
_eight_back, _four_back, _one_back = map(weighted_sum_and_products, (8, 4, 1))
_with_eight, _with_one = map(products, (8, 1))


@njit(cache=True, nogil=True)
def sums(ends, others, weight, x, i, out, o, floor, first, last, low, high):
    """Rows first..last, samples low..high of out [units, slots, samples], slot o: sums of rows of x, slot i."""
    lanes, samples = WIDTH // out.itemsize, x.shape[2]
    stride, width = x.shape[1] * samples, out.shape[1] * samples
    fixed = (x.reshape(-1), others, weight, stride, floor, out.reshape(-1))
    j = low
    while j + lanes <= high:  # few columns of x at a time: they stay in the cache for all rows
        registers = 8 if j + 8 * lanes <= high else 4 if j + 4 * lanes <= high else 1
        for t in range(first, last):
            part = (ends[t], ends[t + 1], i * samples + j, t * width + o * samples + j)
            if registers == 8:
                _eight(*(fixed + part))
            elif registers == 4:
                _four(*(fixed + part))
            else:
                _one(*(fixed + part))
        j += registers * lanes
    if j < high:
        for t in range(first, last):
            total = out[t, o, j:high]
            total[:] = 0
            for e in range(ends[t], ends[t + 1]):
                row, w = x[others[e], i, j:high], weight[e]
                for k in range(total.size):
                    total[k] += w * row[k]
            for k in range(total.size):
                total[k] = floor if total[k] < floor else total[k]  # NaN stays


@njit(cache=True, nogil=True, fastmath=EXACT)
def sums_of_one(ends, others, weight, x, i, out, o, floor, first, last, low, high):
    """As `sums` for a single sample: one sum over the edges of a row."""
    for t in range(first, last):
        total = out.dtype.type(0)
        for e in range(ends[t], ends[t + 1]):
            total += weight[e] * x[others[e], i, 0]
        out[t, o, 0] = floor if total < floor else total


@njit(cache=True, nogil=True)
def iterate(ends, sources, weight, trace, low, high):
    """Fill the slots of trace after the first, for samples low..high."""
    rows, zero = len(trace), trace.dtype.type(0)
    for k in range(trace.shape[1] - 1):
        sums(ends, sources, weight, trace, k, trace, k + 1, zero, 0, rows, low, high)


@njit(cache=True, nogil=True)
def cut(grad, trace, errors, low, high):
    """Fill the last slot of errors, for samples low..high."""
    zero, last = errors.dtype.type(0), errors.shape[1] - 1
    for t in range(len(errors)):
        part, above = errors[t, last, low:high], grad[t, low:high]
        value = trace[t, last + 1, low:high]
        for j in range(part.size):
            part[j] = above[j] if value[j] > zero else zero


@njit(cache=True, nogil=True)
def retrace(back_ends, targets, weight, grad, trace, errors, low, high):
    """Fill errors, for samples low..high."""
    rows, zero, least = len(errors), errors.dtype.type(0), errors.dtype.type(-np.inf)
    cut(grad, trace, errors, low, high)
    for k in range(errors.shape[1] - 1, 0, -1):
        sums(back_ends, targets, weight, errors, k, errors, k - 1, least, 0, rows, low, high)
        for t in range(rows):
            part, value = errors[t, k - 1, low:high], trace[t, k, low:high]
            for j in range(part.size):
                part[j] = part[j] if value[j] > zero else zero


@njit(cache=True, nogil=True)
def turn(sources, back_ends, weight, out):
    """Weights by source, from those by target."""
    cursor = back_ends.copy()
    for e in range(sources.size):
        out[cursor[sources[e]]] = weight[e]
        cursor[sources[e]] += 1


@njit(cache=True, nogil=True)
def products_on_edges(ends, sources, x, grad, out, first, last):
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
def back_and_products(
    ends, sources, back_ends, targets, weight, x, grad, out, products, first, last
):
    """Rows first..last of out [sources, 1, samples], and the products of slot 0 of x with grad's."""
    lanes, (_, slots, samples) = WIDTH // out.itemsize, x.shape
    xs, grads, outs = x.reshape(-1), grad.reshape(-1), out.reshape(-1)
    j, more = 0, False
    while j + lanes <= samples:
        cursor = _beginnings(ends, sources, first)
        registers = 8 if j + 8 * lanes <= samples else 4 if j + 4 * lanes <= samples else 1
        fixed = (grads, targets, weight, cursor, samples, j, xs, more, outs, products)
        for s in range(first, last):
            part = (back_ends[s], back_ends[s + 1], s * slots * samples + j, s * samples + j)
            if registers == 8:
                _eight_back(*(fixed + part))
            elif registers == 4:
                _four_back(*(fixed + part))
            else:
                _one_back(*(fixed + part))
        j, more = j + registers * lanes, True
    if j < samples:
        cursor = _beginnings(ends, sources, first)
        for s in range(first, last):
            total, own = out[s, 0, j:], x[s, 0, j:]
            total[:] = 0
            for e in range(back_ends[s], back_ends[s + 1]):
                row, place = grad[targets[e], 0, j:], cursor[targets[e]]
                cursor[targets[e]] += 1
                w, product = weight[place], weight.dtype.type(0)
                for k in range(total.size):
                    total[k] += w * row[k]
                    product += own[k] * row[k]
                products[place] = products[place] + product if more else product


@njit(cache=True, nogil=True)
def _beginnings(ends, sources, first):
    """Where among the edges of each target those begin that come from `first` or later."""
    begins = ends[:-1].copy()
    for t in range(begins.size if first else 0):
        begins[t] += np.searchsorted(sources[ends[t] : ends[t + 1]], first)
    return begins


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
