"""Loops over the edges of a topology, and over pairs of neurons that are none."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def merge(ends, sources, keep, targets, grown, new_ends, new_sources, moved):
    """Write the topology of the edges to `keep` and of new ones, which come in order by target and source.

    `moved` gets the place of each edge before, -1 for a new one.
    """
    g, at = 0, 0
    for t in range(ends.size - 1):
        new_ends[t] = at
        for e in range(ends[t], ends[t + 1]):
            if not keep[e]:
                continue
            while g < targets.size and targets[g] == t and grown[g] < sources[e]:
                new_sources[at], moved[at] = grown[g], -1
                g += 1
                at += 1
            new_sources[at], moved[at] = sources[e], e
            at += 1
        while g < targets.size and targets[g] == t:
            new_sources[at], moved[at] = grown[g], -1
            g += 1
            at += 1
    new_ends[ends.size - 1] = at


@njit(cache=True, nogil=True)
def absent(ends, sources, width, recurrent, ranks, targets, found):
    """Write the pairs of these ascending ranks among those that are no edge, row by row."""
    r, first = 0, 0
    for t in range(ends.size - 1):
        e, stop = ends[t], ends[t + 1]
        free = width - (stop - e) - recurrent
        own, skipped = recurrent, 0
        while r < ranks.size and ranks[r] < first + free:
            source = ranks[r] - first + skipped
            while True:  # each edge up to here, and the neuron itself, moves the pair on by one
                if e < stop and sources[e] <= source:
                    e += 1
                elif own and t <= source:
                    own = False
                else:
                    break
                skipped += 1
                source += 1
            targets[r], found[r] = t, source
            r += 1
        first += free


@njit(inline="always")
def _alike(four):
    return four[0] == four[1] and four[0] == four[2] and four[0] == four[3]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def products(after, before, targets, sources, out):
    """Write the sum over samples of after[target] * before[source] of each pair."""
    p, zero = 0, np.float32(0.0)
    while p < targets.size:
        y = after[targets[p]]
        a, sa = before[sources[p]], zero
        if p + 3 < targets.size and _alike(targets[p : p + 4]):
            # Pairs of one target come together; the row of it is read once for four.
            b, c, d = before[sources[p + 1]], before[sources[p + 2]], before[sources[p + 3]]
            sb, sc, sd = zero, zero, zero
            for j in range(y.size):
                sa += a[j] * y[j]
                sb += b[j] * y[j]
                sc += c[j] * y[j]
                sd += d[j] * y[j]
            out[p], out[p + 1], out[p + 2], out[p + 3] = sa, sb, sc, sd
            p += 4
        else:
            for j in range(y.size):
                sa += a[j] * y[j]
            out[p] = sa
            p += 1


@njit(cache=True, nogil=True)
def packed(activity, bits):
    """Write a bit for each sample, 1 where the activity is above 0, 64 to a word of `bits`."""
    for i in range(activity.shape[0]):
        for w in range(bits.shape[1]):
            word = np.uint64(0)
            for j in range(64 * w, min(activity.shape[1], 64 * w + 64)):
                word |= np.uint64(activity[i, j] > 0) << np.uint64(j - 64 * w)
            bits[i, w] = word


@njit(inline="always")
def _ones(x):
    """How many bits of a word are 1: by pairs, fours and bytes, and then all bytes at once."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def coincidences(after, before, targets, sources, out):
    """Write how many bits are 1 in the words of both of each pair."""
    for p in range(targets.size):
        a, b = after[targets[p]], before[sources[p]]
        total = 0
        for w in range(a.size):
            total += _ones(a[w] & b[w])
        out[p] = total


@njit(cache=True, nogil=True)
def distinct_by_row(free, bounds, draws, ranks):
    """Write different numbers of each row t to `bounds[t]:bounds[t + 1]`; `free[t]` numbers belong to it.

    Each set is equally likely, by a random number in [0, 1) for each in `draws` (Floyd: a draw that is
    there already stands for the highest so far). Few of many are in no order within their row.
    """
    first, most = 0, 0
    for t in range(free.size):
        most = max(most, free[t])
    seen = np.full(most, -1, np.int32)
    for t in range(free.size):
        row = ranks[bounds[t] : bounds[t + 1]]
        for i in range(row.size):
            top = free[t] - row.size + i
            drawn = min(np.int64(draws[bounds[t] + i] * (top + 1)), top)
            drawn = top if seen[drawn] == t else drawn
            seen[drawn], row[i] = t, first + drawn
        if row.size * 16 > free[t]:  # less to look through than to sort
            i = 0
            for number in range(free[t]):
                if seen[number] == t:
                    row[i] = first + number
                    i += 1
        first += free[t]


@njit(cache=True, nogil=True)
def lowest_by_row(bounds, values, counts, chosen):
    """Mark the `counts[t]` smallest values of each row t; of equal ones, the first."""
    for t in range(bounds.size - 1):
        row, marks = values[bounds[t] : bounds[t + 1]], chosen[bounds[t] : bounds[t + 1]]
        k = counts[t]
        if k > 0:
            edge = _smallest(row.copy(), k - 1)
            for i in range(row.size):
                marks[i] = row[i] < edge
                k -= marks[i]
            for i in range(row.size):
                if k > 0 and row[i] == edge:
                    marks[i] = True
                    k -= 1


@njit(cache=True, nogil=True)
def _smallest(values, k):
    """The k-th smallest, from 0; the values change places (Hoare's selection)."""
    first, last = 0, values.size - 1
    while first < last:
        pivot, i, j = values[(first + last) // 2], first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            last = j
        elif k >= i:
            first = i
        else:
            break
    return values[k]


@njit(inline="always")
def _widened(half):
    """Float32 of the bits of a float16 that is not negative, without a slow denormal on the way."""
    if half < np.uint16(0x400):
        return np.float32(half) * np.float32(2.0**-24)
    return np.uint32((np.uint32(half) << np.uint32(13)) + np.uint32(112 << 23)).view(np.float32)


@njit(inline="always")
def _halved(value):
    """Bits of the float16 nearest to a float32 that is not negative; too large becomes the largest."""
    if value < np.float32(2.0**-14):
        return np.uint16(np.int32(value * np.float32(2.0**24) + np.float32(0.5)))
    bits = np.uint32(np.float32(min(value, np.float32(65504.0))).view(np.uint32))
    odd = (bits >> np.uint32(13)) & np.uint32(1)
    return np.uint16((bits - np.uint32(112 << 23) + np.uint32(0xFFF) + odd) >> np.uint32(13))


@njit(cache=True, nogil=True)
def credit_compact(ends, sources, before, after, decay, credit, age):
    """C <- decay C + after[target] before[source] on each edge, in float16 as bits; one step older, in int16."""
    for t in range(ends.size - 1):
        a = after[t]
        for e in range(ends[t], ends[t + 1]):
            credit[e] = _halved(_widened(credit[e]) * decay + before[sources[e]] * a)
            age[e] = min(np.int32(age[e]) + np.int32(1), np.int32(32767))


@njit(cache=True, nogil=True)
def credit_wide(ends, sources, before, after, decay, credit, age):
    """As `credit_compact`, in float32 and int64."""
    for t in range(ends.size - 1):
        a = after[t]
        for e in range(ends[t], ends[t + 1]):
            credit[e] = credit[e] * decay + before[sources[e]] * a
            age[e] += 1
