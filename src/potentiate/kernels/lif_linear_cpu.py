"""The loops of `potentiate.kernels.lif_linear` for the CPU.

A tile is a few hidden neurons, the last one padded with neurons that receive nothing. What has a time
axis is [time, tile] and of one sample, so it stays in the first two caches. Weights are nn.Linear's:
w_in [hidden, n_in], w_out [n_out, hidden]; grad_out and out are [time, batch, n_out].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from potentiate.kernels.lif_cpu import TILE, differentiate, dot, integrate
from potentiate.kernels.spike_matmul import CHUNK, COLUMNS, add_rows, scatter


@njit(cache=True, nogil=True)
def forward_current(current, w_out, out, rule, first, last):
    """Add what the neurons first..last contribute to out [time, batch, n_out].

    current is [time, batch, hidden], or [1, batch, hidden] if it is constant in time.
    """
    width = _width(last - first, TILE)
    rooms = _rooms(out.shape[0], width, w_out)
    drive = np.zeros((current.shape[0], width), current.dtype)
    for low in range(first, last, width):
        n = _load(rooms.weight, w_out, low, last)
        for b in range(out.shape[1]):
            _read(drive, current, b, low, n)
            _scan(drive, rooms, out[:, b], rule)


@njit(cache=True, nogil=True)
def forward_events(row_ends, inputs, w_in, b_in, w_out, out, rule, first, last):
    """Add what the neurons first..last contribute; their currents are gathered from spikes."""
    time, batch = out.shape[:2]
    width = _width(last - first, COLUMNS)
    rooms = _rooms(time, width, w_out)
    drive = np.empty((time, width), w_in.dtype)
    tile, bias = _tile(w_in, width)
    for low in range(first, last, width):
        _load(rooms.weight, w_out, low, last)
        _load_inputs(tile, bias, w_in, b_in, low, last)
        for b in range(batch):
            _gather(drive, bias, tile, row_ends[b * time :], inputs)
            _scan(drive, rooms, out[:, b], rule)


@njit(cache=True, nogil=True)
def backward_current(current, w_out, grad_out, grad_current, grad_w_out, rule, first, last):
    """Gradients of the current and of the columns first..last of w_out."""
    time, batch = grad_out.shape[:2]
    width = _width(last - first, TILE)
    rooms = _rooms(time, width, w_out)
    drive = np.zeros((current.shape[0], width), current.dtype)
    grad = np.empty((time, width), current.dtype)
    for low in range(first, last, width):
        n = _load(rooms.weight, w_out, low, last)
        rooms.grad_weight[:] = 0
        for b in range(batch):
            _read(drive, current, b, low, n)
            _back(drive, rooms, grad_out[:, b], grad, rule)
            if current.shape[0] == 1:
                drive[0] = 0
                _add_sum(drive[0], grad)
                grad_current[0, b, low : low + n] = drive[0, :n]
            else:
                grad_current[:, b, low : low + n] = grad[:, :n]
        grad_w_out[:, low : low + n] = rooms.grad_weight[:, :n]


@njit(cache=True, nogil=True)
def backward_events(
    events, w_in, b_in, w_out, grad_out, grad_w_in, grad_b_in, grad_w_out, rule, first, last
):
    """Gradients of the rows first..last of w_in and b_in, and of these columns of w_out."""
    time, batch = grad_out.shape[:2]
    width = _width(last - first, COLUMNS)
    rooms = _rooms(time, width, w_out)
    drive = np.empty((time, width), w_in.dtype)
    tile, bias = _tile(w_in, width)
    grad_tile, grad_bias = _tile(w_in, width)
    samples = group(time)
    grads = np.empty((samples * time, width), w_in.dtype)
    for low in range(first, last, width):
        n = _load(rooms.weight, w_out, low, last)
        _load_inputs(tile, bias, w_in, b_in, low, last)
        rooms.grad_weight[:], grad_tile[:], grad_bias[:] = 0, 0, 0
        for b in range(batch):
            grad = grads[b % samples * time : (b % samples + 1) * time]
            _gather(drive, bias, tile, events.row_ends[b * time :], events.inputs)
            _back(drive, rooms, grad_out[:, b], grad, rule)
            _add_sum(grad_bias, grad)
            if (b + 1) % samples == 0 or b + 1 == batch:
                scatter(grad_tile, grads, events, b // samples)
        for j in range(n):
            grad_w_in[low + j] = grad_tile[:, j]
        grad_b_in[low : low + n] = grad_bias[:n]
        grad_w_out[:, low : low + n] = rooms.grad_weight[:, :n]


@njit(cache=True, nogil=True)
def group(time):
    """How many samples of `time` steps are gathered from together."""
    return max(1, CHUNK // time)


@njit(cache=True, nogil=True)
def _width(count, most):
    """Return the neurons of a tile: no more than there are, in whole vectors."""
    return min(most, max(1, (count + 15) // 16) * 16)


class Rooms(NamedTuple):
    """What a tile is computed in."""

    weight: NDArray[Any]  # [n_out, tile]
    grad_weight: NDArray[Any]
    u: NDArray[Any]  # [time, tile], v - threshold
    spikes: NDArray[Any]  # and then their gradient
    m: NDArray[Any]  # [tile], membranes and then their gradient
    slope: NDArray[Any]


@njit(cache=True, nogil=True)
def _rooms(time, width, w_out):
    kind = w_out.dtype
    narrow, tall = (w_out.shape[0], width), (time, width)
    return Rooms(
        np.empty(narrow, kind),
        np.empty(narrow, kind),
        np.empty(tall, kind),
        np.empty(tall, kind),
        np.empty(width, kind),
        np.empty(width, kind),
    )


@njit(cache=True, nogil=True)
def _tile(w_in, width):
    return np.zeros((w_in.shape[1], width), w_in.dtype), np.zeros(width, w_in.dtype)


@njit(cache=True, nogil=True)
def _load(weight, w_out, low, last):
    """Copy the columns of a tile and return how many there are."""
    n = min(weight.shape[1], last - low)
    weight[:, :n] = w_out[:, low : low + n]
    weight[:, n:] = 0
    return n


@njit(cache=True, nogil=True)
def _load_inputs(tile, bias, w_in, b_in, low, last):
    """Copy the rows of a tile, transposed, and their biases."""
    n = min(bias.size, last - low)
    for j in range(n):
        for i in range(w_in.shape[1]):
            tile[i, j] = w_in[low + j, i]
    bias[:n] = b_in[low : low + n]
    tile[:, n:], bias[n:] = 0, 0


@njit(cache=True, nogil=True)
def _gather(drive, bias, tile, row_ends, inputs):
    """Write the currents of a sample, whose rows begin at `row_ends[0]`, to drive."""
    for t in range(drive.shape[0]):
        drive[t] = bias
        add_rows(drive[t], tile, inputs, row_ends[t], row_ends[t + 1])


@njit(cache=True, nogil=True)
def _read(drive, current, b, low, n):
    """Copy the currents of a sample; the rest of the tile gets none."""
    for t in range(drive.shape[0]):
        row = current[t, b]
        for j in range(n):
            drive[t, j] = row[low + j]
        drive[t, n:] = 0


@njit(cache=True, nogil=True)
def _scan(drive, rooms, out, rule):
    """Integrate a sample's tile and add weight @ spikes to out [time, n_out]."""
    m, u, spikes = rooms.m, rooms.u[0], rooms.spikes[0]
    m[:] = 0
    for t in range(out.shape[0]):
        integrate(m, drive[t if drive.shape[0] > 1 else 0], u, spikes, rule)
        for o in range(out.shape[1]):
            out[t, o] += dot(rooms.weight[o], spikes)


@njit(cache=True, nogil=True)
def _back(drive, rooms, grad_out, grad, rule):
    """Integrate a sample's tile again and go back through time; grad [time, tile] is the drive's."""
    m, u, spikes = rooms.m, rooms.u, rooms.spikes
    m[:] = 0
    for t in range(grad.shape[0]):
        integrate(m, drive[t if drive.shape[0] > 1 else 0], u[t], spikes[t], rule)
    _add_product(rooms.grad_weight, grad_out.T, spikes)
    grad_spikes = spikes  # no longer needed
    grad_spikes[:] = 0
    _add_product(grad_spikes, grad_out, rooms.weight)
    m[:] = 0
    for t in range(grad.shape[0] - 1, -1, -1):
        differentiate(m, grad_spikes[t], u[t], rooms.slope, grad[t], rule)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _add_product(out, a, b):
    """Add a @ b to out, a row of b at a time."""
    size = b.shape[0]
    for i in range(out.shape[0]):
        total = out[i]
        k = 0
        while k + 3 < size:  # four at a time, see `add_rows`
            p, q, r, s = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            w, x, y, z = b[k], b[k + 1], b[k + 2], b[k + 3]
            for j in range(total.size):
                total[j] += (p * w[j] + q * x[j]) + (r * y[j] + s * z[j])
            k += 4
        while k < size:
            p, w = a[i, k], b[k]
            for j in range(total.size):
                total[j] += p * w[j]
            k += 1


@njit(cache=True, nogil=True)
def _add_sum(total, rows):
    """Add the sum over time."""
    for t in range(rows.shape[0] - 1, -1, -1):
        for j in range(total.size):
            total[j] += rows[t, j]
