"""Ways to compute a sparse map with both gradients, for sparse_products.py: ours and what it is held against.

All get the same input x [batch, sources], weights on the same edges, and gradient of the output, and give
the gradients with respect to input and weights.

- engines of `potentiate.kernels.sparse_linear`, on edges alone;
- "masked": a dense weight times a mask in each pass, as rigl-torch, SRigL, ITOP and others train;
- "dense": a dense weight that holds its zeros; the mask would be applied once after the optimizer's
  step, which is not timed, and its gradient is that of all pairs;
- "torch CSR": a product with `@` under autograd, whose weight gradient is a matrix of all pairs;
- "torch.sparse.mm": the same by that name, whose weight gradient is compressed;
- "SciPy CSR": products of SciPy, and the weight gradient on the edges alone, in chunks; one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor

from potentiate.kernels.sparse_linear import ENGINES, Edges, as_matrix, sparse_linear
from potentiate.kernels.sparse_recurrent import sparse_recurrent
from potentiate.topology import erdos_renyi

Pass = Callable[[], tuple[Tensor, Tensor]]
"""Returns the gradients with respect to x [batch, sources] and to weights [edges] or [targets, sources]."""

MATRIX, CSR_MATRIX = 256e6, 2 * 2**30
"""Bytes that a dense matrix may have to be timed in turns, and that a gradient may for a single pass."""
CHUNK = 1 << 22
"""Numbers at a time in SciPy's weight gradient, 16 MB."""


@dataclass(frozen=True)
class Map:
    """A random map of N neurons onto N, with the data of a batch."""

    neurons: int
    edges: Edges
    x: Tensor
    weight: Tensor
    grad: Tensor
    iterations: int = 0

    @classmethod
    def of(cls, neurons: int, density: float, batch: int, iterations: int = 0) -> Map:
        topology = erdos_renyi((neurons, neurons), density, np.random.default_rng(0))
        parts = topology.ends, topology.sources, *topology.reversed
        random = torch.Generator().manual_seed(0)
        return cls(
            neurons,
            Edges(*map(torch.from_numpy, parts)),
            torch.randn(batch, neurons, generator=random).requires_grad_(),
            torch.randn(topology.edges, generator=random).requires_grad_(),
            torch.randn(batch, neurons, generator=random),
            iterations,
        )

    def dense(self, weight: Tensor) -> Tensor:
        """The map by a matrix; iterated as a recurrent network does, where iterations are asked for."""
        out = self.x
        for _ in range(self.iterations):
            out = F.linear(out, weight).relu()
        return out if self.iterations else F.linear(self.x, weight)

    @property
    def matrix_bytes(self) -> int:
        return 4 * self.neurons**2


def ours(work: Map, engine: str) -> Pass:
    def go() -> tuple[Tensor, Tensor]:
        if work.iterations:
            around = work.edges, work.iterations, engine
            out = sparse_recurrent(work.x.t(), work.weight, *around).t()
        else:
            out = sparse_linear(work.x, work.weight, work.edges, engine)
        return torch.autograd.grad(out, (work.x, work.weight), work.grad)

    return go


def masked(work: Map) -> Pass:
    weight = as_matrix(work.weight.detach(), work.edges).requires_grad_()
    mask = as_matrix(torch.ones_like(work.weight), work.edges).detach()

    def go() -> tuple[Tensor, Tensor]:
        return torch.autograd.grad(work.dense(weight * mask), (work.x, weight), work.grad)

    return go


def dense(work: Map) -> Pass:
    weight = as_matrix(work.weight.detach(), work.edges).requires_grad_()
    return lambda: torch.autograd.grad(work.dense(weight), (work.x, weight), work.grad)


def torch_csr(work: Map, product: Callable[..., Tensor] = torch.matmul) -> Pass:
    shape = work.neurons, work.neurons
    parts = work.edges.ends.int(), work.edges.sources.int(), work.weight.detach(), shape
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        weight = torch.sparse_csr_tensor(*parts, check_invariants=False).requires_grad_()

    def go() -> tuple[Tensor, Tensor]:
        out = product(weight, work.x.t()).t()
        return torch.autograd.grad(out, (work.x, weight), work.grad)

    return go


def scipy_csr(work: Map) -> Pass:
    ends, sources = work.edges.ends.numpy(), work.edges.sources.int().numpy()
    shape = work.neurons, work.neurons
    weight = csr_array((work.weight.detach().numpy(), sources, ends.astype(np.int32)), shape=shape)
    targets = np.repeat(np.arange(work.neurons), np.diff(ends))
    chunk = max(1, CHUNK // len(work.x))

    def go() -> tuple[Tensor, Tensor]:
        x = np.ascontiguousarray(work.x.detach().numpy().T)
        grad = np.ascontiguousarray(work.grad.numpy().T)
        _ = (weight @ x).T
        back = (weight.T @ grad).T
        on_edges = np.empty(len(sources), np.float32)
        for first in range(0, len(sources), chunk):
            part = slice(first, first + chunk)
            on_edges[part] = np.einsum("eb,eb->e", grad[targets[part]], x[sources[part]])
        return torch.from_numpy(back), torch.from_numpy(on_edges)

    return go


OTHERS: dict[str, Callable[[Map], Pass]] = {
    "masked": masked,
    "dense": dense,
    "torch CSR": torch_csr,
    "torch.sparse.mm": partial(torch_csr, product=torch.sparse.mm),
    "SciPy CSR": scipy_csr,
}


def passes(work: Map, others: tuple[str, ...]) -> tuple[dict[str, Pass], dict[str, str]]:
    """All that can be timed on a map by name, and why the rest cannot."""
    size = work.matrix_bytes
    wide = ("masked", "dense", "torch CSR") if size > MATRIX else ()
    left_out = {name: f"a matrix of {size / 1e6:,.0f} MB" for name in others if name in wide}
    engines = [name for name in ENGINES if name not in wide]
    found = {f"engine {name}": ours(work, name) for name in engines}
    return found | {n: OTHERS[n](work) for n in others if n not in left_out}, left_out


def check(work: Map, found: dict[str, Pass]) -> None:
    """Refuse to time anything unless all gradients on the edges are those of a dense product."""
    matrix = as_matrix(work.weight.detach(), work.edges)
    if work.iterations:
        work = replace(
            work, iterations=0
        )  # the products are the same; iterating them is tested elsewhere
        found, _ = passes(work, ())
    rows = torch.arange(work.neurons).repeat_interleave(work.edges.ends.diff())
    at = rows, work.edges.sources.long()
    x_grad, weight_grad = work.grad @ matrix, (work.grad.t() @ work.x.detach())[at]
    for name, go in found.items():
        on_x, on_weight = (part.detach() for part in go())
        if on_weight.layout == torch.sparse_csr:
            on_weight = on_weight.to_dense()
        on_weight = on_weight[at] if on_weight.ndim == 2 else on_weight
        for given, known in ((on_x, x_grad), (on_weight, weight_grad)):
            error = float((given - known).norm() / known.norm())
            assert error < 1e-5, f"{name}: a gradient is off by {error:.2g} of its length"
