"""The engine that works on edges alone, on the CPU: which loop, on how many threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from potentiate.kernels import sparse_loops as loops
from potentiate.kernels.blocks import over_blocks
from potentiate.kernels.registers import WIDTH
from potentiate.kernels.sparse_engine import Engine
from potentiate.kernels.transpose import units_first

COLUMNS = 64
"""Samples that a thread takes at least, where threads share the samples."""
WORTH = 1 << 23
"""Multiply-adds that a thread must have to be worth waking, about 0.3 ms."""


class Rows(Engine):
    """The engine: edges by target for the way ahead, by source for the way back.

    Memory: nothing beyond the edges; the weights by source are written where the caller has room.
    """

    def __init__(self, edges: Any, weight: Tensor) -> None:
        self.edges = edges.arrays
        self.weight = weight.detach().numpy()
        self.turned = self.weight
        self.all = self.weight.dtype.type(-np.inf)
        self.zero = self.weight.dtype.type(0)

    def ahead(self, x: Tensor, out: Tensor) -> None:
        """As `Engine.ahead`."""
        ends, sources, _, _ = self.edges
        self._sum(ends, sources, self.weight, x, 0, out, 0, self.all)

    def iterate(self, trace: Tensor) -> None:
        """As `Engine.iterate`."""
        ends, sources, _, _ = self.edges
        arrays = ends, sources, self.weight, trace.numpy()
        if share := self._share(trace):
            over_blocks(lambda *part: loops.iterate(*arrays, *part), trace.shape[2], share)
            return
        for k in range(trace.shape[1] - 1):
            self._sum(ends, sources, self.weight, trace, k, trace, k + 1, self.zero)

    def turn(self, room: Tensor) -> None:
        """As `Engine.turn`."""
        _, sources, back_ends, _ = self.edges
        self.turned = room.numpy()
        loops.turn(sources, back_ends, self.weight, self.turned)

    def back(self, grad: Tensor, out: Tensor) -> None:
        """As `Engine.back`."""
        _, _, back_ends, targets = self.edges
        self._sum(back_ends, targets, self.turned, grad, 0, out, 0, self.all)

    def retrace(self, grad: Tensor, trace: Tensor, errors: Tensor) -> None:
        """As `Engine.retrace`."""
        _, _, back_ends, targets = self.edges
        above = units_first(grad.t()).numpy()
        arrays = back_ends, targets, self.turned, above, trace.numpy(), errors.numpy()
        if share := self._share(errors):
            over_blocks(lambda *part: loops.retrace(*arrays, *part), errors.shape[2], share)
            return
        loops.cut(above, trace.numpy(), errors.numpy(), 0, errors.shape[2])
        for k in range(errors.shape[1] - 1, 0, -1):
            self._sum(back_ends, targets, self.turned, errors, k, errors, k - 1, self.all)
            errors[:, k - 1].mul_(trace[:, k] > 0)

    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """As `Engine.products`."""
        ends, sources, _, _ = self.edges
        arrays = (ends, sources, _flat(x), _flat(grad), out.numpy())
        grain = self._grain(grad, grad.shape[1])
        over_blocks(lambda *part: loops.products_on_edges(*arrays, *part), len(ends) - 1, grain)

    def back_and_products(self, x: Tensor, grad: Tensor, out: Tensor, products: Tensor) -> None:
        """As `Engine.back_and_products`, in one pass."""
        if x.shape[2] < WIDTH // self.weight.itemsize:
            super().back_and_products(x, grad, out, products)
            return
        given = (part.numpy() for part in (x, grad, out, products))
        arrays = (*self.edges, self.weight, *given)
        over_blocks(
            lambda *part: loops.back_and_products(*arrays, *part), len(out), self._grain(out, 2)
        )

    def _sum(
        self,
        ends: Any,
        others: Any,
        weight: Any,
        x: Tensor,
        i: int,
        out: Tensor,
        o: int,
        floor: Any,
    ) -> None:
        arrays, samples = (ends, others, weight, x.numpy(), i, out.numpy(), o, floor), x.shape[2]
        sums = loops.sums_of_one if samples == 1 else loops.sums
        over_blocks(lambda *part: sums(*arrays, *part, 0, samples), len(out), self._grain(out, 1))

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
        units, _, samples = rows.shape
        work = max(1, len(self.weight) * slots * samples)
        return max(1, units * WORTH // work)


def _flat(values: Tensor) -> np.ndarray:
    return values.reshape(len(values), -1 if values.numel() else values[0:1].numel()).numpy()
