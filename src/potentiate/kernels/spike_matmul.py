"""Products of spikes and weights that add the rows of the weights that spiked and skip all others.

Cost: an addition of `n_out` numbers for each spike, against rows * n_in * n_out multiply-adds of the
    dense product, for the product and for the gradient of the weights alike. Columns of the weights
    go in tiles that stay in the second cache.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from potentiate.errors import Refused
from potentiate.kernels.blocks import over_blocks

COLUMNS = 128  # of a tile
CHUNK = 256  # rows whose gradients are gathered from the caches
DENSE_ABOVE = 0.2  # share of spikes from which on a dense product is faster
KINDS = (torch.bool, torch.uint8)


class Events(NamedTuple):
    """Spikes [rows, inputs] as lists, by row and, within chunks of rows, by input.

    Row r spikes at `inputs[row_ends[r]:row_ends[r + 1]]`. Input i spikes in chunk c at its rows
    `rows[input_ends[c, i]:input_ends[c, i + 1]]`, counted from the chunk's first.
    """

    row_ends: NDArray[np.int64]
    inputs: NDArray[np.int32]
    input_ends: NDArray[np.int64]
    rows: NDArray[np.int32]


def spike_matmul(spikes: Tensor, weight: Tensor, dense_above: float = DENSE_ABOVE) -> Tensor:
    """Return spikes [..., n_in] @ weight [n_in, n_out], with the gradient of the weight.

    Args:
        spikes: bool or uint8; a number other than 0 is one spike. They get no gradient.
        weight: float32 or float64.
        dense_above: Share of spikes above which the dense product is taken, as it is on devices
            other than the CPU. What pays is a matter of the machine's matrix product.

    Raises:
        Refused: The spikes are of another type, or the shapes do not fit.
    """
    check_spikes(spikes)
    if weight.dim() != 2 or spikes.shape[-1:] != weight.shape[:1]:
        raise Refused(f"spikes {[*spikes.shape]} and weight {[*weight.shape]} do not fit")
    if not sparse_enough(spikes, dense_above):
        return (spikes != 0).to(weight.dtype) @ weight
    rows = spikes.reshape(prod(spikes.shape[:-1]), spikes.shape[-1])
    return _product(rows, weight).reshape(*spikes.shape[:-1], weight.shape[1])


def check_spikes(spikes: Tensor) -> None:
    """Raise Refused unless these are spikes."""
    if spikes.dtype not in KINDS:
        raise Refused(f"spikes must be bool or uint8, got {spikes.dtype}; write spikes != 0")


def sparse_enough(spikes: Tensor, dense_above: float) -> bool:
    """Tell whether lists pay for these spikes."""
    if spikes.device.type != "cpu":
        return False
    return int(torch.count_nonzero(spikes)) <= dense_above * spikes.numel()


@torch.library.custom_op("potentiate::spike_matmul", mutates_args=(), device_types="cpu")
def _product(spikes: Tensor, weight: Tensor) -> Tensor:
    out = _product_shape(spikes, weight)
    w, product = array(weight), out.numpy()
    row_ends, inputs = events_by_row(array(spikes[:, None]))
    over_blocks(
        lambda *part: _gather(w, row_ends, inputs, product, *part), weight.shape[1], COLUMNS
    )
    return out


@_product.register_fake
def _product_shape(spikes: Tensor, weight: Tensor) -> Tensor:
    return weight.new_empty(spikes.shape[0], weight.shape[1])


@torch.library.custom_op("potentiate::spike_matmul_backward", mutates_args=(), device_types="cpu")
def _product_backward(spikes: Tensor, grad: Tensor) -> Tensor:
    out = _product_backward_shape(spikes, grad)
    g, g_weight = array(grad), out.numpy()
    events = events_of(array(spikes[:, None]), CHUNK)
    over_blocks(lambda *part: _scatter(g, events, g_weight, *part), grad.shape[1], COLUMNS)
    return out


@_product_backward.register_fake
def _product_backward_shape(spikes: Tensor, grad: Tensor) -> Tensor:
    return grad.new_empty(spikes.shape[1], grad.shape[1])


def _setup(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    ctx.save_for_backward(inputs[0])


def _gradient(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
    return None, _product_backward(*ctx.saved_tensors, grad)


_product.register_autograd(_gradient, setup_context=_setup)


def array(values: Tensor) -> NDArray[Any]:
    """View a tensor as an array in C order, of bytes if it is spikes; copy it if it is not in order."""
    plain = values.detach().contiguous()
    return (plain.view(torch.uint8) if plain.dtype == torch.bool else plain).numpy()


def events_of(spikes: NDArray[np.uint8], chunk: int) -> Events:
    """Return the lists of spikes [time, batch, inputs], rows sample by sample, in chunks of rows."""
    row_ends, inputs = events_by_row(spikes)
    return Events(row_ends, inputs, *_by_input(row_ends, inputs, spikes.shape[2], chunk))


@njit(cache=True, nogil=True)
def events_by_row(spikes):
    """Return `row_ends` and `inputs` of spikes [time, batch, inputs], rows sample by sample."""
    time, batch, width = spikes.shape
    row_ends = np.zeros(time * batch + 1, np.int64)
    for b in range(batch):
        for t in range(time):
            count = 0
            for i in range(width):
                count += spikes[t, b, i] != 0
            row_ends[b * time + t + 1] = row_ends[b * time + t] + count
    inputs = np.empty(row_ends[-1] + 1, np.int32)  # one more: what is no spike is written over
    for b in range(batch):
        for t in range(time):
            k = row_ends[b * time + t]
            for i in range(width):
                inputs[k] = i
                k += spikes[t, b, i] != 0
    return row_ends, inputs


@njit(cache=True, nogil=True)
def _by_input(row_ends, inputs, width, chunk):
    count = row_ends.size - 1
    chunks = (count + chunk - 1) // chunk
    ends = np.zeros((chunks, width + 1), np.int64)
    rows = np.empty(row_ends[-1], np.int32)
    filled = np.empty(width, np.int64)
    for c in range(chunks):
        first, last = c * chunk, min(count, (c + 1) * chunk)
        ends[c, 0] = row_ends[first]
        for k in range(row_ends[first], row_ends[last]):
            ends[c, inputs[k] + 1] += 1
        for i in range(width):
            filled[i] = ends[c, i]
            ends[c, i + 1] += ends[c, i]
        for r in range(first, last):
            for k in range(row_ends[r], row_ends[r + 1]):
                rows[filled[inputs[k]]] = r - first
                filled[inputs[k]] += 1
    return ends, rows


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def add_rows(total, table, rows, first, last):
    """Add the rows `rows[first:last]` of `table` to `total`."""
    k = first
    while k + 3 < last:  # four at a time: the total is read and written a quarter as often
        a, b, c, d = table[rows[k]], table[rows[k + 1]], table[rows[k + 2]], table[rows[k + 3]]
        for j in range(total.size):
            total[j] += (a[j] + b[j]) + (c[j] + d[j])
        k += 4
    while k < last:
        a = table[rows[k]]
        for j in range(total.size):
            total[j] += a[j]
        k += 1


@njit(cache=True, nogil=True)
def _gather(weight, row_ends, inputs, out, first, last):
    """Columns first..last of the product; both edges lie on tiles but for the last column."""
    tile = np.zeros((weight.shape[0], COLUMNS), weight.dtype)
    total = np.empty(COLUMNS, weight.dtype)
    for low in range(first, last, COLUMNS):
        n = min(COLUMNS, last - low)
        tile[:, :n] = weight[:, low : low + n]
        for r in range(out.shape[0]):
            total[:] = 0
            add_rows(total, tile, inputs, row_ends[r], row_ends[r + 1])
            out[r, low : low + n] = total[:n]


@njit(cache=True, nogil=True)
def _scatter(grad, events, grad_weight, first, last):
    """Columns first..last of the gradient of the weight."""
    tile = np.empty((grad_weight.shape[0], COLUMNS), grad.dtype)
    part = np.zeros((CHUNK, COLUMNS), grad.dtype)
    for low in range(first, last, COLUMNS):
        n = min(COLUMNS, last - low)
        tile[:] = 0
        for c in range(events.input_ends.shape[0]):
            above = grad[c * CHUNK : (c + 1) * CHUNK, low : low + n]
            part[: above.shape[0], :n] = above
            scatter(tile, part, events, c)
        grad_weight[:, low : low + n] = tile[:, :n]


@njit(cache=True, nogil=True)
def scatter(tile, part, events, c):
    """Add the gradients `part` of chunk `c`'s rows to those of the weights they came from."""
    for i in range(tile.shape[0]):
        add_rows(tile[i], part, events.rows, events.input_ends[c, i], events.input_ends[c, i + 1])
