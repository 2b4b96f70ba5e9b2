"""A linear map whose weight is stored on its edges alone, and gets its gradient there alone.

    y[b, t] = sum over the edges e into t of  w[e] x[b, source(e)]

Inside, the batch is the contiguous axis: an edge multiplies a whole row of the input, so that its index
is read once for all samples and no weight is ever spread out to a matrix (but by the engine "dense").

Cost: 2 * edges * batch multiply-adds forward and twice that backward.
Memory: beyond the tensors, a copy of input and output with the batch contiguous.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from potentiate.errors import Refused, unknown
from potentiate.kernels.sparse_matrix import CompressedRows, Dense
from potentiate.kernels.sparse_rows import Rows
from potentiate.kernels.transpose import units_first


@dataclass(frozen=True, eq=False)
class Edges:
    """Who is connected with whom, by target and by source. Memory: 4 or 8 bytes an edge.

    Attributes:
        ends: int64 [targets + 1]; the edges of target t are `ends[t]` to `ends[t + 1]`.
        sources: int16 or int32 [edges], by target.
        back_ends: int64 [sources + 1].
        targets: as `sources`, by source.
    """

    ends: Tensor
    sources: Tensor
    back_ends: Tensor
    targets: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        """The four parts, in order."""
        return iter((self.ends, self.sources, self.back_ends, self.targets))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Targets and sources."""
        return len(self.ends) - 1, len(self.back_ends) - 1

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The four parts as arrays, for loops on the CPU."""
        return tuple(part.contiguous().numpy() for part in self)


ENGINES: dict[str, Any] = {"rows": Rows, "dense": Dense, "mkl": CompressedRows}
"""Ways to compute the same on the CPU; "reference" is one more, spelled with torch alone."""
TRITON = find_spec("triton") is not None


def sparse_linear(x: Tensor, weight: Tensor, edges: Edges, engine: str = "rows") -> Tensor:
    """Return x [..., sources] through the edges, [..., targets].

    Args:
        x: float32 or float64.
        weight: [edges] by target, of the type of `x`.
        edges: The wiring, on the device of `x`.
        engine: One of `ENGINES`, or "reference"; CUDA tensors take "triton" for all but the latter.

    Raises:
        Refused: Shapes, types or devices do not fit, there is no such engine, or no triton for CUDA.
    """
    check(x, weight, edges, engine)
    if engine == "reference":
        return sparse_linear_reference(x, weight, edges)
    rows = x if x.ndim == 2 else x.reshape(x.shape[:-1].numel(), x.shape[-1])
    out: Tensor = _Product.apply(rows, weight.contiguous(), edges, engine)
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], edges.shape[0])


def sparse_linear_reference(x: Tensor, weight: Tensor, edges: Edges) -> Tensor:
    """The definition: the weight as a matrix, in which what is no edge is 0."""
    return F.linear(x, as_matrix(weight, edges))


def as_matrix(weight: Tensor, edges: Edges) -> Tensor:
    """Return the weights as a matrix [targets, sources]; for looking at small maps."""
    shape = edges.shape
    rows = torch.arange(shape[0], device=edges.ends.device).repeat_interleave(edges.ends.diff())
    return weight.new_zeros(shape).index_put((rows, edges.sources.long()), weight)


def check(x: Tensor, weight: Tensor, edges: Edges, engine: str) -> None:
    """Refuse what does not fit, see `sparse_linear`."""
    if x.shape[-1:] != edges.shape[1:] or weight.shape != edges.sources.shape:
        raise Refused(
            f"x {[*x.shape]} and weight {[*weight.shape]} do not fit {edges.shape[1]} sources "
            f"and {len(edges.sources)} edges"
        )
    if x.dtype != weight.dtype or x.dtype not in (torch.float32, torch.float64):
        raise Refused(f"x, weight must both be float32 or float64, got {x.dtype}, {weight.dtype}")
    if not x.device == weight.device == edges.sources.device:
        places = ", ".join(str(part.device) for part in (x, weight, edges.sources))
        raise Refused(f"x, weight and edges must be on one device, got {places}")
    if engine == "mkl" and not torch.backends.mkl.is_available():
        raise Refused("engine 'mkl' needs a torch that was built with MKL; take 'rows'")
    if engine not in ENGINES and engine not in ("triton", "reference"):
        raise unknown("engine", engine, {*ENGINES, "triton", "reference"})


def engine_for(name: str, device: torch.device) -> Any:
    """Return the class that computes on a device what the engine `name` stands for."""
    if device.type != "cuda":
        if name not in ENGINES:
            raise Refused(f"engine '{name}' needs a CUDA device, got {device}; take 'rows'")
        return ENGINES[name]
    if not TRITON:
        raise Refused("a CUDA device needs triton here: pip install triton, or engine='reference'")
    from potentiate.kernels.sparse_triton import Triton

    return Triton


class _Product(torch.autograd.Function):
    """The product; a custom operator would take a tenth of a millisecond more in each direction."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, edges: Edges, engine: str) -> Tensor:
        x = units_first(rows)[:, None]
        ctx.save_for_backward(x, weight)
        ctx.run = run = engine_for(engine, weight.device)(edges, weight)
        out = x.new_empty(edges.shape[0], 1, len(rows))
        run.ahead(x, out)
        return out[:, 0].t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        above, g_weight = units_first(grad)[:, None], torch.empty_like(weight)
        if not ctx.needs_input_grad[0]:
            ctx.run.products(x, above, g_weight)
            return None, g_weight, None, None
        g_x = torch.empty_like(x)
        ctx.run.back_and_products(x, above, g_x, g_weight)
        return g_x[:, 0].t(), g_weight, None, None
