"""The products of `potentiate.kernels.sparse_rows` for CUDA devices: a program goes through a row's edges.

It takes them a tile at a time, some edges by some samples, and adds the tile up at the end, in an order
that follows from the sizes alone: the same call gives the same bits. Sums are kept in the type of the
values. No edge is met by two programs, and no matrix is made.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from potentiate.kernels.sparse_engine import Engine

TILE, WIDEST, DEEPEST = 1024, 128, 128
"""Products that a program holds, and how many samples and edges they may span."""
PARTS = 1024
"""Programs that share the edges of one row, at most."""


class Triton(Engine):
    """The engine; arrays [units, slots, samples] of any strides.

    Memory: nothing beyond the edges, but `turn` sorts, which takes about 24 bytes an edge while it works.
    """

    def __init__(self, edges: Any, weight: Tensor) -> None:
        self.ends, self.sources, self.back_ends, self.targets = (
            part.contiguous() for part in edges
        )
        self.weight = self.turned = weight.detach().contiguous()

    def ahead(self, x: Tensor, out: Tensor) -> None:
        """As `Engine.ahead`."""
        wiring = self.ends, self.sources, self.weight
        _sum(*wiring, x[:, 0], out[:, 0], out[:, 0])

    def iterate(self, trace: Tensor) -> None:
        """As `Engine.iterate`."""
        wiring = self.ends, self.sources, self.weight
        for k in range(trace.shape[1] - 1):
            after = trace[:, k + 1]
            _sum(*wiring, trace[:, k], after, after, relu=True)

    def turn(self, room: Tensor) -> None:
        """Write the weights by source into `room` [edges], for `back`."""
        by_source = torch.argsort(self.sources, stable=True)  # targets stay in order
        self.turned = torch.index_select(self.weight, 0, by_source, out=room)

    def back(self, grad: Tensor, out: Tensor) -> None:
        """As `Engine.back`."""
        wiring = self.back_ends, self.targets, self.turned
        _sum(*wiring, grad[:, 0], out[:, 0], out[:, 0])

    def retrace(self, grad: Tensor, trace: Tensor, errors: Tensor) -> None:
        """As `Engine.retrace`."""
        torch.mul(grad, trace[:, -1] > 0, out=errors[:, -1])
        wiring = self.back_ends, self.targets, self.turned
        for k in range(errors.shape[1] - 1, 0, -1):
            _sum(*wiring, errors[:, k], errors[:, k - 1], trace[:, k], cut=True)

    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """As `Engine.products`."""
        if not len(out):
            return
        x, grad, targets = x.flatten(1), grad.flatten(1), len(grad)
        tile = _tile(grad.shape[1])
        parts = min(
            PARTS, triton.cdiv(len(out), targets * tile["EDGES"])
        )  # for a row of mean length
        with torch.cuda.device_of(out):
            _products[(targets, parts)](
                self.ends,
                self.sources,
                x,
                grad,
                out,
                grad.shape[1],
                parts,
                *x.stride(),
                *grad.stride(),
                **tile,
            )


def _sum(
    ends: Tensor,
    others: Tensor,
    weight: Tensor,
    x: Tensor,
    out: Tensor,
    kept: Tensor,
    *,
    relu: bool = False,
    cut: bool = False,
) -> None:
    """Write into out [units, samples] the weighted sums of rows of x, 0 where `cut` and not kept > 0."""
    if not out.numel():
        return
    units, samples = out.shape
    tile = _tile(samples)
    with torch.cuda.device_of(out):
        _sums[(units, triton.cdiv(samples, tile["ACROSS"]))](
            ends,
            others,
            weight,
            x,
            out,
            kept,
            samples,
            *x.stride(),
            *out.stride(),
            *kept.stride(),
            RELU=relu,
            CUT=cut,
            **tile,
        )


def _tile(width: int) -> dict[str, int]:
    """How many edges, and how many values of each, a program takes at once."""
    across = min(WIDEST, triton.next_power_of_2(max(1, width)))
    return {"EDGES": min(DEEPEST, TILE // across), "ACROSS": across}


@triton.jit
def _sums(
    ends,
    others,
    weight,
    x,
    out,
    kept,
    samples,
    x_row,
    x_column,
    out_row,
    out_column,
    kept_row,
    kept_column,
    RELU: tl.constexpr,
    CUT: tl.constexpr,
    EDGES: tl.constexpr,
    ACROSS: tl.constexpr,
):
    t = tl.program_id(0).to(tl.int64)
    j = tl.program_id(1).to(tl.int64) * ACROSS + tl.arange(0, ACROSS)
    inside = j < samples
    stop = tl.load(ends + t + 1)
    total = tl.zeros([EDGES, ACROSS], out.dtype.element_ty)
    for first in range(tl.load(ends + t), stop, EDGES):
        e = first + tl.arange(0, EDGES)
        edge = e < stop
        row = tl.load(others + e, mask=edge, other=0).to(tl.int64) * x_row
        w = tl.load(weight + e, mask=edge, other=0)
        both = edge[:, None] & inside[None, :]
        total += w[:, None] * tl.load(x + row[:, None] + j[None, :] * x_column, mask=both, other=0)
    value = tl.sum(total, 0)
    if RELU:
        value = tl.where(value < 0, 0.0, value)  # NaN stays
    if CUT:
        above = tl.load(kept + t * kept_row + j * kept_column, mask=inside, other=0)
        value = tl.where(above > 0, value, 0.0)
    tl.store(out + t * out_row + j * out_column, value, mask=inside)


@triton.jit
def _products(
    ends,
    sources,
    x,
    grad,
    out,
    length,
    parts,
    x_row,
    x_column,
    grad_row,
    grad_column,
    EDGES: tl.constexpr,
    ACROSS: tl.constexpr,
):
    """Out [edges]: a row of x times one of grad, over the length of that; every `parts`-th tile of a row."""
    t = tl.program_id(0).to(tl.int64)
    stop = tl.load(ends + t + 1)
    for first in range(tl.load(ends + t) + tl.program_id(1) * EDGES, stop, parts * EDGES):
        e = first + tl.arange(0, EDGES)
        edge = e < stop
        row = tl.load(sources + e, mask=edge, other=0).to(tl.int64) * x_row
        total = tl.zeros([EDGES, ACROSS], out.dtype.element_ty)
        for start in range(0, length, ACROSS):
            j = start + tl.arange(0, ACROSS).to(tl.int64)
            inside = j < length
            g = tl.load(grad + t * grad_row + j * grad_column, mask=inside, other=0)
            both = edge[:, None] & inside[None, :]
            total += g[None, :] * tl.load(
                x + row[:, None] + j[None, :] * x_column, mask=both, other=0
            )
        tl.store(out + e, tl.sum(total, 1), mask=edge)
