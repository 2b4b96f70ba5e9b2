"""A plastic projection [inputs, neurons] by its spikes: what they drive and which synapses they change."""

import numpy as np
from numba import njit

NEVER = -(2**30)
"""The step of the last spike of who has not spiked."""


@njit(cache=True, nogil=True)
def gather(weight, rows, k, drive):
    """Write the sum of `k` rows of `weight` to `drive`; four at a time, to save passes over it."""
    n = drive.shape[0]
    drive[:] = np.float32(0.0)
    r = 0
    while r + 4 <= k:
        a, b, c, d = weight[rows[r]], weight[rows[r + 1]], weight[rows[r + 2]], weight[rows[r + 3]]
        for j in range(n):
            drive[j] += (a[j] + b[j]) + (c[j] + d[j])
        r += 4
    while r < k:
        a = weight[rows[r]]
        for j in range(n):
            drive[j] += a[j]
        r += 1


@njit(cache=True, nogil=True)
def depress(weight, importance, rows, k, columns, n, fired_at, powers, t, change, p):
    """Depress the synapses of `k` inputs, which spike, onto `n` neurons that fired before."""
    zero, one = np.float32(0.0), np.float32(1.0)
    for c in range(n):
        last = fired_at[columns[c]]
        change[c] = p.a_minus * powers[t - last] if last != NEVER else zero
    for r in range(k):
        row = weight[rows[r]]
        if importance.size:
            used = importance[rows[r]]
            for c in range(n):
                j = columns[c]
                row[j] = max(row[j] - change[c] / (one + p.protection * used[j]), zero)
        else:
            for c in range(n):
                row[columns[c]] = max(row[columns[c]] - change[c], zero)


@njit(cache=True, nogil=True)
def potentiate(weight, importance, now, n_now, rows, n, fired_in, powers, t, p):
    """Potentiate the synapses of the neurons that fire `now` from `n` inputs that spiked before."""
    zero, one = np.float32(0.0), np.float32(1.0)
    for f in range(n_now):
        j = now[f]
        for a in range(n):
            i = rows[a]
            x = powers[t - fired_in[i]] if fired_in[i] != NEVER else zero
            change = p.a_plus * x
            if importance.size:
                change /= one + p.protection * importance[i, j]
                importance[i, j] += p.increment * x
            weight[i, j] = min(weight[i, j] + change, p.w_max)


@njit(cache=True, nogil=True)
def consolidate(weight, slow, recall, rate):
    """Draw the weights back towards the slow ones, and the slow ones after the weights."""
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            fast, kept = weight[i, j], slow[i, j]
            weight[i, j] = fast + recall * (kept - fast)
            slow[i, j] = kept + rate * (fast - kept)


@njit(cache=True, nogil=True)
def fade(importance, factor):
    """Multiply every importance by `factor`."""
    for i in range(importance.shape[0]):
        for j in range(importance.shape[1]):
            importance[i, j] *= factor


@njit(cache=True, nogil=True)
def normalize(weight, columns, n, total, w_max, factor):
    """Scale `n` columns to the sum `total`, no weight beyond `w_max`; a column of zeros stays.

    Row by row, for the caches.
    """
    factor[:n] = np.float32(0.0)
    for i in range(weight.shape[0]):
        row = weight[i]
        for c in range(n):
            factor[c] += row[columns[c]]
    for c in range(n):
        factor[c] = total / factor[c] if factor[c] > np.float32(0.0) else np.float32(1.0)
    for i in range(weight.shape[0]):
        row = weight[i]
        for c in range(n):
            row[columns[c]] = min(row[columns[c]] * factor[c], w_max)
