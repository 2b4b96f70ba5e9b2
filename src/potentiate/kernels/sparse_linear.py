"""A linear map whose weight is stored on its edges alone, and gets its gradient there alone.

    y[b, t] = sum over the edges e into t of  w[e] x[b, source(e)]

Inside, the batch is the contiguous axis: an edge multiplies a whole row of the input, so that its index
is read once for all samples and no weight is ever spread out to a matrix.

Cost: 2 * edges * batch multiply-adds forward and twice that backward, the backward pass in two kernels:
the gradient of the input goes over the edges by source, that of the weight over those by target.
Memory: beyond the tensors, a copy of input and output with the batch contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

from potentiate.errors import Refused
from potentiate.kernels.blocks import over_blocks

GRAIN = 16
"""Rows that a thread takes at least."""


class Edges(NamedTuple):
    """Who is connected with whom, by target and by source.

    Attributes:
        ends: int64 [targets + 1]; the edges of target t are `ends[t]` to `ends[t + 1]`.
        sources: int32 [edges], by target.
        back_ends: int64 [sources + 1].
        targets: int32 [edges], by source.
        place: int32 [edges]; where each of the edges by source stands by target.
    """

    ends: Tensor
    sources: Tensor
    back_ends: Tensor
    targets: Tensor
    place: Tensor


def sparse_linear(x: Tensor, weight: Tensor, edges: Edges) -> Tensor:
    """Return x [..., sources] through the edges, [..., targets].

    Args:
        x: float32 or float64.
        weight: [edges] by target, of the type of `x`.
        edges: The wiring, on the CPU.

    Raises:
        Refused: Shapes or types do not fit.
    """
    if x.shape[-1:] != (len(edges.back_ends) - 1,) or weight.shape != edges.sources.shape:
        raise Refused(
            f"x {[*x.shape]} and weight {[*weight.shape]} do not fit {len(edges.back_ends) - 1} sources "
            f"and {len(edges.sources)} edges"
        )
    if x.dtype != weight.dtype or x.dtype not in (torch.float32, torch.float64):
        raise Refused(
            f"x and weight must both be float32 or float64, got {x.dtype}, {weight.dtype}"
        )
    rows = x.reshape(x.shape[:-1].numel(), x.shape[-1])
    out = _product(rows.t().contiguous(), weight, *edges)
    return out.t().reshape(*x.shape[:-1], len(edges.ends) - 1)


def sparse_linear_reference(x: Tensor, weight: Tensor, edges: Edges) -> Tensor:
    """The definition: the weight as a matrix, in which what is no edge is 0."""
    shape = len(edges.ends) - 1, len(edges.back_ends) - 1
    rows = torch.repeat_interleave(torch.arange(shape[0]), edges.ends.diff())
    matrix = weight.new_zeros(shape).index_put((rows, edges.sources.long()), weight)
    return F.linear(x, matrix)


@torch.library.custom_op("potentiate::sparse_linear", mutates_args=(), device_types="cpu")
def _product(
    x: Tensor,
    weight: Tensor,
    ends: Tensor,
    sources: Tensor,
    back_ends: Tensor,
    targets: Tensor,
    place: Tensor,
) -> Tensor:
    out = x.new_empty(len(ends) - 1, x.shape[1])
    arrays = tuple(part.detach().numpy() for part in (ends, sources, weight, x, out))
    over_blocks(lambda *part: _gather(*arrays, *part), len(out), GRAIN)
    return out


@_product.register_fake
def _(x: Tensor, weight: Tensor, ends: Tensor, *_: Tensor) -> Tensor:
    return x.new_empty(len(ends) - 1, x.shape[1])


@torch.library.custom_op("potentiate::sparse_linear_backward", mutates_args=(), device_types="cpu")
def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    ends: Tensor,
    sources: Tensor,
    back_ends: Tensor,
    targets: Tensor,
    place: Tensor,
) -> tuple[Tensor, Tensor]:
    g_x, g_weight = torch.empty_like(x), torch.empty_like(weight)
    ordered = weight[place.long()] if len(place) else weight
    names = (back_ends, targets, ordered, grad.contiguous(), g_x)
    by_source = tuple(part.detach().numpy() for part in names)
    over_blocks(lambda *part: _gather(*by_source, *part), len(x), GRAIN)
    names = (ends, sources, x, grad.contiguous(), g_weight)
    by_target = tuple(part.detach().numpy() for part in names)
    over_blocks(lambda *part: _dots(*by_target, *part), len(ends) - 1, GRAIN)
    return g_x, g_weight


@_backward.register_fake
def _(grad: Tensor, x: Tensor, weight: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    ctx.save_for_backward(*inputs)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return *_backward(grad, *ctx.saved_tensors), None, None, None, None, None


_product.register_autograd(_gradient, setup_context=_setup)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _gather(ends, sources, weight, x, out, first, last):
    """Rows first..last of out [targets, batch]: weighted sums of rows of x [sources, batch]."""
    for t in range(first, last):
        row = out[t]
        row[:] = 0
        e, stop = ends[t], ends[t + 1]
        while e + 8 <= stop:  # the sum is read and written an eighth as often
            a, b = x[sources[e]], x[sources[e + 1]]
            c, d = x[sources[e + 2]], x[sources[e + 3]]
            f, g = x[sources[e + 4]], x[sources[e + 5]]
            h, k = x[sources[e + 6]], x[sources[e + 7]]
            wa, wb, wc, wd = weight[e], weight[e + 1], weight[e + 2], weight[e + 3]
            wf, wg, wh, wk = weight[e + 4], weight[e + 5], weight[e + 6], weight[e + 7]
            for j in range(row.size):
                near = (wa * a[j] + wb * b[j]) + (wc * c[j] + wd * d[j])
                row[j] += near + ((wf * f[j] + wg * g[j]) + (wh * h[j] + wk * k[j]))
            e += 8
        while e < stop:
            a, wa = x[sources[e]], weight[e]
            for j in range(row.size):
                row[j] += wa * a[j]
            e += 1


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _dots(ends, sources, x, grad, out, first, last):
    """Out [edges] of the targets first..last: products of a row of x with one of grad, over the batch."""
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
