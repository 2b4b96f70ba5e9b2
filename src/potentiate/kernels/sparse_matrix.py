"""The same products through matrix libraries: BLAS on a matrix with zeros, or MKL on compressed rows."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numba import njit
from torch import Tensor

from potentiate.kernels.sparse_engine import Engine
from potentiate.kernels.sparse_loops import turn


class Dense(Engine):
    """The weight as a matrix, made once a call; for topologies that are hardly sparse.

    Memory: twice targets * sources numbers while it works.
    """

    def __init__(self, edges: Any, weight: Tensor) -> None:
        self.ends, self.sources = edges.ends, edges.sources
        shape = len(edges.ends) - 1, len(edges.back_ends) - 1
        self.matrix = weight.new_zeros(shape)
        arrays = (self.ends.numpy(), self.sources.numpy(), weight.detach().numpy())
        _put(*arrays, self.matrix.numpy())

    def ahead(self, x: Tensor, out: Tensor) -> None:
        """As `Engine.ahead`."""
        torch.mm(self.matrix, x[:, 0], out=out[:, 0])

    def iterate(self, trace: Tensor) -> None:
        """As `Engine.iterate`."""
        for k in range(trace.shape[1] - 1):
            torch.mm(self.matrix, trace[:, k], out=trace[:, k + 1])
            trace[:, k + 1].relu_()

    def turn(self, room: Tensor) -> None:
        """The matrix serves both ways."""

    def back(self, grad: Tensor, out: Tensor) -> None:
        """As `Engine.back`."""
        torch.mm(self.matrix.t(), grad[:, 0], out=out[:, 0])

    def retrace(self, grad: Tensor, trace: Tensor, errors: Tensor) -> None:
        """As `Engine.retrace`."""
        torch.mul(grad, trace[:, -1] > 0, out=errors[:, -1])
        for k in range(errors.shape[1] - 1, 0, -1):
            torch.mm(self.matrix.t(), errors[:, k], out=errors[:, k - 1])
            errors[:, k - 1].mul_(trace[:, k] > 0)

    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """As `Engine.products`, by way of all pairs."""
        found = grad.flatten(1) @ _upto(x, grad).t()
        arrays = (self.ends.numpy(), self.sources.numpy(), found.numpy())
        _pick(*arrays, out.numpy())


class CompressedRows(Engine):
    """Torch's compressed rows, which are MKL's; the weight gradient is `sampled_addmm`.

    Memory: two copies of the values, one by target and one by source, while it works.
    """

    def __init__(self, edges: Any, weight: Tensor) -> None:
        self.edges, self.weight = edges, weight.detach()
        self.shape = len(edges.ends) - 1, len(edges.back_ends) - 1
        self.rows = _compressed(edges.ends, edges.sources, self.weight, self.shape)
        self.columns = self.rows

    def ahead(self, x: Tensor, out: Tensor) -> None:
        """As `Engine.ahead`."""
        out[:, 0] = self.rows @ x[:, 0].contiguous()

    def iterate(self, trace: Tensor) -> None:
        """As `Engine.iterate`."""
        for k in range(trace.shape[1] - 1):
            trace[:, k + 1] = (self.rows @ trace[:, k].contiguous()).relu_()

    def turn(self, room: Tensor) -> None:
        """Write the weights by source into `room`."""
        edges = self.edges
        turn(edges.sources.numpy(), edges.back_ends.numpy(), self.weight.numpy(), room.numpy())
        self.columns = _compressed(edges.back_ends, edges.targets, room.clone(), self.shape[::-1])

    def back(self, grad: Tensor, out: Tensor) -> None:
        """As `Engine.back`."""
        out[:, 0] = self.columns @ grad[:, 0].contiguous()

    def retrace(self, grad: Tensor, trace: Tensor, errors: Tensor) -> None:
        """As `Engine.retrace`."""
        torch.mul(grad, trace[:, -1] > 0, out=errors[:, -1])
        for k in range(errors.shape[1] - 1, 0, -1):
            errors[:, k - 1] = self.columns @ errors[:, k].contiguous()
            errors[:, k - 1].mul_(trace[:, k] > 0)

    def products(self, x: Tensor, grad: Tensor, out: Tensor) -> None:
        """As `Engine.products`."""
        pattern: Any = self.rows
        found = torch.sparse.sampled_addmm(pattern, grad.flatten(1), _upto(x, grad).t(), beta=0.0)
        out.copy_(found.values())


def _compressed(ends: Tensor, others: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            ends.int(), others.int(), values, shape, check_invariants=False
        )


def _upto(x: Tensor, grad: Tensor) -> Tensor:
    """The slots of x that grad has, side by side."""
    return x.flatten(1)[:, : grad.shape[1] * grad.shape[2]]


@njit(cache=True, nogil=True)
def _put(ends, sources, weight, matrix):
    for t in range(ends.size - 1):
        for e in range(ends[t], ends[t + 1]):
            matrix[t, sources[e]] = weight[e]


@njit(cache=True, nogil=True)
def _pick(ends, sources, matrix, out):
    for t in range(ends.size - 1):
        for e in range(ends[t], ends[t + 1]):
            out[e] = matrix[t, sources[e]]
