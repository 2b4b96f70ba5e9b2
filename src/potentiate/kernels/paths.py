"""Paths of three edges between the two neurons of a pair, in a topology with a table of neighbors."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def thinned(ends, others, table, count):
    """Write every n-th neighbor to the rows of `table`, so that they are no more than its width, and how many."""
    for i in range(ends.size - 1):
        size = ends[i + 1] - ends[i]
        stride = max(1, -(-size // table.shape[1]))
        count[i] = -(-size // stride)
        for k in range(count[i]):
            table[i, k] = others[ends[i] + k * stride]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def scores(into, out_of, targets, sources, score):
    """Write the CH3-L3 score of each pair, in order by target; see `CHTs`.

    `into` is (ends, sources, table, count) by target, `out_of` the same by source; the last two are of
    `thinned` and say at which neighbors of either end to look.
    """
    width = into[2].shape[1]
    linked = np.zeros((into[0].size - 1, width), np.uint8)  # which of the sources each target has
    reached = np.full(
        into[0].size - 1, -1, np.int32
    )  # the last target that shares a source with each
    inner = np.empty(width, np.float32)
    last, known = -1, False
    for p in range(targets.size):
        t, s = targets[p], sources[p]
        if t != last:
            if known:
                _link(linked, into, out_of, last, 0)
            _reach(reached, into, out_of, t)
            last, known = t, False
        looked_in, looked_out = into[3][t], out_of[3][s]
        score[p] = 0.0
        paths = 0
        for j in range(looked_out):
            paths += reached[out_of[2][s, j]] == t
        if paths == 0:  # as nearly all pairs of a large sparse topology
            continue
        if not known:
            _link(linked, into, out_of, t, 1)
            known = True
        # Each neighbor looked at stands for so many.
        share_in = np.float32((into[0][t + 1] - into[0][t]) / looked_in)
        share_out = np.float32((out_of[0][s + 1] - out_of[0][s]) / looked_out)
        inner[:] = 0
        for j in range(looked_out):
            if reached[out_of[2][s, j]] == t:
                row = linked[out_of[2][s, j]]
                for i in range(width):
                    inner[i] += np.float32(row[i])
        for i in range(looked_in):
            inner[i] = _exclusive(out_of[0], into[2][t, i], inner[i] * share_out)
        total = np.float32(0.0)
        for j in range(looked_out):
            if reached[out_of[2][s, j]] != t:
                continue
            row, near, inside = linked[out_of[2][s, j]], np.float32(0.0), np.float32(0.0)
            for i in range(width):
                near += inner[i] * np.float32(row[i])
                inside += np.float32(row[i])
            if near > 0:
                total += near * _exclusive(into[0], out_of[2][s, j], inside * share_in)
        score[p] = total * share_in * share_out


@njit(inline="always")
def _exclusive(ends, neuron, inside):
    """1 / sqrt(1 + edges to elsewhere), where one edge leads to the pair and others to its paths."""
    outside = np.float32(ends[neuron + 1] - ends[neuron] - 1) - inside
    return np.float32(1.0) / np.sqrt(np.float32(1.0) + max(np.float32(0.0), outside))


@njit(inline="always")
def _reach(reached, into, out_of, t):
    """Note `t` with every target that has one of its sources."""
    for i in range(into[3][t]):
        source = into[2][t, i]
        for e in range(out_of[0][source], out_of[0][source + 1]):
            reached[out_of[1][e]] = t


@njit(inline="always")
def _link(linked, into, out_of, t, mark):
    """Mark which targets the sources of `t` have, or unmark them."""
    for i in range(into[3][t]):
        source = into[2][t, i]
        for e in range(out_of[0][source], out_of[0][source + 1]):
            linked[out_of[1][e], i] = mark
